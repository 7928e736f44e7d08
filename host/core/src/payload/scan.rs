//! Finds values in JSON text without parsing it. The text must be valid JSON; on anything else the answers are
//! meaningless, but nothing panics.

use super::Segment;
use std::borrow::Cow;
use std::ops::Range;

/// What a path leads to.
pub(crate) enum Found {
    /// The value stands here.
    At(Range<usize>),
    /// There is no such key or index, or nothing to look into.
    Missing,
}

/// Follows `path` from the value at the start of `text`.
pub(crate) fn find(text: &[u8], path: &[Segment]) -> Found {
    let mut at = skip_space(text, 0);
    for segment in path {
        let next = match (segment, text.get(at)) {
            (Segment::Key(key), Some(b'{')) => member(text, at, key.as_bytes()),
            (Segment::Index(index), Some(b'[')) => element(text, at, *index),
            _ => None,
        };
        match next {
            Some(start) => at = start,
            None => return Found::Missing,
        }
    }
    Found::At(at..skip_value(text, at))
}

/// Start of the value of `key` in the object at `at`; of the first one if the key is there twice.
fn member(text: &[u8], at: usize, key: &[u8]) -> Option<usize> {
    let mut at = skip_space(text, at + 1);
    while text.get(at) == Some(&b'"') {
        let end = skip_string(text, at);
        let value = skip_space(text, skip_space(text, end) + 1);
        if is_key(text.get(at + 1..end.saturating_sub(1))?, key) {
            return Some(value);
        }
        at = skip_space(text, skip_value(text, value));
        if text.get(at) != Some(&b',') {
            return None;
        }
        at = skip_space(text, at + 1);
    }
    None
}

/// Start of the element number `index` of the array at `at`.
fn element(text: &[u8], at: usize, index: usize) -> Option<usize> {
    let mut at = skip_space(text, at + 1);
    if text.get(at) == Some(&b']') {
        return None;
    }
    for _ in 0..index {
        at = skip_space(text, skip_value(text, at));
        if text.get(at) != Some(&b',') {
            return None;
        }
        at = skip_space(text, at + 1);
    }
    (at < text.len()).then_some(at)
}

/// Where the elements of an array stand; nothing if the text is no array.
pub(super) fn elements(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let open = skip_space(text, 0);
    let mut at = skip_space(text, open + 1);
    if text.get(open) != Some(&b'[') || text.get(at) == Some(&b']') {
        return found;
    }
    while at < text.len() {
        let end = skip_value(text, at);
        found.push(at..end);
        let separator = skip_space(text, end);
        if text.get(separator) != Some(&b',') {
            break;
        }
        at = skip_space(text, separator + 1);
    }
    found
}

fn is_key(raw: &[u8], key: &[u8]) -> bool {
    raw == key
        || (raw.len() > key.len()
            && memchr::memchr(b'\\', raw).is_some()
            && unescape(raw).is_some_and(|text| text.as_bytes() == key))
}

/// The content of a string, given what stands between its quotes.
pub(crate) fn unescape(raw: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'\\', raw).is_none() {
        return std::str::from_utf8(raw).ok().map(Cow::Borrowed);
    }
    let mut quoted = Vec::with_capacity(raw.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(raw);
    quoted.push(b'"');
    serde_json::from_slice::<String>(&quoted).ok().map(Cow::Owned)
}

pub(crate) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// The end of the string whose opening quote stands at `at`.
pub(crate) fn skip_string(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        match text.get(at) {
            None => return text.len(),
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// The end of the value that starts at `at`.
pub(crate) fn skip_value(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(b'"') => skip_string(text, at),
        Some(b'{' | b'[') => skip_container(text, at),
        _ => {
            let rest = text.get(at..).unwrap_or_default();
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
            at.saturating_add(rest.iter().position(ends).unwrap_or(rest.len())).min(text.len())
        }
    }
}

fn skip_container(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = skip_string(text, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// How deep arrays and objects nest.
pub(super) fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut at) = (0_usize, 0, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = skip_string(text, at);
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// Whether a number may be beyond the range of a double: one with an exponent, or with hundreds of digits. Text in
/// strings can look like one.
pub(super) fn may_hold_huge_number(text: &[u8]) -> bool {
    const DIGITS_MAX: usize = 300;
    let digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let is_exponent =
        |at: usize| at > 0 && digit(at - 1) && (digit(at + 1) || matches!(text.get(at + 1), Some(b'+')));
    if memchr::memchr2_iter(b'e', b'E', text).any(is_exponent) {
        return true;
    }
    // A run of so many digits covers one of these places.
    (0..text.len()).step_by(DIGITS_MAX / 2).filter(|at| digit(*at)).any(|at| {
        let before =
            text[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).take(DIGITS_MAX).count();
        let after = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).take(DIGITS_MAX).count();
        before + after >= DIGITS_MAX
    })
}
