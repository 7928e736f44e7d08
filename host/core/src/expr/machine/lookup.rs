//! Selects from values: paths into payloads, fields, keys and indexes, and what to say if there is nothing.

use crate::expr::node::Path;
use crate::expr::value::Value;
use crate::expr::{Env, EvalError, Operand};
use crate::payload::scan::{self, Found};
use crate::payload::{Payload, Segment};
use serde_json::Value as Json;

/// A string up to this many bytes is written again rather than searched for in the text, to share it.
const COPIED_LEN_MAX: usize = 1024;
/// So many keys are named when one is missing.
const KEYS_SHOWN_MAX: usize = 8;

/// The value at the end of a path. A scalar in JSON that is not parsed yet is read from the text.
pub(super) fn path_value<'a>(path: &'a Path, env: &'a dyn Env) -> Result<Value<'a>, EvalError> {
    let payload = match operand(path, env)? {
        Ok(payload) => payload,
        Err(scalar) => return Ok(scalar),
    };
    if path.segments.is_empty() {
        return Ok(Value::Payload(payload));
    }
    if payload.is_worth_parsing() {
        return walk(path, payload.value());
    }
    match scan::find(payload.as_bytes(), &path.segments) {
        Found::At(range) => match scalar(&payload.as_bytes()[range]) {
            Some(value) => Ok(value),
            None => walk(path, payload.value()),
        },
        Found::Missing => walk(path, payload.value()),
    }
}

/// The value at the end of a path as a payload; what is large shares the memory of the whole.
///
/// # Errors
/// If there is no such place.
pub(in crate::expr) fn path_payload(path: &Path, env: &dyn Env) -> Result<Payload, EvalError> {
    let payload = match operand(path, env)? {
        Ok(payload) => payload,
        Err(scalar) => return super::to_payload(&scalar),
    };
    if path.segments.is_empty() {
        return Ok(payload.clone());
    }
    if let Some(tree) = payload.parsed() {
        let value = walk(path, tree)?;
        let is_large =
            matches!(value, Value::Json(_)) || value.as_str().is_some_and(|text| text.len() > COPIED_LEN_MAX);
        if !is_large {
            return super::to_payload(&value);
        }
    }
    match scan::find(payload.as_bytes(), &path.segments) {
        Found::At(range) => Ok(payload.part(range)),
        Found::Missing => walk(path, payload.value()).and_then(|value| super::to_payload(&value)),
    }
}

/// Appends what [`path_payload`] answers, without making a payload of it.
pub(in crate::expr) fn append_path(path: &Path, env: &dyn Env, text: &mut String) -> Result<(), EvalError> {
    if let Ok(payload) = operand(path, env)?
        && payload.parsed().is_none()
        && let Found::At(range) = scan::find(payload.as_bytes(), &path.segments)
    {
        text.push_str(payload.text_at(range));
        return Ok(());
    }
    text.push_str(path_payload(path, env)?.as_str());
    Ok(())
}

/// The payload that a path starts from, or the scalar that it is.
fn operand<'a>(path: &Path, env: &'a dyn Env) -> Result<Result<&'a Payload, Value<'a>>, EvalError> {
    let scalar = match env.operand(path.reference, path.nth) {
        Operand::Json(payload) if payload.is_null() => Value::Null,
        Operand::Json(payload) => return Ok(Ok(payload)),
        Operand::Null => Value::Null,
        Operand::Bool(truth) => Value::Bool(truth),
        Operand::Int(int) => Value::Int(int),
        Operand::Text(text) => Value::Str(text),
    };
    match path.segments.first() {
        None => Ok(Err(scalar)),
        Some(segment) => Err(missing(&scalar, &segment_value(segment), &path.name)),
    }
}

/// A scalar from its JSON text; `None` for arrays and objects.
fn scalar(text: &[u8]) -> Option<Value<'_>> {
    match text.first()? {
        b'{' | b'[' => None,
        b'"' => match scan::unescape(text.get(1..text.len() - 1)?)? {
            std::borrow::Cow::Borrowed(text) => Some(Value::Str(text)),
            std::borrow::Cow::Owned(text) => Some(Value::text(text)),
        },
        b'n' => Some(Value::Null),
        b't' => Some(Value::Bool(true)),
        b'f' => Some(Value::Bool(false)),
        _ => {
            let digits = std::str::from_utf8(text).ok()?;
            if let Ok(int) = digits.parse::<i64>()
                && digits != "-0"
            {
                return Some(Value::Int(int));
            }
            serde_json::from_str(digits).ok().map(|number| Value::from_number(&number))
        }
    }
}

/// Follows a path through a tree.
fn walk<'a>(path: &Path, tree: &'a Json) -> Result<Value<'a>, EvalError> {
    let mut json = tree;
    for (depth, segment) in path.segments.iter().enumerate() {
        let next = match (segment, json) {
            (Segment::Key(key), Json::Object(entries)) => entries.get(&**key),
            (Segment::Index(index), Json::Array(items)) => items.get(*index),
            _ => None,
        };
        json = next.ok_or_else(|| {
            let mut name = path.name.to_string();
            for passed in &path.segments[..depth] {
                push_segment(&mut name, passed);
            }
            missing(&Value::from_json(json), &segment_value(segment), &name)
        })?;
    }
    Ok(Value::from_json(json))
}

fn push_segment(name: &mut String, segment: &Segment) {
    match segment {
        Segment::Key(key) => {
            name.push('.');
            name.push_str(key);
        }
        Segment::Index(index) => name.push_str(&format!("[{index}]")),
    }
}

fn segment_value(segment: &Segment) -> Value<'_> {
    match segment {
        Segment::Key(key) => Value::Str(key),
        Segment::Index(index) => crate::expr::value::position(*index),
    }
}

/// `value.field`; through an optional it yields an optional.
pub(super) fn select<'a>(value: &Value<'a>, field: &str) -> Result<Value<'a>, EvalError> {
    if let Value::Optional(_) = value {
        return Ok(select_optional(value, field));
    }
    value.entry(field).ok_or_else(|| missing(value, &Value::Str(field), ""))
}

/// `value.?field`; nothing where there is no such field, whatever the value is.
pub(super) fn select_optional<'a>(value: &Value<'a>, field: &str) -> Value<'a> {
    let inner = match value {
        Value::Optional(None) => None,
        Value::Optional(Some(inner)) => (**inner).clone().force().entry(field),
        other => other.entry(field),
    };
    Value::Optional(inner.map(std::rc::Rc::new))
}

/// `value[index]`; through an optional it yields an optional.
pub(super) fn index<'a>(value: &Value<'a>, index: &Value<'_>) -> Result<Value<'a>, EvalError> {
    if let Value::Optional(_) = value {
        return Ok(index_optional(value, index));
    }
    at(value, index).ok_or_else(|| missing(value, index, ""))
}

/// `value[?index]`.
pub(super) fn index_optional<'a>(value: &Value<'a>, index: &Value<'_>) -> Value<'a> {
    let inner = match value {
        Value::Optional(None) => None,
        Value::Optional(Some(inner)) => at(&(**inner).clone().force(), index),
        other => at(other, index),
    };
    Value::Optional(inner.map(std::rc::Rc::new))
}

fn at<'a>(value: &Value<'a>, index: &Value<'_>) -> Option<Value<'a>> {
    if value.map_len().is_some() {
        return value.entry_of(index);
    }
    let position = match index {
        Value::Int(int) => usize::try_from(*int).ok()?,
        Value::Uint(uint) => usize::try_from(*uint).ok()?,
        Value::Double(double) if double.fract() == 0.0 && (0.0..1e15).contains(double) => whole(*double),
        _ => return None,
    };
    value.element(position)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole, not negative and below 1e15"
)]
fn whole(double: f64) -> usize {
    double as usize
}

/// Says that `value`, known as `name` if that is not empty, has no `key`.
fn missing(value: &Value<'_>, key: &Value<'_>, name: &str) -> EvalError {
    let subject = |what: &str| if name.is_empty() { what.to_owned() } else { format!("`{name}`") };
    let key_text = key.as_str().map_or_else(|| key.describe(), |key| format!("key `{key}`"));
    if let Some(keys) = value.key_names() {
        let error = EvalError::new(format!("{} has no {key_text}", subject("the map")));
        return match key.as_str() {
            Some(key) => error.hint(key_hint(key, &keys)),
            None => error.hint("The keys of JSON objects are strings."),
        };
    }
    if let Some(len) = value.list_len() {
        return match key {
            Value::Int(_) | Value::Uint(_) => {
                let index = key.describe();
                let index = index.trim_start_matches("int ").trim_start_matches('u');
                EvalError::new(format!("{} has {len} elements and no index {index}", subject("the list")))
            }
            _ => EvalError::new(format!("{} is a list, so it has no {key_text}", subject("the value")))
                .hint("Take an element by its number, such as `[0]`."),
        };
    }
    let error =
        EvalError::new(format!("{} is {}, so it has no {key_text}", subject("the value"), value.describe()));
    if matches!(value, Value::Null) {
        return error.hint("Guard it with `has(...)`, or use `.?key.orValue(...)`.");
    }
    error
}

fn key_hint(key: &str, keys: &[String]) -> String {
    if keys.is_empty() {
        return "It is empty.".into();
    }
    if let Some(near) = crate::expr::functions::nearest(key, keys.iter().map(String::as_str)) {
        return format!("Did you mean `{near}`?");
    }
    let shown: Vec<_> = keys.iter().take(KEYS_SHOWN_MAX).map(|key| format!("`{key}`")).collect();
    let more = if keys.len() > shown.len() { ", …" } else { "" };
    format!("It has {}{more}.", shown.join(", "))
}
