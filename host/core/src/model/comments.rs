//! Comments of `.jsonc` documents: blanked out before parsing, so that every byte offset stays what it was.

use crate::diagnostic::{Code, Finding};
use std::borrow::Cow;

/// `text` with every comment replaced by spaces; line ends stay.
///
/// # Errors
/// If a block comment is not closed.
pub(super) fn blank(text: &str) -> Result<Cow<'_, str>, Finding> {
    let mut comments = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', _) => at = string_end(bytes, at),
            (b'/', Some(b'/')) => {
                let end =
                    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |len| at + len);
                comments.push(at..end);
                at = end;
            }
            (b'/', Some(b'*')) => {
                let Some(len) = text[at + 2..].find("*/") else { return Err(unclosed(at)) };
                let end = at + 2 + len + 2;
                comments.push(at..end);
                at = end;
            }
            _ => at += 1,
        }
    }
    if comments.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    let mut blanked = String::with_capacity(text.len());
    let mut copied = 0;
    for comment in comments {
        blanked.push_str(&text[copied..comment.start]);
        blanked.extend(text[comment.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        copied = comment.end;
    }
    blanked.push_str(&text[copied..]);
    Ok(Cow::Owned(blanked))
}

/// The index behind the string that begins at `start`, or the end of the text.
pub(crate) fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn unclosed(at: usize) -> Finding {
    Finding {
        code: Code::Syntax,
        at: u32::try_from(at).unwrap_or(u32::MAX),
        message: "a comment is not closed".to_owned(),
        hint: "Close it with `*/`.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_spaces_and_nothing_moves() {
        let text = "{ // é\n \"a//b\": /* x\ny */ \"\\\"/*\" }";
        let blanked = blank(text).unwrap();
        assert_eq!(blanked.len(), text.len());
        assert_eq!(blanked.find("\"a//b\""), text.find("\"a//b\""));
        assert_eq!(blanked.matches('\n').count(), 2);
        assert!(blanked.ends_with("\"\\\"/*\" }") && !blanked.contains('x'));
    }

    #[test]
    fn an_open_comment_is_a_syntax_fault_where_it_begins() {
        assert_eq!(blank("{} /* ").unwrap_err().at, 3);
    }
}
