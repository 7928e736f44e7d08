//! A run as a text that is taken elsewhere: JSON lines, the first says what it is, the last is a checksum of all before it.

use super::{BlobId, Damage, StoredStart};
use crate::payload::Payload;
use crate::run::RunStatus;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use std::sync::Arc;

/// What the first line names.
const FORMAT: &str = "jackfield.run";
/// The format that is written, and the newest that is read.
const VERSION: u32 = 1;
/// Bytes of facts in a line.
const FACTS_LEN: usize = 48 * 1024;

/// A run as it stood at some moment, with everything that is needed to go on with it.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedRun {
    /// Its id where it was saved.
    pub run_id: String,
    /// Workflow id.
    pub workflow: String,
    /// Workflow version.
    pub version: String,
    /// Where it stood.
    pub status: RunStatus,
    /// The document that its plan is made from.
    pub document: Arc<str>,
    /// The methods that its plan was made with, see [`super::Pinned`].
    pub methods: Arc<str>,
    /// What it was started with, see [`super::StoredStart`].
    pub start: String,
    /// Long values that facts refer to by their hash.
    pub values: Vec<Payload>,
    /// Batches in `facts`.
    pub batches: u64,
    /// Its facts, see [`super::Batches`].
    pub facts: Vec<u8>,
}

/// Why a text is no saved run that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// It is something else.
    #[error(
        "this is no saved run: its first line does not say `\"format\": \"{FORMAT}\"`; `jackfield runs export` writes one"
    )]
    Format,
    /// A later version wrote it.
    #[error("the saved run has format {0}, this version of Jackfield reads up to {VERSION}; use a newer one")]
    TooNew(u32),
    /// It was cut or changed.
    #[error("the saved run is damaged: {0}; save it once more")]
    Damaged(String),
    /// What is in it cannot be applied.
    #[error("the saved run cannot be read: {0}")]
    Content(#[from] Damage),
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
    run_id: String,
    workflow: String,
    workflow_version: String,
    status: RunStatus,
    batches: u64,
}

/// What every version has in common.
#[derive(Deserialize)]
struct AnyHead {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    #[serde(borrow)]
    Document(std::borrow::Cow<'a, str>),
    Methods(std::borrow::Cow<'a, str>),
    Start(std::borrow::Cow<'a, str>),
    Value(std::borrow::Cow<'a, str>),
    /// In base64.
    Facts(std::borrow::Cow<'a, str>),
    /// Of all lines before this one, in hexadecimal digits.
    Sha256(std::borrow::Cow<'a, str>),
}

fn push(text: &mut String, line: &impl Serialize) {
    text.push_str(Payload::encode(line).as_str());
    text.push('\n');
}

fn checksum(text: &str) -> String {
    format!("{:?}", BlobId(sha2::Sha256::digest(text).into()))
}

impl SavedRun {
    /// As text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        push(
            &mut text,
            &Head {
                format: FORMAT.to_owned(),
                version: VERSION,
                run_id: self.run_id.clone(),
                workflow: self.workflow.clone(),
                workflow_version: self.version.clone(),
                status: self.status,
                batches: self.batches,
            },
        );
        push(&mut text, &Line::Document((&*self.document).into()));
        push(&mut text, &Line::Methods((&*self.methods).into()));
        push(&mut text, &Line::Start(self.start.as_str().into()));
        self.values.iter().for_each(|value| push(&mut text, &Line::Value(value.as_str().into())));
        for facts in self.facts.chunks(FACTS_LEN) {
            push(&mut text, &Line::Facts(STANDARD.encode(facts).into()));
        }
        let sum = checksum(&text);
        push(&mut text, &Line::Sha256(sum.into()));
        text
    }

    /// Reads a text.
    ///
    /// # Errors
    /// If it is none, was written by a later version, or is not as it was written.
    pub fn parse(text: &str) -> Result<Self, SavedError> {
        let first = text.lines().next().unwrap_or_default();
        let any: AnyHead = serde_json::from_str(first).map_err(|_| SavedError::Format)?;
        if any.format != FORMAT {
            return Err(SavedError::Format);
        }
        if any.version > VERSION {
            return Err(SavedError::TooNew(any.version));
        }
        let damaged = |why: &str| SavedError::Damaged(why.to_owned());
        let end = text.trim_end_matches('\n').rfind('\n').map_or(0, |end| end + 1);
        let sum = match serde_json::from_str(text[end..].trim_end()) {
            Ok(Line::Sha256(sum)) => sum,
            _ => return Err(damaged("its last line, which is its checksum, is missing")),
        };
        if *sum != checksum(&text[..end]) {
            return Err(damaged("it is not as its checksum says"));
        }
        let head: Head = serde_json::from_str(first).map_err(|error| damaged(&format!("line 1: {error}")))?;
        let mut saved = Self {
            run_id: head.run_id,
            workflow: head.workflow,
            version: head.workflow_version,
            status: head.status,
            document: "".into(),
            methods: "".into(),
            start: String::new(),
            values: Vec::new(),
            batches: head.batches,
            facts: Vec::new(),
        };
        for (nth, line) in text[..end].lines().enumerate().skip(1) {
            let wrong = |why: String| SavedError::Damaged(format!("line {}: {why}", nth + 1));
            match serde_json::from_str(line).map_err(|error| wrong(error.to_string()))? {
                Line::Document(text) => saved.document = text.into(),
                Line::Methods(text) => saved.methods = text.into(),
                Line::Start(text) => saved.start = text.into(),
                Line::Value(text) => saved.values.push(value(&text).map_err(wrong)?),
                Line::Facts(text) => {
                    let bytes = STANDARD.decode(&*text).map_err(|error| wrong(error.to_string()))?;
                    saved.facts.extend(bytes);
                }
                Line::Sha256(_) => return Err(wrong("a checksum in the middle".to_owned())),
            }
        }
        let start = StoredStart::parse(&saved.start)?;
        if start.methods != BlobId::of(saved.methods.as_bytes()) {
            return Err(damaged("its methods are not those that the run was started with"));
        }
        Ok(saved)
    }
}

/// A long value, which others rely on to be JSON.
fn value(text: &str) -> Result<Payload, String> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(Payload::trusted(text)),
        Err(error) => Err(format!("a value is no JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> SavedRun {
        let methods: Arc<str> = "[]".into();
        let id = BlobId::of(methods.as_bytes());
        SavedRun {
            run_id: "r".into(),
            workflow: "w".into(),
            version: "1.0.0".into(),
            status: RunStatus::Waiting,
            document: "{\"id\": \"w\"}\n// ü".into(),
            methods,
            start: format!(
                r#"{{"rules":1,"at":7,"input":{{}},"seed":1,"host_concurrency":1,"methods":"{id}"}}"#
            ),
            values: vec![Payload::trusted("[1, 2]")],
            batches: 3,
            facts: (0..=255).cycle().take(100_000).collect(),
        }
    }

    #[test]
    fn a_saved_run_comes_back_as_it_was() {
        let text = saved().to_text();
        assert_eq!(SavedRun::parse(&text).unwrap(), saved());
        assert!(text.starts_with(r#"{"format":"jackfield.run","version":1,"run_id":"r""#), "{text}");
    }

    #[test]
    fn a_text_that_was_cut_or_changed_anywhere_is_refused() {
        let short = SavedRun { facts: vec![1, 2, 3], ..saved() };
        let text = short.to_text();
        for end in 0..text.len() - 1 {
            let Some(cut) = text.get(..end) else { continue };
            assert!(SavedRun::parse(cut).is_err(), "cut to {end} bytes");
        }
        for at in 0..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(SavedRun::parse(&changed).is_err(), "changed at {at}");
        }
        assert_eq!(SavedRun::parse("{}").unwrap_err(), SavedError::Format);
        let newer = text.replacen("\"version\":1", "\"version\":2", 1);
        assert_eq!(SavedRun::parse(&newer).unwrap_err(), SavedError::TooNew(2));
    }
}
