//! What the user wants of an actor's standard streams, and what was kept of them when it failed.

use std::str::FromStr;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use steading::{Capture, Captured, Spec, Stdio};

use super::failure::Failure;

/// Lines of a captured stream that are shown with a failure.
const LINES: usize = 10;

/// `--stdio [STREAM=]POLICY`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StdioChoice {
    stream: Option<StreamName>,
    policy: Policy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamName {
    Stdin,
    Stdout,
    Stderr,
}

/// What becomes of a stream, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Inherit,
    Log,
    Null,
    Capture,
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "inherit" => Ok(Self::Inherit),
            "log" => Ok(Self::Log),
            "null" => Ok(Self::Null),
            "capture" => Ok(Self::Capture),
            _ => Err(format!(
                "`{}` is not one of inherit, log, null, capture",
                text.escape_debug()
            )),
        }
    }
}

impl Policy {
    /// What an actor is started with; each has a capture of its own.
    fn stdio(self) -> Stdio {
        match self {
            Self::Inherit => Stdio::Inherit,
            Self::Log => Stdio::Log,
            Self::Null => Stdio::Null,
            Self::Capture => Capture::new().into(),
        }
    }

    /// As the user spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Inherit => "inherit",
            Self::Log => "log",
            Self::Null => "null",
            Self::Capture => "capture",
        }
    }
}

impl FromStr for StdioChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (stream, policy) = match text.split_once('=') {
            None => (None, text),
            Some(("stdin", policy)) => (Some(StreamName::Stdin), policy),
            Some(("stdout", policy)) => (Some(StreamName::Stdout), policy),
            Some(("stderr", policy)) => (Some(StreamName::Stderr), policy),
            Some((name, _)) => {
                let name = name.escape_debug();
                return Err(format!("no stream `{name}`; there are stdin, stdout and stderr"));
            }
        };
        let policy = policy.parse()?;
        check(stream, policy)?;
        Ok(Self { stream, policy })
    }
}

fn check(stream: Option<StreamName>, policy: Policy) -> Result<(), String> {
    match (stream, policy) {
        (Some(StreamName::Stdin), Policy::Log | Policy::Capture) => {
            Err("standard input is `inherit` or `null`: nothing is written to it".to_owned())
        }
        _ => Ok(()),
    }
}

impl StdioChoice {
    /// Whether a stream that is written is to be the user's own, as it is.
    pub(crate) fn inherits(self) -> bool {
        self.policy == Policy::Inherit && self.stream != Some(StreamName::Stdin)
    }

    /// Adds it to what an actor is started with. Of all streams at once, input is the host's or empty.
    pub(crate) fn apply(self, spec: Spec) -> Spec {
        let Self { stream, policy } = self;
        match stream {
            None => Stdios::all(policy).apply(spec),
            Some(StreamName::Stdin) => spec.stdin(policy.stdio()),
            Some(StreamName::Stdout) => spec.stdout(policy.stdio()),
            Some(StreamName::Stderr) => spec.stderr(policy.stdio()),
        }
    }
}

/// `stdio = "…"`, or `stdio = { stdout = "…", … }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Stdios {
    stdin: Option<Policy>,
    stdout: Option<Policy>,
    stderr: Option<Policy>,
}

/// As it stands in a file.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a text such as \"capture\", or a table of stdin, stdout and stderr"
)]
enum Written {
    All(String),
    Each(Each),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Each {
    stdin: Option<String>,
    stdout: Option<String>,
    stderr: Option<String>,
}

impl TryFrom<Written> for Stdios {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let parsed = |text: Option<String>| text.as_deref().map(Policy::from_str).transpose();
        match written {
            Written::All(text) => Ok(Self::all(text.parse()?)),
            Written::Each(each) => {
                let stdin = parsed(each.stdin)?;
                stdin.map_or(Ok(()), |policy| check(Some(StreamName::Stdin), policy))?;
                Ok(Self {
                    stdin,
                    stdout: parsed(each.stdout)?,
                    stderr: parsed(each.stderr)?,
                })
            }
        }
    }
}

impl Stdios {
    fn all(policy: Policy) -> Self {
        let of_input = match policy {
            Policy::Inherit => Policy::Inherit,
            _ => Policy::Null,
        };
        Self {
            stdin: Some(of_input),
            stdout: Some(policy),
            stderr: Some(policy),
        }
    }

    /// Adds it to what an actor is started with.
    pub(crate) fn apply(self, mut spec: Spec) -> Spec {
        let or = |policy: Option<Policy>, before: Option<Stdio>| policy.map(Policy::stdio).or(before);
        spec.stdin = or(self.stdin, spec.stdin);
        spec.stdout = or(self.stdout, spec.stdout);
        spec.stderr = or(self.stderr, spec.stderr);
        spec
    }

    /// Whether a stream that is written is to be the user's own, as it is.
    pub(crate) fn inherits(self) -> bool {
        [self.stdout, self.stderr].contains(&Some(Policy::Inherit))
    }

    /// In the file's words.
    pub(crate) fn describe(self) -> Value {
        let named = [("stdin", self.stdin), ("stdout", self.stdout), ("stderr", self.stderr)];
        let given = named.into_iter().filter_map(|(name, policy)| Some((name, policy?)));
        let given = given.map(|(name, policy)| (name.to_owned(), policy.name().into()));
        Value::Object(given.collect::<Map<_, _>>())
    }
}

/// What is kept of one actor's streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captures {
    stdout: Option<Capture>,
    stderr: Option<Capture>,
}

impl Captures {
    /// Those that this is started with.
    pub(crate) fn of(spec: &Spec) -> Self {
        let capture = |stdio: &Option<Stdio>| match stdio {
            Some(Stdio::Capture(capture)) => Some(capture.clone()),
            _ => None,
        };
        Self {
            stdout: capture(&spec.stdout),
            stderr: capture(&spec.stderr),
        }
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, Captured)> {
        let named = [("stderr", &self.stderr), ("stdout", &self.stdout)];
        named
            .into_iter()
            .filter_map(|(name, capture)| Some((name, capture.as_ref()?.read())))
    }

    /// Adds to a failure what the actor wrote before it.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        let mut failure = failure;
        let said: Vec<_> = self
            .named()
            .filter_map(|(name, captured)| tail(name, &captured))
            .collect();
        if !said.is_empty() {
            let hints = failure.hint.take().into_iter().chain(said);
            failure.hint = Some(hints.collect::<Vec<_>>().join("\n"));
        }
        failure.captured = self.describe();
        failure
    }

    /// For programs: all that was kept. `None` if nothing was to be.
    pub(crate) fn describe(&self) -> Option<Value> {
        let named = self.named().map(|(name, captured)| {
            let about = json!({ "text": captured.text(), "dropped": captured.dropped });
            (name.to_owned(), about)
        });
        let named: Map<_, _> = named.collect();
        (!named.is_empty()).then_some(Value::Object(named))
    }
}

/// The last lines of a stream, for people; whoever prints them escapes what could drive a terminal.
fn tail(name: &str, captured: &Captured) -> Option<String> {
    let text = captured.text();
    let lines: Vec<_> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    if last.is_empty() {
        return None;
    }
    let earlier = match (lines.len() - last.len(), captured.dropped) {
        (0, 0) => String::new(),
        (earlier, 0) => format!(", after {earlier} more lines"),
        (earlier, dropped) => format!(", after {earlier} more lines and {dropped} bytes that were not kept"),
    };
    Some(format!("its {name} ended with{earlier}:\n  {}", last.join("\n  ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_for_one_stream_or_for_all() {
        let spec = |text: &str| {
            let choice: StdioChoice = text.parse().expect("it is right");
            choice.apply(Spec::this_component("a"))
        };
        let all = spec("log");
        assert_eq!(
            (all.stdin, all.stdout, all.stderr),
            (Some(Stdio::Null), Some(Stdio::Log), Some(Stdio::Log))
        );
        let one = spec("stderr=null");
        assert_eq!((one.stdin, one.stdout, one.stderr), (None, None, Some(Stdio::Null)));
        assert_eq!(spec("inherit").stdin, Some(Stdio::Inherit));
        for (text, says) in [
            ("loud", "not one of inherit"),
            ("stdwar=log", "no stream `stdwar`"),
            ("stdin=capture", "`inherit` or `null`"),
            ("stdout=", "not one of"),
        ] {
            assert!(
                text.parse::<StdioChoice>().is_err_and(|why| why.contains(says)),
                "{text}"
            );
        }
    }

    #[test]
    fn captures_of_two_streams_are_two() {
        let choice: StdioChoice = "capture".parse().expect("it is right");
        let spec = choice.apply(Spec::this_component("a"));
        assert!(spec.stdout != spec.stderr);
        assert_eq!(spec.stdin, Some(Stdio::Null));
    }

    #[test]
    fn the_last_lines_are_shown_and_the_others_counted() {
        let capture = Capture::of(100);
        assert_eq!(tail("stderr", &capture.read()), None);
        (1..=30).for_each(|n| capture.push(format!("line {n}\n").as_bytes()));
        let shown = tail("stderr", &capture.read()).expect("there is something");
        assert!(shown.starts_with("its stderr ended with, after "), "{shown}");
        assert!(shown.contains("bytes that were not kept:\n  line 21\n"), "{shown}");
        assert!(shown.ends_with("  line 30"), "{shown}");
    }
}
