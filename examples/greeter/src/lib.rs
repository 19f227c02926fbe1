//! A component that knows nothing of steading: plain functions, with types of its own.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bindings::Guest;
use bindings::exports::local::greeter::guests::{self, Mood, Visitor};

mod bindings {
    #![allow(missing_docs, unsafe_code, clippy::all, reason = "generated")]
    wit_bindgen::generate!({ path: "wit" });
    use super::Greeter;
    export!(Greeter);
}

thread_local! {
    static SEEN: RefCell<BTreeMap<String, u32>> = const { RefCell::new(BTreeMap::new()) };
}

struct Greeter;

impl Guest for Greeter {
    fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }
}

impl guests::Guest for Greeter {
    fn welcome(visitor: Visitor) -> Result<String, String> {
        let Visitor { name, title, mood } = visitor;
        if name.is_empty() {
            return Err("nobody is there".to_owned());
        }
        SEEN.with_borrow_mut(|seen| *seen.entry(name.clone()).or_default() += 1);
        let title = title.map(|title| title + " ").unwrap_or_default();
        Ok(match mood {
            Mood::Warm => format!("Welcome, dear {title}{name}!"),
            Mood::Formal => format!("Good evening, {title}{name}."),
        })
    }

    fn seen() -> Vec<(String, u32)> {
        SEEN.with_borrow(|seen| seen.iter().map(|(name, times)| (name.clone(), *times)).collect())
    }
}
