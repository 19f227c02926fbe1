//! What the command line asks for.

use steading_guest::Error;

/// How to call it; shown when it is called otherwise.
const USAGE: &str = "usage: PATTERN DIR [--workers N] [--no-progress] [--list-binary]";

/// Most workers; the host's own limit of children per actor.
const MAX_WORKERS: usize = 64;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) pattern: String,
    /// Without slashes at its end, unless it is the root of everything.
    pub(crate) dir: String,
    pub(crate) workers: usize,
    pub(crate) progress: bool,
    /// Name every binary file instead of counting them.
    pub(crate) list_binary: bool,
}

impl Options {
    pub(crate) fn parse(args: Vec<String>) -> Result<Self, Error> {
        let mut options = Self {
            pattern: String::new(),
            dir: String::new(),
            workers: cores(),
            progress: true,
            list_binary: false,
        };
        let mut positional = Vec::new();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--workers" => options.workers = workers(args.next())?,
                "--no-progress" => options.progress = false,
                "--list-binary" => options.list_binary = true,
                "--" => positional.extend(args.by_ref()),
                option if option.starts_with("--") => return Err(usage(format_args!("no option `{option}`"))),
                _ => positional.push(arg),
            }
        }
        let [pattern, dir] = <[String; 2]>::try_from(positional).map_err(|given| {
            usage(format_args!(
                "expected a pattern and a directory, got {} arguments",
                given.len()
            ))
        })?;
        options.pattern = pattern;
        options.dir = match dir.trim_end_matches('/') {
            "" => "/".to_owned(),
            trimmed => trimmed.to_owned(),
        };
        Ok(options)
    }
}

fn usage(what: std::fmt::Arguments<'_>) -> Error {
    Error::msg(format_args!("{what}; {USAGE}"))
}

fn workers(value: Option<String>) -> Result<usize, Error> {
    let value = value.unwrap_or_default();
    let number = value.parse().ok().filter(|number| (1..=MAX_WORKERS).contains(number));
    number.ok_or_else(|| {
        usage(format_args!(
            "--workers takes a number from 1 to {MAX_WORKERS}, not `{value}`"
        ))
    })
}

/// As many as can run at once; outside an actor (in tests) nobody says how many that is.
fn cores() -> usize {
    steading_guest::try_current()
        .map_or(1, |current| current.parallelism())
        .clamp(1, MAX_WORKERS)
}

#[cfg(test)]
mod tests {
    use super::{Options, cores};

    fn parse(args: &[&str]) -> Result<Options, String> {
        Options::parse(args.iter().map(ToString::to_string).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn pattern_and_directory_are_enough() {
        let options = parse(&["fn main", "src//"]).expect("they are");
        assert_eq!((options.pattern.as_str(), options.dir.as_str()), ("fn main", "src"));
        assert!(options.progress && !options.list_binary);
    }

    #[test]
    fn options_stand_anywhere_and_end_at_two_dashes() {
        let options = parse(&["--no-progress", "a", "--workers", "5", "--", "--workers"]).expect("sound");
        assert_eq!(
            (options.workers, options.progress, options.dir.as_str()),
            (5, false, "--workers")
        );
        assert_eq!(parse(&["a", "///"]).expect("sound").dir, "/");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (args, expected) in [
            (&["a"][..], "expected a pattern and a directory, got 1 arguments"),
            (&["a", "b", "c"], "expected a pattern and a directory, got 3 arguments"),
            (&["a", "b", "--worker"], "no option `--worker`"),
            (
                &["a", "b", "--workers"],
                "--workers takes a number from 1 to 64, not ``",
            ),
            (
                &["a", "b", "--workers", "65"],
                "--workers takes a number from 1 to 64, not `65`",
            ),
        ] {
            let error = parse(args).expect_err("malformed");
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn where_nobody_says_how_many_can_run_there_is_one_worker() {
        assert_eq!(cores(), 1);
    }
}
