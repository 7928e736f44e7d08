//! Optionals: what `.?field`, `[?index]` and `optional.of` yield.

use super::{Function, Style, argument, expected};
use crate::expr::EvalError;
use crate::expr::machine::Machine;
use crate::expr::value::Value;
use std::rc::Rc;

pub(super) const ALL: &[Function] = &[
    Function { name: "optional.of", style: Style::Global, arity: 1..=1, usage: "optional.of(x)", body: of },
    Function {
        name: "optional.ofNonZeroValue",
        style: Style::Global,
        arity: 1..=1,
        usage: "optional.ofNonZeroValue(x)",
        body: of_non_zero,
    },
    Function {
        name: "optional.none",
        style: Style::Global,
        arity: 0..=0,
        usage: "optional.none()",
        body: none,
    },
    Function { name: "hasValue", style: Style::Method, arity: 1..=1, usage: "x.hasValue()", body: has_value },
    Function { name: "value", style: Style::Method, arity: 1..=1, usage: "x.value()", body: value },
    Function { name: "orValue", style: Style::Method, arity: 2..=2, usage: "x.orValue(y)", body: or_value },
    Function { name: "or", style: Style::Method, arity: 2..=2, usage: "x.or(y)", body: or },
];

type Answer<'a> = Result<Value<'a>, EvalError>;

fn of<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    argument(values, 0).cloned().map(Value::some)
}

fn of_non_zero<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let value = argument(values, 0)?;
    let is_zero = match value {
        Value::Null | Value::Bool(false) | Value::Int(0) | Value::Uint(0) => true,
        Value::Double(double) => *double == 0.0,
        Value::Span(span) => span.is_zero(),
        other => {
            other.as_str().is_some_and(str::is_empty)
                || other.list_len() == Some(0)
                || other.map_len() == Some(0)
        }
    };
    Ok(if is_zero { Value::Optional(None) } else { Value::some(value.clone()) })
}

fn none<'a>(_: &mut Machine<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Optional(None))
}

fn inner<'v, 'a>(values: &'v [Value<'a>]) -> Result<&'v Option<Rc<Value<'a>>>, EvalError> {
    match argument(values, 0)? {
        Value::Optional(inner) => Ok(inner),
        other => Err(expected("an optional", other).hint("`.?field` and `[?index]` yield optionals.")),
    }
}

fn has_value<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    inner(values).map(|inner| Value::Bool(inner.is_some()))
}

fn value<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    match inner(values)? {
        Some(inner) => Ok((**inner).clone()),
        None => {
            Err(EvalError::new("the optional is empty").hint("`.orValue(y)` gives a value for this case."))
        }
    }
}

fn or_value<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    match inner(values)? {
        Some(inner) => Ok((**inner).clone()),
        None => argument(values, 1).cloned(),
    }
}

fn or<'a>(_: &mut Machine<'a>, values: &[Value<'a>]) -> Answer<'a> {
    let first = inner(values)?;
    match argument(values, 1)? {
        Value::Optional(_) if first.is_some() => argument(values, 0).cloned(),
        second @ Value::Optional(_) => Ok(second.clone()),
        other => Err(expected("an optional", other).hint("`.orValue(y)` takes a plain value.")),
    }
}
