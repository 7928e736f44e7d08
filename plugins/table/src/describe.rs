//! `describe`: what the columns hold.

use crate::aggregate::{deviation, mean, median};
use crate::row::{Rows, json, key, order};
use indexmap::IndexMap;
use jackfield_plugin_api::prelude::*;
use serde_json::Value;
use std::collections::HashSet;

/// What to describe.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Describe {
    /// The rows.
    rows: Rows,
}

/// What there is.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Description {
    /// Number of rows.
    pub(crate) row_count: usize,
    /// Column name to what it holds, in order of first occurrence.
    pub(crate) columns: IndexMap<String, Column>,
}

/// What a column holds.
#[derive(Debug, Default, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Column {
    /// Values that are not null.
    pub(crate) count: usize,
    /// Null and missing values.
    pub(crate) null_count: usize,
    /// Different values.
    pub(crate) distinct: usize,
    /// Least value.
    pub(crate) min: Value,
    /// Greatest value.
    pub(crate) max: Value,
    /// Arithmetic mean of the numbers; null if there are none.
    pub(crate) mean: Value,
    /// Middle of the numbers.
    pub(crate) median: Value,
    /// Standard deviation of the numbers as a sample.
    pub(crate) stddev: Value,
}

pub(crate) fn describe(p: &Describe) -> Description {
    let mut values: IndexMap<&String, Vec<&Value>> = IndexMap::new();
    for (column, value) in p.rows.iter().flatten() {
        values.entry(column).or_default().push(value);
    }
    let columns = values.into_iter().map(|(name, values)| (name.clone(), column(&values, p.rows.len())));
    Description { row_count: p.rows.len(), columns: columns.collect() }
}

fn column(values: &[&Value], rows: usize) -> Column {
    let present: Vec<&Value> = values.iter().copied().filter(|value| !value.is_null()).collect();
    let numbers: Vec<f64> = present.iter().filter_map(|value| value.as_f64()).collect();
    let figure = |figure: Option<f64>| figure.map_or(Value::Null, json);
    let taken = |value: Option<&&Value>| value.map_or(Value::Null, |value| (*value).clone());
    Column {
        count: present.len(),
        null_count: rows - present.len(),
        distinct: present.iter().map(|value| key(value)).collect::<HashSet<_>>().len(),
        min: taken(present.iter().min_by(|a, b| order(a, b))),
        max: taken(present.iter().max_by(|a, b| order(a, b))),
        mean: figure(mean(&numbers)),
        stddev: figure(deviation(&numbers)),
        median: figure(median(numbers)),
    }
}
