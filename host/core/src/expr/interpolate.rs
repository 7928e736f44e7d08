//! Finds `${...}` in text. The closing brace is the one that CEL would see: not one in a string or a map.

use std::ops::Range;

/// A piece of text with `${...}` in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Literal text; `$${` has become `${`.
    Text(String),
    /// An expression: the range between the braces.
    Hole(Range<usize>),
}

/// Splits `text` at its `${...}`.
///
/// # Errors
/// The position of a `${` that is never closed.
pub(super) fn split(text: &str) -> Result<Vec<Piece>, usize> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        if start > at && text.as_bytes()[start - 1] == b'$' {
            literal.push_str(&text[at..start]);
            literal.push('{');
            at = start + 2;
            continue;
        }
        literal.push_str(&text[at..start]);
        let end = closing_brace(text, start + 2).ok_or(start)?;
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Hole(start + 2..end));
        at = end + 1;
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

fn closing_brace(text: &str, start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = text.as_bytes().get(at) {
        if let Some(end) = skip_literal(text, at) {
            at = end;
            continue;
        }
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The end of the CEL string (raw and triple-quoted ones too) or quoted name that starts at `at`, if one does; the
/// end of the text if it is never closed.
pub(super) fn skip_literal(text: &str, at: usize) -> Option<usize> {
    let rest = &text.as_bytes()[at..];
    let quote = *rest.first()?;
    if quote == b'`' {
        return Some(rest[1..].iter().position(|b| *b == b'`').map_or(text.len(), |end| at + end + 2));
    }
    if quote != b'"' && quote != b'\'' {
        return None;
    }
    let raw = is_raw(text.as_bytes(), at);
    let width = if rest.starts_with(&[quote; 3]) { 3 } else { 1 };
    let mut end = width;
    while end < rest.len() {
        if rest[end] == b'\\' && !raw {
            end += 2;
        } else if rest[end..].starts_with(&[quote; 3][..width]) {
            return Some(at + end + width);
        } else {
            end += 1;
        }
    }
    Some(text.len())
}

/// Whether the quote at `at` follows `r`, `br` or `rb`, which is no end of a name.
fn is_raw(bytes: &[u8], at: usize) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = bytes[..at].iter().rev().take_while(|byte| word(byte)).count();
    let prefix = &bytes[at - length..at];
    length <= 2
        && prefix.iter().any(|b| b.eq_ignore_ascii_case(&b'r'))
        && prefix.iter().all(|b| matches!(b.to_ascii_lowercase(), b'r' | b'b'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let piece = |piece| match piece {
            Piece::Text(literal) => format!("t:{literal}"),
            Piece::Hole(range) => format!("h:{}", &text[range]),
        };
        split(text).unwrap().into_iter().map(piece).collect()
    }

    #[test]
    fn the_closing_brace_is_the_one_that_cel_sees() {
        for (text, expected) in [
            ("", vec![]),
            ("plain $ { }", vec!["t:plain $ { }"]),
            ("${a}", vec!["h:a"]),
            ("x${a}y${b}", vec!["t:x", "h:a", "t:y", "h:b"]),
            ("${{'k': {'l': 1}}}", vec!["h:{'k': {'l': 1}}"]),
            ("${'}' + \"}\"}", vec!["h:'}' + \"}\""]),
            ("${'\\'}'}", vec!["h:'\\'}'"]),
            ("${r'\\'}", vec!["h:r'\\'"]),
            ("${'''}'}'''}", vec!["h:'''}'}'''"]),
            ("$${a}", vec!["t:${a}"]),
            ("$${a} ${b}", vec!["t:${a} ", "h:b"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_never_closed_is_found_where_it_opens() {
        for (text, expected) in [("${", 0), ("ab${'}", 2), ("${a} ${b", 5), ("${{}", 0)] {
            assert_eq!(split(text), Err(expected), "{text}");
        }
    }
}
