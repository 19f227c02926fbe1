//! Bracket expressions, `[a-z]` and the like, with the meaning they have under `LC_ALL=C`.
//!
//! The members are gathered in a set of bytes, which is then written out as a class of the `regex`
//! crate: that way the rules of its own syntax need not be known here. No class contains a newline.

use crate::pattern::PatternError;

/// Bytes by number.
type Set = [bool; 256];

/// Translates what follows a `[`: the class, and what is left behind its `]`.
pub(crate) fn translate(text: &[u8]) -> Result<(String, &[u8]), PatternError> {
    let (negated, text) = match text.strip_prefix(b"^") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let bare_class = text.starts_with(b":");
    let mut members = Members {
        set: [false; 256],
        rest: text,
    };
    let last = members.read()?;
    if bare_class && last == Some(b':') && text.len() - members.rest.len() > 2 {
        return Err(PatternError::BareClass);
    }
    Ok((write(&members.set, negated), members.rest))
}

struct Members<'a> {
    set: Set,
    rest: &'a [u8],
}

impl Members<'_> {
    /// Reads members up to the closing bracket; which single byte came last.
    fn read(&mut self) -> Result<Option<u8>, PatternError> {
        let mut last = None;
        let mut first = true;
        loop {
            match self.rest {
                [] => return Err(PatternError::Bracket),
                [b']', rest @ ..] if !first => {
                    self.rest = rest;
                    return Ok(last);
                }
                [b'[', b':', rest @ ..] => {
                    self.class(rest)?;
                    last = None;
                }
                _ => last = Some(self.range()?),
            }
            first = false;
        }
    }

    /// `[:name:]`.
    fn class(&mut self, rest: &[u8]) -> Result<(), PatternError> {
        let end = memchr::memmem::find(rest, b":]").ok_or(PatternError::Bracket)?;
        let member = class(&rest[..end]).ok_or(PatternError::Class)?;
        for byte in (0..=u8::MAX).filter(member) {
            self.set[usize::from(byte)] = true;
        }
        self.rest = &self.rest[2 + end + 2..];
        Ok(())
    }

    /// One byte, or all from one to another.
    fn range(&mut self) -> Result<u8, PatternError> {
        let low = self.element()?;
        let high = match self.rest {
            [b'-', b']', ..] | [b'-'] => low,
            [b'-', rest @ ..] => {
                self.rest = rest;
                self.element()?
            }
            _ => low,
        };
        if high < low {
            return Err(PatternError::Range);
        }
        self.set[usize::from(low)..=usize::from(high)].fill(true);
        Ok(high)
    }

    /// A byte as it stands, or written as `[.x.]` or `[=x=]`.
    fn element(&mut self) -> Result<u8, PatternError> {
        let (byte, rest) = match self.rest {
            [b'[', open @ (b'.' | b'='), byte, close, b']', rest @ ..] if open == close => (*byte, rest),
            [b'[', b'.' | b'=', ..] => return Err(PatternError::Collation),
            [byte, rest @ ..] => (*byte, rest),
            [] => return Err(PatternError::Bracket),
        };
        self.rest = rest;
        Ok(byte)
    }
}

fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

fn write(set: &Set, negated: bool) -> String {
    let member = |byte: u8| set[usize::from(byte)] != negated && byte != b'\n';
    let mut class = String::from("[");
    let mut next = 0_u16;
    while let Ok(low) = u8::try_from(next) {
        let high = (low..=u8::MAX).take_while(|byte| member(*byte)).last();
        if let Some(high) = high {
            class.push_str(&format!("\\x{low:02X}-\\x{high:02X}"));
        }
        next = u16::from(high.unwrap_or(low)) + 1;
    }
    class.push(']');
    match class.as_str() {
        // No byte is left; the engine has no other way to say so.
        "[]" => "[^\\x00-\\xFF]".to_owned(),
        _ => class,
    }
}

#[cfg(test)]
mod tests {
    use super::translate;
    use crate::pattern::PatternError;

    #[track_caller]
    fn check(text: &str, class: &str, rest: &str) {
        let expected = Ok((class.to_owned(), rest.as_bytes()));
        assert_eq!(translate(text.as_bytes()), expected, "bracket expression `[{text}`");
    }

    #[test]
    fn a_bracket_at_the_start_and_a_dash_at_the_end_are_members() {
        check("]]x", r"[\x5D-\x5D]", "x");
        check("a-]q", r"[\x2D-\x2D\x61-\x61]", "q");
        check("--/]", r"[\x2D-\x2F]", "");
    }

    #[test]
    fn a_backslash_is_a_backslash() {
        check(r"a\]z", r"[\x5C-\x5C\x61-\x61]", "z");
    }

    #[test]
    fn a_negated_class_has_no_newline() {
        check("^a-c]", r"[\x00-\x09\x0B-\x60\x64-\xFF]", "");
    }

    #[test]
    fn classes_and_collating_elements_are_known() {
        check("[:digit:]_]", r"[\x30-\x39\x5F-\x5F]", "");
        check("[.-.][=a=]]", r"[\x2D-\x2D\x61-\x61]", "");
    }

    #[test]
    fn malformed_expressions_are_refused() {
        for (text, error) in [
            ("a", PatternError::Bracket),
            ("", PatternError::Bracket),
            ("]", PatternError::Bracket),
            ("b-a]", PatternError::Range),
            ("[:foo:]]", PatternError::Class),
            (":alpha:]", PatternError::BareClass),
            ("[.ab.]]", PatternError::Collation),
        ] {
            assert_eq!(translate(text.as_bytes()), Err(error), "bracket expression `[{text}`");
        }
    }
}
