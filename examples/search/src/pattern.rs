//! What a pattern is: a POSIX basic regular expression, as `grep` takes it by default.
//!
//! A pattern is translated byte by byte to the syntax of the `regex` crate, with the meaning it has
//! under `LC_ALL=C`: one byte is one character, and none of them matches a newline. Several lines are
//! alternatives. `\+`, `\?`, `\|` and the word operators of GNU are understood; back-references, which
//! no linear-time engine has, are refused.

/// Why a pattern is not one. The text is grep's own where grep has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A `[` without its `]`.
    #[error("Unmatched [, [^, [:, [., or [=")]
    Bracket,
    /// `[:space:]` where `[[:space:]]` was meant.
    #[error("character class syntax is [[:space:]], not [:space:]")]
    BareClass,
    /// A class nobody has heard of.
    #[error("Invalid character class name")]
    Class,
    /// `[.xy.]` or `[=xy=]`: in the C locale every element is one byte.
    #[error("Invalid collation character")]
    Collation,
    /// `[b-a]`.
    #[error("Invalid range end")]
    Range,
    /// A parenthesis without its partner.
    #[error("Unmatched ( or \\(")]
    Open,
    /// A parenthesis without its partner.
    #[error("Unmatched ) or \\)")]
    Close,
    /// A brace without its partner.
    #[error("Unmatched \\{{")]
    Brace,
    /// Something else than numbers in order between braces.
    #[error("Invalid content of \\{{\\}}")]
    Repetition,
    /// A backslash and then nothing.
    #[error("Trailing backslash")]
    Backslash,
    /// `\1` to `\9`.
    #[error("back-references (\\{0}) are not supported")]
    BackReference(char),
    /// The engine refuses it; its own words.
    #[error("{0}")]
    Engine(String),
}

/// Most repetitions that `\{m,n\}` may ask for, as in grep.
const MAX_REPETITIONS: u32 = 32_767;

/// The same pattern in the syntax of `regex`, to be compiled with `unicode(false)` and
/// `multi_line(true)`.
///
/// # Errors
/// Where the pattern is malformed.
pub(crate) fn translate(pattern: &[u8]) -> Result<String, PatternError> {
    let alternatives: Result<Vec<_>, _> = pattern.split(|byte| *byte == b'\n').map(translate_line).collect();
    Ok(alternatives?.join("|"))
}

fn translate_line(line: &[u8]) -> Result<String, PatternError> {
    let mut translator = Translator {
        rest: line,
        out: String::with_capacity(line.len() * 2),
        atom: None,
        anchored: true,
        groups: Vec::new(),
    };
    while let Some(byte) = translator.next() {
        translator.byte(byte)?;
    }
    match translator.groups.is_empty() {
        true => Ok(translator.out),
        false => Err(PatternError::Open),
    }
}

struct Translator<'a> {
    rest: &'a [u8],
    out: String,
    /// Where in `out` the last repeatable thing begins; `None` where a repetition would have nothing
    /// before it, and is therefore a literal character.
    atom: Option<usize>,
    /// At the very start of a branch, where `^` is an anchor.
    anchored: bool,
    /// Where the open groups begin.
    groups: Vec<usize>,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn byte(&mut self, byte: u8) -> Result<(), PatternError> {
        match byte {
            b'\\' => return self.escape(),
            b'[' => return self.bracket(),
            b'^' if self.anchored => {
                self.out.push('^');
                self.anchored = false;
            }
            b'$' if self.at_branch_end() => self.assertion("$"),
            b'*' => self.repeat("*", b'*'),
            b'.' => self.atom("."),
            byte => self.literal(byte),
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), PatternError> {
        match self.next().ok_or(PatternError::Backslash)? {
            b'(' => self.open(),
            b')' => return self.close(),
            b'|' => self.alternative(),
            b'{' if self.atom.is_some() => return self.braces(),
            b'+' => self.repeat("+", b'+'),
            b'?' => self.repeat("?", b'?'),
            digit @ b'1'..=b'9' => return Err(PatternError::BackReference(char::from(digit))),
            b'w' => self.atom("[0-9A-Za-z_]"),
            b'W' => self.atom("[^0-9A-Za-z_\\n]"),
            b's' => self.atom("[\\t\\x0B\\x0C\\r ]"),
            b'S' => self.atom("[^\\t\\n\\x0B\\x0C\\r ]"),
            b'b' => self.assertion("\\b"),
            b'B' => self.assertion("\\B"),
            b'<' => self.assertion("\\b{start}"),
            b'>' => self.assertion("\\b{end}"),
            b'`' => self.assertion("^"),
            b'\'' => self.assertion("$"),
            byte => self.literal(byte),
        }
        Ok(())
    }

    fn atom(&mut self, text: &str) {
        self.atom = Some(self.out.len());
        self.anchored = false;
        self.out.push_str(text);
    }

    /// Something without a width. Grouped, so that a repetition of it is one to the engine too.
    fn assertion(&mut self, text: &str) {
        self.atom(&format!("(?:{text})"));
    }

    fn literal(&mut self, byte: u8) {
        self.atom(&literal(byte));
    }

    /// A repetition of the last atom, or this byte itself if there is none.
    fn repeat(&mut self, operator: &str, byte: u8) {
        match self.atom {
            None => self.literal(byte),
            Some(start) => {
                // Grouped, because `a+?` means something else there.
                self.out.insert_str(start, "(?:");
                self.out.push(')');
                self.out.push_str(operator);
            }
        }
    }

    fn open(&mut self) {
        self.groups.push(self.out.len());
        self.out.push_str("(?:");
        self.begin_branch();
    }

    fn close(&mut self) -> Result<(), PatternError> {
        let start = self.groups.pop().ok_or(PatternError::Close)?;
        self.out.push(')');
        self.atom = Some(start);
        self.anchored = false;
        Ok(())
    }

    fn alternative(&mut self) {
        self.out.push('|');
        self.begin_branch();
    }

    fn begin_branch(&mut self) {
        self.atom = None;
        self.anchored = true;
    }

    fn at_branch_end(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(b"\\)") || self.rest.starts_with(b"\\|")
    }

    fn braces(&mut self) -> Result<(), PatternError> {
        let end = memchr::memmem::find(self.rest, b"\\}").ok_or(PatternError::Brace)?;
        let (content, rest) = self.rest.split_at(end);
        self.rest = &rest[2..];
        let operator = repetition(content).ok_or(PatternError::Repetition)?;
        self.repeat(&operator, b'{');
        Ok(())
    }

    fn bracket(&mut self) -> Result<(), PatternError> {
        let (class, rest) = crate::bracket::translate(self.rest)?;
        self.rest = rest;
        self.atom(&class);
        Ok(())
    }
}

/// `m`, `m,`, `,n` or `m,n` as an operator.
fn repetition(content: &[u8]) -> Option<String> {
    let content = std::str::from_utf8(content).ok()?;
    let number = |text: &str| text.parse().ok().filter(|n: &u32| *n <= MAX_REPETITIONS);
    let Some((low, high)) = content.split_once(',') else {
        return Some(format!("{{{}}}", number(content)?));
    };
    let low = if low.is_empty() { 0 } else { number(low)? };
    if high.is_empty() {
        return Some(format!("{{{low},}}"));
    }
    let high = number(high).filter(|high| low <= *high)?;
    Some(format!("{{{low},{high}}}"))
}

/// A byte that stands for itself, inside a class and out of it.
pub(crate) fn literal(byte: u8) -> String {
    match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b' ' => char::from(byte).to_string(),
        byte => format!("\\x{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{PatternError, translate};

    #[track_caller]
    fn check(pattern: &str, expected: Result<&str, PatternError>) {
        assert_eq!(
            translate(pattern.as_bytes()),
            expected.map(str::to_owned),
            "pattern `{pattern}`"
        );
    }

    #[test]
    fn text_is_itself_and_operators_of_other_dialects_are_text() {
        check("fn main", Ok("fn main"));
        check("(x|y){2}+?", Ok(r"\x28x\x7Cy\x29\x7B2\x7D\x2B\x3F"));
    }

    #[test]
    fn bytes_beyond_ascii_are_characters_of_their_own() {
        check("ä*", Ok(r"\xC3(?:\xA4)*"));
    }

    #[test]
    fn a_repetition_with_nothing_before_it_is_text() {
        check("*b", Ok(r"\x2Ab"));
        check(r"\(*b\)", Ok(r"(?:\x2Ab)"));
        check(r"x\|*b", Ok(r"x|\x2Ab"));
        check("^*b", Ok(r"^\x2Ab"));
        check(r"\+b", Ok(r"\x2Bb"));
        check(r"\{2\}", Ok(r"\x7B2\x7D"));
    }

    #[test]
    fn repetitions_pile_up() {
        check(r"ab*\+", Ok("a(?:(?:b)*)+"));
        check(r"a\{2\}", Ok("(?:a){2}"));
        check(r"a\{,2\}", Ok("(?:a){0,2}"));
        check(r"a\{3,\}", Ok("(?:a){3,}"));
    }

    #[test]
    fn anchors_are_anchors_at_the_ends_of_branches_only() {
        check("^a$", Ok("^a(?:$)"));
        check("a^b$c", Ok(r"a\x5Eb\x24c"));
        check(r"\(^a$\)\|^b", Ok(r"(?:^a(?:$))|^b"));
        check("^^", Ok(r"^\x5E"));
    }

    #[test]
    fn lines_are_alternatives() {
        check("foo\nx|", Ok(r"foo|x\x7C"));
    }

    #[test]
    fn malformed_patterns_are_refused_in_the_words_of_grep() {
        check(r"\(a", Err(PatternError::Open));
        check(r"a\)", Err(PatternError::Close));
        check(r"a\", Err(PatternError::Backslash));
        check(r"a\{2", Err(PatternError::Brace));
        check(r"a\{2,1\}", Err(PatternError::Repetition));
        check(r"\(a\)\1", Err(PatternError::BackReference('1')));
        check("[a", Err(PatternError::Bracket));
    }
}
