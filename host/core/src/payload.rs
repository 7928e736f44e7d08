//! Immutable, reference-counted JSON: what flows between steps.

use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A JSON value as UTF-8 text, shared without copying. `null` takes no allocation.
#[derive(Clone, Default)]
pub struct Payload(Option<Arc<Inner>>);

struct Inner {
    text: Text,
    value: OnceLock<serde_json::Value>,
}

enum Text {
    Owned(Box<str>),
    Adopted(Box<dyn AsRef<[u8]> + Send + Sync>),
    Part { whole: Payload, start: usize, end: usize },
}

impl Payload {
    /// The value `null`.
    #[must_use]
    pub const fn null() -> Self {
        Self(None)
    }

    /// Any serializable value as JSON; a value that has no JSON form (a map with keys that are no strings) is `null`.
    #[must_use]
    pub fn encode(value: &impl Serialize) -> Self {
        serde_json::to_string(value).map_or(Self::null(), |text| Self::trusted(text))
    }

    /// Text that is known to be one valid JSON value.
    #[must_use]
    pub fn trusted(text: impl Into<Box<str>>) -> Self {
        let text = text.into();
        if &*text == "null" {
            return Self::null();
        }
        Self(Some(Arc::new(Inner { text: Text::Owned(text), value: OnceLock::new() })))
    }

    /// Checks `text` and takes it.
    ///
    /// # Errors
    /// If `text` is not exactly one JSON value.
    pub fn parse(text: impl Into<Box<str>>) -> Result<Self, serde_json::Error> {
        let text = text.into();
        serde_json::from_str::<serde::de::IgnoredAny>(&text)?;
        Ok(Self::trusted(text))
    }

    /// Takes a foreign buffer as it is, without copying.
    ///
    /// # Errors
    /// If the bytes are not exactly one JSON value in UTF-8.
    pub fn adopt(buffer: Box<dyn AsRef<[u8]> + Send + Sync>) -> Result<Self, serde_json::Error> {
        let bytes = (*buffer).as_ref();
        if bytes == b"null" {
            return Ok(Self::null());
        }
        serde_json::from_slice::<&serde_json::value::RawValue>(bytes)?;
        Ok(Self(Some(Arc::new(Inner { text: Text::Adopted(buffer), value: OnceLock::new() }))))
    }

    /// A part of this value, sharing its memory. The range must hold exactly one JSON value.
    #[must_use]
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        if &self.as_str()[range.clone()] == "null" {
            return Self::null();
        }
        let text = Text::Part { whole: self.clone(), start: range.start, end: range.end };
        Self(Some(Arc::new(Inner { text, value: OnceLock::new() })))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self.0.as_deref() {
            None => "null",
            Some(Inner { text: Text::Owned(text), .. }) => text,
            Some(Inner { text: Text::Adopted(buffer), .. }) => {
                std::str::from_utf8((**buffer).as_ref()).unwrap_or("null")
            }
            Some(Inner { text: Text::Part { whole, start, end }, .. }) => &whole.as_str()[*start..*end],
        }
    }

    /// Length of the JSON text in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0.as_deref() {
            None => 4,
            Some(Inner { text: Text::Owned(text), .. }) => text.len(),
            Some(Inner { text: Text::Adopted(buffer), .. }) => (**buffer).as_ref().len(),
            Some(Inner { text: Text::Part { start, end, .. }, .. }) => end - start,
        }
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
        match self.0.as_deref() {
            None => &NULL,
            Some(inner) => inner.value.get_or_init(|| serde_json::from_str(self.as_str()).unwrap_or_default()),
        }
    }

    /// The tree, if it was parsed before.
    #[must_use]
    pub fn parsed(&self) -> Option<&serde_json::Value> {
        self.0.as_deref().and_then(|inner| inner.value.get())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str() || self.value() == other.value()
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&serde_json::value::RawValue>(self.as_str()) {
            Ok(raw) => raw.serialize(serializer),
            Err(_) => serializer.serialize_unit(),
        }
    }
}

impl From<serde_json::Value> for Payload {
    fn from(value: serde_json::Value) -> Self {
        Self::encode(&value)
    }
}
