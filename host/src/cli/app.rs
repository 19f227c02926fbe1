//! `steading run steading.toml`: the actors of a manifest, side by side under one root, and their results.

use std::path::{Path, PathBuf};

use ciborium::Value;
use serde_json::json;
use steading::config::Stdio;
use steading::{Code, Error, Spec};

use super::RunArgs;
use super::build::{self, Guest};
use super::endpoints;
use super::failure::{Exit, Failure, Result};
use super::hints;
use super::manifest::{self, Manifest};
use super::output::Output;
use super::session::{Session, Setup};
use super::signals::Interrupts;
use super::stdio::Captures;
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
struct Job {
    name: String,
    endpoint: String,
    payload: Value,
    spec: Spec,
}

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
    let session = Session::start(setup, guests.iter().map(|(_, guest)| guest), interrupts)?;
    let jobs = jobs(&session, &manifest, &guests, path)?;
    let captures: Vec<_> = jobs
        .iter()
        .map(|job| (job.name.clone(), Captures::of(&job.spec)))
        .collect();
    let names: Vec<_> = jobs.iter().map(|job| job.name.clone()).collect();
    let supervisor = manifest.supervisor();
    let results = session.root(async |_| supervisor.run(async |nursery| results(&nursery, jobs).await).await);
    let (values, exit) = results.map_err(|failure| {
        let failure = hints::explain_manifest(failure, path, &manifest.actors);
        explain_captured(failure, &captures)
    })?;
    let captured = captures
        .iter()
        .filter_map(|(name, captures)| Some((name.clone(), captures.describe()?)));
    let captured: serde_json::Map<_, _> = captured.collect();
    if output.json && !captured.is_empty() {
        output.object(&json!({ "captured": captured }))?;
    }
    print(&names, &values, output)?;
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

fn jobs(session: &Session, manifest: &Manifest, guests: &[(String, Guest)], path: &Path) -> Result<Vec<Job>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut codes: Vec<(&String, Code)> = Vec::new();
    for (name, guest) in guests {
        codes.push((name, session.load_as(name, guest)?));
    }
    let job = |actor: &manifest::Actor| {
        let code = codes.iter().find(|(name, _)| **name == actor.component);
        // The manifest was checked for it.
        let (_, code) = code.ok_or_else(|| Failure::usage(format!("no component `{}`", actor.component)))?;
        let about = |failure: Failure| Failure {
            message: format!("{}: actor `{}`: {}", path.display(), actor.name, failure.message),
            ..failure
        };
        let endpoint = endpoints::find(code, &actor.endpoint).map_err(about)?;
        Ok(Job {
            name: actor.name.clone(),
            endpoint: actor.endpoint.clone(),
            payload: endpoints::run_arguments(endpoint, &actor.args).map_err(about)?,
            spec: actor.spec(code.spec(&actor.name), folder)?,
        })
    };
    manifest.actors.iter().map(job).collect()
}

/// Runs all of them at once; the results in their order.
async fn results(nursery: &steading::Nursery, jobs: Vec<Job>) -> steading::Result<Vec<Value>> {
    let started = jobs.into_iter();
    let running: Vec<_> = started
        .map(|job| nursery.run_in_actor::<Value, _>(job.spec, &job.endpoint, &job.payload))
        .collect();
    let mut results = Vec::new();
    for one in &running {
        results.push(one.result().await?);
    }
    Ok(results)
}

/// That of a lone actor as `run` prints it, those of several with their names.
fn print(names: &[String], values: &[Value], output: Output) -> Result<()> {
    if output.json {
        let all = names.iter().zip(values);
        let all = all.map(|(name, value)| (name.clone(), json!(Json(value))));
        return output.object(&json!({ "results": all.collect::<serde_json::Map<_, _>>() }));
    }
    for (name, value) in names.iter().zip(values) {
        let Some(text) = values::for_people(value) else {
            continue;
        };
        match names {
            [_] => output.line(&text)?,
            _ => output.line(&format!("{name}: {text}"))?,
        }
    }
    Ok(())
}
