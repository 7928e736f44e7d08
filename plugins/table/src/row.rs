//! Rows, and what all methods need to know about their values.

use jackfield_plugin_api::Error;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// One row: column name to value, in the order of the columns.
pub(crate) type Row = Map<String, Value>;
/// Rows.
pub(crate) type Rows = Vec<Row>;

/// The value of a column; a missing one is null.
pub(crate) fn value<'a>(row: &'a Row, column: &str) -> &'a Value {
    static NULL: Value = Value::Null;
    row.get(column).unwrap_or(&NULL)
}

/// The value of a column as a number; `None` if it is null.
///
/// # Errors
/// `table.not_a_number` if it is anything else.
pub(crate) fn number(row: &Row, column: &str, index: usize) -> Result<Option<f64>, Error> {
    match value(row, column) {
        Value::Null => Ok(None),
        Value::Number(number) => Ok(number.as_f64()),
        other => {
            let message = format!("column `{column}` of row {index} is {other}, expected a number");
            Err(Error::new("table.not_a_number", message).permanent())
        }
    }
}

/// Checks that a column occurs in at least one of the rows (or that there are none).
///
/// # Errors
/// `table.unknown_column`, naming the columns that there are.
pub(crate) fn require(rows: &[Row], column: &str) -> Result<(), Error> {
    if rows.is_empty() || rows.iter().any(|row| row.contains_key(column)) {
        return Ok(());
    }
    let known: Vec<_> = rows[0].keys().map(|name| format!("`{name}`")).collect();
    let message = format!("no row has a column `{column}`; the first row has {}", known.join(", "));
    Err(Error::new("table.unknown_column", message).permanent())
}

/// A number as JSON; whole ones without a fraction. What is not finite becomes null.
pub(crate) fn json(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        return Value::from(number as i64);
    }
    serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// Rounded to so many digits behind the point, if any are asked for.
pub(crate) fn rounded(number: f64, digits: Option<u8>) -> f64 {
    let Some(digits) = digits else { return number };
    let factor = 10_f64.powi(i32::from(digits));
    (number * factor).round() / factor
}

/// The order of values: numbers, text, truth values, lists and objects by their text; null last.
pub(crate) fn order(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) | Value::Object(_) => 3,
        Value::Null => 4,
    };
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().unwrap_or(f64::NAN).total_cmp(&b.as_f64().unwrap_or(f64::NAN))
        }
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)).then_with(|| a.to_string().cmp(&b.to_string())),
    }
}

/// A value as a key of groups and joins: `1` and `1.0` are the same.
pub(crate) fn key(value: &Value) -> String {
    match value {
        Value::Number(number) => json(number.as_f64().unwrap_or(f64::NAN)).to_string(),
        other => other.to_string(),
    }
}

/// The values of some columns as one key.
pub(crate) fn keys(row: &Row, columns: &[String]) -> String {
    columns.iter().map(|column| key(value(row, column))).collect::<Vec<_>>().join("\u{1f}")
}
