//! Cuts a file into pieces of whole lines, and says when it turns out to be binary.
//!
//! As GNU grep does it under `LC_ALL=C`: a file is read in pieces of 96 KiB, and from the first piece
//! with a NUL byte in it nothing counts any more; lines of earlier pieces do. (Where grep's own pieces
//! begin depends on the alignment of its buffers as well, and it looks for holes in sparse files; the
//! difference shows only in files whose first NUL comes after more than 96 KiB of matching text.)

use std::io::{self, Read};

/// How much is read at a time.
const PIECE: usize = 96 << 10;

/// The longest line that is looked at. It has to be in memory as a whole, several times while buffers
/// grow and it is reported, and a worker has 64 MiB.
const LONGEST_LINE: usize = 8 << 20;

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Whole lines; only the last one of the file may lack its newline.
    Lines(&'a [u8]),
    /// There is a NUL byte: the rest is not text.
    Binary,
    /// The file has ended.
    End,
}

/// A buffer for one file after the other.
#[derive(Default)]
pub(crate) struct Text {
    buffer: Vec<u8>,
    /// What in the buffer has been read and not yet been handed out: the beginning of a line.
    rest: std::ops::Range<usize>,
    /// Bytes read of the file.
    pub(crate) bytes: u64,
}

impl Text {
    /// Forgets the file before.
    pub(crate) fn begin(&mut self) {
        self.rest = 0..0;
        self.bytes = 0;
    }

    /// The next piece of `file`.
    pub(crate) fn next(&mut self, file: &mut impl Read) -> io::Result<Piece<'_>> {
        loop {
            let searched = self.make_room()?;
            let ended = self.fill(file)?;
            let fresh = &self.buffer[searched..self.rest.end];
            if memchr::memchr(0, fresh).is_some() {
                return Ok(Piece::Binary);
            }
            let cut = match memchr::memrchr(b'\n', fresh) {
                _ if fresh.is_empty() => self.rest.end,
                Some(newline) => searched + newline + 1,
                None if ended => self.rest.end,
                None => continue,
            };
            let lines = self.rest.start..cut;
            self.rest.start = cut;
            return Ok(match lines.is_empty() {
                true => Piece::End,
                false => Piece::Lines(&self.buffer[lines]),
            });
        }
    }

    /// Moves the rest to the front; where new bytes will go.
    fn make_room(&mut self) -> io::Result<usize> {
        if self.rest.len() > LONGEST_LINE {
            let message = format!("a line is longer than {} MiB", LONGEST_LINE >> 20);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        self.buffer.copy_within(self.rest.clone(), 0);
        self.rest = 0..self.rest.len();
        self.buffer.resize(self.buffer.len().max(self.rest.end + PIECE), 0);
        Ok(self.rest.end)
    }

    /// Reads one piece, or less if the file has ended.
    fn fill(&mut self, file: &mut impl Read) -> io::Result<bool> {
        let full = self.rest.end + PIECE;
        while self.rest.end < full {
            match file.read(&mut self.buffer[self.rest.end..full]) {
                Ok(0) => return Ok(true),
                Ok(length) => {
                    self.rest.end += length;
                    self.bytes += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{LONGEST_LINE, PIECE, Piece, Text};

    /// All lines of a file, and whether it was found to be binary after them.
    fn read(mut file: impl Read) -> (Vec<u8>, bool) {
        let mut text = Text::default();
        let mut lines = Vec::new();
        loop {
            match text.next(&mut file).expect("memory can be read") {
                Piece::Lines(piece) => lines.extend_from_slice(piece),
                Piece::Binary => return (lines, true),
                Piece::End => return (lines, false),
            }
        }
    }

    #[test]
    fn text_comes_out_as_it_went_in() {
        let long = [b"x".repeat(3 * PIECE), b"\ny\n".repeat(PIECE), b"end".to_vec()].concat();
        for file in [&b""[..], b"a", b"a\n", b"a\nb", b"\n\n", &long] {
            assert_eq!(read(file), (file.to_vec(), false));
        }
    }

    #[test]
    fn pieces_are_whole_lines() {
        let file = b"0123456789abcde\n".repeat(PIECE / 8);
        let (mut text, mut file) = (Text::default(), &file[3..]);
        while let Piece::Lines(lines) = text.next(&mut file).expect("memory can be read") {
            assert_eq!(lines.last(), Some(&b'\n'));
        }
    }

    #[test]
    fn a_nul_in_the_first_piece_hides_everything() {
        assert_eq!(read(&b"text\nbinary\0"[..]), (Vec::new(), true));
    }

    #[test]
    fn a_nul_in_a_later_piece_hides_what_follows() {
        let lines = b"0123456789abcde\n".repeat(PIECE / 16);
        let file = [lines.clone(), b"more\n\0\n".to_vec()].concat();
        assert_eq!(read(&file[..]), (lines, true));
    }

    #[test]
    fn a_line_beyond_all_bounds_is_an_error() {
        let mut text = Text::default();
        let mut file = std::io::repeat(b'x').take(2 * LONGEST_LINE as u64);
        let error = text.next(&mut file).expect_err("too long");
        assert_eq!(error.to_string(), "a line is longer than 8 MiB");
    }

    #[test]
    fn a_buffer_serves_one_file_after_the_other() {
        let mut text = Text::default();
        let mut file = &b"abandoned"[..];
        text.make_room()
            .and_then(|_| text.fill(&mut file))
            .expect("memory can be read");
        text.begin();
        assert_eq!(
            text.next(&mut &b"new"[..]).expect("memory can be read"),
            Piece::Lines(b"new")
        );
        assert_eq!(text.bytes, 3);
    }
}
