//! Finds line, column and JSON pointer of findings in one scan of the source. The source need not be valid JSON:
//! what can be said about a place in the middle of a fault is said.

use super::{Diagnostic, Finding};

/// `findings` with their places in `source`, sorted by place. Time is in proportion to the length of the source and
/// the number of findings.
#[must_use]
pub fn locate(source: &[u8], findings: &[Finding]) -> Vec<Diagnostic> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.at);
    let mut scan = Scan { source, stack: Vec::new() };
    let mut lines = Lines { source, at: 0, line: 1, column: 1 };
    let mut diagnostics = Vec::with_capacity(sorted.len());
    let mut token = scan.token(0);
    for finding in sorted {
        let at = (finding.at as usize).min(source.len());
        while token.end <= at && token.end < source.len() {
            scan.apply(&token);
            token = scan.token(token.end);
        }
        scan.apply_before(&token);
        lines.advance(at);
        diagnostics.push(Diagnostic {
            code: finding.code,
            severity: finding.code.severity(),
            pointer: scan.pointer(&token),
            line: lines.line,
            column: lines.column,
            message: finding.message.clone(),
            hint: finding.hint.clone(),
        });
    }
    diagnostics
}

/// An object or array around the current place.
struct Level {
    /// The raw key of the current member; `None` in an array.
    key: Option<std::ops::Range<usize>>,
    is_object: bool,
    /// Position of the current element of an array.
    index: usize,
    /// Whether the next string is a key.
    key_is_next: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open { is_object: bool },
    Close,
    Comma,
    Text,
    Other,
}

struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

struct Scan<'s> {
    source: &'s [u8],
    stack: Vec<Level>,
}

impl Scan<'_> {
    /// The token at or behind `from`; white space and comments belong to none and are passed over.
    fn token(&self, from: usize) -> Token {
        let bytes = self.source;
        let mut start = from;
        loop {
            match (bytes.get(start), bytes.get(start + 1)) {
                (Some(b'/'), Some(b'/')) => {
                    start += bytes[start..].iter().take_while(|byte| **byte != b'\n').count()
                }
                (Some(b'/'), Some(b'*')) => {
                    let close = bytes[start + 2..].windows(2).position(|pair| pair == b"*/");
                    start = close.map_or(bytes.len(), |len| start + len + 4);
                }
                (Some(byte), _) if byte.is_ascii_whitespace() || *byte == b':' => start += 1,
                _ => break,
            }
        }
        let (kind, end) = match bytes.get(start) {
            None => (Kind::Other, bytes.len()),
            Some(b'{') => (Kind::Open { is_object: true }, start + 1),
            Some(b'[') => (Kind::Open { is_object: false }, start + 1),
            Some(b'}' | b']') => (Kind::Close, start + 1),
            Some(b',') => (Kind::Comma, start + 1),
            Some(b'"') => (Kind::Text, string_end(bytes, start)),
            Some(_) => {
                let ends = |byte: &u8| b" \t\r\n{}[],:\"/".contains(byte);
                (
                    Kind::Other,
                    bytes[start + 1..].iter().position(ends).map_or(bytes.len(), |len| start + 1 + len),
                )
            }
        };
        Token { kind, start, end }
    }

    /// Takes note of a token that has been passed.
    fn apply(&mut self, token: &Token) {
        self.apply_before(token);
        match token.kind {
            Kind::Open { is_object } => {
                self.stack.push(Level { key: None, is_object, index: 0, key_is_next: is_object });
            }
            Kind::Close => drop(self.stack.pop()),
            Kind::Comma => {
                if let Some(level) = self.stack.last_mut() {
                    level.index += 1;
                    level.key = None;
                    level.key_is_next = level.is_object;
                }
            }
            Kind::Text | Kind::Other => {}
        }
    }

    /// Takes note of a key as soon as it begins, so that it counts as a part of its member.
    fn apply_before(&mut self, token: &Token) {
        if token.kind == Kind::Text
            && let Some(level) = self.stack.last_mut()
            && level.key_is_next
        {
            level.key = Some(token.start + 1..token.end.saturating_sub(1).max(token.start + 1));
            level.key_is_next = false;
        }
    }

    /// The pointer of the value or member that `token` belongs to.
    fn pointer(&self, token: &Token) -> String {
        let mut levels = &self.stack[..];
        if token.kind == Kind::Close {
            levels = &levels[..levels.len().saturating_sub(1)];
        }
        let mut pointer = String::new();
        for level in levels {
            match &level.key {
                Some(key) => {
                    let raw = String::from_utf8_lossy(&self.source[key.clone()]);
                    let decoded = serde_json::from_str::<String>(&format!("\"{raw}\""));
                    let key = decoded.unwrap_or_else(|_| raw.into_owned());
                    pointer.push('/');
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                }
                None if level.is_object => {}
                None => pointer.push_str(&format!("/{}", level.index)),
            }
        }
        pointer
    }
}

/// The index behind the string that begins at `start`, or the end of the source.
fn string_end(bytes: &[u8], start: usize) -> usize {
    crate::model::string_end(bytes, start).min(bytes.len())
}

/// Counts lines and characters up to a place that only moves forward.
struct Lines<'s> {
    source: &'s [u8],
    at: usize,
    line: u32,
    column: u32,
}

impl Lines<'_> {
    fn advance(&mut self, to: usize) {
        for byte in &self.source[self.at..to] {
            if *byte == b'\n' {
                self.line += 1;
                self.column = 1;
            } else if byte & 0xC0 != 0x80 {
                // continuation bytes of UTF-8 are no characters of their own
                self.column += 1;
            }
        }
        self.at = self.at.max(to);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Code;
    use super::*;

    fn place(source: &str, needle: &str) -> (String, u32, u32) {
        let at = u32::try_from(source.find(needle).unwrap()).unwrap();
        let finding = Finding { code: Code::BadValue, at, message: String::new(), hint: String::new() };
        let found = locate(source.as_bytes(), &[finding]).remove(0);
        (found.pointer, found.line, found.column)
    }

    #[test]
    fn keys_values_elements_and_places_inside_strings_have_pointers() {
        let source = "{\n  \"a\": [1, {\"é\": 2,\n \"~x/y\": [ true, \"text\" ] }],\n  \"z\": {}\n}";
        assert_eq!(place(source, "\"a\""), ("/a".into(), 2, 3));
        assert_eq!(place(source, "1"), ("/a/0".into(), 2, 9));
        assert_eq!(place(source, "{\"é"), ("/a/1".into(), 2, 12));
        assert_eq!(place(source, "2"), ("/a/1/é".into(), 2, 18));
        assert_eq!(place(source, "\"~x"), ("/a/1/~0x~1y".into(), 3, 2));
        assert_eq!(place(source, "ext"), ("/a/1/~0x~1y/1".into(), 3, 20));
        assert_eq!(place(source, "{}"), ("/z".into(), 4, 8));
        assert_eq!(place(source, "{"), (String::new(), 1, 1));
    }

    #[test]
    fn comments_and_escaped_quotes_do_not_count_as_structure() {
        let source = "{ // \"{\n \"a\\\"b\": /* [ */ 7 }";
        assert_eq!(place(source, "7"), ("/a\"b".into(), 2, 18));
    }

    #[test]
    fn a_source_that_breaks_off_still_has_places() {
        assert_eq!(place("{\"a\": [1, tru", "tru"), ("/a/1".into(), 1, 11));
        assert_eq!(place("{\"a\": \"open", "open"), ("/a".into(), 1, 8));
        let end = Finding { code: Code::Syntax, at: 99, message: String::new(), hint: String::new() };
        assert_eq!(locate(b"{\"a\":", &[end])[0].column, 6);
    }

    #[test]
    fn findings_come_out_by_place() {
        let at = |at| Finding { code: Code::BadValue, at, message: String::new(), hint: String::new() };
        let found = locate(b"[1, 2, 3]", &[at(7), at(1), at(4)]);
        assert_eq!(found.iter().map(|it| it.pointer.as_str()).collect::<Vec<_>>(), ["/0", "/1", "/2"]);
    }
}
