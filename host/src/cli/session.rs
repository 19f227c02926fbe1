//! One host with one actor on it, for the length of a command.

use std::time::Duration;

use steading::config::{Deadlocks, Stdio, Workers};
use steading::{Code, Error, ErrorKind, Host, HostBuilder, LoadError, NativeActor, Nursery, Portal, Spec};

use super::ActorArgs;
use super::build::{self, Guest};
use super::failure::{Exit, Failure, Result};
use super::grants::{Bound, ProfileChoice, WorkersChoice};
use super::output::Output;
use super::signals::Interrupts;
use super::tree::Watch;

/// Actors there is room for, unless the user says otherwise. The library's default is ten times that, and
/// the guard pages of so many stacks take 40 ms to set up, which is longer than all else together.
const ACTORS: u32 = 1024;
/// How long is waited for stragglers once the root has ended; it ends last, so this is a net.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// What a session is made of.
pub(crate) struct Setup {
    pub(crate) builder: HostBuilder,
    pub(crate) workers: Option<WorkersChoice>,
    stdio: Stdio,
    /// Whether the user has said that what guests write is to go to the terminal as it is.
    pub(crate) as_it_is: bool,
    watch: Watch,
}

impl Setup {
    pub(crate) fn of(args: &ActorArgs, stdio: Stdio, output: Output) -> Result<Self> {
        let builder = configured(&args.limit, args.profile)?;
        let grace = args.grace.map(Duration::from_millis).into_iter();
        Ok(Self {
            builder: grace.fold(builder, HostBuilder::cancel_grace),
            workers: args.workers,
            stdio,
            as_it_is: args.stdio.iter().any(|choice| choice.inherits()),
            watch: Watch::of(args, output),
        })
    }
}

/// A host for the length of a command.
pub(crate) struct Session {
    runtime: tokio::runtime::Runtime,
    host: Host,
    interrupts: Interrupts,
    watch: Watch,
}

/// A session that is ready to start the actor the user asked for.
pub(crate) struct Lone {
    session: Session,
    pub(crate) code: Code,
}

impl Lone {
    /// Builds what has to be built and loads what has to be loaded.
    pub(crate) fn open(args: &ActorArgs, stdio: Stdio, output: Output, interrupts: Interrupts) -> Result<Self> {
        let guest = build::guest(&args.path, output, &interrupts)?;
        let children = args
            .component
            .iter()
            .map(|component| build::guest(&component.path, output, &interrupts));
        let children = children.collect::<Result<Vec<_>>>()?;
        let all = std::iter::once(&guest).chain(&children);
        let session = Session::start(Setup::of(args, stdio, output)?, all, interrupts)?;
        let code = load(&guest, || session.host.load(&guest.wasm))?;
        for (component, guest) in args.component.iter().zip(&children) {
            session.load_as(&component.name, guest)?;
        }
        Ok(Self { session, code })
    }

    /// Starts the actor, runs `body`, and ends the actor. When this returns, nothing is left of it.
    pub(crate) fn run<T>(self, spec: Spec, body: impl AsyncFnOnce(Portal) -> steading::Result<T>) -> Result<(T, Exit)> {
        self.session.root(async |nursery| one_actor(&nursery, spec, body).await)
    }

    /// What the actor is started with.
    pub(crate) fn spec(&self, args: &ActorArgs, argv: &[String]) -> Spec {
        let name = args
            .path
            .file_stem()
            .map_or("actor".into(), |stem| stem.to_string_lossy());
        let name = if name == "." || name == ".." {
            self.code.name().into()
        } else {
            name
        };
        let mut spec = self.code.spec(&name).arg(name.clone());
        spec = args.dir.iter().fold(spec, |spec, dir| dir.grant(spec));
        spec = argv.iter().fold(spec, Spec::arg);
        spec.budget = args.limit.iter().fold(spec.budget, |budget, bound| bound.share(budget));
        spec.clock = args.clock.map(|choice| choice.0);
        spec.seed = args.seed;
        spec = args.stdio.iter().fold(spec, |spec, choice| choice.apply(spec));
        args.env
            .iter()
            .fold(spec, |spec, variable| spec.env(&variable.0, &variable.1))
    }
}

impl Session {
    /// A host on which these guests are to run.
    pub(crate) fn start<'a>(
        setup: Setup,
        guests: impl IntoIterator<Item = &'a Guest>,
        interrupts: Interrupts,
    ) -> Result<Self> {
        let own = guests.into_iter().all(|guest| guest.built);
        let workers = workers(setup.workers, own);
        let runtime = runtime(workers).map_err(|error| Failure::load(format!("cannot start threads: {error}")))?;
        let entered = runtime.enter();
        // On shared workers the guests are the user's own, and trusted not to open what blocks.
        let inline = workers == Workers::Shared;
        let host = setup
            .builder
            .history(setup.watch.history())
            // The command waits for its calls, and does nothing else.
            .deadlocks(Deadlocks::Break)
            .stdio(setup.stdio)
            // Whoever has built it may be shown its colours.
            .drive_terminals(own || setup.as_it_is)
            .workers(workers)
            .inline_files(inline)
            .build();
        let host = host.map_err(|error| Failure::load(error.to_string()))?;
        drop(entered);
        Ok(Self {
            runtime,
            host,
            interrupts,
            watch: setup.watch,
        })
    }

    /// Loads a guest, and lets actors start it by this name.
    pub(crate) fn load_as(&self, name: &str, guest: &Guest) -> Result<Code> {
        load(guest, || self.host.load_as(name, &guest.wasm))
    }

    /// Lets actors of ours run beside the guests.
    pub(crate) fn register(&self, actor: NativeActor) -> Code {
        self.host.register_native(actor)
    }

    /// Runs `body` in a root. When this returns, nothing is left of it.
    pub(crate) fn root<T>(self, body: impl AsyncFnOnce(Nursery) -> steading::Result<T>) -> Result<(T, Exit)> {
        self.interrupts.hand_to(self.host.clone());
        let result = self.runtime.block_on(async {
            let root = self.host.root(async |nursery| {
                // One that came before there was a root found nothing to end.
                if self.interrupts.count() > 0 {
                    self.host.interrupt();
                }
                body(nursery).await
            });
            let result = tokio::select! {
                result = root => result,
                () = self.watch.follow(&self.host) => unreachable!("it never ends"),
            };
            tokio::time::timeout(STRAGGLERS, self.host.wait_quiescent())
                .await
                .unwrap_or_default();
            self.watch.conclude(&self.host);
            result
        });
        // A thread may be parked in a read of standard input, which only the end of the process ends.
        self.runtime.shutdown_background();
        match (result, self.interrupts.count()) {
            (Ok(value), 0) => Ok((value, Exit::Ok)),
            (Ok(value), _) => Ok((value, Exit::Interrupted)),
            (Err(error), 0) => Err(Failure::remote(error)),
            (Err(error), count) => Err(interrupted(error, count)),
        }
    }
}

async fn one_actor<T>(
    nursery: &Nursery,
    spec: Spec,
    body: impl AsyncFnOnce(Portal) -> steading::Result<T>,
) -> steading::Result<T> {
    let portal = nursery.start_actor(spec).await?;
    let value = body(portal.clone()).await?;
    portal.cancel_actor("done").await?;
    Ok(value)
}

fn interrupted(error: Error, count: u32) -> Failure {
    let by_force = matches!(
        error.kind(),
        ErrorKind::Killed | ErrorKind::LinkClosed | ErrorKind::CancelTimeout
    );
    match by_force || count > 1 {
        true => Failure::new(Exit::Interrupted, "interrupted; actors were ended by force"),
        false if error.is_cancelled() => Failure::new(Exit::Interrupted, "interrupted"),
        false => Failure {
            exit: Exit::Interrupted,
            ..Failure::remote(error)
        },
    }
}

/// Crates built here are the user's own; what comes from elsewhere may hog its thread.
fn workers(choice: Option<WorkersChoice>, own: bool) -> Workers {
    match choice {
        Some(choice) => choice.0,
        None if own => Workers::Shared,
        None => Workers::Dedicated(parallelism()),
    }
}

fn parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn runtime(workers: Workers) -> std::io::Result<tokio::runtime::Runtime> {
    match workers {
        Workers::Shared => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(parallelism())
            .enable_all()
            .build(),
        Workers::Dedicated(_) => tokio::runtime::Builder::new_current_thread().enable_all().build(),
    }
}

/// A host as the command line makes it, with these limits.
pub(crate) fn configured(limits: &[Bound], profile: Option<ProfileChoice>) -> Result<HostBuilder> {
    let builder = Host::builder().max_actors(ACTORS);
    let builder = limits.iter().fold(builder, |builder, bound| bound.apply(builder));
    match profile {
        None => Ok(builder),
        Some(profile) => profile.apply(builder, limits).map_err(Failure::usage),
    }
}

/// Loads a guest, and says so if that took a compilation.
fn load(guest: &Guest, load: impl FnOnce() -> std::result::Result<Code, LoadError>) -> Result<Code> {
    let begun = std::time::Instant::now();
    let code = load()?;
    tracing::info!(path = %guest.wasm.display(), cached = code.is_cached(), "loaded in {:.1?}", begun.elapsed());
    Ok(code)
}
