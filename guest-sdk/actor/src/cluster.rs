//! A number of equal children for the time of one block.

use steading_types::Spec;

use crate::error::{Error, Result};
use crate::gather::gather_calls;
use crate::nursery::nursery;
use crate::portal::Portal;
use crate::scope;

/// Starts so many workers at the same time, runs `body` with the portals to all of them, in order, and
/// cancels all when it has ended, in whatever way; ends when all are dead.
///
/// Each is started from `spec`, but is called after this actor: `<its name>.worker_0`, `….worker_1` and so
/// on. A worker that fails ends the body and all others (semantics 10: one-cancels-all).
///
/// ```ignore
/// let workers = current().parallelism();
/// cluster(workers, Spec::component("sorter", ""), async |portals| sort(&portals, lines).await).await
/// ```
///
/// # Errors
/// Of kind `InvalidOperation` for no workers. When one cannot be started: the others are cancelled, and this
/// is what leaves. The body's error, a worker's, or a group of both; the cancellation of the current scope.
///
/// # Panics
/// Outside a task of an actor.
pub async fn cluster<T, F>(workers: usize, spec: Spec, body: F) -> Result<T>
where
    F: AsyncFnOnce(Vec<Portal>) -> Result<T>,
{
    if workers == 0 {
        return Err(Error::invalid("cluster: there are no workers in it"));
    }
    let parent = scope::current().id().name.clone();
    nursery(async |nursery| {
        let specs = (0..workers).map(|i| Spec {
            name: format!("{parent}.worker_{i}"),
            ..spec.clone()
        });
        let portals = gather_calls(specs.map(|spec| nursery.start_actor(spec))).await?;
        let value = body(portals).await?;
        nursery.cancel("the cluster is over");
        Ok(value)
    })
    .await
}
