//! Frames and events in words, for a trace, and as numbers, for its fingerprint.

use steading_proto::{Dest, Event, Frame};

use crate::digest::{self, mix};

/// What must never wait behind data.
pub(super) fn is_urgent(frame: &Frame) -> bool {
    matches!(frame, Frame::Error(_) | Frame::Cancel { .. } | Frame::CancelActor(_))
}

/// What distinguishes one frame from another in the trace of I27.
pub(super) fn fingerprint(frame: &Frame) -> u64 {
    match frame {
        Frame::Start(start) => mix(1, u64::from(start.origin)),
        Frame::StartAck { key, .. } => mix(2, u64::from(*key)),
        Frame::Started(_) => 3,
        Frame::Yield { batch, .. } => mix(4, batch.len() as u64),
        Frame::Stop => 5,
        Frame::Credit { messages, bytes } => mix(u64::from(*messages), u64::from(*bytes)),
        Frame::Cancel { cancellation, reply } => digest::cancellation(u64::from(*reply), cancellation),
        Frame::CancelAck => 6,
        Frame::Flow { window, .. } => mix(11, u64::from(window.messages)),
        Frame::Return(value) => digest::bytes(7, value),
        Frame::Error(error) => digest::whole_error(error),
        Frame::CancelActor(cancellation) => digest::cancellation(8, cancellation),
        Frame::Force => 12,
        Frame::ChildUp(portal) => mix(9, u64::from(*portal)),
        Frame::ChildEnded { portal, error, .. } => {
            error.as_ref().map_or(10, |error| digest::whole_error(error)) ^ u64::from(*portal)
        }
    }
}

pub(super) fn words(dest: &Dest, frame: &Frame) -> String {
    let to = match dest {
        Dest::Actor => "actor".into(),
        Dest::Key(key) => format!("key {key:x}"),
        Dest::Origin(_, key) => format!("origin {key:x}"),
    };
    match frame {
        Frame::Start(start) => format!(
            "Start `{}` as {:x}, left {:?}",
            start.endpoint, start.origin, start.deadline
        ),
        Frame::StartAck { key, .. } => format!("StartAck for {to}: it is {key:x}"),
        Frame::Yield { batch, messages } => format!("Yield for {to}: {messages} messages in {} bytes", batch.len()),
        Frame::Credit { messages, bytes } => format!("Credit for {to}: {messages} messages, {bytes} bytes"),
        Frame::Cancel { cancellation, reply } => format!("Cancel for {to}, reply {reply:x}: {cancellation}"),
        Frame::Error(error) => format!("Error for {to}: {error}"),
        Frame::CancelActor(cancellation) => format!("CancelActor: {cancellation}"),
        Frame::ChildEnded { error, rung, .. } => format!("ChildEnded: {rung:?} {error:?}"),
        other => format!("{} for {to}", other.kind()),
    }
}

pub(super) fn words_of_event(event: &Event) -> String {
    match event {
        Event::Start(start) => format!("Start as {:x}", start.context),
        Event::Started { context, .. } => format!("Started on {context:x}"),
        Event::Data { context, batch } => format!("Data on {context:x}: {} bytes", batch.len()),
        Event::Stop(context) => format!("Stop on {context:x}"),
        Event::Credit {
            context,
            messages,
            bytes,
        } => format!("Credit on {context:x}: {messages}, {bytes}"),
        Event::Cancel { context, cancellation } => format!("Cancel on {context:x}: {cancellation}"),
        Event::Ended { context, outcome } => format!("Ended on {context:x}: {outcome:?}"),
        other => format!("{other:?}"),
    }
}
