//! What the user grants and limits, read from the command line.

use std::ffi::OsStr;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use steading::config::{Profile, Workers};
use steading::{Budget, Clock, ContextBuilder, Directory, HostBuilder, Spec, limits};

type Parsed<T> = std::result::Result<T, String>;

/// `--dir HOST[:GUEST][:ro|:rw][,quota=BYTES][,open=N]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dir {
    pub(crate) host: String,
    pub(crate) guest: String,
    pub(crate) writable: bool,
    /// Bytes by which it may grow.
    pub(crate) quota: Option<u64>,
    /// Files of it that may be open at once.
    pub(crate) open: Option<u32>,
}

impl FromStr for Dir {
    type Err = String;

    fn from_str(text: &str) -> Parsed<Self> {
        let dir = Self::parse(text)?;
        check_dir(&dir.host)?;
        Ok(dir)
    }
}

impl Dir {
    /// What it says, whether there is such a directory or not.
    pub(crate) fn parse(text: &str) -> Parsed<Self> {
        // Other commas may be part of a path.
        if let Some((rest, term)) = text.rsplit_once(',')
            && let Some((name @ ("quota" | "open"), value)) = term.split_once('=')
        {
            return Self::parse(rest)?.on_terms(name, value);
        }
        let (paths, writable) = match text.rsplit_once(':') {
            Some((paths, "ro")) => (paths, false),
            Some((paths, "rw")) => (paths, true),
            _ => (text, false),
        };
        let (host, guest) = paths.split_once(':').unwrap_or((paths, paths));
        if host.is_empty() || guest.is_empty() {
            return Err("expected HOST[:GUEST][:ro|:rw][,quota=BYTES][,open=N]".to_owned());
        }
        if guest.contains(':') {
            return Err(format!("`{guest}` is not a path and `ro` or `rw`"));
        }
        Ok(Self {
            host: host.to_owned(),
            guest: guest.to_owned(),
            writable,
            quota: None,
            open: None,
        })
    }

    fn on_terms(mut self, name: &str, value: &str) -> Parsed<Self> {
        let given_before = match name {
            "quota" if !self.writable => return Err("a quota is for what may be written; add `:rw`".to_owned()),
            "quota" => self.quota.replace(bytes(value)?).is_some(),
            _ => self.open.replace(number(value)?).is_some(),
        };
        match given_before {
            true => Err(format!("`{name}` is there twice")),
            false => Ok(self),
        }
    }
}

impl Dir {
    /// Adds it to what an actor is started with.
    pub(crate) fn grant(&self, spec: Spec) -> Spec {
        spec.directory(self.directory())
    }

    fn directory(&self) -> Directory {
        let mut directory = Directory::new(&self.host, &self.guest);
        directory.writable = self.writable;
        (directory.quota, directory.open) = (self.quota, self.open);
        directory
    }
}

/// `--grant HOST[:NAME][:ro|:rw][,quota=BYTES][,open=N]`: a directory for one call, which asks for it by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallGrant(Dir);

impl FromStr for CallGrant {
    type Err = String;

    fn from_str(text: &str) -> Parsed<Self> {
        let mut dir: Dir = text.parse()?;
        if dir.guest == dir.host {
            let name = Path::new(&dir.host).file_name().and_then(OsStr::to_str);
            let name = name.ok_or_else(|| format!("give it a name, by which it is asked for: {}:NAME", dir.host))?;
            dir.guest = name.to_owned();
        }
        match dir.guest.contains('/') {
            true => Err(format!("`{}` is no name: it has a `/`", dir.guest)),
            false => Ok(Self(dir)),
        }
    }
}

impl CallGrant {
    /// Adds all of these to what a call is opened with.
    pub(crate) fn add(grants: &[Self], context: ContextBuilder) -> ContextBuilder {
        grants
            .iter()
            .fold(context, |context, grant| context.grant(grant.0.directory()))
    }
}

pub(crate) fn check_dir(path: &str) -> Parsed<()> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!("{path}: not a directory")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(format!("{path}: no such directory")),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

/// `--env K=V`, or `--env K` for one of the user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable(pub(crate) String, pub(crate) String);

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Parsed<Self> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => (
                text,
                std::env::var(text).map_err(|_| format!("`{text}` is not set here; give it as K=V"))?,
            ),
        };
        Self::of(name, value)
    }
}

impl Variable {
    pub(crate) fn of(name: &str, value: String) -> Parsed<Self> {
        match name {
            "" => Err("a variable needs a name".to_owned()),
            name if name.contains(['=', '\0']) => Err(format!("`{}` is no name of a variable", name.escape_debug())),
            name => Ok(Self(name.to_owned(), value)),
        }
    }
}

/// `--component NAME=PATH`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedComponent {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl FromStr for NamedComponent {
    type Err = String;

    fn from_str(text: &str) -> Parsed<Self> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok(Self {
                name: name.to_owned(),
                path: path.into(),
            }),
            _ => Err("expected NAME=PATH".to_owned()),
        }
    }
}

/// `--limit NAME=VALUE`
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    Memory(u64),
    Contexts(usize),
    Children(usize),
    LogRate(u32),
    Actors(u32),
    Unread(usize),
    BudgetMemory(u64),
    BudgetActors(u32),
    Cores(f64),
    CompileTime(Duration),
    CompileMemory(u64),
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Parsed<Self> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
        match name {
            "memory" => Ok(Self::Memory(within(bytes(value)?, &limits::MEMORY, " bytes")?)),
            "contexts" => Ok(Self::Contexts(within(number(value)?, &limits::CONTEXTS, "")?)),
            "children" => Ok(Self::Children(within(number(value)?, &limits::CHILDREN, "")?)),
            "log-rate" => Ok(Self::LogRate(rate(value)?)),
            "actors" => Ok(Self::Actors(within(number(value)?, &limits::ACTORS, "")?)),
            "unread" => {
                let (least, most) = (*limits::UNREAD.start() as u64, *limits::UNREAD.end() as u64);
                let bytes = within(bytes(value)?, &(least..=most), " bytes")?;
                // In the range, so that it fits.
                Ok(Self::Unread(usize::try_from(bytes).unwrap_or(usize::MAX)))
            }
            "budget-memory" => Ok(Self::BudgetMemory(within(
                bytes(value)?,
                &limits::BUDGET_MEMORY,
                " bytes",
            )?)),
            "budget-actors" => Ok(Self::BudgetActors(within(number(value)?, &limits::ACTORS, "")?)),
            "cores" => Ok(Self::Cores(within(number(value)?, &limits::CORES, "")?)),
            "compile-time" => seconds(value).map(Self::CompileTime),
            "compile-memory" => Ok(Self::CompileMemory(within(
                bytes(value)?,
                &limits::COMPILE_MEMORY,
                " bytes",
            )?)),
            _ => Err(format!(
                "no limit `{name}`; there are: memory, contexts, children, log-rate, actors, unread, budget-memory, \
                 budget-actors, cores, compile-time, compile-memory"
            )),
        }
    }
}

impl Bound {
    /// Sets it for every actor of a host, or for the host, if it is one of those.
    pub(crate) fn apply(self, builder: HostBuilder) -> HostBuilder {
        match self {
            Self::Memory(bytes) => builder.memory(bytes),
            Self::Contexts(count) => builder.contexts(count),
            Self::Children(count) => builder.children(count),
            Self::LogRate(bytes) => builder.log_rate(bytes),
            Self::Actors(count) => builder.max_actors(count),
            Self::Unread(bytes) => builder.unread(bytes),
            Self::CompileTime(limit) => builder.compile_time(limit),
            Self::CompileMemory(bytes) => builder.compile_memory(bytes),
            Self::BudgetMemory(_) | Self::BudgetActors(_) | Self::Cores(_) => builder,
        }
    }

    /// Sets it for one actor, if it is one of those.
    pub(crate) fn limit(self, spec: Spec) -> Spec {
        match self {
            Self::Memory(bytes) => spec.memory(bytes),
            // It is within its range, and so fits.
            Self::Contexts(count) => spec.contexts(u32::try_from(count).unwrap_or(u32::MAX)),
            Self::LogRate(bytes) => spec.log_rate(bytes),
            _ => spec,
        }
    }

    /// Sets it for an actor with all below it, if it is one of those.
    pub(crate) fn share(self, budget: Budget) -> Budget {
        match self {
            Self::BudgetMemory(bytes) => budget.memory(bytes),
            Self::BudgetActors(count) => budget.actors(count),
            Self::Cores(cores) => budget.cpu(cores),
            _ => budget,
        }
    }
}

/// `--clock real|coarse|frozen`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockChoice(pub(crate) Clock);

impl FromStr for ClockChoice {
    type Err = String;

    fn from_str(text: &str) -> Parsed<Self> {
        match text {
            "real" => Ok(Self(Clock::Real)),
            "coarse" => Ok(Self(Clock::Coarse)),
            "frozen" => Ok(Self(Clock::Frozen)),
            _ => Err("expected `real`, `coarse` or `frozen`".to_owned()),
        }
    }
}

/// `--profile latency|density`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProfileChoice(pub(crate) Profile);

impl FromStr for ProfileChoice {
    type Err = String;

    fn from_str(text: &str) -> Parsed<Self> {
        match text {
            "latency" => Ok(Self(Profile::Latency)),
            "density" => Ok(Self(Profile::Density)),
            _ => Err("expected `latency` or `density`".to_owned()),
        }
    }
}

impl ProfileChoice {
    /// Sets it, unless these bounds are more than it bears: the host would take the nearest.
    pub(crate) fn apply<'a>(
        self,
        builder: HostBuilder,
        bounds: impl IntoIterator<Item = &'a Bound>,
    ) -> Parsed<HostBuilder> {
        let most = match self.0 {
            Profile::Latency => *limits::MEMORY.end(),
            Profile::Density => limits::DENSE_MEMORY,
        };
        for bound in bounds {
            if let Bound::Memory(bytes) = *bound {
                let least = *limits::MEMORY.start();
                within(bytes, &(least..=most), " bytes").map_err(|why| format!("memory: {why} here"))?;
            }
        }
        Ok(builder.profile(self.0))
    }
}

/// `--workers shared|N`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkersChoice(pub(crate) Workers);

impl FromStr for WorkersChoice {
    type Err = String;

    fn from_str(text: &str) -> Parsed<Self> {
        match text {
            "shared" => Ok(Self(Workers::Shared)),
            _ => match text.parse() {
                Ok(threads @ 1..=1024) => Ok(Self(Workers::Dedicated(threads))),
                _ => Err("expected `shared` or a number of threads".to_owned()),
            },
        }
    }
}

/// Refused here, where the user can mend it; the host would take the nearest.
fn within<N: PartialOrd + Display>(value: N, range: &RangeInclusive<N>, unit: &str) -> Parsed<N> {
    let (least, most) = (range.start(), range.end());
    if range.contains(&value) {
        return Ok(value);
    }
    Err(format!("{value}{unit} is out of range: {least} to {most}{unit}"))
}

fn rate(value: &str) -> Parsed<u32> {
    let most = u64::from(*limits::LOG_RATE.end());
    let rate = within(bytes(value)?, &(0..=most), " bytes in a second")?;
    // It is within, and so fits.
    Ok(u32::try_from(rate).unwrap_or(u32::MAX))
}

fn seconds(value: &str) -> Parsed<Duration> {
    let most = limits::COMPILE_TIME.end().as_secs();
    Ok(Duration::from_secs(within(number(value)?, &(1..=most), " seconds")?))
}

fn number<N: FromStr>(text: &str) -> Parsed<N> {
    text.parse().map_err(|_| format!("`{text}` is not a number in range"))
}

/// `64MiB`, `64M`, `65536`: units are powers of 1024.
fn bytes(text: &str) -> Parsed<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..].trim_start() {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        unit => return Err(format!("`{unit}` is not a unit; use KiB, MiB or GiB")),
    };
    let count: u64 = number(digits)?;
    count
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_bounds() {
        let cases = [
            ("memory=1", "1 bytes is out of range: 65536 to 268435456 bytes"),
            (
                "memory=1GiB",
                "1073741824 bytes is out of range: 65536 to 268435456 bytes",
            ),
            ("contexts=0", "0 is out of range: 1 to 4096"),
            ("contexts=100000", "100000 is out of range: 1 to 4096"),
            (
                "log-rate=2MiB",
                "2097152 bytes in a second is out of range: 0 to 1048576 bytes in a second",
            ),
            ("children=65001", "65001 is out of range: 0 to 65000"),
            ("actors=0", "0 is out of range: 1 to 1000000"),
            ("cores=0", "0 is out of range: 0.001 to 1024"),
            ("cores=NaN", "NaN is out of range: 0.001 to 1024"),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Bound>(), Err(expected.to_owned()), "{text}");
        }
        assert_eq!("memory=256MiB".parse(), Ok(Bound::Memory(256 << 20)));
    }

    #[test]
    fn a_dense_host_has_smaller_actors() {
        let dense = ProfileChoice(Profile::Density);
        let fits = |bytes| dense.apply(HostBuilder::default(), &[Bound::Memory(bytes)]);
        assert!(fits(64 << 20).is_ok());
        let why = fits(65 << 20).expect_err("it is too much");
        assert_eq!(
            why,
            "memory: 68157440 bytes is out of range: 65536 to 67108864 bytes here"
        );
    }

    #[test]
    fn sizes_have_units() {
        let cases = [
            ("0", 0),
            ("65536", 65536),
            ("64MiB", 64 << 20),
            ("2 G", 2 << 30),
            ("1K", 1024),
            ("7B", 7),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "MiB", "64MB", "-1", "1.5GiB", "99999999999GiB", "6 4"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn directories_are_read_only_unless_it_is_said() {
        let cases = [
            (".", (".", ".", false)),
            ("/tmp", ("/tmp", "/tmp", false)),
            ("/tmp:rw", ("/tmp", "/tmp", true)),
            ("/tmp:ro", ("/tmp", "/tmp", false)),
            ("/tmp:/data", ("/tmp", "/data", false)),
            ("/tmp:/data:rw", ("/tmp", "/data", true)),
            ("/tmp:rw:ro", ("/tmp", "rw", false)),
        ];
        for (text, (host, guest, writable)) in cases {
            let expected = Dir {
                host: host.into(),
                guest: guest.into(),
                writable,
                quota: None,
                open: None,
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_directory_may_be_granted_on_terms() {
        let parsed = |text: &str| Dir::parse(text).map(|dir| (dir.host, dir.guest, dir.writable, dir.quota, dir.open));
        let dir = |guest: &str, writable, quota, open| Ok(("/tmp".into(), guest.to_owned(), writable, quota, open));
        assert_eq!(parsed("/tmp:rw,quota=64MiB"), dir("/tmp", true, Some(64 << 20), None));
        assert_eq!(parsed("/tmp:/d:rw,open=9,quota=0"), dir("/d", true, Some(0), Some(9)));
        assert_eq!(parsed("/tmp,open=9"), dir("/tmp", false, None, Some(9)));
        assert_eq!(parsed("/tmp:/a,b:rw,quota=1"), dir("/a,b", true, Some(1), None));
        for (text, says) in [
            ("/tmp,quota=1", "add `:rw`"),
            ("/tmp:rw,quota=1,quota=2", "there twice"),
            ("/tmp:rw,quota=many", "not a unit"),
            ("/tmp,open=-1", "not a number"),
            (",open=1", "expected HOST"),
        ] {
            assert!(
                Dir::parse(text).is_err_and(|why| why.contains(says)),
                "{text}: {:?}",
                Dir::parse(text)
            );
        }
    }

    #[test]
    fn what_is_granted_to_a_call_has_a_name() {
        let name = |text: &str| text.parse::<CallGrant>().map(|grant| (grant.0.guest, grant.0.writable));
        assert_eq!(name("/tmp"), Ok(("tmp".to_owned(), false)));
        assert_eq!(name("/tmp:rw"), Ok(("tmp".to_owned(), true)));
        assert_eq!(name("/tmp:in:rw,quota=1"), Ok(("in".to_owned(), true)));
        assert!(name(".").is_err_and(|why| why.contains("give it a name")));
        assert!(name("/tmp:/in").is_err_and(|why| why.contains("is no name")));
    }

    #[test]
    fn a_directory_that_is_none_is_named() {
        assert_eq!("/no/such:/x".parse::<Dir>(), Err("/no/such: no such directory".into()));
        assert_eq!(
            "/proc/version".parse::<Dir>(),
            Err("/proc/version: not a directory".into())
        );
        for text in ["", ":/x", "/tmp:", "/tmp:/x:ro:rw", "/tmp:a:b"] {
            assert!(text.parse::<Dir>().is_err(), "{text}");
        }
    }

    #[test]
    fn limits_have_names() {
        assert_eq!("memory=1MiB".parse(), Ok(Bound::Memory(1 << 20)));
        assert_eq!("contexts=3".parse(), Ok(Bound::Contexts(3)));
        assert_eq!("children=3".parse(), Ok(Bound::Children(3)));
        assert_eq!("log-rate=1KiB".parse(), Ok(Bound::LogRate(1024)));
        assert_eq!("actors=3".parse(), Ok(Bound::Actors(3)));
        assert_eq!("unread=1MiB".parse(), Ok(Bound::Unread(1 << 20)));
        assert_eq!("budget-memory=1GiB".parse(), Ok(Bound::BudgetMemory(1 << 30)));
        assert_eq!("budget-actors=3".parse(), Ok(Bound::BudgetActors(3)));
        assert_eq!("cores=0.5".parse(), Ok(Bound::Cores(0.5)));
        assert_eq!(
            "compile-time=30".parse(),
            Ok(Bound::CompileTime(Duration::from_secs(30)))
        );
        assert_eq!("compile-memory=2GiB".parse(), Ok(Bound::CompileMemory(2 << 30)));
        for text in ["memory", "memory=", "fuel=3", "actors=-1", "contexts=x"] {
            assert!(text.parse::<Bound>().is_err(), "{text}");
        }
    }

    #[test]
    fn variables_components_and_workers() {
        assert_eq!("A=b=c".parse(), Ok(Variable("A".into(), "b=c".into())));
        assert_eq!("A=".parse(), Ok(Variable("A".into(), String::new())));
        assert!("=b".parse::<Variable>().is_err());
        assert!("STEADING_SURELY_NOT_SET".parse::<Variable>().is_err());
        assert_eq!(
            "w=a/b.wasm".parse(),
            Ok(NamedComponent {
                name: "w".into(),
                path: "a/b.wasm".into()
            })
        );
        assert!("w".parse::<NamedComponent>().is_err());
        assert_eq!("frozen".parse(), Ok(ClockChoice(Clock::Frozen)));
        assert!("exact".parse::<ClockChoice>().is_err());
        assert_eq!("density".parse(), Ok(ProfileChoice(Profile::Density)));
        assert!("dense".parse::<ProfileChoice>().is_err());
        assert_eq!("shared".parse(), Ok(WorkersChoice(Workers::Shared)));
        assert_eq!("2".parse(), Ok(WorkersChoice(Workers::Dedicated(2))));
        assert!("0".parse::<WorkersChoice>().is_err());
    }
}
