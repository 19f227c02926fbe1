//! `steading run steading.toml`: the actors of a manifest, side by side under one root, and their results.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ciborium::Value;
use serde_json::json;
use steading::config::Stdio;
use steading::{Code, Endpoint, Error, NativeActor, Spec};

use super::RunArgs;
use super::build::{self, Guest};
use super::endpoints;
use super::failure::{Exit, Failure, Result};
use super::hints;
use super::manifest::{self, Group, Manifest};
use super::output::Output;
use super::session::{Session, Setup};
use super::signals::Interrupts;
use super::stdio::{Captures, Stdios};
use super::values::{self, Json};

/// The manifest that a path leads to, if it does: a file, or that of a folder which is no crate.
pub(crate) fn manifest_at(path: &Path) -> Option<PathBuf> {
    let within = path.join(manifest::FILE);
    match path.extension() {
        Some(extension) if extension == "toml" => Some(path.to_owned()),
        _ if within.is_file() && !path.join("Cargo.toml").exists() => Some(within),
        _ => None,
    }
}

/// One call that the manifest asks for.
#[derive(Clone)]
struct Job {
    name: String,
    endpoint: String,
    payload: Value,
    spec: Spec,
}

/// What runs side by side in one nursery: calls, and groups that have their own.
#[derive(Clone)]
struct Branch {
    jobs: Vec<Job>,
    groups: Vec<Spec>,
    results: Results,
}

/// By the names of the actors; of one that was started again, the last.
type Results = Arc<Mutex<BTreeMap<String, Value>>>;

/// The endpoint by which a group runs.
const RUN: &str = "run";

pub(crate) fn run(path: &Path, args: &RunArgs, output: Output, interrupts: Interrupts) -> Result<Exit> {
    refuse_options(path, args)?;
    let manifest = Manifest::read(path)?;
    let mut guests = Vec::new();
    for (name, component) in &manifest.components {
        guests.push((name.clone(), build::guest(component, output, &interrupts)?));
    }
    let mut setup = Setup::of(&args.actor, Stdio::Inherit, output)?;
    setup.builder = manifest.configure(setup.builder)?;
    setup.workers = setup.workers.or(manifest.workers.map(|workers| workers.0));
    setup.as_it_is = manifest
        .actors
        .iter()
        .any(|actor| actor.stdio.is_some_and(Stdios::inherits));
    let session = Session::start(setup, guests.iter().map(|(_, guest)| guest), interrupts)?;
    let mut planting = Planting::new(&session, &guests, path)?;
    let branch = planting.branch(&manifest.actors, &manifest.groups)?;
    let captures = planting.captures;
    let results = branch.results.clone();
    let supervisor = manifest.supervisor();
    let run = session.root(async |_| supervisor.run(async |nursery| branch.run(&nursery).await).await);
    let ((), exit) = run.map_err(|failure| {
        let failure = hints::explain_manifest(failure, path, &manifest.all_actors());
        explain_captured(failure, &captures)
    })?;
    let captured = captures
        .iter()
        .filter_map(|(name, captures)| Some((name.clone(), captures.describe()?)));
    let captured: serde_json::Map<_, _> = captured.collect();
    if output.json && !captured.is_empty() {
        output.object(&json!({ "captured": captured }))?;
    }
    let names = manifest.all_actors().into_iter().map(|actor| &actor.name);
    let results = results.lock().unwrap_or_else(PoisonError::into_inner);
    let all: Vec<_> = names.filter_map(|name| results.get_key_value(name)).collect();
    print(&all, output)?;
    Ok(exit)
}

/// Adds what the actor wrote that failed, or that first did.
fn explain_captured(failure: Failure, captures: &[(String, Captures)]) -> Failure {
    let error = failure.error.as_ref();
    let error = error.map(|error| error.members().first().unwrap_or(error));
    // Where it came from, and every actor that passed it on: a child writes where its parent does.
    let path = error.and_then(Error::boxed).map_or(Vec::new(), |error| {
        let passed = std::iter::once(&error.source).chain(&error.relay_path);
        passed.map(|id| id.name.to_string()).collect()
    });
    let concerned = |name: &String| captures.iter().find(|(actor, _)| actor == name);
    match path.iter().find_map(concerned) {
        Some((_, captures)) => captures.explain(failure),
        None => failure,
    }
}

/// What the manifest says is not said again.
fn refuse_options(path: &Path, args: &RunArgs) -> Result<()> {
    let actor = &args.actor;
    let given = [
        ("--dir", !actor.dir.is_empty()),
        ("--grant", !actor.grant.is_empty()),
        ("--env", !actor.env.is_empty()),
        ("--limit", !actor.limit.is_empty()),
        ("--component", !actor.component.is_empty()),
        ("--clock", actor.clock.is_some()),
        ("--seed", actor.seed.is_some()),
        ("--stdio", !actor.stdio.is_empty()),
        ("--grace", actor.grace.is_some()),
        ("--profile", actor.profile.is_some()),
        ("arguments", !args.args.is_empty()),
    ];
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => {
            let text = format!(
                "{option} cannot be given here: {} says what its actors get",
                path.display()
            );
            Err(Failure::usage(text))
        }
    }
}

/// Makes what is to run out of what the manifest says.
struct Planting<'a> {
    session: &'a Session,
    /// By the names of the components.
    codes: BTreeMap<&'a str, Code>,
    path: &'a Path,
    /// What actors write that is to be kept, by their names.
    captures: Vec<(String, Captures)>,
    results: Results,
}

impl<'a> Planting<'a> {
    fn new(session: &'a Session, guests: &'a [(String, Guest)], path: &'a Path) -> Result<Self> {
        let load = |(name, guest): &'a (String, Guest)| Ok((&**name, session.load_as(name, guest)?));
        Ok(Self {
            session,
            codes: guests.iter().map(load).collect::<Result<_>>()?,
            path,
            captures: Vec::new(),
            results: Results::default(),
        })
    }

    fn branch(&mut self, actors: &[manifest::Actor], groups: &[Group]) -> Result<Branch> {
        let jobs = actors.iter().map(|actor| self.job(actor)).collect::<Result<_>>()?;
        let groups = groups.iter().map(|group| self.group(group)).collect::<Result<_>>()?;
        let results = self.results.clone();
        Ok(Branch { jobs, groups, results })
    }

    fn job(&mut self, actor: &manifest::Actor) -> Result<Job> {
        let code = self.codes.get(&*actor.component);
        // The manifest was checked for it.
        let code = code.ok_or_else(|| Failure::usage(format!("no component `{}`", actor.component)))?;
        let about = |failure: Failure| Failure {
            message: format!("{}: actor `{}`: {}", self.path.display(), actor.name, failure.message),
            ..failure
        };
        let endpoint = endpoints::find(code, &actor.endpoint).map_err(about)?;
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let job = Job {
            name: actor.name.clone(),
            endpoint: actor.endpoint.clone(),
            payload: endpoints::run_arguments(endpoint, &actor.args).map_err(about)?,
            spec: actor.spec(code.spec(&actor.name), folder)?,
        };
        self.captures.push((job.name.clone(), Captures::of(&job.spec)));
        Ok(job)
    }

    /// An actor of ours that runs what is in the group.
    fn group(&mut self, group: &Group) -> Result<Spec> {
        let branch = self.branch(&group.actors, &group.groups)?;
        let (supervisor, name) = (group.supervisor(), &group.name);
        let run = Endpoint::plain(RUN, move |(): ()| {
            let branch = branch.clone();
            async move { supervisor.run(async |nursery| branch.run(&nursery).await).await }
        });
        // No component has such a name, so no guest can be granted it.
        let code = self
            .session
            .register(NativeActor::new(&format!("group {name}")).endpoint(run));
        group.spec(code.spec(name))
    }
}

impl Branch {
    /// Runs all of it at once, and keeps what is returned.
    async fn run(&self, nursery: &steading::Nursery) -> steading::Result<()> {
        let call = |job: &Job| nursery.run_in_actor::<Value, _>(job.spec.clone(), &job.endpoint, &job.payload);
        let jobs: Vec<_> = self.jobs.iter().map(|job| (&job.name, call(job))).collect();
        let enter = |group: &Spec| nursery.run_in_actor::<(), _>(group.clone(), RUN, &());
        let groups: Vec<_> = self.groups.iter().map(enter).collect();
        for (name, job) in &jobs {
            let value = job.result().await?;
            let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
            results.insert((*name).clone(), value);
        }
        for group in &groups {
            group.result().await?;
        }
        Ok(())
    }
}

/// That of a lone actor as `run` prints it, those of several with their names.
fn print(all: &[(&String, &Value)], output: Output) -> Result<()> {
    if output.json {
        let all = all.iter().map(|(name, value)| ((*name).clone(), json!(Json(value))));
        return output.object(&json!({ "results": all.collect::<serde_json::Map<_, _>>() }));
    }
    for (name, value) in all {
        let Some(text) = values::for_people(value) else {
            continue;
        };
        match all {
            [_] => output.line(&text)?,
            _ => output.line(&format!("{name}: {text}"))?,
        }
    }
    Ok(())
}
