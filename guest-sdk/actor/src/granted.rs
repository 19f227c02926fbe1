//! What a context was granted by its caller: for its callee, as long as it lasts.

use std::path::PathBuf;

use steading_types::Key;

use crate::error::{Error, Result};
use crate::runtime::Actor;
use crate::scope;

/// The path of the directory that the caller of the current task has granted it by this name
/// ([`ContextBuilder::grant`](crate::ContextBuilder::grant)). It can be used as any other path until the context has
/// its outcome; after that, whatever was opened there answers "permission denied". A caller that grants nothing has a
/// callee that finds nothing. [`Context::granted`](crate::Context::granted) is the same for a context that is at hand.
///
/// ```ignore
/// /// Counts the lines of what it is given to read.
/// async fn count() -> Result<usize> {
///     let text = std::fs::read_to_string(granted("input")?.join("text.txt"))?;
///     Ok(text.lines().count())
/// }
/// ```
///
/// # Errors
/// `NotGranted` if it was granted nothing by this name, with the names that it was; `InvalidOperation` outside of the
/// tasks of an actor.
pub fn granted(name: &str) -> Result<PathBuf> {
    let current = scope::try_current_node();
    let found = current
        .as_ref()
        .and_then(|node| Some((node.actor(), node.context_of(node.actor())?)));
    let (actor, context) = found.ok_or_else(|| Error::invalid("granted: no call of an endpoint runs here"))?;
    path(actor, context, name)
}

pub(crate) fn path(actor: &Actor, context: Key, name: &str) -> Result<PathBuf> {
    Ok(actor.boundary().granted(context, name)?.into())
}
