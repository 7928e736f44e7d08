//! The functions of expressions: one table, checked at compile time, called through pointers.

use super::EvalError;
use super::machine::Machine;
use super::node::Arithmetic;
use super::value::Value;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

mod convert;
mod lists;
mod numbers;
mod optionals;
mod strings;
mod times;

/// A function. Arguments arrive forced; the one that a method is called on comes first.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) style: Style,
    /// How many arguments, the target of a method counted.
    pub(super) arity: RangeInclusive<usize>,
    /// How it is called, for messages and documentation.
    pub(super) usage: &'static str,
    pub(super) body: Body,
}

/// What a function does.
pub(super) type Body = for<'a> fn(&mut Machine<'a>, &[Value<'a>]) -> Result<Value<'a>, EvalError>;

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `f(x)`
    Global,
    /// `x.f()`
    Method,
    /// Either.
    Both,
}

const NAMESPACES: [&str; 4] = ["lists", "math", "optional", "strings"];
/// Functions that the compiler itself understands.
const BUILT_IN: [&str; 21] = [
    "all",
    "bind",
    "dyn",
    "exists",
    "existsOne",
    "exists_one",
    "filter",
    "has",
    "map",
    "matches",
    "now",
    "optFlatMap",
    "optMap",
    "secret",
    "sortBy",
    "transformList",
    "transformMap",
    "transformMapEntry",
    "uuid",
    "size",
    "string",
];

static TABLE: LazyLock<HashMap<&'static str, &'static Function>> =
    LazyLock::new(|| groups().map(|function| (function.name, function)).collect());

fn groups() -> impl Iterator<Item = &'static Function> {
    [convert::ALL, lists::ALL, numbers::ALL, optionals::ALL, strings::ALL, times::ALL].into_iter().flatten()
}

/// The function called `name`, namespace included.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    TABLE.get(name).copied()
}

/// All names, for hints.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.into_iter().chain(groups().map(|function| function.name))
}

pub(super) fn is_namespace(name: &str) -> bool {
    NAMESPACES.contains(&name)
}

/// The candidate that `name` was most probably meant to be.
pub(super) fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(name, candidate);
    let limit = name.chars().count().div_ceil(3);
    candidates
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(far, _)| *far <= limit)
        .min()
        .map(|(_, c)| c)
}

/// `+` and `-` on what is no number: strings, lists, times.
pub(super) fn other_arithmetic<'a>(
    machine: &mut Machine<'a>,
    op: Arithmetic,
    left: &Value<'a>,
    right: &Value<'a>,
) -> Result<Value<'a>, EvalError> {
    if op == Arithmetic::Add {
        if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
            machine.build(a.len() + b.len())?;
            return Ok(Value::text([a, b].concat()));
        }
        if left.list_len().is_some() && right.list_len().is_some() {
            return lists::concat(machine, left, right);
        }
    }
    if let Some(result) = times::arithmetic(op, left, right) {
        return result;
    }
    let (verb, joint) = match op {
        Arithmetic::Add => ("add", "and"),
        Arithmetic::Subtract => ("subtract", "and"),
        Arithmetic::Multiply => ("multiply", "and"),
        Arithmetic::Divide => ("divide", "by"),
        Arithmetic::Remainder => ("take the remainder of", "by"),
    };
    let error = EvalError::new(format!("cannot {verb} {} {joint} {}", left.describe(), right.describe()));
    if op == Arithmetic::Add && (left.as_str().is_some() || right.as_str().is_some()) {
        return Err(error.hint("`string(x)` turns a value into text."));
    }
    Err(error)
}

/// Argument `ix` as text.
fn text<'v>(values: &'v [Value<'_>], ix: usize) -> Result<&'v str, EvalError> {
    let value = argument(values, ix)?;
    value.as_str().ok_or_else(|| expected("a string", value))
}

/// Argument `ix` as a whole number.
fn int(values: &[Value<'_>], ix: usize) -> Result<i64, EvalError> {
    match argument(values, ix)? {
        Value::Int(int) => Ok(*int),
        Value::Uint(uint) if i64::try_from(*uint).is_ok() => Ok(uint.cast_signed()),
        other => Err(expected("an int", other)),
    }
}

/// Argument `ix` as a position: a whole number that is not negative.
fn index(values: &[Value<'_>], ix: usize) -> Result<usize, EvalError> {
    let number = int(values, ix)?;
    usize::try_from(number).map_err(|_| EvalError::new(format!("the index `{number}` is negative")))
}

fn argument<'v, 'a>(values: &'v [Value<'a>], ix: usize) -> Result<&'v Value<'a>, EvalError> {
    values.get(ix).ok_or_else(|| EvalError::new("an argument is missing"))
}

fn expected(what: &str, got: &Value<'_>) -> EvalError {
    EvalError::new(format!("expected {what}, got {}", got.describe()))
}
