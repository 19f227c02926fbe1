//! `steading run`: an actor, one endpoint, its result.

use ciborium::Value;
use steading::config::Stdio;
use steading::{Context, ContextBuilder, EndpointKind};

use super::RunArgs;
use super::app;
use super::endpoints;
use super::failure::{Exit, Result};
use super::grants::CallGrant;
use super::hints::{Asked, explain};
use super::output::{Output, Tagged};
use super::session::Lone;
use super::signals::Interrupts;
use super::stdio::Captures;
use super::values::{self, Json};

pub(crate) fn run(args: RunArgs, output: Output, interrupts: Interrupts) -> Result<Exit> {
    if let Some(manifest) = app::manifest_at(&args.actor.path) {
        return app::run(&manifest, &args, output, interrupts);
    }
    let session = Lone::open(&args.actor, Stdio::Inherit, output, interrupts)?;
    let endpoint = endpoints::find(&session.code, &args.endpoint)?.clone();
    let payload = endpoints::run_arguments(&endpoint, &args.args)?;
    let spec = session.spec(&args.actor, &args.args);
    let captures = Captures::of(&spec);
    let result = session.run(spec, async |portal| {
        let context = CallGrant::add(&args.actor.grant, portal.context(&endpoint.name).args(&payload));
        result(context, endpoint.kind).await
    });
    let asked = Asked {
        endpoint: &endpoint,
        payload: &payload,
        actor: &args.actor,
    };
    let (value, exit) = result.map_err(|failure| captures.explain(explain(failure, &asked)))?;
    output.captured(&captures)?;
    print(&value, output)?;
    Ok(exit)
}

/// Runs the endpoint. One with a context is told that nothing will be sent, so that it does not wait.
async fn result(context: ContextBuilder, kind: EndpointKind) -> steading::Result<Value> {
    if kind == EndpointKind::Plain {
        return context.call().await;
    }
    let leave = async |ctx: Context<Value, Value, Value>, _first: Value| {
        ctx.stream(async |_| Ok(())).await?;
        Ok(ctx)
    };
    // The end of the block has waited for the endpoint, dropping its messages; the result is in.
    let ctx = context.open(leave).await?;
    ctx.wait_result().await
}

fn print(value: &Value, output: Output) -> Result<()> {
    if output.json {
        return output.object(&Tagged::Result(Json(value)));
    }
    values::for_people(value).map_or(Ok(()), |text| output.line(&text))
}
