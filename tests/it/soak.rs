//! The guest of the endurance run does what that counts. The run itself is `tests/soak.rs`, in a process of its
//! own.

use steading::Context;
use steading_tests::artifacts::SOAK;
use steading_tests::{alive, failed, story, with_actor};

#[test]
fn a_tree_of_fifty_is_up_all_at_once_and_gone_with_its_context() {
    story(async |host| {
        with_actor(host, SOAK, async |guest| {
            let body = async |ctx: Context<(), (), u64>, count: u64| {
                assert_eq!((count, alive(host).len()), (50, 51), "with the root");
                ctx.cancel("felled").await;
                assert!(failed(ctx.wait_result::<()>().await).is_absorbed());
                Ok(())
            };
            guest.open_context("tree", &vec![7_u32, 6], body).await?;
            assert_eq!(alive(host), ["root", "guest"]);
            Ok(())
        })
        .await
    });
}
