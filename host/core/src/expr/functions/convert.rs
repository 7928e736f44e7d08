//! Conversions between types, and `type`.

use super::{Function, Style, argument, expected};
use crate::expr::machine::Machine;
use crate::expr::value::Value;
use crate::expr::write::{plain, write_json};
use crate::expr::{BUILT_BYTES_MAX, EvalError, duration, number};
use chrono::{DateTime, Utc};

const fn one(name: &'static str, usage: &'static str, body: super::Body) -> Function {
    Function { name, style: Style::Global, arity: 1..=1, usage, body }
}

pub(super) const ALL: &[Function] = &[
    one("int", "int(x)", int),
    one("uint", "uint(x)", uint),
    one("double", "double(x)", double),
    one("string", "string(x)", string),
    one("bool", "bool(x)", bool),
    one("timestamp", "timestamp(text)", timestamp),
    one("duration", "duration(text)", span),
    one("type", "type(x)", |_, values| argument(values, 0).map(|value| Value::Type(value.type_name()))),
];

type Answer<'a> = Result<Value<'a>, EvalError>;

fn cannot(value: &Value<'_>, to: &str) -> EvalError {
    EvalError::new(format!("cannot make {to} of {}", value.describe()))
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn int<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let value = argument(values, 0)?;
    match value {
        Value::Int(int) => Ok(Value::Int(*int)),
        Value::Uint(uint) => i64::try_from(*uint).map(Value::Int).map_err(|_| number::overflow("int")),
        Value::Double(double) if (-LIMIT..LIMIT).contains(double) => Ok(Value::Int(*double as i64)),
        Value::Double(double) if double.is_nan() => Err(cannot(value, "an int")),
        Value::Double(_) => Err(number::overflow("int")),
        Value::Bool(truth) => Ok(Value::Int(i64::from(*truth))),
        Value::Time(time) => Ok(Value::Int(time.timestamp())),
        Value::Span(span) => Ok(Value::Int(span.num_seconds())),
        other => {
            let parsed = other.as_str().and_then(|text| text.trim().parse().ok());
            parsed.map(Value::Int).ok_or_else(|| cannot(other, "an int"))
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked before")]
fn uint<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    let value = argument(values, 0)?;
    match value {
        Value::Int(int) => u64::try_from(*int).map(Value::Uint).map_err(|_| number::overflow("uint")),
        Value::Uint(uint) => Ok(Value::Uint(*uint)),
        Value::Double(double) if (0.0..LIMIT).contains(double) => Ok(Value::Uint(*double as u64)),
        Value::Double(_) => Err(number::overflow("uint")),
        other => {
            let parsed = other.as_str().and_then(|text| text.trim().parse().ok());
            parsed.map(Value::Uint).ok_or_else(|| cannot(other, "a uint"))
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
fn double<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    match argument(values, 0)? {
        Value::Int(int) => Ok(Value::Double(*int as f64)),
        Value::Uint(uint) => Ok(Value::Double(*uint as f64)),
        Value::Double(double) => Ok(Value::Double(*double)),
        other => {
            let parsed = other.as_str().and_then(|text| text.trim().parse().ok());
            parsed.map(Value::Double).ok_or_else(|| cannot(other, "a double"))
        }
    }
}

/// Strings as they are, times and durations as they are written, anything else as JSON.
fn string<'a>(machine: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let value = argument(values, 0)?;
    match value {
        Value::Str(_) | Value::Text(_) => Ok(value.clone()),
        Value::Time(_) | Value::Span(_) | Value::Type(_) => plain(value).map(Value::text),
        Value::Double(double) => Ok(Value::text(double.to_string())),
        other => {
            let mut json = String::new();
            write_json(&mut json, other, BUILT_BYTES_MAX)?;
            machine.text(json)
        }
    }
}

fn bool<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let value = argument(values, 0)?;
    match (value, value.as_str()) {
        (Value::Bool(truth), _) => Ok(Value::Bool(*truth)),
        (_, Some("true" | "True" | "TRUE" | "t" | "1")) => Ok(Value::Bool(true)),
        (_, Some("false" | "False" | "FALSE" | "f" | "0")) => Ok(Value::Bool(false)),
        _ => Err(cannot(value, "a bool")),
    }
}

fn timestamp<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    match argument(values, 0)? {
        Value::Time(time) => Ok(Value::Time(*time)),
        Value::Int(seconds) => DateTime::from_timestamp(*seconds, 0)
            .map(Value::Time)
            .ok_or_else(|| EvalError::new(format!("`{seconds}` seconds are beyond all calendars"))),
        other => {
            let text = other.as_str().ok_or_else(|| expected("a string or seconds since 1970", other))?;
            match DateTime::parse_from_rfc3339(text) {
                Ok(time) => Ok(Value::Time(time.with_timezone(&Utc))),
                Err(_) => Err(EvalError::new(format!("`{text}` is no point in time"))
                    .hint("Write it as in RFC 3339, such as `2026-01-31T08:00:00Z`.")),
            }
        }
    }
}

fn span<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let value = argument(values, 0)?;
    if let Value::Span(span) = value {
        return Ok(Value::Span(*span));
    }
    let text = value.as_str().ok_or_else(|| expected("a string", value))?;
    let parsed = duration::parse(text).map(Value::Span);
    parsed.ok_or_else(|| {
        EvalError::new(format!("`{text}` is no duration")).hint("Write it such as `1h30m` or `90s`.")
    })
}
