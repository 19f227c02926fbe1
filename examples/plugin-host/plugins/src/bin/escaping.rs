//! A plugin that looks for what it was not given.

use std::path::Path;

use steading_guest::prelude::*;

struct Escaping;

/// Looks around.
#[steading_guest::actor]
impl Escaping {
    /// What it could lay hands on.
    async fn transform(_text: String) -> Result<String> {
        let files = ["/etc/passwd", "../../../etc/passwd", "/proc/self/environ", "."];
        let readable = files.iter().filter(|path| Path::new(path).exists()).count();
        let variables = std::env::vars().count();
        let other = nursery(async |n| n.start_actor(Spec::component("good", "accomplice")).await.map(drop)).await;
        let refused = other
            .err()
            .map_or_else(|| "nothing".to_owned(), |error| error.message());
        let refused = refused.split('@').next().unwrap_or_default();
        Err(Error::msg(format!(
            "saw {readable} files and {variables} variables; was refused: {refused}"
        )))
    }
}

fn main() {}
