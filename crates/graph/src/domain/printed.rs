//! What may be printed of a text that anybody wrote: a terminal obeys control characters.

/// Returns whether a character is neither a control character nor one that breaks a line or turns its direction.
pub fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
