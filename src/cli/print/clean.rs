//! Everything a caller of the server wrote is cleaned before it is printed: a terminal obeys control characters.

/// Returns a text on one line, without control characters, and no longer than `chars_max`.
pub fn clean(text: &str, chars_max: usize) -> String {
    let mut cleaned: String = text.chars().take(chars_max).map(|c| if is_safe(c) { c } else { ' ' }).collect();
    if text.chars().nth(chars_max).is_some() {
        cleaned.truncate(cleaned.char_indices().nth(chars_max.saturating_sub(1)).map_or(0, |(at, _)| at));
        cleaned.push('…');
    }
    cleaned
}

/// Returns whether a character is neither a control character nor one that turns the direction of the line.
fn is_safe(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
