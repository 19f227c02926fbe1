//! Between the nouns of `wit/` and those of `steading-types`, both ways and nothing more.
//!
//! Into a guest everything is borrowed; what comes out of one is owned.

use bytes::Bytes;
use steading_types as ours;

use super::bindings::exports::{events, types as lent};
use super::bindings::imports::{context, grants, log, nursery, stream, types as owned};
use super::supervision::{lend_fate, restart};

/// What events cannot borrow from the originals: the paths of the errors in them.
pub(super) struct Paths<'a> {
    paths: Vec<Vec<Vec<lent::ActorId<'a>>>>,
    events: &'a [ours::Event],
}

impl<'a> Paths<'a> {
    /// Prepares these events.
    pub(super) fn of(events: &'a [ours::Event]) -> Self {
        let paths = events.iter().filter_map(error_of).map(relay_paths).collect();
        Self { paths, events }
    }

    /// The errors in them, which are lists of those inside them.
    pub(super) fn errors(&'a self) -> Lowered<'a> {
        let errors = self.events.iter().filter_map(error_of);
        let errors = errors.zip(&self.paths).map(|(error, paths)| lend_error(error, paths));
        Lowered {
            errors: errors.collect(),
            events: self.events,
        }
    }
}

/// Events as a guest reads them.
pub(super) struct Lowered<'a> {
    errors: Vec<LentError<'a>>,
    events: &'a [ours::Event],
}

impl<'a> Lowered<'a> {
    /// The events themselves.
    pub(super) fn events(&'a self) -> Vec<events::Event<'a>> {
        let mut errors = self.errors.iter();
        let convert = |each: &'a ours::Event| {
            let error = error_of(each).and_then(|_| errors.next());
            event(each, error.map(LentError::lend))
        };
        self.events.iter().map(convert).collect()
    }
}

struct LentError<'a> {
    error: lent::BareError<'a>,
    members: Vec<lent::Member<'a>>,
}

impl<'a> LentError<'a> {
    fn lend(&'a self) -> lent::BoxedError<'a> {
        lent::BoxedError {
            error: self.error.clone(),
            members: &self.members,
        }
    }
}

/// The error inside an event, if there is one: the only thing with a list in it.
fn error_of(event: &ours::Event) -> Option<&ours::BoxedError> {
    match event {
        ours::Event::Ended {
            outcome: ours::Outcome::Failed(error),
            ..
        } => Some(error),
        ours::Event::ChildEnded { error, .. } => error.as_deref(),
        ours::Event::ChildFailed { error, .. } => Some(error),
        _ => None,
    }
}

/// Of an error and each one inside it.
fn relay_paths(error: &ours::BoxedError) -> Vec<Vec<lent::ActorId<'_>>> {
    let paths = error.walk().map(|(_, error)| error.relay_path.iter().map(lend_id));
    paths.map(Iterator::collect).collect()
}

/// One event, with the error in it, if there is one.
fn event<'a>(event: &'a ours::Event, error: Option<lent::BoxedError<'a>>) -> events::Event<'a> {
    use ours::Event as E;
    match event {
        E::Start(start) => events::Event::Start(lend_start(start)),
        E::Started {
            context,
            value,
            peer,
            window,
        } => events::Event::Started(events::Started {
            context: *context,
            value,
            peer: lend_id(peer),
            messages: window.messages,
            bytes: window.bytes,
        }),
        E::Data { context, batch } => events::Event::Data(events::Data {
            context: *context,
            batch,
        }),
        E::Stop(context) => events::Event::Stop(*context),
        E::Credit {
            context,
            messages,
            bytes,
        } => events::Event::Credit(events::Credit {
            context: *context,
            messages: *messages,
            bytes: *bytes,
        }),
        E::Flow {
            context,
            policy,
            window,
        } => events::Event::Flow(events::Flow {
            context: *context,
            policy: lend_policy(*policy),
            messages: window.messages,
            bytes: window.bytes,
        }),
        E::Cancel { context, cancellation } => events::Event::Cancel(events::Cancel {
            context: *context,
            cancellation: lend_cancellation(cancellation),
        }),
        E::Ended { context, outcome } => events::Event::Ended(events::Ended {
            context: *context,
            outcome: lend_outcome(outcome, error),
        }),
        E::ChildUp { child, id } => events::Event::ChildUp(events::ChildUp {
            child: *child,
            id: lend_id(id),
        }),
        E::ChildEnded { child, rung, fate, .. } => events::Event::ChildEnded(events::ChildEnded {
            child: *child,
            error,
            rung: lend_rung(*rung),
            fate: lend_fate(*fate),
        }),
        E::ChildRestarted(restarted) => events::Event::ChildRestarted(events::ChildRestarted {
            ended: restarted.ended,
            child: restarted.child,
            id: lend_id(&restarted.id),
        }),
        E::ChildFailed { child, fatal, .. } => events::Event::ChildFailed(events::ChildFailed {
            child: *child,
            error: error.expect("`error_of` finds that of every failure"),
            fatal: *fatal,
        }),
        E::NurseryClosed(nursery) => events::Event::NurseryClosed(*nursery),
        E::Exit => events::Event::Exit,
    }
}

fn lend_start(start: &ours::Start) -> events::Start<'_> {
    events::Start {
        context: start.context,
        endpoint: start.endpoint,
        args: &start.args,
        caller: lend_id(&start.caller),
        deadline: start.deadline,
        messages: start.window.messages,
        bytes: start.window.bytes,
    }
}

fn lend_id(id: &ours::ActorId) -> lent::ActorId<'_> {
    lent::ActorId {
        name: &id.name,
        uuid_high: id.uuid.high,
        uuid_low: id.uuid.low,
    }
}

fn lend_policy(policy: ours::Policy) -> lent::Policy {
    match policy {
        ours::Policy::Block => lent::Policy::Block,
        ours::Policy::OverrunError => lent::Policy::OverrunError,
        ours::Policy::Buffer(more) => lent::Policy::Buffer(more),
        ours::Policy::DropOldest => lent::Policy::DropOldest,
    }
}

/// What a receiver asks for.
pub(super) fn flow(flow: stream::Flow) -> ours::Flow {
    ours::Flow {
        policy: match flow.policy {
            owned::Policy::Block => ours::Policy::Block,
            owned::Policy::OverrunError => ours::Policy::OverrunError,
            owned::Policy::Buffer(more) => ours::Policy::Buffer(more),
            owned::Policy::DropOldest => ours::Policy::DropOldest,
        },
        window: ours::Window {
            messages: flow.window.messages,
            bytes: flow.window.bytes,
        },
    }
}

fn lend_cause(cause: &ours::Cause) -> lent::Cause<'_> {
    match cause {
        ours::Cause::Requested => lent::Cause::Requested,
        ours::Cause::Deadline => lent::Cause::Deadline,
        ours::Cause::ParentTeardown => lent::Cause::ParentTeardown,
        ours::Cause::Interrupt => lent::Cause::Interrupt,
        ours::Cause::Budget(kind) => lent::Cause::Budget(kind),
        ours::Cause::PeerLost => lent::Cause::PeerLost,
    }
}

fn lend_cancellation(cancellation: &ours::Cancellation) -> lent::Cancellation<'_> {
    lent::Cancellation {
        canceller: lend_id(&cancellation.canceller),
        reason: cancellation.reason.as_deref(),
        cause: lend_cause(&cancellation.cause),
    }
}

fn lend_kind(kind: &ours::ErrorKind) -> lent::ErrorKind<'_> {
    use ours::ErrorKind as K;
    match kind {
        K::EndpointError => lent::ErrorKind::EndpointError,
        K::Panic => lent::ErrorKind::Panic,
        K::Trap(code) => lent::ErrorKind::Trap(code),
        K::Killed => lent::ErrorKind::Killed,
        K::Cancelled(cancellation) => lent::ErrorKind::Cancelled(lend_cancellation(cancellation)),
        K::PayloadMismatch => lent::ErrorKind::PayloadMismatch,
        K::Overrun => lent::ErrorKind::Overrun,
        K::LinkClosed => lent::ErrorKind::LinkClosed,
        K::NotGranted => lent::ErrorKind::NotGranted,
        K::NoSuchEndpoint => lent::ErrorKind::NoSuchEndpoint,
        K::NotStarted => lent::ErrorKind::NotStarted,
        K::StartTimeout => lent::ErrorKind::StartTimeout,
        K::CancelTimeout => lent::ErrorKind::CancelTimeout,
        K::Limit(kind) => lent::ErrorKind::Limit(kind),
        K::SpawnFailed => lent::ErrorKind::SpawnFailed,
        K::InvalidOperation => lent::ErrorKind::InvalidOperation,
        K::Internal => lent::ErrorKind::Internal,
        K::Deadlock => lent::ErrorKind::Deadlock,
    }
}

fn lend_error<'a>(error: &'a ours::BoxedError, paths: &'a [Vec<lent::ActorId<'a>>]) -> LentError<'a> {
    let mut all = error.walk().zip(paths).map(|((depth, error), path)| lent::Member {
        depth,
        error: lend_bare(error, path),
    });
    let itself = all.next().expect("walking an error begins with itself");
    LentError {
        error: itself.error,
        members: all.collect(),
    }
}

fn lend_bare<'a>(error: &'a ours::BoxedError, path: &'a [lent::ActorId<'a>]) -> lent::BareError<'a> {
    lent::BareError {
        kind: lend_kind(&error.kind),
        type_name: &error.type_name,
        message: &error.message,
        payload: error.payload.as_deref(),
        source: lend_id(&error.source),
        relay_path: path,
        backtrace: error.backtrace.as_deref(),
        context: error.context,
        omitted: error.omitted,
    }
}

fn lend_outcome<'a>(outcome: &'a ours::Outcome, error: Option<lent::BoxedError<'a>>) -> lent::Outcome<'a> {
    match outcome {
        ours::Outcome::Returned(value) => lent::Outcome::Returned(value),
        ours::Outcome::Failed(_) => lent::Outcome::Failed(error.expect("`error_of` finds that of every failure")),
        ours::Outcome::Cancelled(cancellation) => lent::Outcome::Cancelled(lend_cancellation(cancellation)),
    }
}

fn lend_rung(rung: ours::Rung) -> events::Rung {
    match rung {
        ours::Rung::Acked => events::Rung::Acked,
        ours::Rung::Trapped => events::Rung::Trapped,
        ours::Rung::Killed => events::Rung::Killed,
        ours::Rung::AlreadyGone => events::Rung::AlreadyGone,
    }
}

/// What a component says it offers.
pub(super) fn description(description: events::Description) -> ours::Description {
    let endpoints = description.endpoints.into_iter().map(endpoint).collect();
    ours::Description {
        sdk: description.sdk,
        docs: description.docs,
        endpoints,
    }
}

fn endpoint(endpoint: events::Endpoint) -> ours::EndpointInfo {
    ours::EndpointInfo {
        name: endpoint.name,
        docs: endpoint.docs,
        kind: match endpoint.kind {
            events::EndpointKind::Plain => ours::EndpointKind::Plain,
            events::EndpointKind::Context => ours::EndpointKind::Context,
        },
        parameters: endpoint.parameters.into_iter().map(parameter).collect(),
        started: endpoint.started,
        sends: endpoint.sends,
        receives: endpoint.receives,
        returns: endpoint.returns,
        error: endpoint.error,
        schema: ours::EndpointSchema::described(endpoint.schema, payloads(endpoint.payloads)),
    }
}

fn payloads(payloads: events::Payloads) -> ours::Payloads {
    ours::Payloads {
        args: payloads.args,
        returns: payloads.returns,
        context: payloads.context.map(|context| ours::ContextPayloads {
            started: context.started,
            sends: context.sends,
            receives: context.receives,
        }),
    }
}

fn parameter(parameter: events::Parameter) -> ours::Parameter {
    ours::Parameter {
        name: parameter.name,
        type_name: parameter.type_name,
    }
}

/// How to open a context.
pub(super) fn open_options(options: context::OpenOptions, grants: Vec<grants::Grant>) -> ours::OpenOptions {
    ours::OpenOptions {
        target: options.target,
        endpoint: options.endpoint,
        schema: options.schema,
        deadline: options.deadline,
        start_timeout: options.start_timeout,
        parent: options.parent,
        window: ours::Window {
            messages: options.window.messages,
            bytes: options.window.bytes,
        },
        grants: grants.into_iter().map(grant).collect(),
    }
}

fn grant(grant: grants::Grant) -> ours::Grant {
    match grant {
        grants::Grant::Directory(dir) => ours::Grant::Directory(directory(dir)),
        grants::Grant::Component(name) => ours::Grant::Component(name),
    }
}

/// How a task came to its end.
pub(super) fn ending(ending: context::Ending) -> ours::Ending {
    match ending {
        context::Ending::Returned(value) => ours::Ending::Returned(Bytes::from(value)),
        context::Ending::Failed(error) => ours::Ending::Failed(Box::new(take_error(error))),
        context::Ending::Cancelled => ours::Ending::Cancelled,
    }
}

/// What to start a child with.
pub(super) fn spec(spec: nursery::ActorSpec) -> ours::Spec {
    ours::Spec {
        name: spec.name,
        component: match spec.component {
            nursery::Component::This => ours::ComponentRef::This,
            nursery::Component::Named(name) => ours::ComponentRef::Named(name),
        },
        endpoints: spec.endpoints,
        directories: spec.directories.into_iter().map(directory).collect(),
        args: spec.args,
        env: spec.env,
        memory: spec.memory,
        restart: restart(spec.restart),
        log_level: spec.log_level.map(level),
        budget: ours::Budget {
            memory: spec.budget.memory,
            actors: spec.budget.actors,
            cpu: spec.budget.cpu,
        },
        components: spec.components,
        children: spec.children,
        clock: spec.clock.map(clock),
        seed: spec.seed,
        stdin: spec.stdin.map(stdio),
        stdout: spec.stdout.map(stdio),
        stderr: spec.stderr.map(stdio),
        contexts: spec.contexts,
        log_rate: spec.log_rate,
    }
}

fn stdio(stdio: nursery::Stdio) -> ours::Stdio {
    match stdio {
        nursery::Stdio::Inherit => ours::Stdio::Inherit,
        nursery::Stdio::Null => ours::Stdio::Null,
        nursery::Stdio::Log => ours::Stdio::Log,
    }
}

fn clock(clock: nursery::Clock) -> ours::Clock {
    match clock {
        nursery::Clock::Frozen => ours::Clock::Frozen,
        nursery::Clock::Coarse => ours::Clock::Coarse,
        nursery::Clock::Real => ours::Clock::Real,
    }
}

fn directory(directory: grants::Directory) -> ours::Directory {
    ours::Directory {
        parent_path: directory.parent_path,
        child_path: directory.child_path,
        writable: directory.writable,
        quota: directory.quota,
        open: directory.open,
        counted: ours::Counted::default(),
    }
}

pub(super) fn take_error(error: owned::BoxedError) -> ours::BoxedError {
    let members = error.members.into_iter();
    take_bare(error.error).with_members(members.map(|member| (member.depth, take_bare(member.error))))
}

fn take_bare(error: owned::BareError) -> ours::BoxedError {
    ours::BoxedError {
        type_name: error.type_name,
        payload: error.payload.map(Bytes::from),
        relay_path: error.relay_path.into_iter().map(take_id).collect(),
        backtrace: error.backtrace,
        context: error.context,
        omitted: error.omitted,
        ..ours::BoxedError::new(take_kind(error.kind), take_id(error.source), error.message)
    }
}

fn take_id(id: owned::ActorId) -> ours::ActorId {
    ours::ActorId::new(
        id.name,
        ours::Uuid {
            high: id.uuid_high,
            low: id.uuid_low,
        },
    )
}

fn take_cancellation(cancellation: owned::Cancellation) -> ours::Cancellation {
    ours::Cancellation {
        canceller: take_id(cancellation.canceller),
        reason: cancellation.reason,
        cause: take_cause(cancellation.cause),
    }
}

/// On what ground something is cancelled.
pub(super) fn take_cause(cause: owned::Cause) -> ours::Cause {
    match cause {
        owned::Cause::Requested => ours::Cause::Requested,
        owned::Cause::Deadline => ours::Cause::Deadline,
        owned::Cause::ParentTeardown => ours::Cause::ParentTeardown,
        owned::Cause::Interrupt => ours::Cause::Interrupt,
        owned::Cause::Budget(kind) => ours::Cause::Budget(kind),
        owned::Cause::PeerLost => ours::Cause::PeerLost,
    }
}

fn take_kind(kind: owned::ErrorKind) -> ours::ErrorKind {
    use owned::ErrorKind as K;
    match kind {
        K::EndpointError => ours::ErrorKind::EndpointError,
        K::Panic => ours::ErrorKind::Panic,
        K::Trap(code) => ours::ErrorKind::Trap(code),
        K::Killed => ours::ErrorKind::Killed,
        K::Cancelled(cancellation) => ours::ErrorKind::Cancelled(take_cancellation(cancellation)),
        K::PayloadMismatch => ours::ErrorKind::PayloadMismatch,
        K::Overrun => ours::ErrorKind::Overrun,
        K::LinkClosed => ours::ErrorKind::LinkClosed,
        K::NotGranted => ours::ErrorKind::NotGranted,
        K::NoSuchEndpoint => ours::ErrorKind::NoSuchEndpoint,
        K::NotStarted => ours::ErrorKind::NotStarted,
        K::StartTimeout => ours::ErrorKind::StartTimeout,
        K::CancelTimeout => ours::ErrorKind::CancelTimeout,
        K::Limit(kind) => ours::ErrorKind::Limit(kind),
        K::SpawnFailed => ours::ErrorKind::SpawnFailed,
        K::InvalidOperation => ours::ErrorKind::InvalidOperation,
        K::Internal => ours::ErrorKind::Internal,
        K::Deadlock => ours::ErrorKind::Deadlock,
    }
}

/// An error an operation is refused with.
pub(super) fn give_error(mut error: ours::BoxedError) -> owned::BoxedError {
    let member = |(depth, error)| owned::Member {
        depth,
        error: give_bare(error),
    };
    let members = error.take_members().into_iter().map(member).collect();
    owned::BoxedError {
        error: give_bare(error),
        members,
    }
}

fn give_bare(error: ours::BoxedError) -> owned::BareError {
    owned::BareError {
        kind: give_kind(error.kind),
        type_name: error.type_name,
        message: error.message,
        payload: error.payload.map(Vec::from),
        source: give_id(&error.source),
        relay_path: error.relay_path.iter().map(give_id).collect(),
        backtrace: error.backtrace,
        context: error.context,
        omitted: error.omitted,
    }
}

/// Who.
pub(super) fn give_id(id: &ours::ActorId) -> owned::ActorId {
    owned::ActorId {
        name: id.name.to_string(),
        uuid_high: id.uuid.high,
        uuid_low: id.uuid.low,
    }
}

fn give_cancellation(cancellation: ours::Cancellation) -> owned::Cancellation {
    let cause = match cancellation.cause {
        ours::Cause::Requested => owned::Cause::Requested,
        ours::Cause::Deadline => owned::Cause::Deadline,
        ours::Cause::ParentTeardown => owned::Cause::ParentTeardown,
        ours::Cause::Interrupt => owned::Cause::Interrupt,
        ours::Cause::Budget(kind) => owned::Cause::Budget(kind),
        ours::Cause::PeerLost => owned::Cause::PeerLost,
    };
    owned::Cancellation {
        canceller: give_id(&cancellation.canceller),
        reason: cancellation.reason,
        cause,
    }
}

fn give_kind(kind: ours::ErrorKind) -> owned::ErrorKind {
    use ours::ErrorKind as K;
    match kind {
        K::EndpointError => owned::ErrorKind::EndpointError,
        K::Panic => owned::ErrorKind::Panic,
        K::Trap(code) => owned::ErrorKind::Trap(code),
        K::Killed => owned::ErrorKind::Killed,
        K::Cancelled(cancellation) => owned::ErrorKind::Cancelled(give_cancellation(cancellation)),
        K::PayloadMismatch => owned::ErrorKind::PayloadMismatch,
        K::Overrun => owned::ErrorKind::Overrun,
        K::LinkClosed => owned::ErrorKind::LinkClosed,
        K::NotGranted => owned::ErrorKind::NotGranted,
        K::NoSuchEndpoint => owned::ErrorKind::NoSuchEndpoint,
        K::NotStarted => owned::ErrorKind::NotStarted,
        K::StartTimeout => owned::ErrorKind::StartTimeout,
        K::CancelTimeout => owned::ErrorKind::CancelTimeout,
        K::Limit(kind) => owned::ErrorKind::Limit(kind),
        K::SpawnFailed => owned::ErrorKind::SpawnFailed,
        K::InvalidOperation => owned::ErrorKind::InvalidOperation,
        K::Internal => owned::ErrorKind::Internal,
        K::Deadlock => owned::ErrorKind::Deadlock,
    }
}

/// Why an operation was refused.
pub(super) fn refusal(refusal: ours::Refusal) -> owned::Refusal {
    use ours::Refusal as R;
    match refusal {
        R::UnknownKey => owned::Refusal::UnknownKey,
        R::WrongSide => owned::Refusal::WrongSide,
        R::AlreadyStarted => owned::Refusal::AlreadyStarted,
        R::NotStarted => owned::Refusal::NotStarted,
        R::StreamNotOpen => owned::Refusal::StreamNotOpen,
        R::StreamAlreadyOpened => owned::Refusal::StreamAlreadyOpened,
        R::Ended => owned::Refusal::Ended,
        R::NoCredit => owned::Refusal::NoCredit,
        R::Overrun => owned::Refusal::Overrun,
        R::MalformedBatch => owned::Refusal::MalformedBatch,
        R::TooLarge => owned::Refusal::TooLarge,
        R::Closing => owned::Refusal::Closing,
        R::Limit => owned::Refusal::Limit,
    }
}

/// How severe a line is.
pub(super) fn level(level: log::Level) -> ours::Level {
    match level {
        log::Level::Error => ours::Level::Error,
        log::Level::Warn => ours::Level::Warn,
        log::Level::Info => ours::Level::Info,
        log::Level::Debug => ours::Level::Debug,
        log::Level::Trace => ours::Level::Trace,
    }
}

/// The same, as an import answers it.
pub(super) fn give_level(level: ours::Level) -> log::Level {
    match level {
        ours::Level::Error => log::Level::Error,
        ours::Level::Warn => log::Level::Warn,
        ours::Level::Info => log::Level::Info,
        ours::Level::Debug => log::Level::Debug,
        ours::Level::Trace => log::Level::Trace,
    }
}
