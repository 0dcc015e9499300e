//! Converts names to those of generated Rust code: for both build scripts, and for the house rules.

/// Returns `find_paths` for `FindPaths`.
pub fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
