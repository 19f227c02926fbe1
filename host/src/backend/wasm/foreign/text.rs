//! How the types of the component model are spelled, as in WIT but for names, which a compiled component has lost.

use super::kinds::Kind;

/// Characters of a type; what is left out says so.
const LONGEST: usize = 400;

/// A type as text.
pub(super) fn of(kind: &Kind) -> String {
    let mut text = Text(String::new());
    text.kind(kind);
    if text.is_full() {
        text.0.truncate(text.0.floor_char_boundary(LONGEST));
        text.0.push('…');
    }
    text.0
}

/// What a function returns, and what it fails with; both empty if nothing.
pub(super) fn of_results(returns: Option<&Kind>) -> (String, String) {
    let shown = |kind: &Option<Box<Kind>>| kind.as_deref().map(of).unwrap_or_default();
    match returns {
        None => Default::default(),
        Some(Kind::Result(ok, err)) => {
            // A failure without a value is one all the same.
            let error = err.as_deref().map_or("_".to_owned(), of);
            (shown(ok), error)
        }
        Some(kind) => (of(kind), String::new()),
    }
}

struct Text(String);

impl Text {
    fn is_full(&self) -> bool {
        self.0.len() > LONGEST
    }

    fn put(&mut self, text: &str) {
        self.0.push_str(text);
    }

    fn kind(&mut self, kind: &Kind) {
        if self.is_full() {
            return;
        }
        match kind {
            Kind::List(item) => self.generic("list", [Some(&**item)].into_iter()),
            Kind::Option(item) => self.generic("option", [Some(&**item)].into_iter()),
            Kind::Result(ok, err) => self.generic("result", [ok.as_deref(), err.as_deref()].into_iter()),
            Kind::Tuple(items) => self.generic("tuple", items.iter().map(Some)),
            Kind::Record(fields) => {
                let fields = fields.iter().map(|(name, kind)| (name, Some(kind)));
                self.braces("record", fields, ": ", "");
            }
            Kind::Variant(cases) => {
                let cases = cases.iter().map(|(name, kind)| (name, kind.as_ref()));
                self.braces("variant", cases, "(", ")");
            }
            Kind::Enum(names) => self.braces("enum", names.names().map(|name| (name, None)), "", ""),
            Kind::Flags(names) => self.braces("flags", names.names().map(|name| (name, None)), "", ""),
            plain => self.put(plain_name(plain)),
        }
    }

    fn generic<'a>(&mut self, name: &str, inside: impl Iterator<Item = Option<&'a Kind>>) {
        self.put(name);
        self.put("<");
        for (index, kind) in inside.enumerate() {
            self.put(if index > 0 { ", " } else { "" });
            match kind {
                Some(kind) => self.kind(kind),
                None => self.put("_"),
            }
        }
        self.put(">");
    }

    fn braces<'a>(
        &mut self,
        word: &str,
        items: impl Iterator<Item = (&'a str, Option<&'a Kind>)>,
        open: &str,
        close: &str,
    ) {
        self.put(word);
        self.put(" {");
        for (index, (name, kind)) in items.enumerate() {
            if self.is_full() {
                return;
            }
            self.put(if index > 0 { ", " } else { "" });
            self.put(name);
            if let Some(kind) = kind {
                self.put(open);
                self.kind(kind);
                self.put(close);
            }
        }
        self.put("}");
    }
}

/// The name of a type that is no more than one; nothing of any other.
pub(super) fn plain_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::S8 => "s8",
        Kind::U8 => "u8",
        Kind::S16 => "s16",
        Kind::U16 => "u16",
        Kind::S32 => "s32",
        Kind::U32 => "u32",
        Kind::S64 => "s64",
        Kind::U64 => "u64",
        Kind::Float32 => "f32",
        Kind::Float64 => "f64",
        Kind::Char => "char",
        Kind::String => "string",
        _ => "",
    }
}
