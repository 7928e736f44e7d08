//! Finds the byte offset of a value inside JSON text by its JSON pointer, without parsing more than what stands
//! before it.

use crate::model::string_end;
use std::borrow::Cow;

/// Where the value that `pointer` (RFC 6901) names begins in `text`, which is valid JSON.
pub(super) fn offset(text: &str, pointer: &str) -> Option<usize> {
    let mut at = skip_space(text.as_bytes(), 0);
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        at = child(text, at, &segment)?.1;
    }
    Some(at)
}

/// Where the key `key` of the object that `pointer` names begins.
pub(super) fn key_offset(text: &str, pointer: &str, key: &str) -> Option<usize> {
    child(text, offset(text, pointer)?, key).map(|(key_at, _)| key_at)
}

/// Where the member or element `name` of the container at `at` begins: its key (of an array: its value) and value.
fn child(text: &str, at: usize, name: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let is_object = match bytes.get(at)? {
        b'{' => true,
        b'[' => false,
        _ => return None,
    };
    let mut position = 0_usize;
    let mut at = skip_space(bytes, at + 1);
    while !matches!(bytes.get(at)?, b'}' | b']') {
        let key_at = at;
        let matches = if is_object {
            let end = string_end(bytes, at);
            let matches = key(text.get(at..end)?)? == name;
            at = skip_space(bytes, skip_space(bytes, end) + 1);
            matches
        } else {
            name.parse() == Ok(position)
        };
        if matches {
            return Some((key_at, at));
        }
        at = skip_space(bytes, skip_value(bytes, at));
        if bytes.get(at)? == &b',' {
            at = skip_space(bytes, at + 1);
        }
        position += 1;
    }
    None
}

fn key(written: &str) -> Option<Cow<'_, str>> {
    if written.contains('\\') {
        return serde_json::from_str::<String>(written).ok().map(Cow::Owned);
    }
    written.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed)
}

fn skip_space(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

fn skip_value(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_finds_the_value_and_its_key() {
        let text = r#" { "a": [1, {"b/c": "x}"}, "d"], "e\"f" : true , "g":{} }"#;
        let value = |pointer| offset(text, pointer).map(|at| &text[at..=at]);
        assert_eq!(value(""), Some("{"));
        assert_eq!(value("/a/0"), Some("1"));
        assert_eq!(offset(text, "/a/1/b~1c"), text.find(r#""x}""#));
        assert_eq!(offset(text, "/a/2"), text.find(r#""d""#));
        assert_eq!(offset(text, "/e\"f"), text.find("true"));
        assert_eq!(key_offset(text, "", "g"), text.find(r#""g""#));
        assert_eq!(offset(text, "/a/3"), None);
        assert_eq!(offset(text, "/h"), None);
        assert_eq!(offset(text, "/g/h"), None);
    }
}
