//! Endpoints without a context: typed arguments in, typed results out.

use serde::{Deserialize, Serialize};
use steading_guest::{Result, current};

#[derive(Serialize, Deserialize)]
struct Person {
    name: String,
    age: u8,
    tags: Vec<String>,
    note: Option<String>,
}

struct Values;

/// Takes values and gives values.
#[steading_guest::actor]
impl Values {
    /// The sum of two numbers.
    async fn add(a: i64, b: i64) -> Result<i64> {
        Ok(a + b)
    }

    /// The same person, some years later.
    async fn older(person: Person, years: u8) -> Result<Person> {
        let age = person.age + years;
        Ok(Person { age, ..person })
    }

    /// Takes nothing, gives nothing.
    async fn nothing() -> Result<()> {
        Ok(())
    }

    /// A maybe of a maybe, to show that "no value" is a value.
    async fn echo(value: Option<String>) -> Result<Option<String>> {
        Ok(value)
    }

    /// That many bytes.
    async fn zeroes(count: usize) -> Result<Vec<u8>> {
        Ok(vec![0; count])
    }

    /// Who this actor is.
    async fn who() -> Result<String> {
        Ok(current().id().to_string())
    }
}

fn main() {}
