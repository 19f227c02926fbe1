//! What the user can do about a failure: which option would have helped.

use std::path::Path;

use ciborium::Value;
use steading::{ActorId, EndpointInfo, EndpointKind, Error, ErrorKind};

use super::ActorArgs;
use super::endpoints;
use super::failure::Failure;
use super::manifest::Actor;
use super::values;

/// As [`explain`], for actors whose grants are in a file.
pub(crate) fn explain_manifest(failure: Failure, path: &Path, actors: &[Actor]) -> Failure {
    advised(failure, |error| {
        // One that an actor started has what that was granted, at most; the file does not name it.
        let source = error.source_actor();
        let named = |id: &ActorId| actors.iter().find(|actor| *actor.name == *id.name);
        let granted = source.and_then(named).map_or((0, 0), Actor::granted);
        in_manifest(error, granted).map(|line| format!("in {}, {line}", path.display()))
    })
}

/// The line that would have helped.
fn in_manifest(error: &Error, (directories, variables): (usize, usize)) -> Option<String> {
    let text = error.to_string();
    let of_all = text.contains("this host may have");
    Some(match error.kind() {
        ErrorKind::Limit(limit) => match &*limit {
            "memory" | "contexts" | "children" | "actors" | "unread" => format!("`{limit} = …` below [limits] sets it"),
            "budget-memory" if of_all => "`total = { memory = … }` sets it".to_owned(),
            "budget-actors" if of_all => "`total = { actors = … }` sets it".to_owned(),
            "budget-memory" => "`budget = { memory = … }` of the actor sets it".to_owned(),
            "budget-actors" => "`budget = { actors = … }` of the actor sets it".to_owned(),
            _ => return of_limit(&limit),
        },
        ErrorKind::Killed => "`grace = …` gives a cancelled task longer to end by itself".to_owned(),
        ErrorKind::SpawnFailed if text.contains("was granted to") => {
            "`components = [\"…\"]` of the actor lets it run one".to_owned()
        }
        ErrorKind::EndpointError | ErrorKind::Panic => match of_grants(&text, directories, variables)? {
            hint if hint.contains("variable") => "`env = { NAME = \"…\" }` of the actor sets one".to_owned(),
            _ => "`dirs = [\"HOST[:GUEST][:ro|:rw]\"]` of the actor grants a directory".to_owned(),
        },
        _ => return None,
    })
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
    match error.kind() {
        ErrorKind::PayloadMismatch => Some(mismatch(asked)),
        ErrorKind::Limit(limit) => of_limit(&limit),
        ErrorKind::Killed => Some("`--grace MS` gives a cancelled task longer to end by itself".to_owned()),
        ErrorKind::EndpointError | ErrorKind::Panic => {
            of_grants(&error.to_string(), asked.actor.dir.len(), asked.actor.env.len())
        }
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
            format!("`--limit {limit}=…` sets it; `steading doctor` shows what it can be raised to")
        }
        "cpu" => "a long computation has to wait now and then, as by `sleep(Duration::from_millis(1)).await`; \
                  no option raises this"
            .to_owned(),
        "payload" => "send it in pieces, over the stream of a context".to_owned(),
        _ => return None,
    })
}

/// The system's words for what is not there or not allowed, as guests see them.
fn of_grants(message: &str, directories: usize, variables: usize) -> Option<String> {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let files = [
        "pre-opened file descriptor",
        "(os error 2)",
        "(os error 44)",
        "(os error 63)",
        "(os error 76)",
    ];
    let option = "`--dir HOST[:GUEST][:ro|:rw]` grants one";
    match (directories, variables) {
        (0, _) if says(&files) => Some(format!("this actor was granted no directory; {option}")),
        (_, _) if says(&files[..1]) => Some(format!("it lies in no directory that this actor was granted; {option}")),
        (_, 0) if says(&["environment variable not found", "NotPresent"]) => {
            Some("this actor was granted no variable; `--env NAME[=VALUE]` grants one".to_owned())
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
        let hint = |message, directories| of_grants(message, directories, 0).unwrap_or_default();
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
        assert!(hint("environment variable not found", 0).contains("--env"));
        assert_eq!(hint("no more tea", 0), "");
    }

    #[test]
    fn a_limit_that_can_be_set_says_how() {
        assert!(of_limit("children").is_some_and(|hint| hint.contains("--limit children=")));
        assert!(of_limit("cpu").is_some_and(|hint| hint.contains("await")));
        assert_eq!(of_limit("stack"), None);
    }
}
