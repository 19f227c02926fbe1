//! How the types of the component model are spelled, as in WIT but for names, which a compiled component has lost.

use wasmtime::component::Type;

/// Characters of a type; what is left out says so.
const LONGEST: usize = 400;

/// A type as text.
pub(super) fn of(kind: &Type) -> String {
    let mut text = Text(String::new());
    text.kind(kind);
    if text.is_full() {
        text.0.truncate(text.0.floor_char_boundary(LONGEST));
        text.0.push('…');
    }
    text.0
}

/// What a function returns, and what it fails with; both empty if nothing.
pub(super) fn of_results(returns: Option<&Type>) -> (String, String) {
    let shown = |kind: Option<Type>| kind.as_ref().map(of).unwrap_or_default();
    match returns {
        None => Default::default(),
        Some(Type::Result(result)) => {
            // A failure without a value is one all the same.
            let error = result.err().map_or("_".to_owned(), |kind| of(&kind));
            (shown(result.ok()), error)
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

    fn kind(&mut self, kind: &Type) {
        // Types are trees only when they are walked: written out, a small one can be of any length.
        if self.is_full() {
            return;
        }
        match kind {
            Type::List(list) => self.generic("list", &[Some(list.ty())]),
            Type::Option(option) => self.generic("option", &[Some(option.ty())]),
            Type::Result(result) => self.generic("result", &[result.ok(), result.err()]),
            Type::Tuple(tuple) => self.generic("tuple", &tuple.types().map(Some).collect::<Vec<_>>()),
            Type::Record(record) => {
                self.braces(
                    "record",
                    record.fields().map(|field| (field.name.to_owned(), Some(field.ty))),
                    ": ",
                    "",
                );
            }
            Type::Variant(variant) => {
                self.braces(
                    "variant",
                    variant.cases().map(|case| (case.name.to_owned(), case.ty)),
                    "(",
                    ")",
                );
            }
            Type::Enum(names) => self.names("enum", names.names()),
            Type::Flags(names) => self.names("flags", names.names()),
            plain => self.put(plain_name(plain)),
        }
    }

    fn generic(&mut self, name: &str, inside: &[Option<Type>]) {
        self.put(name);
        self.put("<");
        for (index, kind) in inside.iter().enumerate() {
            self.put(if index > 0 { ", " } else { "" });
            match kind {
                Some(kind) => self.kind(kind),
                None => self.put("_"),
            }
        }
        self.put(">");
    }

    fn names<'a>(&mut self, word: &str, names: impl Iterator<Item = &'a str>) {
        self.braces(word, names.map(|name| (name.to_owned(), None)), "", "");
    }

    fn braces(&mut self, word: &str, items: impl Iterator<Item = (String, Option<Type>)>, open: &str, close: &str) {
        self.put(word);
        self.put(" {");
        for (index, (name, kind)) in items.enumerate() {
            self.put(if index > 0 { ", " } else { "" });
            self.put(&name);
            if let Some(kind) = kind {
                self.put(open);
                self.kind(&kind);
                self.put(close);
            }
        }
        self.put("}");
    }
}

pub(super) fn plain_name(kind: &Type) -> &'static str {
    match kind {
        Type::Bool => "bool",
        Type::S8 => "s8",
        Type::U8 => "u8",
        Type::S16 => "s16",
        Type::U16 => "u16",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::Float32 => "f32",
        Type::Float64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        // Not among what an endpoint takes.
        _ => "handle",
    }
}
