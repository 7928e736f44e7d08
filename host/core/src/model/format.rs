//! The canonical text of a document as somebody wrote it, faults and all.

use super::fields::DOCUMENT;
use super::layout::{Node, arrange, print};
use super::parse::{Dialect, checked_text};
use super::{comments, parse};
use crate::diagnostic::{Code, Finding};
use std::borrow::Cow;

/// `source` with canonical indentation and order of keys. Every value stays as it was written; keys that the format
/// does not know stay too.
///
/// # Errors
/// What keeps the text from being read, or a single finding if a `.jsonc` document has comments, which would be lost.
pub fn format(source: &[u8], dialect: Dialect) -> Result<String, Vec<Finding>> {
    let text = checked_text(source).map_err(|finding| vec![finding])?;
    if dialect == Dialect::Jsonc
        && let Cow::Owned(blanked) = comments::blank(text).map_err(|finding| vec![finding])?
    {
        let at = blanked.bytes().zip(text.bytes()).position(|(a, b)| a != b).unwrap_or(0);
        return Err(vec![Finding {
            code: Code::NotSupported,
            at: u32::try_from(at).unwrap_or(u32::MAX),
            message: "a document with comments cannot be formatted: the comments would be lost".to_owned(),
            hint: "Move comments to `description` or to a key that begins with `x-`.".to_owned(),
        }]);
    }
    let Some(mut node) = Node::parse(text) else {
        let stops = |finding: &Finding| matches!(finding.code, Code::Syntax | Code::TooLarge);
        return Err(parse(source, dialect).findings.into_iter().filter(stops).collect());
    };
    arrange(&mut node, &DOCUMENT);
    Ok(print(&node))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_orders_keys_folds_short_objects_and_changes_no_value() {
        let source = r#"{"steps":[{"parameters":{"n":1.50e3,"b":[]},"x-own":1,"method":"m","plugin":"p","id":"a"}],
            "typo":"\u00e9","id":"w","description":"a step that fits on one line stands on one line"}"#;
        let formatted = format(source.as_bytes(), Dialect::Json).unwrap();
        let expected = r#"{
  "id": "w",
  "description": "a step that fits on one line stands on one line",
  "steps": [
    { "id": "a", "plugin": "p", "method": "m", "parameters": { "n": 1.50e3, "b": [] }, "x-own": 1 }
  ],
  "typo": "\u00e9"
}
"#;
        assert_eq!(formatted, expected);
        assert_eq!(format(formatted.as_bytes(), Dialect::Json).unwrap(), formatted);
        assert!(formatted.lines().all(|line| line.chars().count() <= 100));
    }

    #[test]
    fn comments_are_refused_rather_than_lost() {
        let fault = format(b"{ // why\n}", Dialect::Jsonc).unwrap_err();
        assert_eq!((fault.len(), fault[0].code, fault[0].at), (1, Code::NotSupported, 2));
        assert_eq!(format(b"{ }", Dialect::Jsonc).unwrap(), "{}\n");
    }

    #[test]
    fn what_is_no_json_is_a_syntax_fault() {
        let fault = format(b"{\"id\": }", Dialect::Json).unwrap_err();
        assert_eq!((fault.len(), fault[0].code), (1, Code::Syntax));
    }
}
