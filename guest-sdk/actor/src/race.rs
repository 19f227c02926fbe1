//! The first of several.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// What won a [`race`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first.
    Left(A),
    /// The second.
    Right(B),
}

/// Waits for the first of two futures; the other is dropped. If both are ready, the first wins.
pub async fn race<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> Either<A, B> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|cx| match first.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Either::Left(value)),
        Poll::Pending => second.as_mut().poll(cx).map(Either::Right),
    })
    .await
}

/// Waits for the first of several futures and goes on with its arm; the others are dropped. If several
/// are ready, the first of them wins.
///
/// ```ignore
/// select! {
///     message = stream.next() => handle(message?),
///     _ = sleep(Duration::from_secs(1)) => warn!("quiet"),
/// }
/// ```
#[macro_export]
macro_rules! select {
    (@future $first:expr) => { $first };
    (@future $first:expr, $($rest:expr),+) => { $crate::race($first, $crate::select!(@future $($rest),+)) };
    (@match $value:expr; $pattern:pat => $arm:expr) => { match $value { $pattern => $arm } };
    (@match $value:expr; $pattern:pat => $arm:expr, $($patterns:pat => $arms:expr),+) => {
        match $value {
            $crate::Either::Left($pattern) => $arm,
            $crate::Either::Right(other) => $crate::select!(@match other; $($patterns => $arms),+),
        }
    };
    ($($pattern:pat = $future:expr => $arm:expr),+ $(,)?) => {
        $crate::select!(@match $crate::select!(@future $($future),+).await; $($pattern => $arm),+)
    };
}
