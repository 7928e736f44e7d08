//! `scale` and `normalize`: arithmetic on numeric columns.

use crate::Table;
use crate::aggregate::{deviation, mean};
use crate::row::{Rows, json, number, require, rounded};
use jackfield_plugin_api::prelude::*;
use serde_json::Value;

/// What to compute: factor * value + offset.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scale {
    /// The rows.
    rows: Rows,
    /// The column to read. Null stays null.
    column: String,
    /// The column to write; the same if absent.
    #[serde(rename = "as")]
    target: Option<String>,
    /// What the value is multiplied with; 1 if absent.
    #[serde(default = "one")]
    factor: f64,
    /// What is added then; 0 if absent.
    #[serde(default)]
    offset: f64,
    /// Digits behind the point to round to; not rounded if absent.
    #[schemars(range(max = 15))]
    digits: Option<u8>,
}

/// What to normalize.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Normalize {
    /// The rows.
    rows: Rows,
    /// The columns, each by itself. Null stays null.
    columns: Vec<String>,
    /// How.
    #[serde(default)]
    method: Method,
}

/// A way to normalize.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Method {
    /// The least becomes 0, the greatest 1; all 0 if they are equal.
    #[default]
    Minmax,
    /// Mean 0 and standard deviation 1; all 0 if there is no deviation.
    Zscore,
}

fn one() -> f64 {
    1.0
}

pub(crate) fn scale(mut p: Scale) -> Result<Table, Error> {
    require(&p.rows, &p.column)?;
    let target = p.target.as_ref().unwrap_or(&p.column);
    for (index, row) in p.rows.iter_mut().enumerate() {
        let found = number(row, &p.column, index)?;
        let value = found.map(|value| json(rounded(value * p.factor + p.offset, p.digits)));
        row.insert(target.clone(), value.unwrap_or(Value::Null));
    }
    Ok(Table { rows: p.rows })
}

pub(crate) fn normalize(mut p: Normalize) -> Result<Table, Error> {
    for column in &p.columns {
        require(&p.rows, column)?;
        let found: Vec<Option<f64>> =
            p.rows.iter().enumerate().map(|(ix, row)| number(row, column, ix)).collect::<Result<_, _>>()?;
        let numbers: Vec<f64> = found.iter().flatten().copied().collect();
        let (from, width) = match p.method {
            Method::Minmax => {
                let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
                let greatest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                (least, greatest - least)
            }
            Method::Zscore => (mean(&numbers).unwrap_or_default(), deviation(&numbers).unwrap_or_default()),
        };
        for (row, value) in p.rows.iter_mut().zip(found) {
            let value = value.map(|value| if width == 0.0 { 0.0 } else { (value - from) / width });
            row.insert(column.clone(), value.map_or(Value::Null, json));
        }
    }
    Ok(Table { rows: p.rows })
}
