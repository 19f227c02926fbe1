//! What is said of a component that was compiled or refused, as bytes: a child's answer to its host, and
//! what the cache remembers of a refusal.

use std::time::Duration;

use super::Bounds;
use crate::backend::wasm::error::LoadError;
use crate::backend::wasm::limits;

/// Begins every answer; what does not is not a compiler's.
const MAGIC: &[u8] = b"steading";
const COMPILED: u8 = 0;
/// Bytes of a refusal's text that are kept.
const TEXT: usize = 1 << 10;

/// Why a component is not compiled: each time, as long as the bounds are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backend::wasm) enum Refusal {
    /// The compiler says that it is not valid.
    Invalid(String),
    /// A core module that could not be made a component.
    CoreModule(String),
    /// It used up this much processor time.
    Time(Duration),
    /// It took far longer by the clock, and had less of a processor: that says as much of the machine.
    Clock(Duration),
    /// It needed more bytes of memory.
    Memory(u64),
    /// It became more bytes of code.
    Code(u64),
}

impl Refusal {
    /// In the compiler's words.
    pub(in crate::backend::wasm) fn invalid(error: &wasmtime::Error) -> Self {
        Self::Invalid(format!("{error:#}"))
    }

    /// The same about a certain file.
    pub(in crate::backend::wasm) fn of(self, file: &str) -> LoadError {
        let name = file.to_string();
        match self {
            Self::Invalid(detail) => LoadError::Invalid { name, detail },
            Self::CoreModule(detail) => LoadError::CoreModule { name, detail },
            Self::Time(limit) | Self::Clock(limit) => LoadError::CompileTimeout { name, limit },
            Self::Memory(limit) => LoadError::CompileMemory { name, limit },
            Self::Code(limit) => LoadError::CompiledSize { name, limit },
        }
    }

    /// Whether a try within these bounds would end the same way as one did that long ago.
    pub(in crate::backend::wasm) fn holds(&self, age: Duration, bounds: Option<Bounds>) -> bool {
        match *self {
            Self::Time(limit) => bounds.is_some_and(|bounds| bounds.time <= limit),
            Self::Clock(limit) => age < limits::BUSY && bounds.is_some_and(|bounds| bounds.time <= limit),
            Self::Memory(limit) => bounds.is_some_and(|bounds| bounds.memory <= limit),
            Self::Code(_) => bounds.is_some(),
            Self::Invalid(_) | Self::CoreModule(_) => true,
        }
    }

    /// As bytes: a kind, then a text or a number.
    pub(in crate::backend::wasm) fn encode(&self) -> Vec<u8> {
        let (kind, rest) = match self {
            Self::Invalid(text) => (1, cut(text).as_bytes().to_vec()),
            Self::CoreModule(text) => (2, cut(text).as_bytes().to_vec()),
            Self::Time(limit) => (3, (limit.as_millis() as u64).to_le_bytes().to_vec()),
            Self::Clock(limit) => (6, (limit.as_millis() as u64).to_le_bytes().to_vec()),
            Self::Memory(limit) => (4, limit.to_le_bytes().to_vec()),
            Self::Code(limit) => (5, limit.to_le_bytes().to_vec()),
        };
        [&[kind], &*rest].concat()
    }

    /// `None` if the bytes are not one.
    pub(in crate::backend::wasm) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let text = || String::from_utf8(rest.to_vec()).ok();
        let number = || rest.try_into().ok().map(u64::from_le_bytes);
        Some(match kind {
            1 => Self::Invalid(text()?),
            2 => Self::CoreModule(text()?),
            3 => Self::Time(Duration::from_millis(number()?)),
            4 => Self::Memory(number()?),
            5 => Self::Code(number()?),
            6 => Self::Clock(Duration::from_millis(number()?)),
            _ => return None,
        })
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT)]
}

/// What a child answers: who it is, and the code or why there is none.
pub(super) fn answer(fingerprint: &blake3::Hash, verdict: Result<Vec<u8>, Refusal>) -> Vec<u8> {
    let rest = match verdict {
        Ok(code) => [&[COMPILED], &*code].concat(),
        Err(refusal) => refusal.encode(),
    };
    [MAGIC, fingerprint.as_bytes(), &rest].concat()
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alien {
    /// It is none.
    NoCompiler,
    /// It comes from a program that compiles differently.
    OtherBuild,
}

/// Reads an answer; its code is what follows.
pub(super) fn read(fingerprint: &blake3::Hash, mut answer: Vec<u8>) -> Result<Result<Vec<u8>, Refusal>, Alien> {
    let at = MAGIC.len() + blake3::OUT_LEN;
    let head = answer.get(..at).ok_or(Alien::NoCompiler)?;
    let whose = head.strip_prefix(MAGIC).ok_or(Alien::NoCompiler)?;
    if whose != fingerprint.as_bytes() {
        return Err(Alien::OtherBuild);
    }
    if answer.get(at) == Some(&COMPILED) {
        return Ok(Ok(answer.split_off(at + 1)));
    }
    let refusal = Refusal::decode(&answer[at..]).ok_or(Alien::NoCompiler)?;
    Ok(Err(refusal))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        time: Duration::from_secs(10),
        memory: 1 << 30,
    };

    fn refusals() -> [Refusal; 6] {
        [
            Refusal::Invalid("at 7: größer".into()),
            Refusal::CoreModule(String::new()),
            Refusal::Time(BOUNDS.time),
            Refusal::Memory(BOUNDS.memory),
            Refusal::Code(7),
            Refusal::Clock(BOUNDS.time),
        ]
    }

    #[test]
    fn a_refusal_survives_the_round_trip() {
        for refusal in refusals() {
            assert_eq!(Refusal::decode(&refusal.encode()), Some(refusal));
        }
        assert_eq!(Refusal::decode(b""), None);
        assert_eq!(Refusal::decode(b"\x03short"), None);
        assert_eq!(Refusal::decode(b"\x09"), None);
    }

    #[test]
    fn a_text_without_end_is_cut() {
        let long = Refusal::Invalid("ü".repeat(TEXT)).encode();
        assert!(long.len() <= TEXT + 1 && Refusal::decode(&long).is_some());
    }

    #[test]
    fn more_time_or_memory_or_a_machine_less_busy_is_another_try() {
        let more = Bounds {
            time: BOUNDS.time * 2,
            memory: BOUNDS.memory * 2,
        };
        let held = |age, bounds| refusals().map(|refusal| refusal.holds(age, bounds));
        let (now, later) = (Duration::ZERO, limits::BUSY);
        assert_eq!(held(now, Some(BOUNDS)), [true; 6]);
        assert_eq!(held(later, Some(BOUNDS)), [true, true, true, true, true, false]);
        assert_eq!(held(now, Some(more)), [true, true, false, false, true, false]);
        assert_eq!(
            held(now, None),
            [true, true, false, false, false, false],
            "nothing bounds it here"
        );
    }

    #[test]
    fn an_answer_is_believed_from_the_same_build_only() {
        let (ours, other) = (blake3::hash(b"ours"), blake3::hash(b"other"));
        let sent = answer(&ours, Ok(b"code".to_vec()));
        assert_eq!(read(&ours, sent.clone()), Ok(Ok(b"code".to_vec())));
        assert_eq!(read(&other, sent.clone()), Err(Alien::OtherBuild));
        assert_eq!(read(&ours, sent[..20].to_vec()), Err(Alien::NoCompiler));
        assert_eq!(read(&ours, b"Hello, world!".repeat(9)), Err(Alien::NoCompiler));
        assert_eq!(
            read(&ours, answer(&ours, Err(Refusal::Code(1)))),
            Ok(Err(Refusal::Code(1)))
        );
    }
}
