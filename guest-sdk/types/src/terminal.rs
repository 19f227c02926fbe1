//! Text that is shown to people, of which others are the authors.

use std::fmt;

/// Control characters, and those that turn the direction of what follows: a line would read as another one.
pub fn drives_terminals(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes a text so that nothing in it drives a terminal, but for these characters, which are left as they are.
///
/// # Errors
/// Those of what is written to.
pub fn write_shown(to: &mut impl fmt::Write, text: &str, kept: &[char]) -> fmt::Result {
    text.chars()
        .try_for_each(|c| match drives_terminals(c) && !kept.contains(&c) {
            true => write!(to, "{}", c.escape_default()),
            false => to.write_char(c),
        })
}

/// The same, as a text of its own.
pub fn shown(text: &str, kept: &[char]) -> String {
    let mut shown = String::with_capacity(text.len());
    // To a text, everything can be written.
    write_shown(&mut shown, text, kept).ok();
    shown
}
