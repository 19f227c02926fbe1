//! What runs when another actor opens a context to this one.
//!
//! An [`Invocation`] is the task to be: whoever drives the actor picks the endpoint and runs it. The
//! task's scope is cancelled by the caller's cancel, by its failure, or by the loss of the link; when the
//! task is over, and only then, its ending is sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use steading_types::{
    ActorId, Cause, Ending, EndpointInfo, EndpointKind, EndpointSchema, ErrorKind, Outcome, Parameter,
};

use crate::codec;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::link::Link;
use crate::schema::endpoint_schema;
use crate::scope::{Node, scoped};

/// A context that was opened to this actor and waits for its task. Dropped without being run, it ends as
/// cancelled.
#[must_use = "an invocation is to be run"]
pub struct Invocation {
    task: Task,
    endpoint: u32,
    name: Option<&'static str>,
    args: Bytes,
    deadline: Option<u64>,
}

impl Invocation {
    pub(crate) fn new(link: Arc<Link>, endpoint: u32, args: Bytes, deadline: Option<u64>) -> Self {
        Self {
            task: Task(Some(link)),
            endpoint,
            name: None,
            args,
            deadline,
        }
    }

    /// Says what the endpoint is called, for errors about what it returns. Where nobody says it, the host
    /// does; but it never sees what is too large to leave a guest.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Index into the description's endpoints.
    pub fn endpoint(&self) -> u32 {
        self.endpoint
    }

    /// When the callee will be cancelled, on the actor's clock.
    pub fn deadline(&self) -> Option<u64> {
        self.deadline
    }

    /// Who opened the context.
    pub fn caller(&self) -> Option<ActorId> {
        Some(self.task.0.as_ref()?.with(|state| state.peer.clone()))
    }

    /// Ends the context with an error instead of running anything.
    pub fn refuse(mut self, error: &Error) {
        self.task.end(Err(error.clone()));
    }
}

/// The callee's side, which is finished exactly once.
struct Task(Option<Arc<Link>>);

impl Task {
    fn end(&mut self, end: Result<Vec<u8>>) {
        if let Some(link) = self.0.take() {
            let caught = end.as_ref().is_err_and(|error| is_cancel_of(&link, error));
            link.with(|state| {
                state.cancelled_caught |= caught;
                state.local_error = state.local_error.take().or_else(|| end.as_ref().err().cloned());
            });
            let ending = ending(&link, end);
            link.finish(ending);
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // A panic ends the whole actor, and that is what the caller is to hear.
        if let Some(link) = self.0.take().filter(|_| !std::thread::panicking()) {
            link.finish(Ending::Cancelled);
        }
    }
}

/// Is this the cancellation of the task's own scope?
fn is_cancel_of(link: &Link, error: &Error) -> bool {
    link.scope().is_some_and(|scope| scope.has_raised(error))
}

/// How a task came to its end (semantics 3).
fn ending(link: &Link, end: Result<Vec<u8>>) -> Ending {
    let cancelled = link.scope().is_some_and(|scope| scope.is_cancelled());
    match end {
        Ok(_) if cancelled => Ending::Cancelled,
        Ok(value) => Ending::Returned(value.into()),
        Err(error) if cancelled && error.is_cancelled() => Ending::Cancelled,
        Err(error) => Ending::Failed(Box::new(error.to_boxed(link.actor.me()))),
    }
}

/// The same, as this side will remember it.
pub(crate) fn outcome(link: &Link, ending: &Ending) -> Outcome {
    match ending {
        Ending::Returned(value) => Outcome::Returned(value.clone()),
        Ending::Failed(error) => Outcome::Failed(error.clone()),
        Ending::Cancelled => {
            let cancellation = link.scope().and_then(|scope| scope.cancellation());
            Outcome::Cancelled(cancellation.unwrap_or_else(|| link.actor.cancellation("", Cause::Requested)))
        }
    }
}

/// Runs an endpoint without a context.
pub async fn plain<A, R, F, Fut>(invocation: Invocation, endpoint: F)
where
    A: DeserializeOwned,
    R: Serialize,
    F: FnOnce(A) -> Fut,
    Fut: Future<Output = Result<R>>,
{
    let Invocation {
        mut task, args, name, ..
    } = invocation;
    let Some(link) = task.0.clone() else { return };
    let body = async { encoded(name, &endpoint(arguments(&args)?).await?) };
    task.end(in_scope(&link, body).await);
}

/// Runs an endpoint with a context.
pub async fn with_context<S, R, St, A, V, F, Fut>(invocation: Invocation, endpoint: F)
where
    A: DeserializeOwned,
    V: Serialize,
    F: FnOnce(Context<S, R, St>, A) -> Fut,
    Fut: Future<Output = Result<V>>,
{
    let Invocation {
        mut task, args, name, ..
    } = invocation;
    let Some(link) = task.0.clone() else { return };
    let body = async { encoded(name, &endpoint(Context::new(link.clone()), arguments(&args)?).await?) };
    task.end(in_scope(&link, body).await);
}

async fn in_scope(link: &Arc<Link>, body: impl Future<Output = Result<Vec<u8>>>) -> Result<Vec<u8>> {
    let scope = link
        .scope()
        .unwrap_or_else(|| Node::root(link.actor.clone(), Some(link.key)));
    scoped(scope, body).await.and_then(|end| end)
}

/// What an endpoint returns, as it leaves.
fn encoded<R: Serialize>(name: Option<&str>, value: &R) -> Result<Vec<u8>> {
    let bytes = codec::encode(value)?;
    if let Some(name) = name {
        codec::fits(bytes.len(), || format!("the result of `{name}`"))?;
    }
    Ok(bytes)
}

fn arguments<A: DeserializeOwned>(args: &[u8]) -> Result<A> {
    codec::decode(args).map_err(|e| Error::fault(ErrorKind::PayloadMismatch, format!("arguments: {}", e.message())))
}

type Run = dyn Fn(Invocation) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// A native function as an endpoint, with what is known of it.
#[derive(Clone)]
pub struct Endpoint {
    info: EndpointInfo,
    run: Arc<Run>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "endpoint {}", self.info.name)
    }
}

impl Endpoint {
    /// An endpoint without a context. Its callers are checked value by value; to have them checked before
    /// anything runs, make it of a [`Signature`](crate::Signature).
    pub fn plain<A, R, F, Fut>(name: &str, function: F) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Fn(A) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R>> + Send + 'static,
    {
        let info = describe::<A, R>(name, EndpointKind::Plain);
        let run = move |invocation| -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(plain(invocation, function.clone()))
        };
        Self {
            info,
            run: Arc::new(run),
        }
    }

    /// An endpoint with a context; checked as [`plain`](Self::plain).
    pub fn context<S, R, St, A, V, F, Fut>(name: &str, function: F) -> Self
    where
        S: 'static,
        R: 'static,
        St: 'static,
        A: DeserializeOwned + Send + 'static,
        V: Serialize + Send + 'static,
        F: Fn(Context<S, R, St>, A) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<V>> + Send + 'static,
    {
        let mut info = describe::<A, V>(name, EndpointKind::Context);
        info.started = type_name::<St>();
        info.sends = type_name::<S>();
        info.receives = type_name::<R>();
        let run = move |invocation| -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(with_context(invocation, function.clone()))
        };
        Self {
            info,
            run: Arc::new(run),
        }
    }

    /// Adds documentation, for `inspect`.
    pub fn docs(mut self, docs: &str) -> Self {
        docs.clone_into(&mut self.info.docs);
        self
    }

    pub(crate) fn schema(mut self, schema: EndpointSchema) -> Self {
        self.info.schema = schema;
        self
    }

    /// What is known of it.
    pub fn info(&self) -> &EndpointInfo {
        &self.info
    }

    /// The task of an invocation.
    pub fn run(&self, invocation: Invocation) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        (self.run)(invocation)
    }
}

fn type_name<T>() -> String {
    std::any::type_name::<T>().to_owned()
}

fn describe<A, R>(name: &str, kind: EndpointKind) -> EndpointInfo {
    let args = Parameter {
        name: "args".to_owned(),
        type_name: type_name::<A>(),
    };
    EndpointInfo {
        name: name.to_owned(),
        docs: String::new(),
        kind,
        parameters: if args.type_name == "()" { Vec::new() } else { vec![args] },
        started: String::new(),
        sends: String::new(),
        receives: String::new(),
        returns: type_name::<R>(),
        error: type_name::<Error>(),
        schema: endpoint_schema(None, None, (kind == EndpointKind::Context).then(Default::default)),
    }
}
