//! What the user can do about a failure: which option would have helped.

use std::path::Path;

use ciborium::Value;
use steading::{ActorId, EndpointInfo, EndpointKind, Error, ErrorKind};

use super::ActorArgs;
use super::capabilities::{COMPONENT, DIRECTORY, QUOTA, VARIABLE, WRITABLE, Way};
use super::endpoints;
use super::failure::Failure;
use super::manifest::Actor;
use super::values;

/// No option and no line of a manifest takes endpoints away, so none gives them.
const ENDPOINTS: &str =
    "who starts an actor grants its endpoints, with `Spec::endpoints`; all of them if it says nothing";

/// A directory of a context; an actor of a manifest is called once, and has its own for as long.
const CALL: &str = "who opens a context grants it directories, with `ContextBuilder::grant`; `--grant HOST:NAME` does so for \
                    the call that the command line makes";

fn not_granted(error: &Error) -> &'static str {
    match error.to_string().contains("granted no directory") {
        true => CALL,
        false => ENDPOINTS,
    }
}

/// What an actor was granted, as far as a failure may be for the want of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Granted {
    pub(crate) directories: usize,
    /// Those of them it may write.
    pub(crate) writable: usize,
    /// Those of them that have a quota.
    pub(crate) bounded: usize,
    pub(crate) variables: usize,
}

/// As [`explain`], for actors whose grants are in a file.
pub(crate) fn explain_manifest(failure: Failure, path: &Path, actors: &[&Actor]) -> Failure {
    advised(failure, |error| {
        // One that an actor started has what that was granted, at most; the file does not name it.
        let source = error.source_actor();
        let named = |id: &ActorId| actors.iter().find(|actor| *actor.name == *id.name);
        let granted = source
            .and_then(named)
            .map_or(Granted::default(), |actor| actor.granted());
        in_manifest(error, granted, path)
    })
}

/// The line that would have helped, and the option that would without a file.
fn in_manifest(error: &Error, granted: Granted, path: &Path) -> Option<String> {
    let path = path.display();
    if let Some((why, way)) = denial(error, granted) {
        let Way { line, option } = way;
        return Some(format!(
            "{why}; in {path}, `{line}` of the actor grants it (without a manifest, `{option}`)"
        ));
    }
    let of_all = error.to_string().contains("this host may have");
    let line = match error.kind() {
        ErrorKind::Limit(limit) => match &*limit {
            "memory" | "contexts" | "children" => format!("`{limit} = …` of the actor, or below [limits], sets it"),
            "actors" | "unread" | "compile-time" | "compile-memory" => format!("`{limit} = …` below [limits] sets it"),
            "budget-memory" if of_all => "`total = { memory = … }` sets it".to_owned(),
            "budget-actors" if of_all => "`total = { actors = … }` sets it".to_owned(),
            "budget-memory" => "`budget = { memory = … }` of the actor sets it".to_owned(),
            "budget-actors" => "`budget = { actors = … }` of the actor sets it".to_owned(),
            _ => return of_limit(&limit),
        },
        ErrorKind::NotGranted => return Some(not_granted(error).to_owned()),
        ErrorKind::Killed => "`grace = …` gives a cancelled task longer to end by itself".to_owned(),
        _ => return None,
    };
    Some(format!("in {path}, {line}"))
}

/// What was asked for.
pub(crate) struct Asked<'a> {
    pub(crate) endpoint: &'a EndpointInfo,
    pub(crate) payload: &'a Value,
    pub(crate) actor: &'a ActorArgs,
}

/// Adds advice to a failure that has none, if there is any.
pub(crate) fn explain(failure: Failure, asked: &Asked<'_>) -> Failure {
    advised(failure, |error| advice(error, asked))
}

fn advised(failure: Failure, advice: impl FnOnce(&Error) -> Option<String>) -> Failure {
    let Some(error) = failure.error.clone().filter(|_| failure.hint.is_none()) else {
        return failure;
    };
    // Of several, the first is the one that made the others.
    let error = error.members().first().unwrap_or(&error);
    match advice(error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn advice(error: &Error, asked: &Asked<'_>) -> Option<String> {
    let granted = Granted {
        directories: asked.actor.dir.len(),
        writable: asked.actor.dir.iter().filter(|dir| dir.writable).count(),
        bounded: asked.actor.dir.iter().filter(|dir| dir.quota.is_some()).count(),
        variables: asked.actor.env.len(),
    };
    if let Some((why, Way { option, line })) = denial(error, granted) {
        return Some(format!(
            "{why}; `{option}` grants it (in a manifest, `{line}` of the actor)"
        ));
    }
    match error.kind() {
        ErrorKind::PayloadMismatch => Some(mismatch(asked)),
        ErrorKind::Limit(limit) => of_limit(&limit),
        ErrorKind::NotGranted => Some(not_granted(error).to_owned()),
        ErrorKind::Killed => Some("`--grace MS` gives a cancelled task longer to end by itself".to_owned()),
        _ => None,
    }
}

fn mismatch(asked: &Asked<'_>) -> String {
    let (called, signature) = (values::to_json(asked.payload), endpoints::signature(asked.endpoint));
    let messages = match asked.endpoint.kind {
        EndpointKind::Plain => "",
        EndpointKind::Context => ", and the lines of standard input as messages",
    };
    format!("the endpoint is {signature}; it was given {called}{messages}")
}

fn of_limit(limit: &str) -> Option<String> {
    Some(match limit {
        "memory" | "contexts" | "children" | "actors" | "unread" | "budget-memory" | "budget-actors" => {
            let line = in_file(limit);
            format!(
                "`--limit {limit}=…` sets it (in a manifest, `{line}`); `steading doctor` shows what it can be raised to"
            )
        }
        "cpu" => "a long computation has to wait now and then, as by `sleep(Duration::from_millis(1)).await`; \
                  no option raises this"
            .to_owned(),
        "payload" => "send it in pieces, over the stream of a context".to_owned(),
        _ => return None,
    })
}

/// Where a manifest sets what `--limit` calls by this name.
fn in_file(limit: &str) -> String {
    match limit.strip_prefix("budget-") {
        Some(of_all_below) => format!("budget = {{ {of_all_below} = … }}"),
        None => format!("limits.{limit} = …"),
    }
}

/// What was denied, in a sentence, and what would have granted it.
fn denial(error: &Error, granted: Granted) -> Option<(&'static str, Way)> {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::SpawnFailed => of_children(&text),
        ErrorKind::EndpointError | ErrorKind::Panic => of_grants(&text, granted),
        _ => None,
    }
}

/// The host's words for what an actor cannot hand on to those it starts.
fn of_children(message: &str) -> Option<(&'static str, Way)> {
    let says = |words: &str| message.contains(words);
    if says("no such component") || says("no component") || says("may not run") {
        return Some((
            "an actor starts no component but its own unless it is granted",
            COMPONENT,
        ));
    }
    if says("the parent may only read it") {
        return Some(("it was granted to be read only", WRITABLE));
    }
    says("the parent does not have it").then_some(("an actor can hand on what it was granted", DIRECTORY))
}

/// The system's words for what is not there or not allowed, as guests see them.
fn of_grants(message: &str, granted: Granted) -> Option<(&'static str, Way)> {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    // As Rust shows an error, and as it shows one that was unwrapped.
    let is_any = |codes: &[u8]| {
        let shown = |code| [format!("(os error {code})"), format!("Os {{ code: {code},")];
        codes.iter().flat_map(shown).any(|shown| message.contains(&shown))
    };
    let is_outside = says(&["pre-opened file descriptor"]);
    let (is_absent, is_forbidden) = (is_any(&[2, 44, 76]), is_any(&[63, 69]));
    match granted {
        Granted { directories: 0, .. } if is_outside || is_absent || is_forbidden => {
            Some(("this actor was granted no directory", DIRECTORY))
        }
        _ if is_outside => Some(("it lies in no directory that this actor was granted", DIRECTORY)),
        Granted { writable: 0, .. } if is_forbidden => {
            Some(("this actor may only read the directories it was granted", WRITABLE))
        }
        // That a stream could not be written to is all that a guest's C library knows of a full disk.
        Granted { bounded: 1.., .. } if is_any(&[29]) => {
            Some(("a directory it was granted may have reached its quota", QUOTA))
        }
        _ if is_any(&[19, 51]) => Some(("a directory it was granted is full, or its quota is", QUOTA)),
        Granted { variables: 0, .. } if says(&["environment variable not found", "NotPresent"]) => {
            Some(("this actor was granted no variable", VARIABLE))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_may_be_one_that_was_not_granted() {
        let missing = "No such file or directory (os error 44)";
        let outside = "failed to find a pre-opened file descriptor through which \"/x\" could be opened";
        let readable = |directories| Granted {
            directories,
            ..Granted::default()
        };
        let hint = |message, directories| of_grants(message, readable(directories)).map_or("", |(why, _)| why);
        assert!(
            hint(missing, 0).contains("granted no directory"),
            "{}",
            hint(missing, 0)
        );
        assert!(
            hint(outside, 0).contains("granted no directory"),
            "{}",
            hint(outside, 0)
        );
        assert!(hint(outside, 1).contains("in no directory"), "{}", hint(outside, 1));
        assert_eq!(hint(missing, 1), "", "it is simply not there");
        assert_eq!(
            hint("Operation not permitted (os error 63)", 1),
            "this actor may only read the directories it was granted"
        );
        assert_eq!(
            hint("environment variable not found", 0),
            "this actor was granted no variable"
        );
        assert_eq!(hint("no more tea", 0), "");
    }

    #[test]
    fn what_cannot_be_handed_on_says_what_to_grant() {
        let option = |message| of_children(message).map(|(_, way)| way.option);
        assert_eq!(
            option("no such component `x`; the host knows: none"),
            Some(COMPONENT.option)
        );
        assert_eq!(
            option("directory `/a`: the parent may only read it"),
            Some(WRITABLE.option)
        );
        let absent = "directory `/a`: the parent does not have it; grant it to the parent first";
        assert_eq!(option(absent), Some(DIRECTORY.option));
        assert_eq!(option("its name has control characters"), None);
    }

    #[test]
    fn a_limit_that_can_be_set_says_how() {
        assert!(of_limit("children").is_some_and(|hint| hint.contains("--limit children=")));
        assert!(of_limit("memory").is_some_and(|hint| hint.contains("`limits.memory = …`")));
        assert!(of_limit("budget-actors").is_some_and(|hint| hint.contains("`budget = { actors = … }`")));
        assert!(of_limit("cpu").is_some_and(|hint| hint.contains("await")));
        assert_eq!(of_limit("stack"), None);
    }
}
