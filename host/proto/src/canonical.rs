//! Whether bytes are the one and only CBOR of what they say: checked before anything is decoded.
//!
//! The decoder behind `codec` takes longer spellings of a number, open-ended arrays and fields it does not
//! know, and skips these with a stack as deep as the input nests. None of that is ever written by a core, so
//! none of it is read: what passes here needs no more memory than it is long.

/// How deep a frame may nest. None does by more than ten: a canceller's id, in an error inside an error.
const DEEPEST: usize = 12;

/// The number of items, from the first on, that the bytes must start with.
const ITEMS: usize = 2;

/// Where bytes stop being canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offence(pub(crate) usize);

/// Walks over the first [`ITEMS`] items; how long they are.
pub(crate) fn check(bytes: &[u8]) -> Result<usize, Offence> {
    // How many items are left at each level.
    let mut left = [0_usize; DEEPEST];
    let (mut depth, mut at) = (0, 0);
    left[0] = ITEMS;
    loop {
        while left[depth] == 0 {
            if depth == 0 {
                return Ok(at);
            }
            depth -= 1;
        }
        left[depth] -= 1;
        let head = Head::read(bytes, at)?;
        at = head.end;
        match head.major {
            UNSIGNED | SIMPLE => {}
            BYTES | TEXT => at = skip(bytes, at, head.value)?,
            ARRAY => {
                // Every item is a byte at least.
                let items = usize::try_from(head.value)
                    .ok()
                    .filter(|items| *items <= bytes.len() - at);
                depth += 1;
                *left.get_mut(depth).ok_or(Offence(at))? = items.ok_or(Offence(at))?;
            }
            _ => return Err(Offence(at)),
        }
    }
}

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const SIMPLE: u8 = 7;
const NULL: u8 = 22;

struct Head {
    major: u8,
    value: u64,
    end: usize,
}

impl Head {
    fn read(bytes: &[u8], at: usize) -> Result<Self, Offence> {
        let first = *bytes.get(at).ok_or(Offence(at))?;
        let (major, info) = (first >> 5, first & 0x1f);
        let (value, len) = match info {
            0..=23 => (u64::from(info), 0),
            24..=27 => long_value(bytes, at + 1, 1 << (info - 24))?,
            _ => return Err(Offence(at)),
        };
        // Of the simple values, only "nothing" has a meaning in a frame.
        if major == SIMPLE && first & 0x1f != NULL {
            return Err(Offence(at));
        }
        Ok(Self {
            major,
            value,
            end: at + 1 + len,
        })
    }
}

/// A number of so many bytes, which could not have been written with fewer.
fn long_value(bytes: &[u8], at: usize, len: usize) -> Result<(u64, usize), Offence> {
    let digits = bytes.get(at..at + len).ok_or(Offence(at))?;
    let value = digits.iter().fold(0, |value, digit| value << 8 | u64::from(*digit));
    let shorter = match len {
        1 => value < 24,
        len => value >> (4 * len) == 0,
    };
    if shorter { Err(Offence(at)) } else { Ok((value, len)) }
}

fn skip(bytes: &[u8], at: usize, len: u64) -> Result<usize, Offence> {
    let len = usize::try_from(len).ok().filter(|len| *len <= bytes.len() - at);
    Ok(at + len.ok_or(Offence(at))?)
}

/// Takes what an encoder writes, and compares it with what was read.
pub(crate) struct Same<'a>(pub(crate) &'a [u8]);

/// It differs.
#[derive(Debug)]
pub(crate) struct Differs;

impl minicbor::encode::Write for Same<'_> {
    type Error = Differs;

    fn write_all(&mut self, written: &[u8]) -> Result<(), Differs> {
        self.0 = self.0.strip_prefix(written).ok_or(Differs)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(item: &[u8]) -> bool {
        let bytes = [item, &[0xf6]].concat();
        check(&bytes) == Ok(bytes.len())
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        assert!(verdict(&[0x17]) && verdict(&[0x18, 24]) && verdict(&[0x19, 1, 0]));
        assert!(verdict(&[0x1a, 0, 1, 0, 0]) && verdict(&[0x1b, 0, 0, 0, 1, 0, 0, 0, 0]));
        assert!(!verdict(&[0x18, 23]) && !verdict(&[0x19, 0, 255]) && !verdict(&[0x1a, 0, 0, 255, 255]));
        assert!(!verdict(&[0x1b, 0, 0, 0, 0, 255, 255, 255, 255]));
    }

    #[test]
    fn what_no_core_writes_is_refused() {
        let open_ended: [&[u8]; 4] = [&[0x9f, 0xff], &[0xbf, 0xff], &[0x5f, 0xff], &[0x7f, 0xff]];
        let others: [&[u8]; 6] = [
            &[0xa0],
            &[0xc0, 0],
            &[0xf4],
            &[0xf7],
            &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x20],
        ];
        assert!(open_ended.iter().chain(&others).all(|item| !verdict(item)));
    }

    #[test]
    fn depth_and_lengths_are_bounded() {
        assert!(verdict(
            &[0x81; DEEPEST - 1].iter().copied().chain([0]).collect::<Vec<_>>()
        ));
        assert!(!verdict(
            &[0x81; DEEPEST].iter().copied().chain([0]).collect::<Vec<_>>()
        ));
        assert!(!verdict(&[0x5b, 0x40, 0, 0, 0, 0, 0, 0, 0]) && !verdict(&[0x9b, 0x40, 0, 0, 0, 0, 0, 0, 0]));
    }
}
