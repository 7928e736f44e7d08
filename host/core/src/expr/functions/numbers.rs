//! `math.*`.

use super::{Function, Style, argument, expected};
use crate::expr::EvalError;
use crate::expr::machine::Machine;
use crate::expr::number;
use crate::expr::value::Value;
use std::cmp::Ordering;

const fn one(name: &'static str, usage: &'static str, body: super::Body) -> Function {
    Function { name, style: Style::Global, arity: 1..=1, usage, body }
}

const fn several(name: &'static str, usage: &'static str, body: super::Body) -> Function {
    Function { name, style: Style::Global, arity: 1..=64, usage, body }
}

pub(super) const ALL: &[Function] = &[
    several("math.greatest", "math.greatest(a, b, ...) or math.greatest(list)", |_, values| {
        extreme(values, Ordering::Greater)
    }),
    several("math.least", "math.least(a, b, ...) or math.least(list)", |_, values| {
        extreme(values, Ordering::Less)
    }),
    one("math.abs", "math.abs(x)", abs),
    one("math.ceil", "math.ceil(x)", |_, values| rounded(values, f64::ceil)),
    one("math.floor", "math.floor(x)", |_, values| rounded(values, f64::floor)),
    one("math.round", "math.round(x)", |_, values| rounded(values, f64::round)),
    one("math.trunc", "math.trunc(x)", |_, values| rounded(values, f64::trunc)),
    one("math.sqrt", "math.sqrt(x)", |_, values| double(values).map(|x| Value::Double(x.sqrt()))),
    one("math.sign", "math.sign(x)", sign),
    one("math.isNaN", "math.isNaN(x)", |_, values| double(values).map(|x| Value::Bool(x.is_nan()))),
    one("math.isInf", "math.isInf(x)", |_, values| double(values).map(|x| Value::Bool(x.is_infinite()))),
    one("math.isFinite", "math.isFinite(x)", |_, values| double(values).map(|x| Value::Bool(x.is_finite()))),
];

fn is_number(value: &Value<'_>) -> bool {
    matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_))
}

fn extreme<'a>(values: &[Value<'a>], wanted: Ordering) -> Result<Value<'a>, EvalError> {
    let numbers: Vec<Value<'a>> = match values {
        [list] if list.list_len().is_some() => list.entries().map(|(_, item)| item).collect(),
        _ => values.to_vec(),
    };
    let mut best: Option<Value<'a>> = None;
    for number in numbers {
        if !is_number(&number) {
            return Err(expected("a number", &number));
        }
        best = match best {
            Some(best) if number::order(&number, &best)? != Some(wanted) => Some(best),
            _ => Some(number),
        };
    }
    best.ok_or_else(|| EvalError::new("an empty list has no greatest or least number"))
}

#[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
fn double(values: &[Value<'_>]) -> Result<f64, EvalError> {
    match argument(values, 0)? {
        Value::Int(int) => Ok(*int as f64),
        Value::Uint(uint) => Ok(*uint as f64),
        Value::Double(double) => Ok(*double),
        other => Err(expected("a number", other)),
    }
}

/// Integers stay what they are.
fn rounded<'a>(values: &[Value<'a>], round: fn(f64) -> f64) -> Result<Value<'a>, EvalError> {
    match argument(values, 0)? {
        Value::Double(double) => Ok(Value::Double(round(*double))),
        number if is_number(number) => Ok(number.clone()),
        other => Err(expected("a number", other)),
    }
}

fn abs<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    match argument(values, 0)? {
        Value::Int(int) => int.checked_abs().map(Value::Int).ok_or_else(|| number::overflow("int")),
        Value::Uint(uint) => Ok(Value::Uint(*uint)),
        Value::Double(double) => Ok(Value::Double(double.abs())),
        other => Err(expected("a number", other)),
    }
}

fn sign<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Result<Value<'a>, EvalError> {
    match argument(values, 0)? {
        Value::Int(int) => Ok(Value::Int(int.signum())),
        Value::Uint(uint) => Ok(Value::Uint((*uint).min(1))),
        Value::Double(double) if *double == 0.0 || double.is_nan() => Ok(Value::Double(*double)),
        Value::Double(double) => Ok(Value::Double(double.signum())),
        other => Err(expected("a number", other)),
    }
}
