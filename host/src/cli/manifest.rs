//! `steading.toml`: a whole application in one file, read and checked.
//!
//! What is not written is not granted. Paths are relative to the file, values are spelled as on the command
//! line; what is wrong is told with the line it is on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use steading::{Budget, HostBuilder, Restart, Spec, Supervisor};

use super::failure::{Failure, Result};
use super::grants::{Bound, ClockChoice, Dir, ProfileChoice, Variable, WorkersChoice, check_dir};
use super::hints::Granted;
use super::stdio::Stdios;

/// The file's name, where a folder is given.
pub(crate) const FILE: &str = "steading.toml";

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Who is concerned when an actor fails.
    #[serde(default)]
    strategy: Strategy,
    pub(crate) workers: Option<Parsed<WorkersChoice>>,
    grace: Option<Parsed<Span>>,
    profile: Option<Parsed<ProfileChoice>>,
    /// Of each actor, as `--limit`.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// Of all actors together.
    #[serde(default)]
    pub(crate) total: Shares,
    /// By the names under which actors start them.
    #[serde(default)]
    pub(crate) components: BTreeMap<String, PathBuf>,
    #[serde(default, rename = "actor")]
    pub(crate) actors: Vec<Actor>,
    #[serde(default, rename = "group")]
    pub(crate) groups: Vec<Group>,
}

/// Actors with a nursery of their own: below the root, or below another group. One that fails is for whoever it is
/// below to deal with, as an actor that does.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) strategy: Strategy,
    /// Of all in it.
    #[serde(default)]
    pub(crate) budget: Shares,
    pub(crate) restart: Option<RestartTable>,
    #[serde(default, rename = "actor")]
    pub(crate) actors: Vec<Actor>,
    #[serde(default, rename = "group")]
    pub(crate) groups: Vec<Self>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strategy {
    #[default]
    OneCancelsAll,
    OneForOne,
    OneForAll,
    RestForOne,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) memory: Option<Amount>,
    pub(crate) contexts: Option<Amount>,
    pub(crate) children: Option<Amount>,
    pub(crate) log_rate: Option<Amount>,
    pub(crate) actors: Option<Amount>,
    pub(crate) unread: Option<Amount>,
    pub(crate) compile_time: Option<Amount>,
    pub(crate) compile_memory: Option<Amount>,
}

/// A budget.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Shares {
    pub(crate) memory: Option<Amount>,
    pub(crate) actors: Option<Amount>,
    pub(crate) cores: Option<Amount>,
}

/// An actor of the root's, and what it is granted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Actor {
    pub(crate) name: String,
    pub(crate) component: String,
    #[serde(default = "main")]
    pub(crate) endpoint: String,
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// What of it may be called, `endpoint` among them; all if absent.
    pub(crate) endpoints: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) dirs: Vec<String>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Variables of the user's that are handed on.
    #[serde(default)]
    pub(crate) inherit_env: Vec<String>,
    /// Components it, and what it starts, may run; none but its own if absent.
    #[serde(default)]
    pub(crate) components: Vec<String>,
    pub(crate) memory: Option<Amount>,
    pub(crate) contexts: Option<Amount>,
    pub(crate) log_rate: Option<Amount>,
    pub(crate) children: Option<u32>,
    #[serde(default)]
    pub(crate) budget: Shares,
    pub(crate) clock: Option<Parsed<ClockChoice>>,
    pub(crate) seed: Option<u64>,
    pub(crate) log: Option<Level>,
    pub(crate) stdio: Option<Stdios>,
    pub(crate) restart: Option<RestartTable>,
}

fn main() -> String {
    "main".to_owned()
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RestartTable {
    pub(crate) when: When,
    times: Option<u32>,
    within: Option<Parsed<Span>>,
    /// The second wait, and the longest.
    backoff: Option<(Parsed<Span>, Parsed<Span>)>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    Transient,
    Permanent,
}

/// A value that is spelled as on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parsed<T>(pub(crate) T);

impl<'de, T: FromStr<Err = String>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let Amount(text) = Amount::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// A number, or a text such as `64MiB`.
#[derive(Debug)]
pub(crate) struct Amount(pub(crate) String);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number or a text such as \"64MiB\"")]
        enum Either {
            Whole(i64),
            Part(f64),
            Text(String),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::Whole(number) => number.to_string(),
            Either::Part(number) => number.to_string(),
            Either::Text(text) => text,
        }))
    }
}

/// `500ms`, `5s` or `2m`; a bare number is milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span(Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = match text[digits.len()..].trim() {
            "" | "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            unit => return Err(format!("`{unit}` is not a unit of time; use ms, s or m")),
        };
        let count: u64 = digits
            .parse()
            .map_err(|_| format!("`{text}` is not a time, such as 500ms"))?;
        Ok(Self(Duration::from_millis(count.saturating_mul(unit))))
    }
}

impl Manifest {
    /// Reads the file, and makes its paths relative to where the user is.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let wrong = |why: String| Failure::usage(format!("{}: {}", path.display(), why.trim_end()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let mut manifest: Self = toml::from_str(&text).map_err(|error| wrong(complaint(&text, &error)))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for component in manifest.components.values_mut() {
            *component = beside(folder, component);
        }
        manifest.check().map_err(wrong)?;
        Ok(manifest)
    }

    fn check(&self) -> std::result::Result<(), String> {
        let (groups, actors) = (self.all_groups(), self.all_actors());
        if actors.is_empty() {
            return Err("it has no [[actor]], and so nothing to run".to_owned());
        }
        if let Some(group) = groups
            .iter()
            .find(|group| group.actors.is_empty() && group.groups.is_empty())
        {
            return Err(format!("group `{}` has no [[group.actor]]", group.name));
        }
        let names = groups.iter().map(|group| &group.name);
        let mut known = BTreeSet::new();
        for name in names.chain(actors.iter().map(|actor| &actor.name)) {
            if !known.insert(name) {
                return Err(format!("two actors are called `{name}`"));
            }
        }
        actors.into_iter().try_for_each(|actor| self.check_actor(actor))
    }

    fn check_actor(&self, actor: &Actor) -> std::result::Result<(), String> {
        let named = std::iter::once(&actor.component).chain(&actor.components);
        let mut unknown = named.filter(|name| !self.components.contains_key(*name));
        if let Some(component) = unknown.next() {
            return Err(format!("actor `{}`: [components] has no `{component}`", actor.name));
        }
        match &actor.endpoints {
            Some(endpoints) if !endpoints.contains(&actor.endpoint) => Err(format!(
                "actor `{}`: `{}` is called, and not among its endpoints",
                actor.name, actor.endpoint
            )),
            _ => Ok(()),
        }
    }

    /// Every actor: those of the root, then those of its groups, each behind the group it is in.
    pub(crate) fn all_actors(&self) -> Vec<&Actor> {
        let of_groups = self.all_groups().into_iter().flat_map(|group| &group.actors);
        self.actors.iter().chain(of_groups).collect()
    }

    /// Every group, each behind the one it is in.
    pub(crate) fn all_groups(&self) -> Vec<&Group> {
        let mut all = Vec::new();
        self.groups.iter().for_each(|group| group.collect(&mut all));
        all
    }

    /// A host with the limits of the file.
    pub(crate) fn configure(&self, builder: HostBuilder) -> Result<HostBuilder> {
        let builder = builder.total(self.total.budget("total")?);
        let builder = self
            .grace
            .iter()
            .fold(builder, |builder, grace| builder.cancel_grace(grace.0.0));
        let limits = &self.limits;
        let bounds = [
            ("memory", &limits.memory),
            ("contexts", &limits.contexts),
            ("children", &limits.children),
            ("log-rate", &limits.log_rate),
            ("actors", &limits.actors),
            ("unread", &limits.unread),
            ("compile-time", &limits.compile_time),
            ("compile-memory", &limits.compile_memory),
        ];
        let given = bounds
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let given = given.map(|(name, value)| bound("limits", name, value));
        let given = given.collect::<Result<Vec<_>>>()?;
        let builder = given.iter().fold(builder, |builder, bound| bound.apply(builder));
        match self.profile {
            None => Ok(builder),
            Some(profile) => profile
                .0
                .apply(builder, &given)
                .map_err(|why| Failure::usage(format!("limits: {why}"))),
        }
    }

    /// What the actors' nursery does when one of them fails.
    pub(crate) fn supervisor(&self) -> Supervisor {
        self.strategy.supervisor()
    }
}

impl Group {
    fn collect<'a>(&'a self, all: &mut Vec<&'a Self>) {
        all.push(self);
        self.groups.iter().for_each(|group| group.collect(all));
    }

    pub(crate) fn supervisor(&self) -> Supervisor {
        self.strategy.supervisor()
    }

    /// What it is started with.
    pub(crate) fn spec(&self, mut spec: Spec) -> Result<Spec> {
        spec.budget = self.budget.budget(&format!("group `{}`: budget", self.name))?;
        Ok(match &self.restart {
            Some(table) => spec.restart(table.restart()),
            None => spec,
        })
    }
}

impl Strategy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneCancelsAll => "one-cancels-all",
            Self::OneForOne => "one-for-one",
            Self::OneForAll => "one-for-all",
            Self::RestForOne => "rest-for-one",
        }
    }

    fn supervisor(self) -> Supervisor {
        match self {
            Self::OneCancelsAll => Supervisor::one_cancels_all(),
            Self::OneForOne => Supervisor::one_for_one(),
            Self::OneForAll => Supervisor::one_for_all(),
            Self::RestForOne => Supervisor::rest_for_one(),
        }
    }
}

impl Actor {
    /// What it is started with. `folder` is where the manifest is.
    pub(crate) fn spec(&self, spec: Spec, folder: &Path) -> Result<Spec> {
        let about = format!("actor `{}`", self.name);
        let mut spec = spec.arg(&self.name).components(&self.components);
        for text in &self.dirs {
            let dir = directory(folder, text).map_err(|why| Failure::usage(format!("{about}: dirs: {why}")))?;
            spec = dir.grant(spec);
        }
        for Variable(name, value) in self
            .variables()
            .map_err(|why| Failure::usage(format!("{about}: {why}")))?
        {
            spec = spec.env(name, value);
        }
        spec = self.args.iter().fold(spec, Spec::arg);
        for (name, amount) in [
            ("memory", &self.memory),
            ("contexts", &self.contexts),
            ("log-rate", &self.log_rate),
        ] {
            if let Some(amount) = amount {
                spec = bound(&about, name, amount)?.limit(spec);
            }
        }
        spec.budget = self.budget.budget(&format!("{about}: budget"))?;
        spec.endpoints = self.endpoints.clone();
        spec.children = self.children;
        spec.clock = self.clock.map(|clock| clock.0.0);
        spec.seed = self.seed;
        spec.log_level = self.log.map(Level::level);
        spec = self.stdio.unwrap_or_default().apply(spec);
        Ok(match &self.restart {
            Some(table) => spec.restart(table.restart()),
            None => spec,
        })
    }
}

impl Actor {
    /// Its environment: what the file sets, and what it hands on.
    fn variables(&self) -> std::result::Result<Vec<Variable>, String> {
        let set = self.env.iter().map(|(name, value)| Variable::of(name, value.clone()));
        let handed_on = self.inherit_env.iter().map(|name| match self.env.contains_key(name) {
            true => Err(format!("`{name}` is in both env and inherit-env")),
            false => Variable::of(
                name,
                std::env::var(name).map_err(|_| format!("inherit-env: `{name}` is not set here"))?,
            ),
        });
        set.chain(handed_on).collect()
    }

    /// What it was granted, as far as a failure may be for the want of it.
    pub(crate) fn granted(&self) -> Granted {
        let dirs = || self.dirs.iter().filter_map(|dir| Dir::parse(dir).ok());
        Granted {
            directories: self.dirs.len(),
            writable: dirs().filter(|dir| dir.writable).count(),
            bounded: dirs().filter(|dir| dir.quota.is_some()).count(),
            variables: self.env.len() + self.inherit_env.len(),
        }
    }
}

impl Level {
    fn level(self) -> steading::Level {
        match self {
            Self::Error => steading::Level::Error,
            Self::Warn => steading::Level::Warn,
            Self::Info => steading::Level::Info,
            Self::Debug => steading::Level::Debug,
            Self::Trace => steading::Level::Trace,
        }
    }
}

impl RestartTable {
    fn restart(&self) -> Restart {
        let restart = match self.when {
            When::Transient => Restart::transient(),
            When::Permanent => Restart::permanent(),
        };
        let within = self.within.map_or(Duration::from_secs(5), |span| span.0.0);
        let restart = self
            .times
            .into_iter()
            .fold(restart, |restart, times| restart.intensity(times, within));
        let backoff = self.backoff.iter();
        backoff.fold(restart, |restart, (first, most)| restart.backoff(first.0.0, most.0.0))
    }
}

impl Shares {
    fn budget(&self, about: &str) -> Result<Budget> {
        let bounds = [
            ("budget-memory", &self.memory),
            ("budget-actors", &self.actors),
            ("cores", &self.cores),
        ];
        let given = bounds
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)));
        given.into_iter().try_fold(Budget::default(), |budget, (name, value)| {
            Ok(bound(about, name, value)?.share(budget))
        })
    }
}

fn bound(about: &str, name: &str, value: &Amount) -> Result<Bound> {
    let bound = format!("{name}={}", value.0).parse();
    bound.map_err(|why: String| Failure::usage(format!("{about}: {}: {why}", name.trim_start_matches("budget-"))))
}

fn directory(folder: &Path, text: &str) -> std::result::Result<Dir, String> {
    let mut dir = Dir::parse(text)?;
    let host = beside(folder, Path::new(&dir.host));
    dir.host = host
        .into_os_string()
        .into_string()
        .map_err(|path| format!("{}: not UTF-8", path.display()))?;
    check_dir(&dir.host)?;
    Ok(dir)
}

/// What is wrong and on which line; not the line itself, which may hold what nobody else is to read.
fn complaint(text: &str, error: &toml::de::Error) -> String {
    let Some(span) = error.span() else {
        return error.message().to_owned();
    };
    let before = text.as_bytes().iter().take(span.start);
    let line = before.filter(|byte| **byte == b'\n').count() + 1;
    format!("line {line}: {}", error.message())
}

/// A path of the manifest's, from where the user is.
fn beside(folder: &Path, path: &Path) -> PathBuf {
    match folder.as_os_str().is_empty() {
        true => path.to_owned(),
        false => folder.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        let manifest = toml::from_str::<Manifest>(text).map_err(|error| complaint(text, &error));
        manifest.and_then(|manifest| manifest.check()).expect_err("it is wrong")
    }

    const ONE: &str = "[components]\nc = \"c.wasm\"\n[[actor]]\nname = \"a\"\ncomponent = \"c\"\n";

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, says) in [
            ("", "no [[actor]]"),
            ("[[actor]]\nname = \"a\"", "missing field `component`"),
            ("[[actor]]\nname = \"a\"\ncomponent = \"b\"", "[components] has no `b`"),
            ("colour = 3", "unknown field `colour`"),
            (&format!("{ONE}componets = []"), "line 6"),
            (&format!("{ONE}components = [\"d\"]"), "[components] has no `d`"),
            (
                &format!("{ONE}[[actor]]\nname = \"a\"\ncomponent = \"c\""),
                "two actors are called `a`",
            ),
            (
                &format!("{ONE}clock = \"exact\""),
                "expected `real`, `coarse` or `frozen`",
            ),
            (
                &format!("{ONE}endpoints = [\"other\"]"),
                "`main` is called, and not among",
            ),
            (
                &format!("{ONE}[[group]]\nname = \"g\""),
                "group `g` has no [[group.actor]]",
            ),
            (
                &format!("{ONE}[[group]]\nname = \"a\"\n[[group.actor]]\nname = \"b\"\ncomponent = \"c\""),
                "two actors are called `a`",
            ),
            (
                &format!("{ONE}[[group]]\nname = \"g\"\n[[group.actor]]\nname = \"b\"\ncomponent = \"d\""),
                "actor `b`: [components] has no `d`",
            ),
            (&format!("grace = \"5h\"\n{ONE}"), "use ms, s or m"),
            (&format!("workers = 0\n{ONE}"), "`shared` or a number of threads"),
            (
                &format!("profile = \"dense\"\n{ONE}"),
                "expected `latency` or `density`",
            ),
            (&format!("{ONE}memory = []"), "a number or a text"),
        ] {
            assert!(wrong(text).contains(says), "{text}: {}", wrong(text));
        }
    }

    #[test]
    fn values_are_spelled_as_on_the_command_line() {
        let text = format!("{ONE}memory = \"1MiB\"\nbudget = {{ memory = 65536, cores = 0.5, actors = 3 }}\n");
        let manifest: Manifest = toml::from_str(&text).expect("it is right");
        let spec = manifest.actors[0]
            .spec(Spec::this_component("a"), Path::new(""))
            .expect("it is right");
        assert_eq!(spec.memory, Some(1 << 20));
        assert_eq!(spec.budget, Budget::default().memory(65536).actors(3).cpu(0.5));
        assert_eq!(spec.components, Some(Vec::new()), "what is not granted is not");
        let text = format!("{ONE}memory = \"1KiB\"\n");
        let manifest: Manifest = toml::from_str(&text).expect("its shape is right");
        let failure = manifest.actors[0]
            .spec(Spec::this_component("a"), Path::new(""))
            .expect_err("too small");
        assert!(
            failure
                .message
                .starts_with("actor `a`: memory: 1024 bytes is out of range"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn groups_are_trees_and_their_actors_come_behind_them() {
        let text = format!(
            "{ONE}[[group]]\nname = \"g\"\nstrategy = \"one-for-one\"\nbudget = {{ actors = 4 }}\n\
             [[group.actor]]\nname = \"b\"\ncomponent = \"c\"\n\
             [[group.group]]\nname = \"h\"\n[[group.group.actor]]\nname = \"d\"\ncomponent = \"c\"\n"
        );
        let manifest: Manifest = toml::from_str(&text).expect("it is right");
        assert_eq!(manifest.check(), Ok(()));
        let names: Vec<_> = manifest.all_actors().iter().map(|actor| &*actor.name).collect();
        assert_eq!(names, ["a", "b", "d"]);
        let groups: Vec<_> = manifest
            .all_groups()
            .iter()
            .map(|group| (&*group.name, group.strategy.name()))
            .collect();
        assert_eq!(groups, [("g", "one-for-one"), ("h", "one-cancels-all")]);
        let spec = manifest.groups[0]
            .spec(Spec::component("group g", "g"))
            .expect("it is right");
        assert_eq!(spec.budget, Budget::default().actors(4));
    }

    #[test]
    fn directories_are_beside_the_file() {
        for (text, host, guest, writable) in [
            (".", "/tmp/.", ".", false),
            (".:rw", "/tmp/.", ".", true),
            (".:/data", "/tmp/.", "/data", false),
            (".:/data:rw", "/tmp/.", "/data", true),
            ("/proc:/p", "/proc", "/p", false),
        ] {
            let dir = directory(Path::new("/tmp"), text).expect(text);
            assert_eq!(
                (&*dir.host, &*dir.guest, dir.writable),
                (host, guest, writable),
                "{text}"
            );
        }
        for text in ["no-such", "", ":", ":/data:rw", ".:", ".:/g:"] {
            assert!(directory(Path::new("/tmp"), text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_on_a_line_that_is_wrong_is_not_told() {
        let text = format!("{ONE}env = {{ KEY = \"s3cr3t\", PORT = 8080 }}\n");
        assert!(wrong(&text).starts_with("line 6: "), "{}", wrong(&text));
        assert!(!wrong(&text).contains("s3cr3t"), "{}", wrong(&text));
    }

    #[test]
    fn a_variable_is_set_once_and_has_a_name() {
        let refused = |lines: &str| {
            let manifest: Manifest = toml::from_str(&format!("{ONE}{lines}\n")).expect("its shape is right");
            let spec = manifest.actors[0].spec(Spec::this_component("a"), Path::new(""));
            spec.expect_err("it is wrong").message
        };
        let both = refused("env = { PATH = \"x\" }\ninherit-env = [\"PATH\"]");
        assert_eq!(both, "actor `a`: `PATH` is in both env and inherit-env");
        assert_eq!(
            refused("env = { \"A=B\" = \"c\" }"),
            "actor `a`: `A=B` is no name of a variable"
        );
        assert_eq!(refused("env = { \"\" = \"c\" }"), "actor `a`: a variable needs a name");
    }

    #[test]
    fn times_have_units() {
        for (text, ms) in [("500", 500), ("500ms", 500), ("5s", 5_000), ("2 m", 120_000)] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(ms))), "{text}");
        }
        assert!("s".parse::<Span>().is_err() && "-1s".parse::<Span>().is_err());
    }
}
