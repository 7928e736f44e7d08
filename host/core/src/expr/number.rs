//! Arithmetic, equality and order. Integers mix with doubles; what overflows is an error and never wraps.

use super::EvalError;
use super::machine::Machine;
use super::node::{Arithmetic, Comparison};
use super::value::Value;
use std::cmp::Ordering;

/// A number of any of the three kinds.
#[derive(Clone, Copy, Debug)]
enum Number {
    Int(i64),
    Uint(u64),
    Double(f64),
}

impl Number {
    fn of(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Int(int) => Some(Self::Int(*int)),
            Value::Uint(uint) => Some(Self::Uint(*uint)),
            Value::Double(double) => Some(Self::Double(*double)),
            _ => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "mixing with a double yields the nearest double")]
    fn as_f64(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Uint(uint) => uint as f64,
            Self::Double(double) => double,
        }
    }
}

/// Numbers only; `None` if one of them is none.
pub(super) fn arithmetic<'a>(
    op: Arithmetic,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Option<Result<Value<'a>, EvalError>> {
    let (left, right) = (Number::of(left)?, Number::of(right)?);
    Some(match (left, right) {
        (Number::Int(a), Number::Int(b)) => integers(op, a, b),
        (Number::Double(_), _) | (_, Number::Double(_)) => Ok(doubles(op, left.as_f64(), right.as_f64())),
        (Number::Uint(a), Number::Uint(b)) => unsigned(op, a, b),
        (Number::Int(a), Number::Uint(b)) => mixed(op, i128::from(a), i128::from(b)),
        (Number::Uint(a), Number::Int(b)) => mixed(op, i128::from(a), i128::from(b)),
    })
}

fn integers<'a>(op: Arithmetic, a: i64, b: i64) -> Result<Value<'a>, EvalError> {
    let result = match op {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide | Arithmetic::Remainder if b == 0 => return Err(division_by_zero(op)),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Remainder => a.checked_rem(b),
    };
    result.map(Value::Int).ok_or_else(|| overflow("int"))
}

fn unsigned<'a>(op: Arithmetic, a: u64, b: u64) -> Result<Value<'a>, EvalError> {
    let result = match op {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide | Arithmetic::Remainder if b == 0 => return Err(division_by_zero(op)),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Remainder => a.checked_rem(b),
    };
    result.map(Value::Uint).ok_or_else(|| overflow("uint"))
}

/// An int and a uint: an int if that can hold the result, else a uint.
fn mixed<'a>(op: Arithmetic, a: i128, b: i128) -> Result<Value<'a>, EvalError> {
    let result = match op {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide | Arithmetic::Remainder if b == 0 => return Err(division_by_zero(op)),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Remainder => a.checked_rem(b),
    };
    let int = result.and_then(|wide| i64::try_from(wide).ok()).map(Value::Int);
    let uint = result.and_then(|wide| u64::try_from(wide).ok()).map(Value::Uint);
    int.or(uint).ok_or_else(|| overflow("int"))
}

fn doubles<'a>(op: Arithmetic, a: f64, b: f64) -> Value<'a> {
    Value::Double(match op {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Remainder => a % b,
    })
}

fn division_by_zero(op: Arithmetic) -> EvalError {
    EvalError::new(if op == Arithmetic::Divide {
        "division by zero"
    } else {
        "remainder of a division by zero"
    })
}

pub(super) fn overflow(kind: &str) -> EvalError {
    EvalError::new(format!("{kind} overflow"))
        .hint("Use a double where numbers may grow so large: `double(x)`.")
}

/// Whether two values are equal; values of different types are not, but numbers compare by their value.
///
/// # Errors
/// If comparing takes more work than the machine allows.
pub(super) fn equal(
    machine: &mut Machine<'_>,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<bool, EvalError> {
    machine.work(1)?;
    if let (Some(a), Some(b)) = (Number::of(left), Number::of(right)) {
        return Ok(order_numbers(a, b) == Some(Ordering::Equal));
    }
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        return Ok(a == b);
    }
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Time(a), Value::Time(b)) => Ok(a == b),
        (Value::Span(a), Value::Span(b)) => Ok(a == b),
        (Value::Type(a), Value::Type(b)) => Ok(a == b),
        (Value::Payload(a), _) => equal(machine, &Value::from_json(a.value()), right),
        (_, Value::Payload(b)) => equal(machine, left, &Value::from_json(b.value())),
        (Value::Optional(a), Value::Optional(b)) => match (a, b) {
            (Some(a), Some(b)) => equal(machine, a, b),
            (None, None) => Ok(true),
            _ => Ok(false),
        },
        _ => equal_containers(machine, left, right),
    }
}

fn equal_containers(
    machine: &mut Machine<'_>,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<bool, EvalError> {
    if let (Some(a), Some(b)) = (left.list_len(), right.list_len()) {
        if a != b {
            return Ok(false);
        }
        for ((_, x), (_, y)) in left.entries().zip(right.entries()) {
            if !equal(machine, &x, &y)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    let (Some(a), Some(b)) = (left.map_len(), right.map_len()) else { return Ok(false) };
    if a != b {
        return Ok(false);
    }
    for (key, x) in left.entries() {
        let Some(y) = right.entry_of(&key) else { return Ok(false) };
        if !equal(machine, &x, &y)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How two values are ordered; `None` for NaN.
///
/// # Errors
/// If their types have no order between them.
pub(super) fn order(left: &Value<'_>, right: &Value<'_>) -> Result<Option<Ordering>, EvalError> {
    if let (Some(a), Some(b)) = (Number::of(left), Number::of(right)) {
        return Ok(order_numbers(a, b));
    }
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        return Ok(Some(a.cmp(b)));
    }
    match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => Ok(Some(a.cmp(b))),
        (Value::Time(a), Value::Time(b)) => Ok(Some(a.cmp(b))),
        (Value::Span(a), Value::Span(b)) => Ok(Some(a.cmp(b))),
        _ => Err(EvalError::new(format!("cannot order {} and {}", left.describe(), right.describe()))),
    }
}

/// Whether `op` holds.
///
/// # Errors
/// As [`equal`] and [`order`].
pub(super) fn compare(
    machine: &mut Machine<'_>,
    op: Comparison,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<bool, EvalError> {
    let order = match op {
        Comparison::Equal => return equal(machine, left, right),
        Comparison::NotEqual => return equal(machine, left, right).map(|equal| !equal),
        _ => order(left, right)?,
    };
    Ok(match op {
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    })
}

fn order_numbers(a: Number, b: Number) -> Option<Ordering> {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
        (Number::Uint(a), Number::Uint(b)) => Some(a.cmp(&b)),
        (Number::Double(a), Number::Double(b)) => a.partial_cmp(&b),
        (Number::Int(a), Number::Uint(b)) => Some(i128::from(a).cmp(&i128::from(b))),
        (Number::Uint(a), Number::Int(b)) => Some(i128::from(a).cmp(&i128::from(b))),
        (Number::Int(a), Number::Double(b)) => order_exactly(i128::from(a), b),
        (Number::Uint(a), Number::Double(b)) => order_exactly(i128::from(a), b),
        (Number::Double(a), Number::Int(b)) => order_exactly(i128::from(b), a).map(Ordering::reverse),
        (Number::Double(a), Number::Uint(b)) => order_exactly(i128::from(b), a).map(Ordering::reverse),
    }
}

/// Compares without rounding the integer: 2^53 + 1 is not equal to 2.0^53.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the double is within the range of i128 and has no fraction"
)]
fn order_exactly(integer: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    if double.abs() >= 1e20 {
        return Some(if double > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let floor = double.floor();
    let order = integer.cmp(&(floor as i128));
    let has_fraction = double > floor;
    Some(if order == Ordering::Equal && has_fraction { Ordering::Less } else { order })
}
