//! Which lines of a text match.

use regex::bytes::{Regex, RegexBuilder};

use crate::pattern::{self, PatternError};

/// A compiled pattern.
pub(crate) struct Matcher(Regex);

impl Matcher {
    pub(crate) fn new(pattern: &str) -> Result<Self, PatternError> {
        let pattern = pattern::translate(pattern.as_bytes())?;
        let regex = RegexBuilder::new(&pattern).unicode(false).multi_line(true).build();
        regex.map(Self).map_err(|error| PatternError::Engine(error.to_string()))
    }

    /// The matching lines of `text`, which consists of whole lines; only its last may lack its newline.
    pub(crate) fn lines<'a>(&'a self, text: &'a [u8]) -> Lines<'a> {
        Lines {
            regex: &self.0,
            text,
            at: 0,
            number: 0,
        }
    }
}

/// A matching line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// How many lines of the text come before it.
    pub(crate) number: u64,
    /// Without its newline.
    pub(crate) text: &'a [u8],
}

/// See [`Matcher::lines`].
pub(crate) struct Lines<'a> {
    regex: &'a Regex,
    text: &'a [u8],
    /// Where the next line begins, and how many come before it.
    at: usize,
    number: u64,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    /// The whole text is searched at once, not line by line: no part of a pattern matches a newline, so
    /// the line around the end of a match is the line of the match.
    fn next(&mut self) -> Option<Line<'a>> {
        let text = self.text;
        if self.at == text.len() {
            return None;
        }
        let end_of_match = self.regex.shortest_match_at(text, self.at)?;
        let start = memchr::memrchr(b'\n', &text[..end_of_match]).map_or(0, |newline| newline + 1);
        if start == text.len() {
            // An empty match behind the last newline is not in any line.
            return None;
        }
        let end = memchr::memchr(b'\n', &text[end_of_match..]).map_or(text.len(), |length| end_of_match + length);
        let number = self.number + newlines(&text[self.at..start]);
        self.at = (end + 1).min(text.len());
        self.number = number + 1;
        Some(Line {
            number,
            text: &text[start..end],
        })
    }
}

/// How many newlines there are.
pub(crate) fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

#[cfg(test)]
mod tests {
    use super::Matcher;

    #[track_caller]
    fn check(pattern: &str, text: &[u8], expected: &[(u64, &[u8])]) {
        let matcher = Matcher::new(pattern).expect("a pattern");
        let lines: Vec<_> = matcher.lines(text).map(|line| (line.number, line.text)).collect();
        assert_eq!(lines, expected, "`{pattern}` in {:?}", String::from_utf8_lossy(text));
    }

    #[test]
    fn a_line_is_found_once_however_often_it_matches() {
        check("a", b"aa\nb\nba\n", &[(0, b"aa"), (2, b"ba")]);
    }

    #[test]
    fn the_last_line_may_lack_its_newline() {
        check("b", b"a\nb", &[(1, b"b")]);
        check("b$", b"a\nb", &[(1, b"b")]);
    }

    #[test]
    fn an_empty_match_is_a_match_of_every_line_and_of_nothing_else() {
        check("", b"a\n\nb\n", &[(0, b"a"), (1, b""), (2, b"b")]);
        check("x*", b"a\nb", &[(0, b"a"), (1, b"b")]);
        check("^$", b"a\n\n", &[(1, b"")]);
        check("^$", b"a\n", &[]);
        check("$", b"\n", &[(0, b"")]);
    }

    #[test]
    fn no_match_reaches_into_the_next_line() {
        check(r"a[^x]b", b"a\nb\na b\n", &[(2, b"a b")]);
        check(r"a\sb", b"a\nb\na\tb\n", &[(2, b"a\tb")]);
        check(r"a\Wb", b"a\nb\na-b\n", &[(2, b"a-b")]);
        check("a[^a]*$", b"xa\nyy\n", &[(0, b"xa")]);
        check("[^\u{1}-\u{ff}]", b"a\n", &[]);
    }

    #[test]
    fn bytes_need_not_be_text() {
        check("a.b", b"a\xffb\n", &[(0, b"a\xffb")]);
        check("ä", "xäy\n".as_bytes(), &[(0, "xäy".as_bytes())]);
    }

    #[test]
    fn words_have_borders() {
        check(r"\<a\>", b"ab\nb a\n", &[(1, b"b a")]);
        check(r"\bb", b"ab\n-b\n", &[(1, b"-b")]);
    }

    #[test]
    fn a_pattern_that_would_take_all_memory_is_refused() {
        assert!(Matcher::new(r"\(\(a\{1000\}\)\{1000\}\)\{1000\}").is_err());
    }
}
