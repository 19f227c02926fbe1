//! A plugin that never comes back.

struct Spinning;

/// Thinks it over.
#[steading_guest::actor]
impl Spinning {
    /// Computes for ever.
    async fn transform(text: String) -> String {
        let mut n = 0_u64;
        while std::hint::black_box(n) < u64::MAX {
            n += 1;
        }
        text
    }
}

fn main() {}
