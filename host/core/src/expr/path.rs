//! The commonest expression: a name and what is selected from it by literals, such as `steps.load.output.rows[0]`.
//! It is recognised without the parser.

use crate::payload::Segment;

/// A path as written; `ends[i]` is where segment `i` ends in the source.
#[derive(Debug, PartialEq)]
pub(super) struct WrittenPath {
    pub(super) offset: usize,
    pub(super) segments: Vec<Segment>,
    pub(super) ends: Vec<usize>,
}

/// Words that are no names in CEL.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The path that `source` is, if it is nothing else.
pub(super) fn recognise(source: &str) -> Option<WrittenPath> {
    let offset = source.len() - source.trim_ascii_start().len();
    let mut path = WrittenPath { offset, segments: Vec::new(), ends: Vec::new() };
    let end = source.trim_ascii_end().len();
    let mut at = offset;
    loop {
        let name = word(source.get(at..end)?)?;
        if path.segments.is_empty() && RESERVED.contains(&name) {
            return None;
        }
        at += name.len();
        path.push(Segment::Key(name.into()), at);
        while source.as_bytes().get(at) == Some(&b'[') {
            let (segment, length) = index(&source[at..end])?;
            at += length;
            path.push(segment, at);
        }
        if at == end {
            return Some(path);
        }
        if source.as_bytes()[at] != b'.' {
            return None;
        }
        at += 1;
    }
}

impl WrittenPath {
    fn push(&mut self, segment: Segment, end: usize) {
        self.segments.push(segment);
        self.ends.push(end);
    }
}

fn word(text: &str) -> Option<&str> {
    let end = text.bytes().position(|b| !b.is_ascii_alphanumeric() && b != b'_').unwrap_or(text.len());
    let word = &text[..end];
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(word)
}

/// `[0]` or `['key']` at the start of `text`, and its length.
fn index(text: &str) -> Option<(Segment, usize)> {
    let inner = &text[1..];
    let quote = inner.chars().next()?;
    if quote == '"' || quote == '\'' {
        let length = inner[1..].find([quote, '\\', '\n'])?;
        let key = &inner[1..1 + length];
        return inner[1 + length..]
            .starts_with([quote])
            .then_some(())
            .filter(|()| inner[2 + length..].starts_with(']'))
            .map(|()| (Segment::Key(key.into()), length + 4));
    }
    let digits = &inner[..inner.find(']')?];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((Segment::Index(digits.parse().ok()?), digits.len() + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_recognised_and_anything_else_is_not() {
        let written = |source| {
            recognise(source).map(|p| p.segments.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        for (source, expected) in [
            ("input", vec!["input"]),
            (" steps.load.output.rows[0] ", vec!["steps", "load", "output", "rows", "0"]),
            ("steps['lo.ad'].x[\"y z\"][12]", vec!["steps", "lo.ad", "x", "y z", "12"]),
        ] {
            assert_eq!(written(source).unwrap(), expected, "{source}");
        }
        for source in [
            "",
            "a.",
            ".a",
            "a b",
            "a[",
            "a[]",
            "a['b]",
            "a['b",
            "a['b\\n']",
            "a[-1]",
            "a[b]",
            "true",
            "a()",
            "1",
            "a.1",
            "a+b",
            "a['b']c",
            "a.?b",
            "null",
            "in",
        ] {
            assert_eq!(written(source), None, "{source}");
        }
    }
}
