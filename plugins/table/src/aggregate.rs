//! `group` and `aggregate`: figures over rows.

use crate::Table;
use crate::row::{Row, Rows, json, keys, number, order, require, rounded, value};
use indexmap::IndexMap;
use jackfield_plugin_api::prelude::*;
use serde_json::{Map, Value};

/// Rows between two looks at whether the call is cancelled.
const ROWS_PER_LOOK: usize = 4_096;

/// What to group, and what to compute for each group.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// The rows.
    rows: Rows,
    /// The columns that the rows of a group agree in.
    by: Vec<String>,
    /// The figures to compute.
    aggregates: Vec<Measure>,
}

/// What to compute over all rows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Aggregate {
    /// The rows.
    rows: Rows,
    /// The figures to compute.
    aggregates: Vec<Measure>,
}

/// One figure.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Measure {
    /// What to compute.
    op: Op,
    /// Over which column; not needed for `count`, which then counts rows. Null values are left out.
    column: Option<String>,
    /// Name of the figure; `op_column` if absent.
    #[serde(rename = "as")]
    name: Option<String>,
    /// Digits behind the point to round to; not rounded if absent.
    #[schemars(range(max = 15))]
    digits: Option<u8>,
}

/// A kind of figure.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Op {
    /// How many values, or rows.
    Count,
    /// Sum; 0 of none.
    Sum,
    /// Arithmetic mean; null of none.
    Mean,
    /// Least value, of any type.
    Min,
    /// Greatest value, of any type.
    Max,
    /// Middle value; the mean of the two middle ones if their number is even.
    Median,
    /// Standard deviation of a sample; null of fewer than two.
    Stddev,
    /// Value of the first row that has one.
    First,
    /// Value of the last row that has one.
    Last,
}

/// Figures by name.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Figures {
    /// Name to value.
    pub(crate) values: Map<String, Value>,
    /// Rows that went in.
    pub(crate) row_count: usize,
}

pub(crate) fn group(p: Group, is_cancelled: &dyn Fn() -> bool) -> Result<Table, Error> {
    for column in &p.by {
        require(&p.rows, column)?;
    }
    check(&p.rows, &p.aggregates)?;
    let mut groups: IndexMap<String, Vec<usize>> = IndexMap::new();
    for (index, row) in p.rows.iter().enumerate() {
        if index % ROWS_PER_LOOK == 0 && is_cancelled() {
            return Err(Error::cancelled());
        }
        groups.entry(keys(row, &p.by)).or_default().push(index);
    }
    let mut rows = Rows::with_capacity(groups.len());
    for members in groups.values() {
        let first = &p.rows[members[0]];
        let mut row: Row = p.by.iter().map(|by| (by.clone(), value(first, by).clone())).collect();
        for measure in &p.aggregates {
            row.insert(measure.name(), measure.of(&p.rows, members)?);
        }
        rows.push(row);
    }
    Ok(Table { rows })
}

pub(crate) fn aggregate(p: &Aggregate) -> Result<Figures, Error> {
    check(&p.rows, &p.aggregates)?;
    let all: Vec<usize> = (0..p.rows.len()).collect();
    let figure = |measure: &Measure| Ok((measure.name(), measure.of(&p.rows, &all)?));
    let values = p.aggregates.iter().map(figure).collect::<Result<_, Error>>()?;
    Ok(Figures { values, row_count: p.rows.len() })
}

fn check(rows: &[Row], measures: &[Measure]) -> Result<(), Error> {
    for measure in measures {
        match &measure.column {
            Some(column) => require(rows, column)?,
            None if measure.op == Op::Count => {}
            None => return Err(Error::validation(format!("`{}` needs a `column`", measure.name()))),
        }
    }
    Ok(())
}

impl Measure {
    fn name(&self) -> String {
        let op = format!("{:?}", self.op).to_lowercase();
        let full = self.column.as_ref().map_or_else(|| op.clone(), |column| format!("{op}_{column}"));
        self.name.clone().unwrap_or(full)
    }

    fn of(&self, rows: &[Row], members: &[usize]) -> Result<Value, Error> {
        let Some(column) = &self.column else { return Ok(Value::from(members.len())) };
        let values = || members.iter().map(|ix| value(&rows[*ix], column)).filter(|value| !value.is_null());
        let numbers = || -> Result<Vec<f64>, Error> {
            let found = members.iter().map(|ix| number(&rows[*ix], column, *ix));
            found.filter_map(Result::transpose).collect()
        };
        let number = |figure: Option<f64>| figure.map_or(Value::Null, |f| json(rounded(f, self.digits)));
        let taken = |value: Option<&Value>| value.cloned().unwrap_or_default();
        Ok(match self.op {
            Op::Count => Value::from(values().count()),
            Op::Sum => number(Some(numbers()?.iter().sum())),
            Op::Mean => number(mean(&numbers()?)),
            Op::Median => number(median(numbers()?)),
            Op::Stddev => number(deviation(&numbers()?)),
            Op::Min => taken(values().min_by(|a, b| order(a, b))),
            Op::Max => taken(values().max_by(|a, b| order(a, b))),
            Op::First => taken(values().next()),
            Op::Last => taken(values().next_back()),
        })
    }
}

pub(crate) fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

pub(crate) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => None,
        len if len % 2 == 1 => Some(numbers[middle]),
        _ => Some((numbers[middle - 1] + numbers[middle]) / 2.0),
    }
}

pub(crate) fn deviation(numbers: &[f64]) -> Option<f64> {
    let mean = mean(numbers).filter(|_| numbers.len() > 1)?;
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    Some((squares / (numbers.len() - 1) as f64).sqrt())
}
