//! One field of a file as a value, and back.

use jackfield_plugin_api::Error;
use jackfield_plugin_api::prelude::*;
use serde_json::{Number, Value};
use std::borrow::Cow;

/// What the fields of a column are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CellType {
    /// The text as it stands.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`, in any case.
    Boolean,
}

impl CellType {
    /// Its name as parameters write it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// The value that `text` looks like: a number if JSON would call it one, `true` or `false` in any case, otherwise the
/// text. `007` stays text, and so does a whole number that is too long to be kept exactly.
pub(crate) fn infer(text: &str) -> Value {
    if let Some(number) = number(text) {
        return Value::Number(number);
    }
    boolean(text).map_or_else(|| Value::String(text.to_owned()), Value::Bool)
}

/// The value of `text` as `wanted`; `None` if it is none.
pub(crate) fn convert(text: &str, wanted: CellType) -> Option<Value> {
    match wanted {
        CellType::String => Some(Value::String(text.to_owned())),
        CellType::Integer => number(text).filter(|number| !number.is_f64()).map(Value::Number),
        CellType::Number => number(text).map(Value::Number),
        CellType::Boolean => boolean(text).map(Value::Bool),
    }
}

fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        || text.ends_with(char::is_whitespace)
    {
        return None;
    }
    let number: Number = serde_json::from_str(text).ok()?;
    let is_whole = !text.contains(['.', 'e', 'E']);
    (!is_whole || !number.is_f64()).then_some(number)
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// `value` as the text of a field: `null` is empty, lists and objects are JSON.
///
/// # Errors
/// Never for values that came from JSON.
pub(crate) fn print(value: &Value) -> Result<Cow<'_, str>, Error> {
    Ok(match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(serde_json::to_string(other)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_json_calls_a_number_is_one() {
        for (text, value) in [
            ("12", json!(12)),
            ("-3.5", json!(-3.5)),
            ("1e3", json!(1000.0)),
            ("007", json!("007")),
            ("+1", json!("+1")),
            ("1 ", json!("1 ")),
            ("NaN", json!("NaN")),
            ("1,5", json!("1,5")),
            ("123456789012345678901234", json!("123456789012345678901234")),
            ("TRUE", json!(true)),
            ("-", json!("-")),
        ] {
            assert_eq!(infer(text), value, "{text}");
        }
    }

    #[test]
    fn a_wanted_type_is_never_guessed_around() {
        assert_eq!(convert("12", CellType::String), Some(json!("12")));
        assert_eq!(convert("1.5", CellType::Integer), None);
        assert_eq!(convert("yes", CellType::Boolean), None);
        assert_eq!(convert("n/a", CellType::Number), None);
    }
}
