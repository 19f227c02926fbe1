//! Text that is shown to people, of which others are the authors.

/// Control characters, and those that turn the direction of what follows: a line would read as another one.
pub fn drives_terminals(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
