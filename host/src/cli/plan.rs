//! `steading inspect steading.toml`: what each actor of a manifest would be given, and what its component asks for
//! beyond that. Nothing is started.
//!
//! What is given is shown as the file spells it, but for values of variables, which may be secrets.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use steading::{Capability, Clock, Code, Host};

use super::build::{self, Guest};
use super::capabilities::{self, way};
use super::failure::{Exit, Result};
use super::manifest::{Actor, Amount, Group, Level, Manifest, Shares, When};
use super::output::{Output, bytes, table};
use super::signals::Interrupts;
use super::stdio::Stdios;

/// The components of a manifest, looked at.
type Codes = BTreeMap<String, (Guest, Code)>;

pub(crate) fn run(path: &Path, host: &Host, output: Output, interrupts: &Interrupts) -> Result<Exit> {
    let manifest = Manifest::read(path)?;
    let mut codes = Codes::new();
    for (name, component) in &manifest.components {
        let guest = build::guest(component, output, interrupts)?;
        let code = host.inspect(&guest.wasm)?;
        codes.insert(name.clone(), (guest, code));
    }
    match output.json {
        true => output.object(&as_json(path, &manifest, &codes))?,
        false => output.line(&as_text(path, &manifest, &codes))?,
    }
    Ok(Exit::Ok)
}

fn as_text(path: &Path, manifest: &Manifest, codes: &Codes) -> String {
    let component = |(name, (guest, code)): (&String, &(Guest, Code))| {
        let file = guest.wasm.display().to_string();
        vec![name.clone(), bytes(code.size() as u64), file, not_offered(code)]
    };
    let components: Vec<_> = codes.iter().map(component).collect();
    let mut text = format!("{}\n\nComponents\n{}", path.display(), table(&components));
    let shared = lines(&of_all(manifest), "  ");
    if !shared.is_empty() {
        text.push_str(&format!("\n\nAll actors{shared}"));
    }
    for group in manifest.all_groups() {
        text.push_str(&group_text(group));
    }
    for actor in manifest.all_actors() {
        text.push_str(&actor_text(actor, codes));
    }
    text
}

fn group_text(group: &Group) -> String {
    let actors = group.actors.iter().map(|actor| &*actor.name);
    let inside: Vec<_> = actors.chain(group.groups.iter().map(|inner| &*inner.name)).collect();
    let terms = lines(&terms(group), "    ");
    format!("\n\nGroup `{}`: {}{terms}", group.name, inside.join(", "))
}

/// What holds for a group, in the file's words.
fn terms(group: &Group) -> Map<String, Value> {
    settings([
        ("strategy", Some(group.strategy.name().into())),
        ("budget", shares(&group.budget)),
        (
            "restart",
            group.restart.as_ref().map(|table| when_name(table.when).into()),
        ),
    ])
}

fn not_offered(code: &Code) -> String {
    match code.unknown_imports() {
        [] => String::new(),
        unknown => format!("cannot be run: {} not offered here", unknown.join(", ")),
    }
}

fn actor_text(actor: &Actor, codes: &Codes) -> String {
    let mut text = format!(
        "\n\nActor `{}`: `{}` of {}",
        actor.name, actor.endpoint, actor.component
    );
    match lines(&given(actor), "    ") {
        given if given.is_empty() => text.push_str("\n  is given nothing"),
        given => text.push_str(&format!("\n  is given{given}")),
    }
    let missing = missing(actor, codes);
    if !missing.is_empty() {
        let row =
            |capability: &Capability| vec![String::new(), capability.to_string(), way(*capability).line.to_owned()];
        let rows: Vec<_> = missing.iter().map(row).collect();
        text.push_str(&format!("\n  could make use of, if granted\n{}", table(&rows)));
    }
    text
}

/// As in the file, a line each.
fn lines(settings: &Map<String, Value>, by: &str) -> String {
    let line = |(key, value): (&String, &Value)| format!("\n{by}{key} = {}", spelled(value));
    settings.iter().map(line).collect()
}

/// A value on one line, as TOML has it.
fn spelled(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(spelled).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let entries = table.iter().map(|(key, value)| format!("{key} = {}", spelled(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        // Numbers and texts are the same in both.
        value => value.to_string(),
    }
}

fn as_json(path: &Path, manifest: &Manifest, codes: &Codes) -> Value {
    let component = |(name, (guest, code)): (&String, &(Guest, Code))| {
        let about = json!({
            "path": guest.wasm,
            "size": code.size(),
            "digest": code.digest(),
            "unknown_imports": code.unknown_imports(),
            "capabilities": capabilities::as_json(code.wants()),
        });
        (name.clone(), about)
    };
    let missing_of = |actor: &Actor| {
        let missing = missing(actor, codes).into_iter();
        let missing = missing.map(|capability| json!({ "name": capability.name(), "manifest": way(capability).line }));
        missing.collect::<Vec<_>>()
    };
    let actor = |actor: &Actor| {
        json!({
            "name": actor.name,
            "component": actor.component,
            "endpoint": actor.endpoint,
            "given": given(actor),
            "missing": missing_of(actor),
        })
    };
    let group = |group: &Group| {
        let names = |actors: &[Actor]| actors.iter().map(|actor| actor.name.clone()).collect::<Vec<_>>();
        let groups: Vec<_> = group.groups.iter().map(|inner| &*inner.name).collect();
        json!({ "name": group.name, "actors": names(&group.actors), "groups": groups, "terms": terms(group) })
    };
    json!({
        "path": path,
        "components": codes.iter().map(component).collect::<Map<_, _>>(),
        "all": of_all(manifest),
        "groups": manifest.all_groups().into_iter().map(group).collect::<Vec<_>>(),
        "actors": manifest.all_actors().into_iter().map(actor).collect::<Vec<_>>(),
    })
}

/// What holds for every actor, and for all together.
fn of_all(manifest: &Manifest) -> Map<String, Value> {
    let limits = &manifest.limits;
    let each = [
        ("memory", amount(limits.memory.as_ref())),
        ("contexts", amount(limits.contexts.as_ref())),
        ("children", amount(limits.children.as_ref())),
        ("log-rate", amount(limits.log_rate.as_ref())),
        ("actors", amount(limits.actors.as_ref())),
        ("unread", amount(limits.unread.as_ref())),
        ("compile-time", amount(limits.compile_time.as_ref())),
        ("compile-memory", amount(limits.compile_memory.as_ref())),
    ];
    settings([("limits", table_of(each)), ("total", shares(&manifest.total))])
}

/// What the file gives an actor, in the file's words.
fn given(actor: &Actor) -> Map<String, Value> {
    let env: Vec<_> = actor.env.keys().collect();
    settings([
        ("args", list(&actor.args)),
        ("endpoints", actor.endpoints.as_deref().and_then(list)),
        ("dirs", list(&actor.dirs)),
        ("env", list(&env)),
        ("inherit-env", list(&actor.inherit_env)),
        ("components", list(&actor.components)),
        ("memory", amount(actor.memory.as_ref())),
        ("contexts", amount(actor.contexts.as_ref())),
        ("log-rate", amount(actor.log_rate.as_ref())),
        ("children", actor.children.map(Value::from)),
        ("budget", shares(&actor.budget)),
        ("clock", actor.clock.map(|clock| clock_name(clock.0.0).into())),
        ("seed", actor.seed.map(Value::from)),
        ("stdio", actor.stdio.map(Stdios::describe)),
        ("log", actor.log.map(|level| level_name(level).into())),
        (
            "restart",
            actor.restart.as_ref().map(|table| when_name(table.when).into()),
        ),
    ])
}

/// What its component asks for and the file does not give. Everybody can tell the time, draw random numbers and
/// write to standard output in some way, so these are never missing.
fn missing(actor: &Actor, codes: &Codes) -> Vec<Capability> {
    let Some((_, code)) = codes.get(&actor.component) else {
        return Vec::new();
    };
    let is_missing = |capability: &Capability| match capability {
        Capability::Children => actor.components.is_empty(),
        Capability::Environment => actor.args.is_empty() && actor.granted().variables == 0,
        Capability::Files => actor.dirs.is_empty(),
        Capability::Clocks | Capability::Random | Capability::Streams => false,
    };
    let wanted = code.wants().iter().map(|want| want.capability);
    wanted.filter(is_missing).collect()
}

fn settings<const N: usize>(all: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let set = all
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    set.collect()
}

fn table_of<const N: usize>(all: [(&str, Option<Value>); N]) -> Option<Value> {
    Some(settings(all)).filter(|table| !table.is_empty()).map(Value::Object)
}

fn list<T: serde::Serialize>(items: &[T]) -> Option<Value> {
    (!items.is_empty()).then(|| json!(items))
}

fn amount(amount: Option<&Amount>) -> Option<Value> {
    let Amount(text) = amount?;
    let number = serde_json::from_str(text).ok().filter(Value::is_number);
    Some(number.unwrap_or_else(|| json!(text)))
}

fn shares(shares: &Shares) -> Option<Value> {
    table_of([
        ("memory", amount(shares.memory.as_ref())),
        ("actors", amount(shares.actors.as_ref())),
        ("cores", amount(shares.cores.as_ref())),
    ])
}

fn clock_name(clock: Clock) -> &'static str {
    match clock {
        Clock::Real => "real",
        Clock::Coarse => "coarse",
        Clock::Frozen => "frozen",
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

fn when_name(when: When) -> &'static str {
    match when {
        When::Transient => "transient",
        When::Permanent => "permanent",
    }
}
