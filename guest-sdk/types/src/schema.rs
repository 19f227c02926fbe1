//! What an endpoint's payloads look like on the wire, as text, and the hash that stands for it.
//!
//! The text is all there is: who makes it of Rust types is `steading-actor`, who compares the hashes is
//! the core. It never has the name of a type in it, nor anything else that a compiler may spell
//! differently, so guests and natives of any build agree on it.

use std::fmt;
use std::sync::Arc;

/// The text of what nobody has described.
const UNKNOWN: &str = "?";

/// The shapes of an endpoint's payloads. `None` where the type is not known; those of the stream are
/// there for an endpoint with a context only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payloads {
    /// The arguments: nothing for none, the value itself for one, a tuple for several.
    pub args: Option<String>,
    /// The result.
    pub returns: Option<String>,
    /// What goes on between start and result.
    pub context: Option<ContextPayloads>,
}

/// The shapes of what crosses a context, as its callee sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextPayloads {
    /// The value given to `started`.
    pub started: Option<String>,
    /// The messages it sends.
    pub sends: Option<String>,
    /// The messages it receives.
    pub receives: Option<String>,
}

impl Payloads {
    fn is_known(&self) -> bool {
        let context = self.context.as_ref();
        let inside = context.is_none_or(|c| [&c.started, &c.sends, &c.receives].iter().all(|part| part.is_some()));
        self.args.is_some() && self.returns.is_some() && inside
    }
}

impl fmt::Display for Payloads {
    /// `(int,int) -> int`, or `text -> unit; started unit; sends {line:int}; receives text`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |part: &Option<String>| part.clone().unwrap_or_else(|| UNKNOWN.to_owned());
        write!(f, "{} -> {}", shown(&self.args), shown(&self.returns))?;
        let Some(context) = &self.context else { return Ok(()) };
        let [started, sends, receives] = [&context.started, &context.sends, &context.receives].map(shown);
        write!(f, "; started {started}; sends {sends}; receives {receives}")
    }
}

/// What is known of an endpoint's payload types. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointSchema {
    hash: u64,
    payloads: Arc<Payloads>,
}

impl EndpointSchema {
    /// Of these payloads. One that is not known makes the whole unchecked.
    pub fn new(payloads: Payloads) -> Self {
        let hash = if payloads.is_known() {
            fnv(&payloads.to_string()).max(1)
        } else {
            0
        };
        Self {
            hash,
            payloads: Arc::new(payloads),
        }
    }

    /// As another side has described it, whose word is taken for the hash.
    pub fn described(hash: u64, payloads: Payloads) -> Self {
        Self {
            hash,
            payloads: Arc::new(payloads),
        }
    }

    /// Stands for the payloads at `Start`; 0 if they are not checked there.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Their shapes.
    pub fn payloads(&self) -> &Payloads {
        &self.payloads
    }
}

impl fmt::Display for EndpointSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.payloads)
    }
}

/// FNV-1a: written down once and for all, in a line, and nobody gains by forging it, for every value is
/// checked again where it is received.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn the_hash_is_that_of_the_published_function() {
        for (text, hash) in [("", 0xcbf2_9ce4_8422_2325), ("foobar", 0x8594_4171_f739_67e8)] {
            assert_eq!(fnv(text), hash, "{text}");
        }
    }

    #[test]
    fn what_is_unknown_in_part_is_unchecked_and_shown() {
        let mut payloads = Payloads {
            args: part("text"),
            returns: None,
            context: None,
        };
        let schema = EndpointSchema::new(payloads.clone());
        assert_eq!((schema.hash(), schema.to_string().as_str()), (0, "text -> ?"));
        payloads.returns = part("int");
        assert_ne!(EndpointSchema::new(payloads.clone()).hash(), 0);
        payloads.context = Some(ContextPayloads::default());
        assert_eq!(EndpointSchema::new(payloads).hash(), 0);
    }

    #[test]
    fn each_part_in_its_place_makes_the_hash() {
        let context = |started: &str, sends: &str, receives: &str| {
            let context = ContextPayloads {
                started: part(started),
                sends: part(sends),
                receives: part(receives),
            };
            EndpointSchema::new(Payloads {
                args: part("unit"),
                returns: part("unit"),
                context: Some(context),
            })
        };
        let all = [
            ("int", "unit", "unit"),
            ("unit", "int", "unit"),
            ("unit", "unit", "int"),
            ("unit", "unit", "unit"),
        ];
        let mut hashes = all.map(|(a, b, c)| context(a, b, c).hash()).to_vec();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 4);
    }
}
