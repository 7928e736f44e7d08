//! Immutable, reference-counted JSON: what flows between steps.

mod check;
pub(crate) mod scan;
/// Any JSON.
impl schemars::JsonSchema for Payload {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Payload".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        true.into()
    }
}

#[cfg(test)]
mod tests;
mod tree;

use check::check;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use triomphe::{Arc, ThinArc};

/// Text up to this length stands in one piece of memory with what belongs to it.
const HERE_LEN_MAX: usize = 1024;
/// A part of a value that is smaller than this is copied; see [`Payload::part`].
const SHARED_PART_LEN_MIN: usize = 1024;
/// A part shares the memory of its whole only if that is at most so many times as large.
const SHARED_PART_RATIO_MAX: usize = 16;
/// Deepest nesting of arrays and objects.
const DEPTH_MAX: usize = 127;
/// After so many scans of a text it is parsed; parsing costs about as much as ten scans.
const SCANS_BEFORE_PARSING: u8 = 8;
/// Room for text that is written again and again.
const REWRITTEN_CAPACITY: usize = 256;
/// Longer texts are cut short by `Debug`.
const DEBUG_LEN_MAX: usize = 512;

/// A JSON value as UTF-8 text, shared without copying. `null` takes no allocation, a small value one.
///
/// If an object has a key twice, the first one counts.
#[derive(Clone, Default)]
pub struct Payload(Option<ThinArc<Head, u8>>);

/// What stands before the text of a small value.
struct Head {
    text: Text,
    /// Behind a pointer: most values are never parsed.
    value: OnceLock<Box<serde_json::Value>>,
    /// How often the text was scanned; stops counting when the value is parsed.
    scans: AtomicU8,
}

/// Where the text is. Small, because there is one for every result that is kept.
enum Text {
    /// Right behind the head.
    Here,
    Owned(Box<Long>),
    Adopted(Box<Adopted>),
    Part(Box<Part>),
}

/// Behind a pointer, as large values are.
struct Long(String);

struct Adopted {
    buffer: Box<dyn AsRef<[u8]> + Send + Sync>,
    start: usize,
    end: usize,
}

struct Part {
    whole: Payload,
    start: usize,
    end: usize,
}

/// One step of a path into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A key of an object.
    Key(Box<str>),
    /// A position in an array, from 0.
    Index(usize),
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

impl Payload {
    /// The value `null`.
    #[must_use]
    pub const fn null() -> Self {
        Self(None)
    }

    /// Whether both are one value in memory, so that nothing is gained by replacing one by the other.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(other)) => own.as_ptr() == other.as_ptr(),
            (None, None) => true,
            _ => false,
        }
    }

    /// Any serializable value as JSON; a value that has no JSON form (a map with keys that are no strings) is `null`.
    #[must_use]
    pub fn encode(value: &impl Serialize) -> Self {
        serde_json::to_string(value).map_or(Self::null(), Self::trusted)
    }

    /// A string.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self::encode(&text)
    }

    /// An array of these values; their texts are joined, nothing is parsed.
    #[must_use]
    pub fn array<'a>(items: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut text = String::from("[");
        for item in items {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(item.as_str());
        }
        text.push(']');
        Self::trusted(text)
    }

    /// An object of these entries; their texts are joined, nothing is parsed.
    #[must_use]
    pub fn object<'a>(entries: impl IntoIterator<Item = (&'a str, &'a Self)>) -> Self {
        let mut text = String::from("{");
        for (key, value) in entries {
            if text.len() > 1 {
                text.push(',');
            }
            push_string(&mut text, key);
            text.push(':');
            text.push_str(value.as_str());
        }
        text.push('}');
        Self::trusted(text)
    }

    /// Text that is known to be one valid JSON value, without space around it.
    #[must_use]
    pub fn trusted<'a>(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        match text.len() {
            4 if text == "null" => Self::null(),
            ..=HERE_LEN_MAX => Self::with_head(Text::Here, text.as_bytes()),
            _ => {
                let mut text = text.into_owned();
                text.shrink_to_fit();
                Self::with_head(Text::Owned(Box::new(Long(text))), b"")
            }
        }
    }

    fn with_head(text: Text, here: &[u8]) -> Self {
        let head = Head { text, value: OnceLock::new(), scans: AtomicU8::new(0) };
        Self(Some(ThinArc::from_header_and_slice(head, here)))
    }

    /// Puts other text in place, which `write` appends to an empty one and which must then be one valid JSON value
    /// without space around it. Takes the memory of the former text if nobody else holds it.
    pub(crate) fn rewrite<E>(&mut self, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<(), E> {
        let mut write = Some(write);
        let written = self.0.as_mut().and_then(|held| {
            held.with_arc_mut(|whole| {
                let head = Arc::get_mut(whole)?.header_mut();
                let Text::Owned(long) = &mut head.text else { return None };
                let text = &mut long.0;
                text.clear();
                head.value = OnceLock::new();
                head.scans = AtomicU8::new(0);
                Some(write.take()?(text))
            })
        });
        let Some(write) = write else {
            let written = written.unwrap_or(Ok(()));
            if written.is_err() {
                *self = Self::null();
            }
            return written;
        };
        let mut text = String::with_capacity(REWRITTEN_CAPACITY);
        write(&mut text)?;
        *self = Self::with_head(Text::Owned(Box::new(Long(text))), b"");
        Ok(())
    }

    /// Checks `text` and takes it.
    ///
    /// # Errors
    /// If `text` is not exactly one JSON value, nests deeper than 127 levels, or holds a number beyond a double's range.
    pub fn parse<'a>(text: impl Into<Cow<'a, str>>) -> Result<Self, serde_json::Error> {
        let text = text.into();
        check(text.as_bytes())?;
        let trimmed = text.trim_ascii();
        if trimmed.len() < text.len() {
            return Ok(Self::trusted(trimmed));
        }
        Ok(Self::trusted(text))
    }

    /// Takes a foreign buffer as it is, without copying.
    ///
    /// # Errors
    /// As [`Self::parse`], and if the bytes are not UTF-8.
    pub fn adopt(buffer: Box<dyn AsRef<[u8]> + Send + Sync>) -> Result<Self, serde_json::Error> {
        let bytes = (*buffer).as_ref();
        check(bytes)?;
        let start = bytes.len() - bytes.trim_ascii_start().len();
        let end = bytes.trim_ascii_end().len();
        if &bytes[start..end] == b"null" {
            return Ok(Self::null());
        }
        Ok(Self::with_head(Text::Adopted(Box::new(Adopted { buffer, start, end })), b""))
    }

    /// A part of this value. The range must hold exactly one JSON value.
    ///
    /// A large part shares the memory of the whole and keeps it alive. A part under 1 KiB, or under a sixteenth of
    /// the whole, is copied instead: a small value that lives long must not hold on to a large one.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        let part = self.text_at(range.clone());
        if part == "null" {
            return Self::null();
        }
        if range == (0..self.len()) {
            return self.clone();
        }
        let (whole, offset) = match self.text() {
            Some(Text::Part(part)) => (&part.whole, part.start),
            _ => (self, 0),
        };
        if part.len() < SHARED_PART_LEN_MIN || part.len() < whole.len() / SHARED_PART_RATIO_MAX {
            return Self::trusted(part);
        }
        let (start, end) = (offset + range.start, offset + range.end);
        Self::with_head(Text::Part(Box::new(Part { whole: whole.clone(), start, end })), b"")
    }

    /// What stands at the end of `path`, found by scanning the text; `None` if there is no such place.
    #[must_use]
    pub fn path(&self, path: &[Segment]) -> Option<Self> {
        match scan::find(self.as_bytes(), path) {
            scan::Found::At(range) => Some(self.part(range)),
            scan::Found::Missing => None,
        }
    }

    /// The elements of an array, found by scanning the text; none if this is no array.
    #[must_use]
    pub fn elements(&self) -> Vec<Self> {
        scan::elements(self.as_bytes()).into_iter().map(|range| self.part(range)).collect()
    }

    fn text(&self) -> Option<&Text> {
        self.0.as_ref().map(|whole| &whole.header.header.text)
    }

    /// What stands in `range` of the text; `null` if that is no piece of it.
    pub(crate) fn text_at(&self, range: Range<usize>) -> &str {
        let piece = self.as_bytes().get(range).and_then(|piece| std::str::from_utf8(piece).ok());
        piece.unwrap_or("null")
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self.text() {
            None => "null",
            Some(Text::Owned(long)) => &long.0,
            Some(Text::Here | Text::Adopted(_)) => std::str::from_utf8(self.as_bytes()).unwrap_or("null"),
            Some(Text::Part(part)) => part.whole.as_str().get(part.start..part.end).unwrap_or("null"),
        }
    }

    /// The JSON text as bytes; for small values and adopted buffers cheaper than [`Self::as_str`], which checks
    /// UTF-8 again.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let Some(whole) = &self.0 else { return b"null" };
        match &whole.header.header.text {
            Text::Here => &whole.slice,
            Text::Owned(long) => long.0.as_bytes(),
            Text::Adopted(adopted) => {
                (*adopted.buffer).as_ref().get(adopted.start..adopted.end).unwrap_or(b"null")
            }
            Text::Part(part) => part.whole.as_bytes().get(part.start..part.end).unwrap_or(b"null"),
        }
    }

    /// Length of the JSON text in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Never: every payload holds a value. Here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }

    /// The value as a tree, parsed at the first call and kept.
    #[must_use]
    pub fn value(&self) -> &serde_json::Value {
        static NULL: serde_json::Value = serde_json::Value::Null;
        match &self.0 {
            None => &NULL,
            Some(whole) => whole.header.header.value.get_or_init(|| {
                let parsed = serde_json::from_slice(self.as_bytes());
                Box::new(parsed.map(|tree::Tree(value)| value).unwrap_or_default())
            }),
        }
    }

    /// Whether the next look inside should use the tree: it is there, or so much has been scanned that parsing pays.
    pub(crate) fn is_worth_parsing(&self) -> bool {
        let Some(inner) = self.0.as_ref().map(|whole| &whole.header.header) else { return true };
        if inner.value.get().is_some() {
            return true;
        }
        // Two threads may count the same scan; the number only steers a trade-off.
        let scans = inner.scans.load(Ordering::Relaxed);
        inner.scans.store(scans.saturating_add(1), Ordering::Relaxed);
        scans >= SCANS_BEFORE_PARSING
    }

    /// The tree, if it was parsed before.
    #[must_use]
    pub fn parsed(&self) -> Option<&serde_json::Value> {
        self.0.as_ref()?.header.header.value.get().map(|value| &**value)
    }
}

/// Appends `content` as a JSON string.
pub(crate) fn push_string(text: &mut String, content: &str) {
    text.push('"');
    push_escaped(text, content);
    text.push('"');
}

/// Appends what stands between the quotes of `content` as a JSON string.
pub(crate) fn push_escaped(text: &mut String, content: &str) {
    use std::fmt::Write;
    let mut clean_from = 0;
    for (at, byte) in content.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        text.push_str(&content[clean_from..at]);
        clean_from = at + 1;
        if escape.is_empty() {
            write!(text, "\\u{byte:04x}").expect("writing to a string cannot fail");
        } else {
            text.push_str(escape);
        }
    }
    text.push_str(&content[clean_from..]);
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.as_str();
        if text.len() <= DEBUG_LEN_MAX {
            return f.write_str(text);
        }
        write!(f, "{}… ({} bytes)", &text[..text.floor_char_boundary(DEBUG_LEN_MAX)], text.len())
    }
}

/// Equal as JSON: the order of keys and the spelling of strings do not matter, `1` and `1.0` differ.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes() || self.value() == other.value()
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&serde_json::value::RawValue>(self.as_str()) {
            Ok(raw) => raw.serialize(serializer),
            Err(error) => Err(serde::ser::Error::custom(error)),
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    /// From JSON only: other formats have no text to keep.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(serde::de::Error::custom)
    }
}

/// A field that is there, with `null` as a value like any other.
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Payload>, D::Error> {
    Payload::deserialize(deserializer).map(Some)
}

impl From<serde_json::Value> for Payload {
    fn from(value: serde_json::Value) -> Self {
        Self::encode(&value)
    }
}

impl From<bool> for Payload {
    fn from(value: bool) -> Self {
        Self::trusted(if value { "true" } else { "false" })
    }
}

impl From<i64> for Payload {
    fn from(value: i64) -> Self {
        Self::trusted(value.to_string())
    }
}

impl From<u64> for Payload {
    fn from(value: u64) -> Self {
        Self::trusted(value.to_string())
    }
}

impl From<&str> for Payload {
    fn from(value: &str) -> Self {
        Self::string(value)
    }
}
