//! Reads single values of the format from JSON text: each method notes what is wrong, skips it and goes on, so that
//! one pass finds every fault. Only text that is no JSON stops it.

use crate::diagnostic::{Code, Finding, nearest};
use crate::model::fields::{Field, Kind};
use crate::model::{At, Json, duration};
use jiter::{Jiter, JiterError, JiterErrorType, JsonErrorType, Peek};
use semver::{Version, VersionReq};
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

/// Deepest nesting of objects and arrays within one value that the format does not look into.
pub(in crate::model) const NESTING_MAX: usize = 128;
/// Most findings that are kept of one document.
const FINDINGS_MAX: usize = 10_000;

/// The text cannot be read any further; the finding that says why has been recorded.
#[derive(Debug)]
pub(super) struct Stop;

/// What was read: `None` if it was faulty, which has been recorded.
pub(super) type Read<T> = Result<Option<T>, Stop>;

/// A key of an object.
pub(super) struct Key<'j> {
    pub(super) text: Cow<'j, str>,
    pub(super) at: u32,
}

/// Reads one document.
pub(super) struct Reader<'j> {
    jiter: Jiter<'j>,
    text: &'j str,
    findings: Vec<Finding>,
    /// Keys of the objects around the value that is being skipped, as written.
    keys: Vec<&'j str>,
    /// Ids of steps so far and where they stand.
    ids: HashMap<Cow<'j, str>, u32>,
    /// Lists of steps around the place that is being read.
    pub(super) depth: usize,
}

impl<'j> Reader<'j> {
    pub(super) fn new(text: &'j str) -> Self {
        Self {
            jiter: Jiter::new(text.as_bytes()),
            text,
            findings: Vec::new(),
            keys: Vec::new(),
            ids: HashMap::new(),
            depth: 0,
        }
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// The text that is being read.
    pub(super) fn text(&self) -> &'j str {
        self.text
    }

    /// Records a finding; beyond a limit only the fact that there are more.
    pub(super) fn report(
        &mut self,
        code: Code,
        at: u32,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { code, at, message: message.into(), hint: hint.into() });
        } else if self.findings.len() == FINDINGS_MAX {
            let message = format!("there are more than {FINDINGS_MAX} faults; the others are not listed");
            self.findings.push(Finding { code: Code::TooLarge, at, message, hint: String::new() });
        }
    }

    /// Takes note of a step's id, which no other step of the document may have.
    pub(super) fn claim(&mut self, id: &At<Box<str>>) {
        let start = id.at as usize + 1;
        let written = self.text.get(start..start + id.value.len()).filter(|written| *written == &*id.value);
        let name = written.map_or_else(|| Cow::Owned(id.value.to_string()), Cow::Borrowed);
        match self.ids.entry(name) {
            Entry::Vacant(free) => {
                free.insert(id.at);
            }
            Entry::Occupied(_) => {
                let message = format!("two steps have the id `{}`", abridged(&id.value));
                self.report(
                    Code::DuplicateId,
                    id.at,
                    message,
                    "Ids are unique in the whole document, at any depth.",
                );
            }
        }
    }

    /// Where the reader is.
    pub(super) fn position(&self) -> u32 {
        offset(self.jiter.current_index())
    }

    /// The kind of the next value and where it begins.
    pub(super) fn begin(&mut self) -> Result<(Peek, u32), Stop> {
        let peek = self.jiter.peek();
        let peek = self.checked(peek)?;
        Ok((peek, self.position()))
    }

    /// Enters the object that begins here and answers its first key.
    pub(super) fn first_key(&mut self) -> Result<Option<Key<'j>>, Stop> {
        let start = self.text.as_ptr() as usize;
        let span = self
            .jiter
            .next_object_bytes()
            .map(|key| key.map(|key| (key.as_ptr() as usize - start, key.len())));
        self.key(span)
    }

    /// The next key of the object.
    pub(super) fn next_key(&mut self) -> Result<Option<Key<'j>>, Stop> {
        let start = self.text.as_ptr() as usize;
        let span =
            self.jiter.next_key_bytes().map(|key| key.map(|key| (key.as_ptr() as usize - start, key.len())));
        self.key(span)
    }

    fn key(&mut self, span: Result<Option<(usize, usize)>, JiterError>) -> Result<Option<Key<'j>>, Stop> {
        let Some((start, len)) = self.checked(span)? else { return Ok(None) };
        let written = &self.text[start..start + len];
        let text = if written.contains('\\') {
            let quoted =
                Jiter::new(&self.text.as_bytes()[start - 1..=start + len]).next_str().map(str::to_owned);
            Cow::Owned(self.checked(quoted)?)
        } else {
            Cow::Borrowed(written)
        };
        Ok(Some(Key { text, at: offset(start - 1) }))
    }

    /// Enters the array that begins here; true if it has an element.
    pub(super) fn first_element(&mut self) -> Result<bool, Stop> {
        let peek = self.jiter.next_array();
        Ok(self.checked(peek)?.is_some())
    }

    /// Whether the array has another element.
    pub(super) fn next_element(&mut self) -> Result<bool, Stop> {
        let peek = self.jiter.array_step();
        Ok(self.checked(peek)?.is_some())
    }

    /// The text must end here.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        let end = self.jiter.finish();
        self.checked(end)
    }

    /// Records that a value is of the wrong type and skips it.
    pub(super) fn wrong<T>(&mut self, name: &str, expected: &str) -> Read<T> {
        let (peek, at) = self.begin()?;
        let message = format!("`{name}` must be {expected}, not {}", described(peek));
        self.skip()?;
        self.report(Code::WrongType, at, message, "");
        Ok(None)
    }

    /// The table gives `field` a kind that its reader does not expect: a fault of ours, which a test would find, but
    /// even then the document is refused rather than misread.
    fn misfiled<T>(&mut self, field: &Field) -> Read<T> {
        self.wrong(field.name, "what the table of fields says")
    }

    /// Takes the next value as it stands.
    pub(super) fn json(&mut self) -> Result<Json, Stop> {
        let (_, at) = self.begin()?;
        self.skip()?;
        Ok(Json { text: self.text[at as usize..self.jiter.current_index()].into(), at })
    }

    /// Skips the next value; its syntax, its depth and its keys are checked all the same.
    pub(super) fn skip(&mut self) -> Result<(), Stop> {
        self.skip_at(0)
    }

    fn skip_at(&mut self, depth: usize) -> Result<(), Stop> {
        let (peek, at) = self.begin()?;
        if matches!(peek, Peek::Object | Peek::Array) && depth == NESTING_MAX {
            let message = format!("the value is nested deeper than {NESTING_MAX} levels");
            self.report(Code::TooLarge, at, message, "");
            return Err(Stop);
        }
        match peek {
            Peek::Array => {
                let mut more = self.first_element()?;
                while more {
                    self.skip_at(depth + 1)?;
                    more = self.next_element()?;
                }
                Ok(())
            }
            Peek::Object => self.skip_object(depth),
            _ => {
                let skipped = self.jiter.known_skip(peek);
                self.checked(skipped)
            }
        }
    }

    fn skip_object(&mut self, depth: usize) -> Result<(), Stop> {
        let outer = self.keys.len();
        let mut owned = Vec::new();
        let mut key = self.first_key()?;
        while let Some(Key { text, at }) = key {
            match text {
                Cow::Borrowed(text) => self.keys.push(text),
                Cow::Owned(text) => owned.push((text, at)),
            }
            self.skip_at(depth + 1)?;
            key = self.next_key()?;
        }
        if self.keys.len() - outer + owned.len() > 1 {
            self.report_twins(outer, &owned);
        }
        self.keys.truncate(outer);
        Ok(())
    }

    /// Reports keys that an object has twice: `keys[outer..]` stand in the text, `escaped` had escapes in them.
    fn report_twins(&mut self, outer: usize, escaped: &[(String, u32)]) {
        let start = self.text.as_ptr() as usize;
        let place = |key: &str| offset(key.as_ptr() as usize - start - 1);
        let mut keys: Vec<(&str, u32)> = self.keys[outer..].iter().map(|key| (*key, place(key))).collect();
        keys.extend(escaped.iter().map(|(key, at)| (key.as_str(), *at)));
        keys.sort_unstable();
        let twins = keys.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        let twins: Vec<_> = twins.map(|pair| (pair[1].0.to_owned(), pair[1].1)).collect();
        for (key, at) in twins {
            self.report(Code::DuplicateKey, at, format!("the key `{key}` stands twice in one object"), "");
        }
    }

    /// A string, whatever it says.
    pub(super) fn text_at(&mut self, name: &str, expected: &str) -> Read<At<Box<str>>> {
        let (peek, at) = self.begin()?;
        if peek != Peek::String {
            return self.wrong(name, expected);
        }
        let value = self.jiter.known_str().map(Box::from);
        Ok(Some(At { value: self.checked(value)?, at }))
    }

    /// A string of at least one character.
    pub(super) fn name(&mut self, name: &str) -> Read<At<Box<str>>> {
        let text = self.text_at(name, "a string")?;
        if let Some(text) = text.as_ref().filter(|text| text.value.is_empty()) {
            self.report(Code::BadValue, text.at, format!("`{name}` is empty"), "");
            return Ok(None);
        }
        Ok(text)
    }

    /// A string that is an identifier.
    pub(super) fn id(&mut self, name: &str) -> Read<At<Box<str>>> {
        let text = self.text_at(name, "a string")?;
        if let Some(text) = text.as_ref().filter(|text| !is_identifier(&text.value)) {
            let message = if text.value.is_empty() {
                format!("`{name}` is empty")
            } else {
                format!("`{name}` cannot be `{}`", abridged(&text.value))
            };
            let hint = "Use 1 to 128 letters, digits and underscores, not beginning with a digit.";
            self.report(Code::BadId, text.at, message, hint);
        }
        Ok(text)
    }

    pub(super) fn bool(&mut self, name: &str) -> Read<At<bool>> {
        let (peek, at) = self.begin()?;
        if !matches!(peek, Peek::True | Peek::False) {
            return self.wrong(name, "true or false");
        }
        let value = self.jiter.known_bool(peek);
        Ok(Some(At { value: self.checked(value)?, at }))
    }

    /// A whole number in the range that `field` allows; `1.0` is one, as in JSON Schema.
    pub(super) fn int(&mut self, field: &Field) -> Read<At<u64>> {
        let Kind::Int { min, max } = field.kind else { return self.misfiled(field) };
        self.int_in(field.name, min, max)
    }

    /// A whole number from `min` to `max`.
    pub(super) fn int_in(&mut self, name: &str, min: u64, max: u64) -> Read<At<u64>> {
        let (peek, at) = self.begin()?;
        if !peek.is_num() {
            return self.wrong(name, "a whole number");
        }
        let written = self.number_text()?;
        let value = match written.parse::<u64>() {
            Ok(value) => Some(value),
            Err(_) => whole(written),
        };
        match value {
            Some(value) if (min..=max).contains(&value) => Ok(Some(At { value, at })),
            _ if value.is_none() && !written.starts_with('-') => {
                self.report(
                    Code::WrongType,
                    at,
                    format!("`{name}` must be a whole number, not `{written}`"),
                    "",
                );
                Ok(None)
            }
            _ => {
                let message = format!("`{name}` must be from {min} to {max}, not `{written}`");
                self.report(Code::BadValue, at, message, "");
                Ok(None)
            }
        }
    }

    /// A count in the range that `field` allows.
    pub(super) fn count(&mut self, field: &Field) -> Read<At<u32>> {
        let read = self.int(field)?;
        // the table allows nothing above u32::MAX
        Ok(read.and_then(|it| u32::try_from(it.value).ok().map(|value| At { value, at: it.at })))
    }

    /// A number in the range that `field` allows.
    pub(super) fn number(&mut self, field: &Field) -> Read<f64> {
        let Kind::Number { min, max } = field.kind else { return self.misfiled(field) };
        let name = field.name;
        let (peek, at) = self.begin()?;
        if !peek.is_num() {
            return self.wrong(name, "a number");
        }
        let written = self.number_text()?;
        let value = written.parse().ok().filter(|value| (min..=max).contains(value));
        if value.is_none() {
            self.report(
                Code::BadValue,
                at,
                format!("`{name}` must be from {min} to {max}, not `{written}`"),
                "",
            );
        }
        Ok(value)
    }

    fn number_text(&mut self) -> Result<&'j str, Stop> {
        let start = self.jiter.current_index();
        let bytes = self.jiter.next_number_bytes().map(|_| ());
        self.checked(bytes)?;
        Ok(&self.text[start..self.jiter.current_index()])
    }

    /// A duration: whole milliseconds or text.
    pub(super) fn duration(&mut self, field: &Field) -> Read<At<Duration>> {
        let name = field.name;
        let (peek, at) = self.begin()?;
        let (written, read) = if peek.is_num() {
            let written = self.number_text()?;
            let millis =
                written.parse::<i64>().ok().or_else(|| whole(written).and_then(|it| i64::try_from(it).ok()));
            let read = millis
                .map_or_else(|| Err("is no whole number of milliseconds".to_owned()), duration::from_millis);
            (Cow::Borrowed(written), read)
        } else if let Some(text) = self.text_at(name, "a duration")? {
            let read = duration::parse(&text.value);
            (Cow::Owned(text.value.into_string()), read)
        } else {
            return Ok(None);
        };
        let problem = match read {
            Ok(Duration::ZERO) if matches!(field.kind, Kind::PositiveDuration) => {
                "is not above zero".to_owned()
            }
            Ok(value) => return Ok(Some(At { value, at })),
            Err(problem) => problem,
        };
        let hint = "Write whole milliseconds, or text such as \"1h30m\", \"500ms\" or \"PT30S\".";
        self.report(
            Code::BadDuration,
            at,
            format!("`{name}`: the duration `{}` {problem}", abridged(&written)),
            hint,
        );
        Ok(None)
    }

    /// One of the words that `field` allows, as its position among them.
    pub(super) fn word(&mut self, field: &Field) -> Read<At<usize>> {
        let Kind::OneOf(allowed) = field.kind else { return self.misfiled(field) };
        let (peek, at) = self.begin()?;
        let written = if peek == Peek::String {
            let text = self.jiter.known_str().map(str::to_owned);
            let text = self.checked(text)?;
            if let Some(value) = allowed.iter().position(|word| *word == text) {
                return Ok(Some(At { value, at }));
            }
            text
        } else {
            self.json()?.text.into_string()
        };
        let code = if matches!(field.name, "dsl" | "$schema") { Code::UnknownFormat } else { Code::BadValue };
        let message = format!("`{}` cannot be `{}`", field.name, abridged(&written));
        let all = listed(allowed);
        let hint = match nearest(&written, allowed.iter().copied()) {
            Some(word) => format!("Did you mean `{word}`? Allowed: {all}."),
            None => format!("Allowed: {all}."),
        };
        self.report(code, at, message, hint);
        Ok(None)
    }

    pub(super) fn version(&mut self, name: &str) -> Read<Version> {
        let Some(text) = self.text_at(name, "a string")? else { return Ok(None) };
        let version = Version::parse(&text.value);
        Ok(version.map_err(|error| self.bad_version(name, &text, &error, "1.4.0")).ok())
    }

    pub(super) fn range(&mut self, name: &str) -> Read<At<VersionReq>> {
        let Some(text) = self.text_at(name, "a string")? else { return Ok(None) };
        let range = VersionReq::parse(&text.value);
        let range = range.map_err(|error| self.bad_version(name, &text, &error, "^1.4")).ok();
        Ok(range.map(|value| At { value, at: text.at }))
    }

    fn bad_version(&mut self, name: &str, text: &At<Box<str>>, error: &semver::Error, example: &str) {
        let message = format!("`{name}`: `{}` is no semantic version: {error}", abridged(&text.value));
        self.report(Code::BadVersion, text.at, message, format!("Write it like \"{example}\"."));
    }

    /// Turns an error of the JSON reader into the finding that ends the reading.
    fn checked<T>(&mut self, result: Result<T, JiterError>) -> Result<T, Stop> {
        result.map_err(|error| {
            let at = offset(error.index.min(self.text.len()));
            let (message, hint) = match error.error_type {
                JiterErrorType::JsonError(JsonErrorType::TrailingComma) => {
                    ("a comma stands before the closing bracket".to_owned(), "Remove the comma.")
                }
                JiterErrorType::JsonError(JsonErrorType::ExpectedSomeValue) => {
                    ("no JSON value begins here".to_owned(), "")
                }
                kind => (format!("the text is no JSON: {}", uncapitalized(&kind.to_string())), ""),
            };
            self.report(Code::Syntax, at, message, hint);
            Stop
        })
    }
}

/// Documents are smaller than 4 GiB, which is checked before they are read.
fn offset(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The value of a number such as `3.0` or `1e3` if it is whole and not negative.
fn whole(written: &str) -> Option<u64> {
    let value = written.parse::<f64>().ok()?;
    // beyond 2^53 a double no longer says which whole number was meant
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
    (value >= 0.0 && value.fract() == 0.0 && value < 9_007_199_254_740_992.0).then_some(value as u64)
}

fn described(peek: Peek) -> &'static str {
    match peek {
        Peek::Null => "null",
        Peek::True => "true",
        Peek::False => "false",
        Peek::String => "a string",
        Peek::Array => "an array",
        Peek::Object => "an object",
        _ => "a number",
    }
}

/// `[A-Za-z_][A-Za-z0-9_]{0,127}`: a hyphen would read as minus in expressions.
pub(crate) fn is_identifier(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && text.len() <= 128
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Words in backticks with commas between them.
pub(super) fn listed<'w>(words: impl IntoIterator<Item = &'w &'w str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// At most 60 characters of `text`.
pub(super) fn abridged(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(60) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

fn uncapitalized(text: &str) -> String {
    if text.starts_with("EOF") {
        return text.replacen("EOF", "it ends", 1);
    }
    text.to_owned()
}
