//! Points in time and durations: their fields and their arithmetic.

use super::{Function, Style, argument, expected, text};
use crate::expr::EvalError;
use crate::expr::node::Arithmetic;
use crate::expr::value::Value;
use chrono::{DateTime, Datelike, FixedOffset, TimeDelta, Timelike};

const fn field(name: &'static str, usage: &'static str, body: super::Body) -> Function {
    Function { name, style: Style::Method, arity: 1..=2, usage, body }
}

pub(super) const ALL: &[Function] = &[
    field("getFullYear", "time.getFullYear(zone)", |_, values| part(values, |time| time.year().into())),
    field("getMonth", "time.getMonth(zone), from 0", |_, values| part(values, |time| time.month0().into())),
    field("getDate", "time.getDate(zone), from 1", |_, values| part(values, |time| time.day().into())),
    field("getDayOfMonth", "time.getDayOfMonth(zone), from 0", |_, values| {
        part(values, |time| time.day0().into())
    }),
    field("getDayOfWeek", "time.getDayOfWeek(zone), Sunday is 0", |_, values| {
        part(values, |time| time.weekday().num_days_from_sunday().into())
    }),
    field("getDayOfYear", "time.getDayOfYear(zone), from 0", |_, values| {
        part(values, |time| time.ordinal0().into())
    }),
    field("getHours", "x.getHours(zone)", |_, values| {
        either(values, |span| span.num_hours(), |time| time.hour().into())
    }),
    field("getMinutes", "x.getMinutes(zone)", |_, values| {
        either(values, |span| span.num_minutes(), |time| time.minute().into())
    }),
    field("getSeconds", "x.getSeconds(zone)", |_, values| {
        either(values, |span| span.num_seconds(), |time| time.second().into())
    }),
    field("getMilliseconds", "x.getMilliseconds(zone)", |_, values| {
        either(values, |span| span.num_milliseconds(), |time| time.timestamp_subsec_millis().into())
    }),
];

/// A field of a point in time.
fn part<'a>(values: &[Value<'a>], read: fn(DateTime<FixedOffset>) -> i64) -> Result<Value<'a>, EvalError> {
    match argument(values, 0)? {
        Value::Time(time) => Ok(Value::Int(read(time.with_timezone(&zone(values)?)))),
        other => Err(expected("a timestamp", other).hint("`timestamp(text)` makes one.")),
    }
}

/// A field of a point in time, or a whole duration in that unit.
fn either<'a>(
    values: &[Value<'a>],
    whole: fn(TimeDelta) -> i64,
    read: fn(DateTime<FixedOffset>) -> i64,
) -> Result<Value<'a>, EvalError> {
    match argument(values, 0)? {
        Value::Span(span) if values.len() == 1 => Ok(Value::Int(whole(*span))),
        _ => part(values, read),
    }
}

/// The zone that argument 1 names; UTC if there is none.
fn zone(values: &[Value<'_>]) -> Result<FixedOffset, EvalError> {
    let name = if values.len() > 1 { text(values, 1)? } else { "UTC" };
    let utc = FixedOffset::east_opt(0);
    let offset = if matches!(name, "UTC" | "Z") { utc } else { name.parse().ok() };
    offset.ok_or_else(|| {
        EvalError::new(format!("unknown time zone `{name}`"))
            .hint("Zones are `UTC` or an offset such as `+02:00`.")
    })
}

/// `+` and `-`; `None` if the values are no times.
pub(super) fn arithmetic<'a>(
    op: Arithmetic,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Option<Result<Value<'a>, EvalError>> {
    let result = match (op, left, right) {
        (Arithmetic::Add, Value::Time(time), Value::Span(span))
        | (Arithmetic::Add, Value::Span(span), Value::Time(time)) => {
            time.checked_add_signed(*span).map(Value::Time)
        }
        (Arithmetic::Subtract, Value::Time(time), Value::Span(span)) => {
            time.checked_sub_signed(*span).map(Value::Time)
        }
        (Arithmetic::Subtract, Value::Time(a), Value::Time(b)) => {
            Some(Value::Span(a.signed_duration_since(*b)))
        }
        (Arithmetic::Add, Value::Span(a), Value::Span(b)) => a.checked_add(b).map(Value::Span),
        (Arithmetic::Subtract, Value::Span(a), Value::Span(b)) => a.checked_sub(b).map(Value::Span),
        _ => return None,
    };
    Some(result.ok_or_else(|| EvalError::new("the time is out of range")))
}
