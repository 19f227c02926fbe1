//! `steading inspect`: what a component offers and what it needs, without starting it as an actor.

use serde_json::json;
use steading::{Code, EndpointInfo, EndpointKind, EndpointSchema, Host, HostBuilder, Payloads};

use super::build;
use super::endpoints::signature;
use super::failure::{Exit, Failure, Result};
use super::output::{Output, bytes, table};
use super::signals::Interrupts;
use super::{InspectArgs, app, capabilities, plan};

pub(crate) fn run(args: &InspectArgs, output: Output, interrupts: &Interrupts) -> Result<Exit> {
    // Room for the one instance that is asked what it offers; a whole pool takes 40 ms to set up.
    let (_runtime, host) = lone_host(Host::builder().max_actors(16))?;
    if let Some(manifest) = app::manifest_at(&args.path) {
        return plan::run(&manifest, &host, output, interrupts);
    }
    let guest = build::guest(&args.path, output, interrupts)?;
    let code = host.inspect(&guest.wasm)?;
    let path = guest.wasm.display().to_string();
    match output.json {
        true => output.object(&as_json(&path, &code))?,
        false => output.line(&as_text(&path, &code))?,
    }
    Ok(Exit::Ok)
}

/// A host on which nothing will run, and the runtime it insists on.
pub(crate) fn lone_host(builder: HostBuilder) -> Result<(tokio::runtime::Runtime, Host)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| Failure::load(error.to_string()))?;
    let entered = runtime.enter();
    let host = builder.build().map_err(|error| Failure::load(error.to_string()))?;
    drop(entered);
    Ok((runtime, host))
}

fn as_text(path: &str, code: &Code) -> String {
    let description = code.description();
    let mut text = format!("{path}\n{}", table(&facts(code)));
    if !description.docs.is_empty() {
        text.push_str(&format!("\n\n{}", indented(&description.docs, "  ")));
    }
    text.push_str("\n\nEndpoints");
    text.extend(description.endpoints.iter().map(endpoint_text));
    text.push_str(&section("Imports", &imports(code)));
    let wants = capabilities::as_text(code.wants());
    text.push_str(&format!(
        "\n\nCould make use of, if granted (by option, by manifest)\n{wants}"
    ));
    text
}

fn facts(code: &Code) -> Vec<Vec<String>> {
    let fact = |name: &str, value: String| vec![name.to_owned(), value];
    vec![
        fact("size", bytes(code.size() as u64)),
        fact("digest", format!("blake3 {}", code.digest())),
        fact("sdk", code.description().sdk.clone()),
    ]
}

fn endpoint_text(endpoint: &EndpointInfo) -> String {
    let mut text = format!("\n  {}", signature(endpoint));
    let facts = endpoint_facts(endpoint);
    if !facts.is_empty() {
        text.push_str(&format!("\n      {}", facts.join(", ")));
    }
    if !endpoint.docs.is_empty() {
        text.push_str(&format!("\n{}", indented(&endpoint.docs, "      ")));
    }
    text.push_str(&format!("\n{}", indented(&schema_text(&endpoint.schema), "      ")));
    text
}

/// What its payloads look like on the wire: the hash, and every part that is not nothing.
fn schema_text(schema: &EndpointSchema) -> String {
    let title = match schema.hash() {
        0 => "schema unknown in part, not checked at the start".to_owned(),
        hash => format!("schema {hash:016x}"),
    };
    let parts = schema_parts(schema.payloads()).into_iter();
    let lines = parts.filter_map(|(name, shape)| match shape {
        Some("unit") => None,
        shape => Some(vec![name.to_owned(), shape.unwrap_or("?").to_owned()]),
    });
    let lines: Vec<_> = lines.collect();
    match lines.is_empty() {
        true => title,
        false => format!("{title}\n{}", table(&lines)),
    }
}

fn schema_parts(payloads: &Payloads) -> Vec<(&'static str, Option<&str>)> {
    let mut parts = vec![("args", payloads.args.as_deref())];
    if let Some(context) = &payloads.context {
        parts.push(("started", context.started.as_deref()));
        parts.push(("sends", context.sends.as_deref()));
        parts.push(("receives", context.receives.as_deref()));
    }
    parts.push(("returns", payloads.returns.as_deref()));
    parts
}

/// The hash as text, for JSON's numbers are too short for it; a part that is not known is null.
fn schema_json(schema: &EndpointSchema) -> serde_json::Value {
    let mut parts: serde_json::Map<_, _> = schema_parts(schema.payloads())
        .into_iter()
        .map(|(name, shape)| (name.to_owned(), shape.into()))
        .collect();
    let hash = (schema.hash() != 0).then(|| format!("{:016x}", schema.hash()));
    parts.insert("hash".to_owned(), hash.into());
    parts.into()
}

/// What the signature does not show.
fn endpoint_facts(endpoint: &EndpointInfo) -> Vec<String> {
    let named = |what: &str, type_name: &str| match type_name {
        "" | "()" => None,
        type_name => Some(format!("{what} {type_name}")),
    };
    let context = (endpoint.kind == EndpointKind::Context).then(|| "context".to_owned());
    let facts = [
        context,
        named("starts with", &endpoint.started),
        named("sends", &endpoint.sends),
        named("receives", &endpoint.receives),
        named("fails with", &endpoint.error),
    ];
    facts.into_iter().flatten().collect()
}

/// What it imports, and what of that is not to be had: a component may be looked at before it can run.
fn imports(code: &Code) -> Vec<String> {
    let shown = |import: &String| match code.unknown_imports().contains(import) {
        true => format!("{import}  (not offered here: it cannot be run)"),
        false => import.clone(),
    };
    code.imports().iter().map(shown).collect()
}

fn section(title: &str, items: &[String]) -> String {
    let items = if items.is_empty() {
        "none".to_owned()
    } else {
        items.join("\n")
    };
    format!("\n\n{title}\n{}", indented(&items, "  "))
}

fn indented(text: &str, by: &str) -> String {
    text.lines()
        .map(|line| format!("{by}{line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

fn as_json(path: &str, code: &Code) -> serde_json::Value {
    let description = code.description();
    json!({
        "path": path,
        "size": code.size(),
        "digest": code.digest(),
        "sdk": description.sdk,
        "docs": description.docs,
        "endpoints": description.endpoints.iter().map(endpoint_json).collect::<Vec<_>>(),
        "imports": code.imports(),
        "unknown_imports": code.unknown_imports(),
        "capabilities": capabilities::as_json(code.wants()),
    })
}

fn endpoint_json(endpoint: &EndpointInfo) -> serde_json::Value {
    let parameter = |p: &steading::Parameter| json!({ "name": p.name, "type": p.type_name });
    json!({
        "name": endpoint.name,
        "docs": endpoint.docs,
        "kind": match endpoint.kind { EndpointKind::Plain => "plain", EndpointKind::Context => "context" },
        "parameters": endpoint.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "started": endpoint.started,
        "sends": endpoint.sends,
        "receives": endpoint.receives,
        "returns": endpoint.returns,
        "error": endpoint.error,
        "schema": schema_json(&endpoint.schema),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_reads_like_its_source() {
        let part = |text: &str| Some(text.to_owned());
        let payloads = Payloads {
            args: part("text"),
            returns: part("{files:int}"),
            context: Some(steading::ContextPayloads {
                started: part("unit"),
                sends: part("{line:int,text:text}"),
                receives: None,
            }),
        };
        let endpoint = EndpointInfo {
            name: "scan".into(),
            docs: "Searches.\n\nSlowly.".into(),
            kind: EndpointKind::Context,
            parameters: vec![steading::Parameter {
                name: "pattern".into(),
                type_name: "String".into(),
            }],
            started: "()".into(),
            sends: "Hit".into(),
            receives: "String".into(),
            returns: "Summary".into(),
            error: "ScanError".into(),
            schema: EndpointSchema::new(payloads),
        };
        let expected = "
  scan(pattern: String) -> Summary
      context, sends Hit, receives String, fails with ScanError
      Searches.

      Slowly.
      schema unknown in part, not checked at the start
        args      text
        sends     {line:int,text:text}
        receives  ?
        returns   {files:int}";
        assert_eq!(endpoint_text(&endpoint), expected);
        let schema = json!({
            "hash": null, "args": "text", "started": "unit", "sends": "{line:int,text:text}", "receives": null,
            "returns": "{files:int}",
        });
        assert_eq!(endpoint_json(&endpoint)["schema"], schema);
    }
}
