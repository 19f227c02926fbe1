//! What the core takes by itself: two of them, with nothing between them but a loop that hands frames
//! over as they are. And what the two codecs take: frames for a link, payloads for the user.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use steading_proto::{Core, Dest, Endpoint, Event, Frame, Limits, Output, codec};
use steading_types::{
    ActorId, Ending, EndpointKind, EndpointSchema, Key, OpenOptions, PortalKey, Spec, Supervision, Uuid, Window,
    push_message,
};

const CALLER: usize = 0;
const CALLEE: usize = 1;

/// An actor, its child, and a portal from one to the other.
struct Pair {
    cores: [Core<usize>; 2],
    portal: PortalKey,
}

impl Pair {
    fn new() -> Self {
        let ids = [1, 2].map(|low| ActorId::new("actor", Uuid { high: 0, low }));
        let mut caller = Core::new(ids[CALLER].clone(), Vec::new(), None, Limits::DEFAULT);
        let nursery = caller
            .nursery_open(None, Supervision::default())
            .expect("the first one");
        let portal = caller
            .spawn(nursery, spec(), ids[CALLEE].clone(), CALLEE)
            .expect("the first child");
        let parent = Some((CALLER, portal));
        let mut callee = Core::new(ids[CALLEE].clone(), endpoints(), parent, Limits::DEFAULT);
        callee.up();
        let mut pair = Self {
            cores: [caller, callee],
            portal,
        };
        pair.exchange();
        pair.cores.iter_mut().for_each(|core| drop(core.take_events()));
        pair
    }

    /// Hands frames over until there are none.
    fn exchange(&mut self) {
        while self.deliver(CALLER) | self.deliver(CALLEE) {}
    }

    fn deliver(&mut self, from: usize) -> bool {
        let mut any = false;
        while let Some(output) = self.cores[from].poll_output() {
            any = true;
            if let Output::Send { to, dest, frame, .. } = output {
                self.cores[to].handle(&from, dest, frame, 0);
            }
        }
        any
    }

    fn events(&mut self, side: usize) -> Vec<Event> {
        self.cores[side].take_events()
    }

    /// Opens a context; the keys of both sides.
    fn open(&mut self, endpoint: &str) -> [Key; 2] {
        let options = OpenOptions {
            target: self.portal,
            endpoint: endpoint.to_owned(),
            schema: 0,
            deadline: None,
            start_timeout: None,
            parent: None,
            window: Window::DEFAULT,
            grants: Vec::new(),
        };
        let key = self.cores[CALLER].open(options, vec![0]).expect("the callee is there");
        self.exchange();
        let started = self.events(CALLEE).into_iter().find_map(|event| match event {
            Event::Start(start) => Some(start.context),
            _ => None,
        });
        [key, started.expect("it was accepted")]
    }

    /// A plain call from its opening to the release of its result.
    fn call(&mut self) {
        let [caller, callee] = self.open("plain");
        let ending = Ending::Returned(Bytes::from_static(&[0]));
        self.cores[CALLEE].finish(callee, ending).expect("it runs");
        self.exchange();
        black_box(self.events(CALLER));
        self.cores[CALLER].release(caller);
    }

    /// A context with an open stream.
    fn stream(&mut self) -> [Key; 2] {
        let keys = self.open("streams");
        self.cores[CALLEE].started(keys[CALLEE], Vec::new()).expect("it runs");
        self.exchange();
        drop(self.events(CALLER));
        for (core, key) in self.cores.iter_mut().zip(keys) {
            core.stream_open(key).expect("it has started");
        }
        keys
    }

    /// One batch from the caller to the callee, and its credit back.
    fn send(&mut self, keys: [Key; 2], batch: &[u8], messages: u32) {
        self.cores[CALLER]
            .send_batch(keys[CALLER], batch)
            .expect("there is credit");
        self.exchange();
        black_box(self.events(CALLEE));
        self.cores[CALLEE]
            .credit(keys[CALLEE], messages, u32::MAX)
            .expect("it runs");
        self.exchange();
        black_box(self.events(CALLER));
    }
}

fn spec() -> Spec {
    Spec::this_component("actor".to_owned())
}

fn endpoints() -> Vec<Endpoint> {
    [("plain", EndpointKind::Plain), ("streams", EndpointKind::Context)]
        .map(|(name, kind)| Endpoint {
            name: name.to_owned(),
            kind,
            granted: true,
            schema: EndpointSchema::default(),
        })
        .to_vec()
}

fn batch(messages: u32) -> Vec<u8> {
    let mut batch = Vec::new();
    (0..messages).for_each(|_| push_message(&mut batch, &[7; 32]));
    batch
}

fn core(c: &mut Criterion) {
    let mut group = c.benchmark_group("core");
    group.bench_function("call", |b| {
        let mut pair = Pair::new();
        b.iter(|| pair.call());
    });
    for messages in [1, 64] {
        let batch = batch(messages);
        group.throughput(Throughput::Elements(messages.into()));
        group.bench_function(format!("batch of {messages} with credit"), |b| {
            let mut pair = Pair::new();
            let keys = pair.stream();
            b.iter(|| pair.send(keys, &batch, messages));
        });
    }
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame codec");
    for messages in [1, 64] {
        let frame = Frame::Yield {
            batch: batch(messages).into(),
            messages,
        };
        let bytes = codec::encode(Dest::Key(1), &frame);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("encode a batch of {messages}"), |b| {
            b.iter(|| codec::encode(Dest::Key(1), black_box(&frame)));
        });
        group.bench_function(format!("decode a batch of {messages}"), |b| {
            b.iter(|| codec::decode(black_box(&bytes)).expect("it was encoded"));
        });
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Hit {
    path: String,
    line: u32,
    text: String,
}

fn payloads(c: &mut Criterion) {
    let mut group = c.benchmark_group("payload codec");
    let hit = Hit {
        path: "src/main.rs".to_owned(),
        line: 42,
        text: "fn main() {".to_owned(),
    };
    let bytes = steading_actor::encode(&hit).expect("it has nothing that cannot be encoded");
    group.bench_function("encode a small struct", |b| {
        b.iter(|| steading_actor::encode(black_box(&hit)))
    });
    group.bench_function("decode a small struct", |b| {
        b.iter(|| steading_actor::decode::<Hit>(black_box(&bytes)))
    });
}

criterion_group!(benches, core, frames, payloads);
criterion_main!(benches);
