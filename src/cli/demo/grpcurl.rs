//! The grpcurl lines that ask the demo's questions.

const WIDTH: usize = 96;

/// Returns a command to paste into a shell; long JSON is broken between its fields.
pub fn command(address: &str, method: &str, json: &str) -> String {
    let json = json.replace('\'', r"'\''");
    let open = "grpcurl -plaintext -d '";
    let body = wrapped(&json, WIDTH - open.len(), "    ");
    format!("{open}{body}' \\\n  {address} kith.v1.{method}")
}

/// Breaks JSON after commas that stand between its fields or elements.
fn wrapped(json: &str, first_width: usize, indent: &str) -> String {
    let mut text = String::new();
    let (mut line, mut width) = (0, first_width);
    for piece in pieces(json) {
        let chars = piece.chars().count();
        if line > 0 && line + chars > width {
            text += "\n";
            text += indent;
            (line, width) = (0, WIDTH - indent.len());
        }
        text += piece;
        line += chars;
    }
    text
}

/// Returns the text in pieces, each ending in a comma outside of strings.
fn pieces(json: &str) -> Vec<&str> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    let (mut in_string, mut escaped) = (false, false);
    for (at, c) in json.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => in_string = !in_string,
            ',' if !in_string => {
                pieces.push(&json[start..=at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&json[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_request_stays_on_one_line() {
        let line = command("127.0.0.1:1", "PathService/FindPaths", r#"{"fromId":"a","toId":"b"}"#);
        let wanted =
            "grpcurl -plaintext -d '{\"fromId\":\"a\",\"toId\":\"b\"}' \\\n  127.0.0.1:1 kith.v1.PathService/FindPaths";
        assert_eq!(line, wanted);
    }

    #[test]
    fn a_long_request_breaks_between_fields_and_never_inside_a_string() {
        let json = r#"{"a":"1,2,3","b":"say \", and","c":[1,2]}"#;
        let text = wrapped(json, 14, "");
        assert_eq!(text, "{\"a\":\"1,2,3\",\n\"b\":\"say \\\", and\",\"c\":[1,2]}");
        assert_eq!(text.replace('\n', ""), json);
    }

    #[test]
    fn a_quote_cannot_end_the_shells_string() {
        assert!(command("a:1", "S/M", r#"{"text":"it's"}"#).contains(r"it'\''s"));
    }
}
