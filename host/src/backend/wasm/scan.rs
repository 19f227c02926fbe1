//! A look at a file before the compiler sees it: what is it, and is it within the limits?
//!
//! The limits are there because compilation is not interruptible and worse than linear in some of
//! them: a valid module of a few kilobytes can compile for many seconds.

use wasmparser::{BinaryReaderError, Encoding, ExportSectionReader, FunctionBody, Operator, Parser, Payload};

use super::error::LoadError;
use super::limits;

/// What a WebAssembly file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Component,
    /// A core module.
    Module {
        /// It carries the description of a world.
        typed: bool,
        /// It is a program of WASI's first preview, with a `_start`.
        program: bool,
    },
}

/// Finds out what `bytes` are, and refuses what would be too much for the compiler.
pub(super) fn scan(name: &str, bytes: &[u8]) -> Result<Kind, LoadError> {
    check_size(name, bytes)?;
    check_magic(name, bytes)?;
    let mut scan = Scan::new(name);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| scan.invalid(&error))?;
        scan.payload(&payload)?;
    }
    Ok(scan.kind)
}

fn check_size(name: &str, bytes: &[u8]) -> Result<(), LoadError> {
    let actual = bytes.len() as u64;
    check(name, "bytes", actual, limits::FILE)
}

fn check_magic(name: &str, bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.starts_with(b"\0asm") {
        return Ok(());
    }
    let head = &bytes[..bytes.len().min(8)];
    let begins = if head.is_empty() {
        "nothing: it is empty".to_string()
    } else {
        format!("\"{}\"", head.escape_ascii())
    };
    Err(LoadError::NotWasm {
        name: name.to_string(),
        begins,
    })
}

fn check(name: &str, what: &'static str, actual: u64, limit: u64) -> Result<(), LoadError> {
    if actual <= limit {
        return Ok(());
    }
    Err(LoadError::Oversized {
        name: name.to_string(),
        what,
        actual,
        limit,
    })
}

struct Scan<'a> {
    name: &'a str,
    kind: Kind,
    functions: u64,
    first: bool,
}

impl<'a> Scan<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            kind: Kind::Component,
            functions: 0,
            first: true,
        }
    }

    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), LoadError> {
        match payload {
            Payload::Version { encoding, .. } => self.version(*encoding),
            Payload::CustomSection(section) => self.custom(section.name()),
            Payload::ExportSection(exports) => self.exports(exports.clone())?,
            Payload::CodeSectionStart { count, .. } => self.count(*count)?,
            Payload::CodeSectionEntry(body) => self.body(body)?,
            _ => {}
        }
        Ok(())
    }

    fn version(&mut self, encoding: Encoding) {
        if std::mem::take(&mut self.first) && encoding == Encoding::Module {
            self.kind = Kind::Module {
                typed: false,
                program: false,
            };
        }
    }

    fn custom(&mut self, section: &str) {
        if let Kind::Module { typed, .. } = &mut self.kind {
            *typed |= section.starts_with("component-type");
        }
    }

    fn exports(&mut self, exports: ExportSectionReader<'_>) -> Result<(), LoadError> {
        let Kind::Module { program, .. } = &mut self.kind else {
            return Ok(());
        };
        for export in exports {
            match export {
                Ok(export) => *program |= export.name == "_start",
                Err(error) => return Err(self.invalid(&error)),
            }
        }
        Ok(())
    }

    fn count(&mut self, functions: u32) -> Result<(), LoadError> {
        self.functions += u64::from(functions);
        check(self.name, "functions", self.functions, u64::from(limits::FUNCTIONS))
    }

    fn body(&self, body: &FunctionBody<'_>) -> Result<(), LoadError> {
        let locals = locals(body).map_err(|error| self.invalid(&error))?;
        check(self.name, "locals in a function", locals, u64::from(limits::LOCALS))?;
        let nest = loop_nest(body).map_err(|error| self.invalid(&error))?;
        check(
            self.name,
            "nested loops in a function",
            nest,
            u64::from(limits::LOOP_NEST),
        )
    }

    fn invalid(&self, error: &BinaryReaderError) -> LoadError {
        LoadError::Invalid {
            name: self.name.to_string(),
            detail: error.to_string(),
        }
    }
}

fn locals(body: &FunctionBody<'_>) -> Result<u64, BinaryReaderError> {
    body.get_locals_reader()?
        .into_iter()
        .map(|group| group.map(|(count, _)| u64::from(count)))
        .sum()
}

/// The deepest nest of loops. Every block is tracked, since an `end` does not say what it ends.
fn loop_nest(body: &FunctionBody<'_>) -> Result<u64, BinaryReaderError> {
    let mut blocks = Vec::new();
    let (mut depth, mut deepest) = (0, 0);
    for operator in body.get_operators_reader()? {
        match operator? {
            Operator::Loop { .. } => {
                blocks.push(true);
                depth += 1;
                deepest = deepest.max(depth);
            }
            Operator::Block { .. } | Operator::If { .. } => blocks.push(false),
            Operator::End if blocks.pop() == Some(true) => depth -= 1,
            _ => {}
        }
    }
    Ok(deepest)
}
