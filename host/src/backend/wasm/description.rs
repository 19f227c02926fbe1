//! A component's description as bytes, for the compile cache.
//!
//! Every text is a length and its bytes; every list a count and its items. No versions: the cache
//! keys its entries by [`FORMAT`] and simply recompiles what another build wrote.

use steading_types::{ContextPayloads, Description, EndpointInfo, EndpointKind, EndpointSchema, Parameter, Payloads};

use crate::runtime::log::{drives_terminals, escape};

/// Changes whenever the encoding does, or what is let into a description.
pub(super) const FORMAT: u32 = 3;

/// The bytes of a description.
pub(super) fn encode(description: &Description) -> Vec<u8> {
    let mut out = Writer::default();
    out.text(&description.sdk);
    out.text(&description.docs);
    out.list(&description.endpoints, Writer::endpoint);
    out.0
}

/// The description of these bytes; `None` if they are not exactly one.
pub(super) fn decode(bytes: &[u8]) -> Option<Description> {
    let mut input = Reader(bytes);
    let description = Description {
        sdk: input.text()?,
        docs: input.text()?,
        endpoints: input.list(Reader::endpoint)?,
    };
    input.0.is_empty().then_some(description)
}

/// Bytes of an endpoint's name; no longer one can be called.
const LONGEST_NAME: usize = 1 << 10;

/// A description as it may be shown: names are those of endpoints in every line and error, and texts are read by
/// people at terminals.
///
/// # Errors
/// In plain words, when an endpoint has a name that none can have.
pub(super) fn presentable(mut description: Description) -> Result<Description, String> {
    for endpoint in &mut description.endpoints {
        let name = &endpoint.name;
        if name.len() > LONGEST_NAME || name.contains(drives_terminals) {
            let (start, bytes) = (escape(&name[..name.floor_char_boundary(64)]), name.len());
            return Err(format!(
                "an endpoint's name, `{start}`, has control characters or too many of its {bytes} bytes"
            ));
        }
        for text in texts(endpoint) {
            disarm(text);
        }
    }
    disarm(&mut description.sdk);
    disarm(&mut description.docs);
    Ok(description)
}

fn texts(endpoint: &mut EndpointInfo) -> impl Iterator<Item = &mut String> {
    let parameters = endpoint.parameters.iter_mut();
    let parameters = parameters.flat_map(|parameter| [&mut parameter.name, &mut parameter.type_name]);
    parameters.chain([
        &mut endpoint.docs,
        &mut endpoint.started,
        &mut endpoint.sends,
        &mut endpoint.receives,
        &mut endpoint.returns,
        &mut endpoint.error,
    ])
}

/// Lines stay lines; all else that drives a terminal becomes a sign that something was there.
fn disarm(text: &mut String) {
    let is_harmful = |c: char| drives_terminals(c) && c != '\n' && c != '\t';
    if text.contains(is_harmful) {
        *text = text.replace(is_harmful, "\u{fffd}");
    }
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], item: fn(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|each| item(self, each));
    }

    fn endpoint(&mut self, endpoint: &EndpointInfo) {
        self.text(&endpoint.name);
        self.text(&endpoint.docs);
        self.number(u64::from(endpoint.kind == EndpointKind::Context));
        self.list(&endpoint.parameters, Self::parameter);
        for text in [
            &endpoint.started,
            &endpoint.sends,
            &endpoint.receives,
            &endpoint.returns,
            &endpoint.error,
        ] {
            self.text(text);
        }
        self.schema(&endpoint.schema);
    }

    fn schema(&mut self, schema: &EndpointSchema) {
        let Payloads { args, returns, context } = schema.payloads();
        self.number(schema.hash());
        self.part(args);
        self.part(returns);
        self.number(u64::from(context.is_some()));
        if let Some(context) = context {
            self.part(&context.started);
            self.part(&context.sends);
            self.part(&context.receives);
        }
    }

    fn part(&mut self, part: &Option<String>) {
        self.number(u64::from(part.is_some()));
        if let Some(text) = part {
            self.text(text);
        }
    }

    fn parameter(&mut self, parameter: &Parameter) {
        self.text(&parameter.name);
        self.text(&parameter.type_name);
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(u64::from_le_bytes(*head))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        String::from_utf8(head.to_vec()).ok()
    }

    fn list<T>(&mut self, item: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| item(self)).collect()
    }

    fn endpoint(&mut self) -> Option<EndpointInfo> {
        Some(EndpointInfo {
            name: self.text()?,
            docs: self.text()?,
            kind: if self.number()? == 0 {
                EndpointKind::Plain
            } else {
                EndpointKind::Context
            },
            parameters: self.list(Self::parameter)?,
            started: self.text()?,
            sends: self.text()?,
            receives: self.text()?,
            returns: self.text()?,
            error: self.text()?,
            schema: self.schema()?,
        })
    }

    fn schema(&mut self) -> Option<EndpointSchema> {
        let hash = self.number()?;
        let payloads = Payloads {
            args: self.optional(Self::text)?,
            returns: self.optional(Self::text)?,
            context: self.optional(Self::context)?,
        };
        Some(EndpointSchema::described(hash, payloads))
    }

    fn context(&mut self) -> Option<ContextPayloads> {
        Some(ContextPayloads {
            started: self.optional(Self::text)?,
            sends: self.optional(Self::text)?,
            receives: self.optional(Self::text)?,
        })
    }

    /// The outer `None` is the end of the input.
    fn optional<T>(&mut self, item: fn(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.number()? {
            0 => Some(None),
            _ => item(self).map(Some),
        }
    }

    fn parameter(&mut self) -> Option<Parameter> {
        Some(Parameter {
            name: self.text()?,
            type_name: self.text()?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::backend::wasm) fn sample() -> Description {
        let text = |text: &str| text.to_string();
        let parameters = vec![Parameter {
            name: text("pattern"),
            type_name: text("String"),
        }];
        let payloads = Payloads {
            args: Some(text("text")),
            returns: None,
            context: Some(ContextPayloads {
                sends: Some(text("{line:int}")),
                ..ContextPayloads::default()
            }),
        };
        let scan = EndpointInfo {
            name: text("scan"),
            docs: text("Searches."),
            kind: EndpointKind::Context,
            parameters,
            started: text("()"),
            sends: text("Hit"),
            receives: text("Path"),
            returns: text("Summary"),
            error: text("ScanError"),
            schema: EndpointSchema::described(u64::MAX, payloads),
        };
        Description {
            sdk: text("steading-guest 0.1.0"),
            docs: text("Größe"),
            endpoints: vec![scan],
        }
    }

    #[test]
    fn a_description_survives_the_round_trip() {
        assert_eq!(decode(&encode(&sample())), Some(sample()));
    }

    #[test]
    fn no_prefix_of_a_description_is_one() {
        let bytes = encode(&sample());
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]), None, "the first {end} bytes");
        }
    }
}
