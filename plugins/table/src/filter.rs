//! `filter`: the rows that meet conditions.

use crate::Table;
use crate::row::{Row, Rows, key, order, require, value};
use jackfield_plugin_api::prelude::*;
use serde_json::Value;
use std::cmp::Ordering;

/// Which rows to keep.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// The rows.
    rows: Rows,
    /// The conditions.
    #[serde(rename = "where")]
    conditions: Vec<Condition>,
    /// How many of the conditions a row must meet.
    #[serde(default, rename = "match")]
    quorum: Quorum,
}

/// One condition.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Condition {
    /// The column to look at.
    column: String,
    /// How to compare.
    op: Op,
    /// What to compare with; a list for `in`, nothing for `is_null` and `not_null`.
    #[serde(default)]
    value: Value,
}

/// How many conditions must hold.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Quorum {
    /// Every one.
    #[default]
    All,
    /// At least one.
    Any,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
enum Op {
    /// Equal.
    #[serde(rename = "==")]
    Equal,
    /// Not equal.
    #[serde(rename = "!=")]
    Different,
    /// Less.
    #[serde(rename = "<")]
    Less,
    /// At most.
    #[serde(rename = "<=")]
    AtMost,
    /// Greater.
    #[serde(rename = ">")]
    Greater,
    /// At least.
    #[serde(rename = ">=")]
    AtLeast,
    /// Among the values of a list.
    #[serde(rename = "in")]
    In,
    /// Text that contains a text.
    #[serde(rename = "contains")]
    Contains,
    /// Text that begins with a text.
    #[serde(rename = "starts_with")]
    StartsWith,
    /// Null or missing.
    #[serde(rename = "is_null")]
    IsNull,
    /// Neither null nor missing.
    #[serde(rename = "not_null")]
    NotNull,
}

pub(crate) fn filter(p: Filter) -> Result<Table, Error> {
    for condition in &p.conditions {
        require(&p.rows, &condition.column)?;
        if condition.op == Op::In && !condition.value.is_array() {
            let message = format!("`value` for `in` is {}, expected a list", condition.value);
            return Err(Error::validation(message));
        }
    }
    let meets = |row: &Row| match p.quorum {
        Quorum::All => p.conditions.iter().all(|condition| condition.holds(row)),
        Quorum::Any => p.conditions.iter().any(|condition| condition.holds(row)),
    };
    Ok(Table { rows: p.rows.into_iter().filter(meets).collect() })
}

impl Condition {
    fn holds(&self, row: &Row) -> bool {
        let found = value(row, &self.column);
        let text = || (found.as_str().unwrap_or_default(), self.value.as_str().unwrap_or_default());
        // values of different types, and null, are neither less nor greater
        let compared = || {
            let is_same = matches!(
                (found, &self.value),
                (Value::Number(_), Value::Number(_)) | (Value::String(_), Value::String(_))
            );
            is_same.then(|| order(found, &self.value))
        };
        match self.op {
            Op::Equal => key(found) == key(&self.value),
            Op::Different => key(found) != key(&self.value),
            Op::Less => compared() == Some(Ordering::Less),
            Op::AtMost => compared().is_some_and(Ordering::is_le),
            Op::Greater => compared() == Some(Ordering::Greater),
            Op::AtLeast => compared().is_some_and(Ordering::is_ge),
            Op::In => self.value.as_array().is_some_and(|all| all.iter().any(|one| key(one) == key(found))),
            Op::Contains => found.is_string() && text().0.contains(text().1),
            Op::StartsWith => found.is_string() && text().0.starts_with(text().1),
            Op::IsNull => found.is_null(),
            Op::NotNull => !found.is_null(),
        }
    }
}
