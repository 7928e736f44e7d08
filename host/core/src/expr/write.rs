//! Writes values as JSON text, and as the text that templates insert into strings.

use super::EvalError;
use super::duration;
use super::value::{Key, Value};
use crate::payload::{push_escaped, push_string};
use chrono::SecondsFormat;
use serde_json::Value as Json;
use std::fmt::Write;

/// Appends `value` as JSON.
///
/// # Errors
/// If it has no JSON form, or `text` grows beyond `len_max`.
pub(super) fn write_json(text: &mut String, value: &Value<'_>, len_max: usize) -> Result<(), EvalError> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Value::Int(int) => write!(text, "{int}").expect("writing to a string cannot fail"),
        Value::Uint(uint) => write!(text, "{uint}").expect("writing to a string cannot fail"),
        Value::Double(double) => text.push_str(&number(*double)?),
        Value::Str(content) => push_string(text, content),
        Value::Text(content) => push_string(text, content),
        Value::Json(json) => write_tree(text, json),
        Value::Payload(payload) => text.push_str(payload.as_str()),
        Value::List(items) => {
            text.push('[');
            for (ix, item) in items.iter().enumerate() {
                if ix > 0 {
                    text.push(',');
                }
                write_json(text, item, len_max)?;
            }
            text.push(']');
        }
        Value::Map(entries) => {
            text.push('{');
            for (ix, (key, item)) in entries.iter().enumerate() {
                if ix > 0 {
                    text.push(',');
                }
                push_key(text, key);
                text.push(':');
                write_json(text, item, len_max)?;
            }
            text.push('}');
        }
        Value::Time(_) | Value::Span(_) | Value::Type(_) => push_string(text, &plain(value)?),
        Value::Optional(_) => {
            return Err(EvalError::new("an optional has no JSON form")
                .hint("End with `.orValue(...)` or `.value()`."));
        }
    }
    if text.len() > len_max {
        return Err(EvalError::fatal(format!("the result is longer than {len_max} bytes")));
    }
    Ok(())
}

fn push_key(text: &mut String, key: &Key<'_>) {
    match key {
        Key::Str(content) => push_string(text, content),
        Key::Text(content) => push_string(text, content),
        Key::Int(int) => write!(text, "\"{int}\"").expect("writing to a string cannot fail"),
        Key::Bool(truth) => write!(text, "\"{truth}\"").expect("writing to a string cannot fail"),
    }
}

/// A parsed tree; its depth is bounded by the parser.
fn write_tree(text: &mut String, json: &Json) {
    match json {
        Json::Null => text.push_str("null"),
        Json::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Json::Number(number) => write!(text, "{number}").expect("writing to a string cannot fail"),
        Json::String(content) => push_string(text, content),
        Json::Array(items) => {
            text.push('[');
            for (ix, item) in items.iter().enumerate() {
                if ix > 0 {
                    text.push(',');
                }
                write_tree(text, item);
            }
            text.push(']');
        }
        Json::Object(entries) => {
            text.push('{');
            for (ix, (key, item)) in entries.iter().enumerate() {
                if ix > 0 {
                    text.push(',');
                }
                push_string(text, key);
                text.push(':');
                write_tree(text, item);
            }
            text.push('}');
        }
    }
}

/// A double as JSON: always with a point or an exponent, so that it stays a double.
fn number(double: f64) -> Result<String, EvalError> {
    match serde_json::Number::from_f64(double) {
        Some(number) => Ok(number.to_string()),
        None => Err(EvalError::new(format!("`{double}` has no JSON form"))
            .hint("Dividing a double by zero gives infinity or NaN.")),
    }
}

/// Appends `value` to a JSON string that is being written: strings as they are, anything else as JSON.
///
/// # Errors
/// As [`write_json`].
pub(super) fn write_inside_string(
    text: &mut String,
    value: &Value<'_>,
    len_max: usize,
) -> Result<(), EvalError> {
    match value {
        Value::Time(_) | Value::Span(_) | Value::Type(_) | Value::Str(_) | Value::Text(_) => {
            push_escaped(text, &plain(value)?);
        }
        // a whole value that has not been looked into yet may be a string, too
        Value::Payload(payload) if payload.as_str().trim_ascii_start().starts_with('"') => {
            push_escaped(text, payload.value().as_str().unwrap_or_default());
        }
        Value::Json(Json::String(content)) => push_escaped(text, content),
        other => {
            let mut json = String::new();
            write_json(&mut json, other, len_max)?;
            push_escaped(text, &json);
        }
    }
    if text.len() > len_max {
        return Err(EvalError::fatal(format!("the result is longer than {len_max} bytes")));
    }
    Ok(())
}

/// The text of a string, or of what is written as one.
///
/// # Errors
/// If it is neither.
pub(super) fn plain(value: &Value<'_>) -> Result<String, EvalError> {
    match value {
        Value::Str(text) => Ok((*text).to_owned()),
        Value::Text(text) => Ok(text.to_string()),
        Value::Time(time) => Ok(time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        Value::Span(span) => Ok(duration::format(*span)),
        Value::Type(name) => Ok((*name).to_owned()),
        other => Err(EvalError::new(format!("{} has no text form", other.describe()))),
    }
}
