//! The smallest actor: one endpoint, called once.

use steading_guest::prelude::*;

struct Hello;

#[steading_guest::actor]
impl Hello {
    /// Greets whoever is named.
    async fn main(names: Vec<String>) -> String {
        let names = if names.is_empty() {
            "world".to_owned()
        } else {
            names.join(" and ")
        };
        info!("asked to greet {names}");
        format!("Hello, {names}! This is {}.", current().id().name)
    }
}
