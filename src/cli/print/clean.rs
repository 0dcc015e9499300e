//! Everything a caller of the server wrote is cleaned before it is printed: a terminal obeys control characters.

use crate::domain::is_printable;

/// Returns a text on one line, without control characters, and no longer than `chars_max`.
pub fn clean(text: &str, chars_max: usize) -> String {
    let mut cleaned: String = text.chars().take(chars_max).map(|c| if is_printable(c) { c } else { ' ' }).collect();
    if text.chars().nth(chars_max).is_some() {
        cleaned.truncate(cleaned.char_indices().nth(chars_max.saturating_sub(1)).map_or(0, |(at, _)| at));
        cleaned.push('…');
    }
    cleaned
}
