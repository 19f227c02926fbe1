//! x
struct U;
#[steading_guest::actor]
impl U {
    async fn x() -> u32 {
        1
    }
}
fn main() {}
