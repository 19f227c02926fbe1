//! An actor with a child, both waiting, ends when it is asked to; `tests/cli` has the interrupts.

use steading::Result;
use steading_tests::artifacts::PATIENT;
use steading_tests::{capture, failed, story};

#[test]
fn an_interrupt_reaches_a_call_that_waits() {
    story(async |host| {
        let lines = capture();
        let code = host.load(PATIENT)?;
        let end: Result<()> = host
            .root(async |n| {
                let guest = n.start_actor(code.spec("guest")).await?;
                let (end, ()) = futures_util::join!(guest.call("main", &()), async {
                    lines.wait_for("ready").await;
                    host.interrupt();
                });
                end
            })
            .await;
        assert!(failed(end).is_cancelled());
        Ok(())
    });
}
