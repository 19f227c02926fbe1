//! The host under measurement, and the way to conduct a measurement in one of its guests.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use steading::{Code, Context, Error, Host, HostBuilder, Nursery, Portal, Result};

use crate::options::Options;
use crate::report::Rounds;

/// A host with the measured component, and what was asked for.
pub(crate) struct Bench {
    pub(crate) host: Host,
    pub(crate) code: Code,
    pub(crate) component: PathBuf,
    pub(crate) options: Options,
}

/// Builds the guest, as `steading run` would.
pub(crate) fn build_guest() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/guest");
    let artifacts = steading_build::Build::new(folder).run(|_| {});
    let artifacts = artifacts.map_err(|error| Error::msg(format!("{error}\n{}", error.detail())))?;
    artifacts
        .into_iter()
        .next()
        .map(|artifact| artifact.path)
        .ok_or_else(|| Error::msg("the guest has no component"))
}

impl Bench {
    pub(crate) fn new(component: PathBuf, options: Options) -> Result<Self> {
        let host = builder().build()?;
        let code = host.load(&component)?;
        Ok(Self {
            host,
            code,
            component,
            options,
        })
    }

    /// Runs a root with one actor, which is cancelled when the body has ended.
    pub(crate) async fn with_actor<T>(&self, body: impl AsyncFnOnce(&Portal) -> Result<T>) -> Result<T> {
        with_actor(&self.host, &self.code, body).await
    }

    /// Lets a guest do something `count` times in each round, next to native tokio.
    pub(crate) async fn conduct<A: Serialize>(
        &self,
        endpoint: &str,
        args: &A,
        count: u32,
        native: impl Fn(u32) -> Duration,
    ) -> Result<Rounds> {
        let count = self.options.scaled(count);
        self.with_actor(async |conductor| {
            let body = async |ctx: Context<u32, ()>, ()| {
                ctx.stream(async |orders| {
                    let mut rounds = Rounds::default();
                    orders.send(count / 4).await?;
                    orders.next().await?;
                    native(count / 4);
                    for _ in 0..self.options.rounds() {
                        let native = native(count);
                        let start = Instant::now();
                        orders.send(count).await?;
                        orders.next().await?;
                        rounds.push(per(start.elapsed(), count), per(native, count));
                    }
                    Ok(rounds)
                })
                .await
            };
            conductor.open_context(endpoint, args, body).await
        })
        .await
    }
}

/// A host with every default.
pub(crate) fn builder() -> HostBuilder {
    Host::builder()
}

pub(crate) async fn with_actor<T>(host: &Host, code: &Code, body: impl AsyncFnOnce(&Portal) -> Result<T>) -> Result<T> {
    with_nursery(host, async |nursery| {
        let portal = nursery.start_actor(code.spec("actor")).await?;
        body(&portal).await
    })
    .await
}

/// Runs a root whose actors are cancelled when the body has ended.
pub(crate) async fn with_nursery<T>(host: &Host, body: impl AsyncFnOnce(&Nursery) -> Result<T>) -> Result<T> {
    host.root(async |nursery| {
        let value = body(&nursery).await?;
        nursery.cancel("measured");
        Ok(value)
    })
    .await
}

/// Nanoseconds each.
fn per(time: Duration, count: u32) -> f64 {
    time.as_nanos() as f64 / f64::from(count)
}
