//! From text to model in one pass that collects every fault. The depth of recursion is that of nested steps or of
//! nested JSON values, both limited; a list of steps is a loop.

mod document;
mod object;
mod parts;
mod reader;
mod retry;
mod schedule;
mod step;

pub(super) use object::{ACTIVATIONS, TRIGGER_RULES, WINDOW};
pub(super) use reader::NESTING_MAX;
pub(super) use retry::IDLE_FIELDS;
pub(crate) use schedule::parse_schedule;
pub(super) use step::ITEMS_MAX;

use super::{Workflow, comments, meaning};
use crate::diagnostic::{Code, Finding};
use reader::Reader;

/// The largest document, in bytes.
pub const SOURCE_MAX: usize = 256 << 20;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// JSON.
    Json,
    /// JSON with comments.
    Jsonc,
}

/// What became of a document.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The model. It is there even if there are findings, so that later passes can add theirs, unless the text is no
    /// JSON or no object. What was missing or faulty is absent in it, and where the model needs a value, an empty
    /// string stands for it (later passes skip empty names); a type that is unknown reads as a call of nothing.
    pub workflow: Option<Workflow>,
    /// All faults, by their place.
    pub findings: Vec<Finding>,
}

/// Reads a document and checks everything that can be checked without knowing plugins or expressions. Takes time
/// in proportion to its length. Limits: 256 MiB, steps nested 64 deep, values nested 128 deep, 100,000 literal `items`.
#[must_use]
pub fn parse(source: &[u8], dialect: Dialect) -> Parsed {
    let text = match checked_text(source) {
        Ok(text) => text,
        Err(finding) => return Parsed { workflow: None, findings: vec![finding] },
    };
    let blanked = match dialect {
        Dialect::Json => text.into(),
        Dialect::Jsonc => match comments::blank(text) {
            Ok(blanked) => blanked,
            Err(finding) => return Parsed { workflow: None, findings: vec![finding] },
        },
    };
    let mut reader = Reader::new(&blanked);
    let workflow = document::document(&mut reader).ok().flatten();
    let mut findings = reader.into_findings();
    if let Some(workflow) = &workflow {
        meaning::check(workflow, &mut findings);
    }
    findings.sort_by_key(|finding| finding.at);
    Parsed { workflow, findings }
}

/// The text of a document, if it is one and not too long.
pub(super) fn checked_text(source: &[u8]) -> Result<&str, Finding> {
    let finding = |code, at: usize, message: &str| Finding {
        code,
        at: u32::try_from(at).unwrap_or(u32::MAX),
        message: message.to_owned(),
        hint: String::new(),
    };
    if source.len() > SOURCE_MAX {
        return Err(finding(Code::TooLarge, 0, "the document is larger than 256 MiB"));
    }
    if source.starts_with(b"\xef\xbb\xbf") {
        return Err(finding(
            Code::Syntax,
            0,
            "the text begins with a byte order mark, which JSON does not allow",
        ));
    }
    std::str::from_utf8(source)
        .map_err(|error| finding(Code::Syntax, error.valid_up_to(), "the text is no UTF-8"))
}
