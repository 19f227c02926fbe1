//! What the sandbox costs a guest that computes, uses memory, or calls its host: the same functions compiled for this
//! machine, in a bare engine without and with the checks by which it can be interrupted, and in steading.
//!
//! All four alternate in rounds; the figures are medians, and ratios those of neighbouring rounds.
//! `cargo bench -p steading --bench price`; `--quick` for fewer rounds.

#[path = "kernels/src/kernels.rs"]
mod kernels;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use steading::{Error, Host, Portal, Result};
use wasmtime::component::{Component, Linker, ResourceTable, TypedFunc};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// One function, and how often its body runs in a round: tens of milliseconds of the machine.
struct Kernel {
    what: &'static str,
    name: &'static str,
    native: fn(u32) -> u64,
    times: u32,
}

const KERNELS: [Kernel; 4] = [
    Kernel {
        what: "computes in registers",
        name: "compute",
        native: kernels::compute,
        times: 10_000_000,
    },
    Kernel {
        what: "reads and writes all over 16 MiB",
        name: "walk",
        native: kernels::walk,
        times: 1_000_000,
    },
    Kernel {
        what: "copies 8 MiB",
        name: "copy",
        native: kernels::copy,
        times: 20,
    },
    Kernel {
        what: "asks the host for the time",
        name: "ask",
        native: kernels::ask,
        times: 500_000,
    },
];

fn main() -> Result<()> {
    let rounds = if std::env::args().any(|word| word == "--quick") {
        5
    } else {
        21
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(measure(rounds))
}

async fn measure(rounds: usize) -> Result<()> {
    let component = build()?;
    let (mut plain, mut checked) = (Bare::new(&component, false).await?, Bare::new(&component, true).await?);
    let host = Host::builder().build()?;
    // It is to measure what it costs to compute, so it may tell the time as well as the others.
    let spec = host.load(&component)?.spec("kernels").clock(steading::Clock::Real);
    println!("| A guest that … | native | bare engine | … that can be interrupted | steading |\n|---|---|---|---|---|");
    host.root(async |nursery| {
        let actor = nursery.start_actor(spec).await?;
        for kernel in &KERNELS {
            println!("{}", row(kernel, rounds, &mut plain, &mut checked, &actor).await?);
        }
        actor.cancel_actor("measured").await.map(drop)
    })
    .await
}

async fn row(kernel: &Kernel, rounds: usize, plain: &mut Bare, checked: &mut Bare, actor: &Portal) -> Result<String> {
    let mut native = Vec::new();
    let mut ratios = [const { Vec::new() }; 3];
    for round in 0..=rounds {
        let start = Instant::now();
        (kernel.native)(kernel.times);
        let machine = start.elapsed();
        let bare = plain.time(kernel).await?;
        let interruptible = checked.time(kernel).await?;
        let start = Instant::now();
        actor.call::<u64, _>(kernel.name, &kernel.times).await?;
        let ours = start.elapsed();
        // The first one makes the memory.
        if round > 0 {
            native.push(machine.as_nanos() as f64 / f64::from(kernel.times));
            for (ratios, time) in ratios.iter_mut().zip([bare, interruptible, ours]) {
                ratios.push(time.as_secs_f64() / machine.as_secs_f64());
            }
        }
    }
    let [bare, interruptible, ours] = ratios.map(|ratios| format!("×{:.2}", median(ratios)));
    let each = median(native);
    let each = match each >= 1e3 {
        true => format!("{:.0} µs", each / 1e3),
        false => format!("{each:.1} ns"),
    };
    Ok(format!(
        "| {} | {each} | {bare} | {interruptible} | {ours} |",
        kernel.what
    ))
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn build() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/kernels");
    let artifacts = steading_build::Build::new(folder).run(|_| {});
    let artifacts = artifacts.map_err(|error| Error::msg(format!("{error}\n{}", error.detail())))?;
    let artifact = artifacts.into_iter().next();
    artifact
        .map(|artifact| artifact.path)
        .ok_or_else(|| Error::msg("the kernels have no component"))
}

/// The engine alone, as who embeds it for this one component would.
struct Bare {
    store: Store<Wasi>,
    instance: wasmtime::component::Instance,
}

struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Wasi {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.ctx,
            table: &mut self.table,
        }
    }
}

impl Bare {
    async fn new(component: &Path, interruptible: bool) -> Result<Self> {
        let mut config = Config::new();
        config.epoch_interruption(interruptible).concurrency_support(false);
        let engine = Engine::new(&config).map_err(said)?;
        let component = Component::from_file(&engine, component).map_err(said)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(said)?;
        let (ctx, table) = (WasiCtx::builder().build(), ResourceTable::new());
        let mut store = Store::new(&engine, Wasi { ctx, table });
        if interruptible {
            // Far away: what is measured is that it is looked at.
            store.set_epoch_deadline(1 << 40);
        }
        let instance = linker.instantiate_async(&mut store, &component).await.map_err(said)?;
        Ok(Self { store, instance })
    }

    async fn time(&mut self, kernel: &Kernel) -> Result<Duration> {
        let function: TypedFunc<(u32,), (u64,)> = self
            .instance
            .get_typed_func(&mut self.store, kernel.name)
            .map_err(said)?;
        let start = Instant::now();
        function
            .call_async(&mut self.store, (kernel.times,))
            .await
            .map_err(said)?;
        Ok(start.elapsed())
    }
}

fn said(error: wasmtime::Error) -> Error {
    Error::msg(format!("{error:#}"))
}
