//! Between the types of `wit/` and those of steading-types: the same nouns, field by field.

use bytes::Bytes;
use steading_types::{
    ActorId, BoxedError, Cancellation, Cause, Clock, ComponentRef, Description, Directory, Ending, EndpointInfo,
    EndpointKind, ErrorKind, Event, Flow, Grant, Level, OpenOptions, Outcome, Payloads, Policy, Refusal, Restarted,
    Rung, Spec, Start, Stdio, Uuid, Window,
};

use crate::bindings;
use crate::bindings::steading::actor::{context, events, grants, log, nursery, stream, types};
use crate::supervision::{self, fate};

pub(crate) fn event(event: events::Event) -> Event {
    use events::Event as E;
    match event {
        E::Start(e) => Event::Start(start(e)),
        E::Started(e) => Event::Started {
            context: e.context,
            value: e.value.into(),
            peer: actor_id(e.peer),
            window: window(e.messages, e.bytes),
        },
        E::Data(e) => Event::Data {
            context: e.context,
            batch: Bytes::from(e.batch),
        },
        E::Stop(context) => Event::Stop(context),
        E::Credit(e) => Event::Credit {
            context: e.context,
            messages: e.messages,
            bytes: e.bytes,
        },
        E::Flow(e) => Event::Flow {
            context: e.context,
            policy: policy(e.policy),
            window: window(e.messages, e.bytes),
        },
        E::Cancel(e) => Event::Cancel {
            context: e.context,
            cancellation: cancellation(e.cancellation),
        },
        E::Ended(e) => Event::Ended {
            context: e.context,
            outcome: outcome(e.outcome),
        },
        E::ChildUp(e) => Event::ChildUp {
            child: e.child,
            id: actor_id(e.id),
        },
        E::ChildEnded(e) => Event::ChildEnded {
            child: e.child,
            error: e.error.map(|error| Box::new(boxed_error(error))),
            rung: rung(e.rung),
            fate: fate(e.fate),
        },
        E::ChildRestarted(e) => Event::ChildRestarted(Restarted {
            ended: e.ended,
            child: e.child,
            id: actor_id(e.id),
        }),
        E::ChildFailed(e) => Event::ChildFailed {
            child: e.child,
            error: Box::new(boxed_error(e.error)),
            fatal: e.fatal,
        },
        E::NurseryClosed(nursery) => Event::NurseryClosed(nursery),
        E::Exit => Event::Exit,
    }
}

fn start(start: events::Start) -> Start {
    Start {
        context: start.context,
        endpoint: start.endpoint,
        args: start.args.into(),
        caller: actor_id(start.caller),
        deadline: start.deadline,
        window: window(start.messages, start.bytes),
    }
}

fn window(messages: u32, bytes: u32) -> Window {
    Window { messages, bytes }
}

fn policy(policy: types::Policy) -> Policy {
    match policy {
        types::Policy::Block => Policy::Block,
        types::Policy::OverrunError => Policy::OverrunError,
        types::Policy::Buffer(more) => Policy::Buffer(more),
        types::Policy::DropOldest => Policy::DropOldest,
    }
}

pub(crate) fn flow(flow: Flow) -> stream::Flow {
    stream::Flow {
        policy: match flow.policy {
            Policy::Block => types::Policy::Block,
            Policy::OverrunError => types::Policy::OverrunError,
            Policy::Buffer(more) => types::Policy::Buffer(more),
            Policy::DropOldest => types::Policy::DropOldest,
        },
        window: types::Window {
            messages: flow.window.messages,
            bytes: flow.window.bytes,
        },
    }
}

fn outcome(outcome: types::Outcome) -> Outcome {
    match outcome {
        types::Outcome::Returned(value) => Outcome::Returned(value.into()),
        types::Outcome::Failed(error) => Outcome::Failed(Box::new(boxed_error(error))),
        types::Outcome::Cancelled(c) => Outcome::Cancelled(cancellation(c)),
    }
}

fn rung(rung: events::Rung) -> Rung {
    match rung {
        events::Rung::Acked => Rung::Acked,
        events::Rung::Trapped => Rung::Trapped,
        events::Rung::Killed => Rung::Killed,
        events::Rung::AlreadyGone => Rung::AlreadyGone,
    }
}

pub(crate) fn actor_id(id: types::ActorId) -> ActorId {
    let uuid = Uuid {
        high: id.uuid_high,
        low: id.uuid_low,
    };
    ActorId::new(id.name, uuid)
}

fn actor_id_back(id: ActorId) -> types::ActorId {
    types::ActorId {
        name: id.name.to_string(),
        uuid_high: id.uuid.high,
        uuid_low: id.uuid.low,
    }
}

fn cancellation(cancellation: types::Cancellation) -> Cancellation {
    use types::Cause as C;
    Cancellation {
        canceller: actor_id(cancellation.canceller),
        reason: cancellation.reason,
        cause: match cancellation.cause {
            C::Requested => Cause::Requested,
            C::Deadline => Cause::Deadline,
            C::ParentTeardown => Cause::ParentTeardown,
            C::Interrupt => Cause::Interrupt,
            C::Budget(kind) => Cause::Budget(kind),
            C::PeerLost => Cause::PeerLost,
        },
    }
}

fn cancellation_back(cancellation: Cancellation) -> types::Cancellation {
    types::Cancellation {
        canceller: actor_id_back(cancellation.canceller),
        reason: cancellation.reason,
        cause: cause_back(cancellation.cause),
    }
}

pub(crate) fn cause_back(cause: Cause) -> types::Cause {
    use types::Cause as C;
    match cause {
        Cause::Requested => C::Requested,
        Cause::Deadline => C::Deadline,
        Cause::ParentTeardown => C::ParentTeardown,
        Cause::Interrupt => C::Interrupt,
        Cause::Budget(kind) => C::Budget(kind),
        Cause::PeerLost => C::PeerLost,
    }
}

pub(crate) fn boxed_error(error: types::BoxedError) -> BoxedError {
    let members = error
        .members
        .into_iter()
        .map(|member| (member.depth, bare_error(member.error)));
    bare_error(error.error).with_members(members)
}

fn bare_error(error: types::BareError) -> BoxedError {
    BoxedError {
        type_name: error.type_name,
        payload: error.payload.map(Bytes::from),
        relay_path: error.relay_path.into_iter().map(actor_id).collect(),
        backtrace: error.backtrace,
        context: error.context,
        omitted: error.omitted,
        ..BoxedError::new(error_kind(error.kind), actor_id(error.source), error.message)
    }
}

pub(crate) fn boxed_error_back(mut error: BoxedError) -> types::BoxedError {
    let member = |(depth, error)| types::Member {
        depth,
        error: bare_error_back(error),
    };
    let members = error.take_members().into_iter().map(member).collect();
    types::BoxedError {
        error: bare_error_back(error),
        members,
    }
}

fn bare_error_back(error: BoxedError) -> types::BareError {
    types::BareError {
        kind: error_kind_back(error.kind),
        type_name: error.type_name,
        message: error.message,
        payload: error.payload.map(Vec::from),
        source: actor_id_back(error.source),
        relay_path: error.relay_path.into_iter().map(actor_id_back).collect(),
        backtrace: error.backtrace,
        context: error.context,
        omitted: error.omitted,
    }
}

fn error_kind(kind: types::ErrorKind) -> ErrorKind {
    use types::ErrorKind as K;
    match kind {
        K::EndpointError => ErrorKind::EndpointError,
        K::Panic => ErrorKind::Panic,
        K::Trap(code) => ErrorKind::Trap(code),
        K::Killed => ErrorKind::Killed,
        K::Cancelled(c) => ErrorKind::Cancelled(cancellation(c)),
        K::PayloadMismatch => ErrorKind::PayloadMismatch,
        K::Overrun => ErrorKind::Overrun,
        K::LinkClosed => ErrorKind::LinkClosed,
        K::NotGranted => ErrorKind::NotGranted,
        K::NoSuchEndpoint => ErrorKind::NoSuchEndpoint,
        K::NotStarted => ErrorKind::NotStarted,
        K::StartTimeout => ErrorKind::StartTimeout,
        K::CancelTimeout => ErrorKind::CancelTimeout,
        K::Limit(kind) => ErrorKind::Limit(kind),
        K::SpawnFailed => ErrorKind::SpawnFailed,
        K::InvalidOperation => ErrorKind::InvalidOperation,
        K::Internal => ErrorKind::Internal,
        K::Deadlock => ErrorKind::Deadlock,
    }
}

fn error_kind_back(kind: ErrorKind) -> types::ErrorKind {
    use types::ErrorKind as K;
    match kind {
        ErrorKind::EndpointError => K::EndpointError,
        ErrorKind::Panic => K::Panic,
        ErrorKind::Trap(code) => K::Trap(code),
        ErrorKind::Killed => K::Killed,
        ErrorKind::Cancelled(c) => K::Cancelled(cancellation_back(c)),
        ErrorKind::PayloadMismatch => K::PayloadMismatch,
        ErrorKind::Overrun => K::Overrun,
        ErrorKind::LinkClosed => K::LinkClosed,
        ErrorKind::NotGranted => K::NotGranted,
        ErrorKind::NoSuchEndpoint => K::NoSuchEndpoint,
        ErrorKind::NotStarted => K::NotStarted,
        ErrorKind::StartTimeout => K::StartTimeout,
        ErrorKind::CancelTimeout => K::CancelTimeout,
        ErrorKind::Limit(kind) => K::Limit(kind),
        ErrorKind::SpawnFailed => K::SpawnFailed,
        ErrorKind::InvalidOperation => K::InvalidOperation,
        ErrorKind::Internal => K::Internal,
        ErrorKind::Deadlock => K::Deadlock,
    }
}

pub(crate) fn refusal(refusal: types::Refusal) -> Refusal {
    use types::Refusal as R;
    match refusal {
        R::UnknownKey => Refusal::UnknownKey,
        R::WrongSide => Refusal::WrongSide,
        R::AlreadyStarted => Refusal::AlreadyStarted,
        R::NotStarted => Refusal::NotStarted,
        R::StreamNotOpen => Refusal::StreamNotOpen,
        R::StreamAlreadyOpened => Refusal::StreamAlreadyOpened,
        R::Ended => Refusal::Ended,
        R::NoCredit => Refusal::NoCredit,
        R::Overrun => Refusal::Overrun,
        R::MalformedBatch => Refusal::MalformedBatch,
        R::TooLarge => Refusal::TooLarge,
        R::Closing => Refusal::Closing,
        R::Limit => Refusal::Limit,
    }
}

/// Apart from the grants, which have a list of their own: most contexts have none.
pub(crate) fn open_options(options: OpenOptions) -> (context::OpenOptions, Vec<grants::Grant>) {
    let grants = options.grants.into_iter().map(grant).collect();
    let options = context::OpenOptions {
        target: options.target,
        endpoint: options.endpoint,
        schema: options.schema,
        deadline: options.deadline,
        start_timeout: options.start_timeout,
        parent: options.parent,
        window: types::Window {
            messages: options.window.messages,
            bytes: options.window.bytes,
        },
    };
    (options, grants)
}

fn grant(grant: Grant) -> grants::Grant {
    match grant {
        Grant::Directory(dir) => grants::Grant::Directory(directory(dir)),
        Grant::Component(name) => grants::Grant::Component(name),
    }
}

pub(crate) fn ending(ending: Ending) -> context::Ending {
    match ending {
        Ending::Returned(value) => context::Ending::Returned(value.into()),
        Ending::Failed(error) => context::Ending::Failed(boxed_error_back(*error)),
        Ending::Cancelled => context::Ending::Cancelled,
    }
}

pub(crate) fn spec(spec: Spec) -> nursery::ActorSpec {
    nursery::ActorSpec {
        name: spec.name,
        component: match spec.component {
            ComponentRef::This => nursery::Component::This,
            ComponentRef::Named(name) => nursery::Component::Named(name),
        },
        endpoints: spec.endpoints,
        directories: spec.directories.into_iter().map(directory).collect(),
        args: spec.args,
        env: spec.env,
        memory: spec.memory,
        restart: supervision::restart(spec.restart),
        log_level: spec.log_level.map(level),
        budget: nursery::Budget {
            memory: spec.budget.memory,
            actors: spec.budget.actors,
            cpu: spec.budget.cpu,
        },
        components: spec.components,
        children: spec.children,
        clock: spec.clock.map(clock),
        seed: spec.seed,
        stdin: spec.stdin.map(stdio),
        stdout: spec.stdout.map(stdio),
        stderr: spec.stderr.map(stdio),
        contexts: spec.contexts,
        log_rate: spec.log_rate,
    }
}

fn stdio(stdio: Stdio) -> nursery::Stdio {
    match stdio {
        Stdio::Inherit => nursery::Stdio::Inherit,
        Stdio::Null => nursery::Stdio::Null,
        Stdio::Log => nursery::Stdio::Log,
        #[cfg(not(target_family = "wasm"))]
        Stdio::Capture(_) => unreachable!("guests are WebAssembly, and there it does not exist"),
    }
}

fn clock(clock: Clock) -> nursery::Clock {
    match clock {
        Clock::Frozen => nursery::Clock::Frozen,
        Clock::Coarse => nursery::Clock::Coarse,
        Clock::Real => nursery::Clock::Real,
    }
}

fn directory(directory: Directory) -> grants::Directory {
    grants::Directory {
        parent_path: directory.parent_path,
        child_path: directory.child_path,
        writable: directory.writable,
        quota: directory.quota,
        open: directory.open,
    }
}

pub(crate) fn level(level: Level) -> log::Level {
    match level {
        Level::Error => log::Level::Error,
        Level::Warn => log::Level::Warn,
        Level::Info => log::Level::Info,
        Level::Debug => log::Level::Debug,
        Level::Trace => log::Level::Trace,
    }
}

pub(crate) fn level_back(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Info,
        log::Level::Debug => Level::Debug,
        log::Level::Trace => Level::Trace,
    }
}

/// A description as the component exports it.
pub fn description(description: Description) -> bindings::Description {
    bindings::Description {
        sdk: description.sdk,
        docs: description.docs,
        endpoints: description.endpoints.into_iter().map(endpoint).collect(),
    }
}

fn endpoint(info: EndpointInfo) -> events::Endpoint {
    let parameters = info.parameters.into_iter().map(|p| events::Parameter {
        name: p.name,
        type_name: p.type_name,
    });
    events::Endpoint {
        name: info.name,
        docs: info.docs,
        kind: match info.kind {
            EndpointKind::Plain => events::EndpointKind::Plain,
            EndpointKind::Context => events::EndpointKind::Context,
        },
        parameters: parameters.collect(),
        started: info.started,
        sends: info.sends,
        receives: info.receives,
        returns: info.returns,
        error: info.error,
        schema: info.schema.hash(),
        payloads: payloads(info.schema.payloads()),
    }
}

fn payloads(payloads: &Payloads) -> events::Payloads {
    events::Payloads {
        args: payloads.args.clone(),
        returns: payloads.returns.clone(),
        context: payloads.context.clone().map(|context| events::ContextPayloads {
            started: context.started,
            sends: context.sends,
            receives: context.receives,
        }),
    }
}
