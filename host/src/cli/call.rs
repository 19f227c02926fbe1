//! `steading call`: an endpoint as a filter from JSON to JSON.
//!
//! With a context, lines of standard input are sent as they come and messages are printed as they come,
//! neither waiting for the other. The end of the input stops our half of the stream; the command ends
//! when the endpoint does.

use std::io::{BufRead as _, Read as _};
use std::pin::pin;

use ciborium::Value;
use futures_util::future::{Either, select};
use steading::config::Stdio;
use steading::{Code, Context, ContextBuilder, EndpointInfo, EndpointKind, Stream};
use tokio::sync::mpsc;

use super::CallArgs;
use super::endpoints;
use super::failure::{Exit, Failure, Local, Result};
use super::grants::CallGrant;
use super::hints::{Asked, explain};
use super::output::{Output, Tagged};
use super::session::Lone;
use super::signals::Interrupts;
use super::stdio::Captures;
use super::values::{self, Json};
use super::wave;

/// Lines read ahead of the actor.
const LINES: usize = 64;
/// Bytes of a line; the largest payload there can be is smaller.
const LINE_BYTES: u64 = 64 << 20;

type Talk = Context<Value, Value, Value>;

pub(crate) fn run(args: CallArgs, output: Output, interrupts: Interrupts) -> Result<Exit> {
    // What a guest prints would not be JSON.
    let stdio = if output.json { Stdio::Log } else { Stdio::Inherit };
    let session = Lone::open(&args.actor, stdio, output, interrupts)?;
    let (endpoint, payload) = asked(&session.code, &args)?;
    let spec = session.spec(&args.actor, &[]);
    let captures = Captures::of(&spec);
    let result = session.run(spec, async |portal| {
        let context = CallGrant::add(&args.actor.grant, portal.context(&endpoint.name).args(&payload));
        result(context, endpoint.kind, output).await
    });
    let asked = Asked {
        endpoint: &endpoint,
        payload: &payload,
        actor: &args.actor,
    };
    let (value, exit) = result.map_err(|failure| captures.explain(explain(failure, &asked)))?;
    output.captured(&captures)?;
    print_result(&value, &endpoint, output)?;
    Ok(exit)
}

/// What is to be called, with what.
fn asked(code: &Code, args: &CallArgs) -> Result<(EndpointInfo, Value)> {
    if !wave::is_call(&args.endpoint) {
        let endpoint = endpoints::find(code, &args.endpoint)?.clone();
        let payload = endpoints::json_arguments(&endpoint, &args.args)?;
        return Ok((endpoint, payload));
    }
    if !args.args.is_empty() {
        let call = &args.endpoint;
        return Err(Failure::usage(format!(
            "`{call}` has its arguments already, and there are more behind it"
        )));
    }
    let (name, values) = wave::parse(&args.endpoint)?;
    let endpoint = endpoints::find(code, &name)?.clone();
    let payload = endpoints::arguments(&endpoint, values)?;
    Ok((endpoint, payload))
}

async fn result(context: ContextBuilder, kind: EndpointKind, output: Output) -> steading::Result<Value> {
    if kind == EndpointKind::Plain {
        return context.call().await;
    }
    let body = async |ctx: Talk, first: Value| {
        print_first(&first, output).map_err(Local::from)?;
        ctx.stream(async |stream| talk(&ctx, &stream, output).await).await?;
        ctx.wait_result().await
    };
    context.open(body).await
}

/// Until the endpoint has ended; the input may end before, or never.
async fn talk(ctx: &Talk, stream: &Stream<Value, Value>, output: Output) -> steading::Result<()> {
    let receive = pin!(receive(ctx, stream, output));
    let send = pin!(send(stream));
    match select(receive, send).await {
        Either::Left((received, _)) => received,
        // The input ends before a line that is wrong. Answers to those before it are earned.
        Either::Right((Err(error), receive)) if ctx.outcome().is_none() => {
            stream.stop();
            receive.await.and(Err(error))
        }
        // The input has ended, or the endpoint wants no more of it; what it still has to say is awaited.
        Either::Right((_, receive)) => receive.await,
    }
}

async fn receive(ctx: &Talk, stream: &Stream<Value, Value>, output: Output) -> steading::Result<()> {
    while let Some(message) = stream.next().await? {
        print_message(&message, output).map_err(Local::from)?;
    }
    ctx.ended().await.map(drop)
}

async fn send(stream: &Stream<Value, Value>) -> steading::Result<()> {
    let mut lines = input();
    while let Some((number, line)) = lines.recv().await {
        if let Some(message) = message(number, line).map_err(Local::from)? {
            stream.send(message).await?;
        }
    }
    stream.stop();
    Ok(())
}

/// A line as a message; `None` for an empty one.
fn message(number: u64, line: std::io::Result<String>) -> Result<Option<Value>> {
    let failed = |what: String| Failure::usage(format!("standard input, line {number}: {what}"));
    let line = line.map_err(|error| failed(error.to_string()))?;
    if line.trim().is_empty() {
        return Ok(None);
    }
    let value = values::from_json(&line).map_err(|error| {
        let quoted = endpoints::quoted(line.trim()).filter(|quoted| quoted.len() < 80);
        let meant = quoted.map_or(String::new(), |quoted| format!(" (text needs its quotes: {quoted})"));
        failed(format!("not JSON at column {}: {error}{meant}", error.column()))
    })?;
    Ok(Some(value))
}

/// Lines of standard input with their numbers. Read by a thread, since there is no other way to wait for
/// them; it ends when nobody listens any more, or with the process.
fn input() -> mpsc::Receiver<(u64, std::io::Result<String>)> {
    let (sender, receiver) = mpsc::channel(LINES);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        for number in 1.. {
            let Some(line) = read_line(&mut input).transpose() else {
                return;
            };
            let failed = line.is_err();
            if sender.blocking_send((number, line)).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

fn read_line(input: &mut impl std::io::BufRead) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    if input.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() as u64 == LINE_BYTES && !line.ends_with(b"\n") {
        return Err(std::io::Error::other(format!("longer than {LINE_BYTES} bytes")));
    }
    String::from_utf8(line)
        .map(Some)
        .map_err(|_| std::io::Error::other("not UTF-8"))
}

fn print_first(first: &Value, output: Output) -> Result<()> {
    if output.json {
        return output.object(&Tagged::Started(Json(first)));
    }
    if !first.is_null() {
        output.note(&format!("started: {}", values::to_json(first)));
    }
    Ok(())
}

fn print_message(message: &Value, output: Output) -> Result<()> {
    match output.json {
        true => output.object(&Tagged::Message(Json(message))),
        false => output.line(&values::to_json(message)),
    }
}

fn print_result(value: &Value, endpoint: &EndpointInfo, output: Output) -> Result<()> {
    if output.json {
        return output.object(&Tagged::Result(Json(value)));
    }
    match endpoint.kind {
        EndpointKind::Plain => output.line(&values::to_json(value))?,
        EndpointKind::Context if value.is_null() => {}
        EndpointKind::Context => output.note(&format!("result: {}", values::to_json(value))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_and_empty_ones_are_not() {
        let parse = |line: &str| message(3, Ok(line.to_owned()));
        assert_eq!(parse(" \n").unwrap(), None);
        assert_eq!(parse("2\n").unwrap(), Some(Value::Integer(2.into())));
    }

    #[test]
    fn a_bad_line_is_named() {
        let failure = message(3, Ok("{\"a\": x}".to_owned())).unwrap_err();
        assert_eq!(
            failure.message,
            "standard input, line 3: not JSON at column 7: expected value at line 1 column 7"
        );
        let failure = message(1, Ok("hello".to_owned())).unwrap_err();
        assert!(
            failure.message.ends_with("(text needs its quotes: \"hello\")"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn the_input_is_read_to_its_last_line() {
        let mut input = &b"1\n2"[..];
        let mut next = || read_line(&mut input).unwrap();
        assert_eq!(
            (next().as_deref(), next().as_deref(), next()),
            (Some("1\n"), Some("2"), None)
        );
        assert!(read_line(&mut &b"\xff\n"[..]).is_err());
    }
}
