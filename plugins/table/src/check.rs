//! `validate`: rows that break rules are set aside and counted, never dropped silently.

use crate::row::{Row, Rows, key, value};
use indexmap::IndexMap;
use jackfield_plugin_api::prelude::*;
use regex::Regex;
use serde_json::Value;
use std::collections::HashSet;

/// Bad rows that are listed at most; all are counted.
const LISTED_MAX: usize = 1_000;

/// What to check, and by which rules.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Validate {
    /// The rows.
    rows: Rows,
    /// Column name to rule.
    rules: IndexMap<String, Rule>,
    /// More bad rows than this are an error `table.too_many_bad_rows`; no limit if absent.
    max_bad: Option<usize>,
}

/// What the values of a column must be. Null values are checked for `required` only.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Rule {
    /// The type of the values.
    #[serde(rename = "type")]
    kind: Option<Kind>,
    /// Whether null and missing values are bad.
    required: bool,
    /// Least number.
    min: Option<f64>,
    /// Greatest number.
    max: Option<f64>,
    /// The allowed values.
    one_of: Option<Vec<Value>>,
    /// A regular expression that text must match somewhere.
    pattern: Option<String>,
    /// Whether a value may occur only once; the first row that has it is good.
    unique: bool,
}

/// A type of values.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// Any number.
    Number,
    /// A number without a fraction.
    Integer,
    /// Text.
    String,
    /// A truth value.
    Boolean,
}

/// What the check came to.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Checked {
    /// The rows that keep all rules.
    pub(crate) rows: Rows,
    /// How many they are.
    pub(crate) valid_count: usize,
    /// How many rows break a rule.
    pub(crate) bad_count: usize,
    /// The first 1,000 of those.
    pub(crate) bad: Vec<Bad>,
}

/// A row that breaks rules.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Bad {
    /// Its position among all rows, from 0.
    pub(crate) index: usize,
    /// The row.
    pub(crate) row: Row,
    /// What is wrong with it.
    pub(crate) problems: Vec<String>,
}

/// A rule with what its check keeps.
struct Check {
    column: String,
    rule: Rule,
    pattern: Option<Regex>,
    seen: HashSet<String>,
}

pub(crate) fn validate(p: Validate) -> Result<Checked, Error> {
    let mut checks = p.rules.into_iter().map(Check::new).collect::<Result<Vec<_>, _>>()?;
    let mut checked = Checked { rows: Rows::new(), valid_count: 0, bad_count: 0, bad: Vec::new() };
    for (index, row) in p.rows.into_iter().enumerate() {
        let problems: Vec<String> = checks.iter_mut().filter_map(|check| check.problem(&row)).collect();
        if problems.is_empty() {
            checked.valid_count += 1;
            checked.rows.push(row);
            continue;
        }
        checked.bad_count += 1;
        if checked.bad.len() < LISTED_MAX {
            checked.bad.push(Bad { index, row, problems });
        }
    }
    if let Some(max_bad) = p.max_bad.filter(|max_bad| checked.bad_count > *max_bad) {
        let message = format!("{} rows break a rule, at most {max_bad} may", checked.bad_count);
        return Err(Error::new("table.too_many_bad_rows", message).permanent().details(&checked.bad));
    }
    Ok(checked)
}

impl Check {
    fn new((column, rule): (String, Rule)) -> Result<Self, Error> {
        let pattern = rule.pattern.as_deref().map(Regex::new).transpose();
        let pattern = pattern.map_err(|error| {
            Error::validation(format!("`pattern` of column `{column}` is no regular expression: {error}"))
        })?;
        Ok(Self { column, rule, pattern, seen: HashSet::new() })
    }

    fn problem(&mut self, row: &Row) -> Option<String> {
        let (column, rule) = (&self.column, &self.rule);
        let found = value(row, column);
        if found.is_null() {
            return rule.required.then(|| format!("`{column}` is missing"));
        }
        if let Some(kind) = rule.kind.filter(|kind| !kind.fits(found)) {
            return Some(format!("`{column}` is {found}, expected {kind:?}").to_lowercase());
        }
        if let (Some(min), Some(number)) = (rule.min, found.as_f64())
            && number < min
        {
            return Some(format!("`{column}` is {found}, less than {min}"));
        }
        if let (Some(max), Some(number)) = (rule.max, found.as_f64())
            && number > max
        {
            return Some(format!("`{column}` is {found}, more than {max}"));
        }
        let is_listed = |all: &Vec<Value>| all.iter().any(|one| key(one) == key(found));
        if rule.one_of.as_ref().is_some_and(|all| !is_listed(all)) {
            return Some(format!("`{column}` is {found}, which is not among the allowed values"));
        }
        if let (Some(pattern), Some(text)) = (&self.pattern, found.as_str())
            && !pattern.is_match(text)
        {
            return Some(format!("`{column}` is {found}, which does not match `{}`", pattern.as_str()));
        }
        (rule.unique && !self.seen.insert(key(found))).then(|| format!("`{column}` is {found} once more"))
    }
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Number => value.is_number(),
            Self::Integer => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
        }
    }
}
