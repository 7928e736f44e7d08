//! `query`, `merge` and `validate`.

use jackfield_plugin_api::prelude::*;
use serde_json::{Map, Value};
use serde_json_path::JsonPath;

/// Faults that `validate` lists at most.
const ERRORS_MAX: usize = 1_000;

/// What to look for, and where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// Any value.
    value: Value,
    /// A JSONPath as in RFC 9535, such as `$.rows[?@.temp > 30].date`.
    path: String,
}

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// The values, in the order of the document.
    values: Vec<Value>,
    /// How many they are.
    count: usize,
}

/// What to put together.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Merge {
    /// Objects; null counts as an empty one.
    values: Vec<Value>,
    /// Whether objects inside are merged too, instead of replaced.
    #[serde(default)]
    deep: bool,
}

/// What to check, and by which schema.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Validate {
    /// Any value.
    value: Value,
    /// A JSON Schema; 2020-12 unless its `$schema` says otherwise.
    schema: Value,
}

/// What the check came to.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Checked {
    /// Whether the value fits.
    valid: bool,
    /// The first 1,000 places that do not.
    errors: Vec<Misfit>,
}

/// A place that does not fit.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Misfit {
    /// JSON pointer into the value; empty for the whole.
    pointer: String,
    /// What is wrong there.
    message: String,
}

pub(crate) fn query(p: &Query) -> Result<Found, Error> {
    let path = JsonPath::parse(&p.path)
        .map_err(|error| Error::validation(format!("`path` is `{}`: {error}", p.path)))?;
    let values: Vec<Value> = path.query(&p.value).all().into_iter().cloned().collect();
    Ok(Found { count: values.len(), values })
}

pub(crate) fn merge(p: Merge) -> Result<Value, Error> {
    let mut merged = Map::new();
    for (index, value) in p.values.into_iter().enumerate() {
        match value {
            Value::Object(object) => put(&mut merged, object, p.deep),
            Value::Null => {}
            other => {
                return Err(Error::validation(format!("`values[{index}]` is {other}, expected an object")));
            }
        }
    }
    Ok(Value::Object(merged))
}

fn put(into: &mut Map<String, Value>, from: Map<String, Value>, deep: bool) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) if deep => put(inner, value, deep),
            (_, value) => _ = into.insert(key, value),
        }
    }
}

pub(crate) fn validate(p: &Validate) -> Result<Checked, Error> {
    let validator = jsonschema::validator_for(&p.schema)
        .map_err(|error| Error::validation(format!("`schema` is no JSON Schema: {error}")))?;
    let misfit = |error: jsonschema::ValidationError<'_>| Misfit {
        pointer: error.instance_path().to_string(),
        message: error.to_string(),
    };
    let errors: Vec<Misfit> = validator.iter_errors(&p.value).take(ERRORS_MAX).map(misfit).collect();
    Ok(Checked { valid: errors.is_empty(), errors })
}
