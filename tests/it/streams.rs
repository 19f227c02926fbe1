//! The duplex message phase of a context (semantics 8).

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::join;
use steading::{Context, Either, Error, ErrorKind, Result, Window, race};
use steading_tests::artifacts::STREAMS;
use steading_tests::{failed, story, story_once, with_actor};

type Bytes = Vec<u8>;

#[test]
fn messages_come_back_in_order() {
    story(async |host| {
        with_actor(host, STREAMS, async |guest| {
            let count = guest.open_context("echo", &(), async |ctx: Context<Bytes, Bytes>, ()| {
                echo(&ctx, 1000, |n| vec![n as u8; n % 40]).await?;
                ctx.wait_result::<u64>().await
            });
            assert_eq!(count.await?, 1000);
            Ok(())
        })
        .await
    });
}

#[test]
fn large_messages_pass_through_a_window_smaller_than_all_of_them() {
    story(async |host| {
        with_actor(host, STREAMS, async |guest| {
            let count = guest.open_context("echo", &(), async |ctx: Context<Bytes, Bytes>, ()| {
                echo(&ctx, 12, |n| vec![n as u8; 300 << 10]).await?;
                ctx.wait_result::<u64>().await
            });
            assert_eq!(count.await?, 12);
            Ok(())
        })
        .await
    });
}

/// What is sent to somebody who takes nothing in is held by the host, but no more than the sender may leave unread: with
/// the rest it waits, and nothing is lost.
#[test]
fn what_nobody_takes_in_is_bounded_by_one_sum() {
    const CONTEXTS: u32 = 48;
    let most_with = |limit: usize| {
        let most = Cell::new(0);
        story_once(
            |builder| builder.unread(limit),
            async |host| {
                with_actor(host, STREAMS, async |guest| {
                    let pour = guest.call::<u64, _>("pour", &CONTEXTS);
                    let watch = async {
                        loop {
                            most.set(most.get().max(host.most_unread()));
                            steading::sleep(Duration::from_millis(5)).await?;
                        }
                    };
                    let end: Either<Result<u64>, Result<()>> = race(pour, watch).await;
                    let Either::Left(bytes) = end else {
                        panic!("it only watches")
                    };
                    assert_eq!(bytes?, u64::from(CONTEXTS) * 16 * 65_000, "all of it arrives");
                    Ok(())
                })
                .await
            },
        );
        most.get() >> 10
    };
    let (narrow, wide) = (most_with(1 << 20), most_with(1 << 30));
    assert!(narrow <= 1 << 10, "{narrow} KiB");
    assert!(wide > 16 << 10, "or this shows nothing: {wide} KiB");
}

/// What a turn leaves for somebody who reads was withheld by nobody.
#[test]
fn results_of_one_turn_are_as_many_as_its_callers_wait_for() {
    story(async |host| {
        with_actor(host, STREAMS, async |guest| {
            let nap = guest.call::<(), _>("nap", &200_u64);
            // They come while it naps, and are served in the turn after that: 19 MB of results.
            let texts = try_join_all((0..64).map(|_| guest.call::<String, _>("text", &300_000_u32)));
            let (nap, texts) = join!(nap, texts);
            nap?;
            assert!(texts?.iter().all(|text| text.len() == 300_000));
            Ok(())
        })
        .await
    });
}

/// A child that reads nothing is the matter of those who send to it.
#[test]
fn who_does_not_read_silences_its_sender_towards_nobody_else() {
    story(async |host| {
        with_actor(host, STREAMS, async |guest| {
            let (poured, asked) = (Cell::new(false), Cell::new(0));
            let pour = async {
                let end = guest.call::<bool, _>("pour_beside", &48_u32).await;
                poured.set(true);
                end
            };
            let ask = async {
                while !poured.get() {
                    steading::sleep(Duration::from_millis(2)).await?;
                    // With 16 MiB it may have no more.
                    if host.most_unread() > 15 << 20 {
                        assert_eq!(guest.call::<String, _>("text", &300_000_u32).await?.len(), 300_000);
                        asked.set(asked.get() + 1);
                    }
                }
                Ok::<_, Error>(())
            };
            let (pour, ask) = join!(pour, ask);
            ask?;
            assert!(asked.get() > 0, "its caller has an answer meanwhile");
            assert!(pour?, "the other child has heard all of it meanwhile");
            Ok(())
        })
        .await
    });
}

/// Sends and receives at the same time, as more is on its way than the windows hold.
async fn echo(ctx: &Context<Bytes, Bytes>, count: usize, message: impl Fn(usize) -> Bytes) -> Result<()> {
    ctx.stream(async |stream| {
        let send = async {
            for n in 0..count {
                stream.send(message(n)).await?;
            }
            Ok::<_, Error>(())
        };
        let receive = async {
            for n in 0..count {
                assert_eq!(stream.next().await?, Some(message(n)), "message {n}");
            }
            Ok::<_, Error>(())
        };
        let (sent, received) = join!(send, receive);
        sent.and(received)
    })
    .await
}

#[test]
fn a_sender_waits_for_a_receiver_that_takes_nothing() {
    story(async |host| {
        with_actor(host, STREAMS, async |guest| {
            assert_eq!(fill(guest, Window::DEFAULT).await?, 64);
            assert_eq!(
                fill(
                    guest,
                    Window {
                        messages: 4,
                        bytes: 1 << 20
                    }
                )
                .await?,
                4
            );
            Ok(())
        })
        .await
    });
}

async fn fill(guest: &steading::Portal, window: Window) -> Result<u64> {
    let body = async |ctx: Context<(), u64, u64>, _: u64| ctx.wait_result().await;
    guest.context("fill").window(window).open(body).await
}

#[test]
fn the_end_of_a_stream_is_latched() {
    story(async |host| {
        with_actor(host, STREAMS, async |guest| {
            let body = async |ctx: Context<(), u64>, ()| {
                ctx.stream(async |stream| {
                    for expected in 0..100 {
                        assert_eq!(stream.next().await?, Some(expected));
                    }
                    assert_eq!(stream.next().await?, None);
                    assert_eq!(stream.next().await?, None, "asked again");
                    Ok(())
                })
                .await
            };
            guest.open_context("count", &100, body).await
        })
        .await
    });
}

#[test]
fn leaving_a_stream_early_discards_the_rest_and_the_result_still_comes() {
    story(async |host| {
        with_actor(host, STREAMS, async |guest| {
            let body = async |ctx: Context<(), u64>, ()| {
                ctx.stream(async |stream| stream.next().await).await?;
                ctx.wait_result::<()>().await
            };
            guest.open_context("count", &10_000, body).await
        })
        .await
    });
}

#[test]
fn a_peer_that_leaves_without_taking_anything_does_not_hold_up_the_sender() {
    story(async |host| {
        with_actor(host, STREAMS, async |guest| {
            let body = async |ctx: Context<u64, ()>, ()| {
                let sent = ctx.stream(async |stream| {
                    for n in 0..1000 {
                        stream.send(n).await?;
                    }
                    Ok(())
                });
                // Whether all of it was sent before the callee had ended is a matter of chance.
                _ = steading::timeout(Duration::from_secs(20), sent).await.is_ok();
                ctx.wait_result::<String>().await
            };
            assert_eq!(guest.open_context("deaf", &(), body).await?, "gone");
            Ok(())
        })
        .await
    });
}

#[test]
fn a_context_has_one_stream() {
    story(async |host| {
        with_actor(host, STREAMS, async |guest| {
            let body = async |ctx: Context<u64, ()>, ()| {
                ctx.stream(async |stream| stream.send(5).await).await?;
                assert_eq!(
                    failed(ctx.stream(async |_| Ok(())).await).kind(),
                    ErrorKind::InvalidOperation
                );
                ctx.wait_result::<u64>().await
            };
            assert_eq!(guest.open_context("sum", &(), body).await?, 5);
            Ok(())
        })
        .await
    });
}

#[test]
fn a_message_of_another_type_fails_the_context_at_its_receiver() {
    story(async |host| {
        with_actor(host, STREAMS, async |guest| {
            let body = async |ctx: Context<String, ()>, ()| {
                ctx.stream(async |stream| stream.send("not a number".to_owned()).await)
                    .await?;
                ctx.wait_result::<u64>().await
            };
            let error = failed(guest.open_context("sum", &(), body).await);
            assert_eq!(error.kind(), ErrorKind::PayloadMismatch, "{error}");
            assert!(error.message().contains("u64"), "{error}");
            Ok(())
        })
        .await
    });
}
