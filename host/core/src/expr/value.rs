//! Values during an evaluation: scalars by value, JSON by reference, everything else shared.

use super::EvalError;
use crate::payload::Payload;
use chrono::{DateTime, TimeDelta, Utc};
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::rc::Rc;

/// A value. Elements of lists, maps and optionals may be [`Value::Payload`]; whoever takes one out forces it.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Str(&'a str),
    Text(Rc<str>),
    /// An array or an object; nothing else.
    Json(&'a Json),
    /// JSON that nobody has looked into yet.
    Payload(&'a Payload),
    List(Rc<Vec<Value<'a>>>),
    Map(Rc<MapValue<'a>>),
    Time(DateTime<Utc>),
    Span(TimeDelta),
    Optional(Option<Rc<Value<'a>>>),
    Type(&'static str),
}

/// A map made by an expression.
pub(super) type MapValue<'a> = IndexMap<Key<'a>, Value<'a>>;

/// A key of a map made by an expression. Keys of JSON objects are always strings.
#[derive(Clone, Debug)]
pub(super) enum Key<'a> {
    Str(&'a str),
    Text(Rc<str>),
    Int(i64),
    Bool(bool),
}

/// A constant in a compiled expression.
#[derive(Clone, Debug)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Str(Box<str>),
    Json(Payload),
    Type(&'static str),
}

impl Constant {
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::Double(value) => Value::Double(*value),
            Self::Str(value) => Value::Str(value),
            Self::Json(value) => Value::Payload(value),
            Self::Type(name) => Value::Type(name),
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    pub(super) fn some(value: Self) -> Self {
        Self::Optional(Some(Rc::new(value)))
    }

    pub(super) fn from_json(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::from_number(number),
            Json::String(text) => Self::Str(text),
            Json::Array(_) | Json::Object(_) => Self::Json(json),
        }
    }

    pub(super) fn from_number(number: &serde_json::Number) -> Self {
        if let Some(int) = number.as_i64() {
            return Self::Int(int);
        }
        match number.as_u64() {
            Some(uint) => Self::Uint(uint),
            None => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
        }
    }

    /// The value itself instead of a payload nobody has looked into.
    pub(super) fn force(self) -> Self {
        match self {
            Self::Payload(payload) => Self::from_json(payload.value()),
            other => other,
        }
    }

    /// The text, if it is a string.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The name of its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Str(_) | Self::Text(_) => "string",
            Self::Json(Json::Array(_)) | Self::List(_) => "list",
            Self::Json(_) | Self::Map(_) => "map",
            Self::Payload(payload) => Value::from_json(payload.value()).type_name(),
            Self::Time(_) => "timestamp",
            Self::Span(_) => "duration",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
        }
    }

    /// Its type and, if it is short, the value: for messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(value) => format!("bool `{value}`"),
            Self::Int(value) => format!("int `{value}`"),
            Self::Uint(value) => format!("uint `{value}`"),
            Self::Double(value) => format!("double `{value}`"),
            Self::Str(_) | Self::Text(_) => {
                let text = self.as_str().unwrap_or_default();
                let cut = text.floor_char_boundary(40);
                format!("string `{}{}`", &text[..cut], if cut < text.len() { "…" } else { "" })
            }
            other => format!("a {}", other.type_name()),
        }
    }

    /// Number of elements, if it is a list.
    pub(super) fn list_len(&self) -> Option<usize> {
        match self {
            Self::Json(Json::Array(items)) => Some(items.len()),
            Self::List(items) => Some(items.len()),
            _ => None,
        }
    }

    /// Element `index`, if it is a list and has one.
    pub(super) fn element(&self, index: usize) -> Option<Self> {
        match self {
            Self::Json(Json::Array(items)) => items.get(index).map(Value::from_json),
            Self::List(items) => items.get(index).cloned().map(Value::force),
            _ => None,
        }
    }

    /// Number of entries, if it is a map.
    pub(super) fn map_len(&self) -> Option<usize> {
        match self {
            Self::Json(Json::Object(entries)) => Some(entries.len()),
            Self::Map(entries) => Some(entries.len()),
            _ => None,
        }
    }

    /// The entry for a string, if it is a map and has one.
    pub(super) fn entry(&self, key: &str) -> Option<Self> {
        match self {
            Self::Json(Json::Object(entries)) => entries.get(key).map(Value::from_json),
            Self::Map(entries) => entries.get(&Key::Str(key)).cloned().map(Value::force),
            _ => None,
        }
    }

    /// The entry for any key.
    pub(super) fn entry_of(&self, key: &Value<'_>) -> Option<Self> {
        if let Some(text) = key.as_str() {
            return self.entry(text);
        }
        let (Self::Map(entries), Ok(key)) = (self, Key::of(key.clone())) else { return None };
        entries.get(&key).cloned().map(Value::force)
    }

    /// Key and value of all entries, or index and element; nothing if it is neither list nor map.
    pub(super) fn entries(&self) -> Entries<'_, 'a> {
        match self {
            Self::Json(Json::Array(items)) => Entries::JsonList(items.iter().enumerate()),
            Self::Json(Json::Object(entries)) => Entries::JsonMap(entries.iter()),
            Self::List(items) => Entries::List(items.iter().enumerate()),
            Self::Map(entries) => Entries::Map(entries.iter()),
            _ => Entries::List([].iter().enumerate()),
        }
    }

    /// The names of the keys, for messages; `None` if it is no map.
    pub(super) fn key_names(&self) -> Option<Vec<String>> {
        self.map_len()?;
        Some(
            self.entries()
                .map(|(key, _)| key.as_str().map_or_else(|| key.describe(), str::to_owned))
                .collect(),
        )
    }
}

/// Iterates over a list or a map.
pub(super) enum Entries<'v, 'a> {
    JsonList(std::iter::Enumerate<std::slice::Iter<'a, Json>>),
    JsonMap(serde_json::map::Iter<'a>),
    List(std::iter::Enumerate<std::slice::Iter<'v, Value<'a>>>),
    Map(indexmap::map::Iter<'v, Key<'a>, Value<'a>>),
}

impl<'a> Iterator for Entries<'_, 'a> {
    type Item = (Value<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::JsonList(items) => items.next().map(|(ix, item)| (position(ix), Value::from_json(item))),
            Self::JsonMap(entries) => {
                entries.next().map(|(key, item)| (Value::Str(key), Value::from_json(item)))
            }
            Self::List(items) => items.next().map(|(ix, item)| (position(ix), item.clone().force())),
            Self::Map(entries) => entries.next().map(|(key, item)| (key.value(), item.clone().force())),
        }
    }
}

/// A position or a length as a value.
pub(super) fn position<'a>(index: usize) -> Value<'a> {
    Value::Int(i64::try_from(index).unwrap_or(i64::MAX))
}

impl<'a> Key<'a> {
    /// # Errors
    /// If the value cannot be a key.
    pub(super) fn of(value: Value<'a>) -> Result<Self, EvalError> {
        match value {
            Value::Str(text) => Ok(Self::Str(text)),
            Value::Text(text) => Ok(Self::Text(text)),
            Value::Int(int) => Ok(Self::Int(int)),
            Value::Uint(uint) if i64::try_from(uint).is_ok() => Ok(Self::Int(uint.cast_signed())),
            Value::Bool(truth) => Ok(Self::Bool(truth)),
            other => Err(EvalError::new(format!("{} cannot be a key of a map", other.describe()))),
        }
    }

    pub(super) fn value(&self) -> Value<'a> {
        match self {
            Self::Str(text) => Value::Str(text),
            Self::Text(text) => Value::Text(Rc::clone(text)),
            Self::Int(int) => Value::Int(*int),
            Self::Bool(truth) => Value::Bool(*truth),
        }
    }

    /// A number to compare and hash by, or the text.
    fn parts(&self) -> (u8, i64, &str) {
        match self {
            Self::Str(text) => (0, 0, text),
            Self::Text(text) => (0, 0, text),
            Self::Int(int) => (1, *int, ""),
            Self::Bool(truth) => (2, i64::from(*truth), ""),
        }
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Key<'_> {}

impl std::hash::Hash for Key<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}
