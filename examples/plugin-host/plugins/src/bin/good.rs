//! A plugin that does its work.

struct Good;

/// Writes in capitals.
#[steading_guest::actor]
impl Good {
    /// The text in capitals.
    async fn transform(text: String) -> String {
        text.to_uppercase()
    }
}

fn main() {}
