//! `join`: rows of two tables that agree in some columns.

use crate::Table;
use crate::row::{Row, Rows, keys, require};
use jackfield_plugin_api::prelude::*;
use std::collections::{HashMap, HashSet};

/// Rows of a result at most; beyond that the join is refused, for a mistake in the columns is likely.
const ROWS_MAX: usize = 10_000_000;
/// Left rows between two looks at whether the call is cancelled.
const ROWS_PER_LOOK: usize = 1_024;

/// What to join, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Join {
    /// Rows of the left table.
    left: Rows,
    /// Rows of the right table.
    right: Rows,
    /// Columns that both have; or say `left_on` and `right_on`.
    on: Option<Vec<String>>,
    /// Columns of the left table.
    left_on: Option<Vec<String>>,
    /// Columns of the right table, as many.
    right_on: Option<Vec<String>>,
    /// What happens to rows without a partner.
    #[serde(default)]
    how: How,
    /// What is put behind the names of right columns that the left table has too.
    #[serde(default = "suffix")]
    suffix: String,
}

/// Which rows a join keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum How {
    /// Only pairs.
    #[default]
    Inner,
    /// All left rows.
    Left,
    /// All right rows.
    Right,
    /// All rows.
    Outer,
}

fn suffix() -> String {
    "_right".into()
}

pub(crate) fn join(p: &Join, is_cancelled: &dyn Fn() -> bool) -> Result<Table, Error> {
    let (left_on, right_on) = columns(p)?;
    let left_columns: HashSet<&String> = p.left.iter().flat_map(Row::keys).collect();
    let mut partners: HashMap<String, Vec<usize>> = HashMap::new();
    for (ix, row) in p.right.iter().enumerate() {
        partners.entry(keys(row, right_on)).or_default().push(ix);
    }
    let shared: HashSet<&String> =
        left_on.iter().zip(right_on).filter(|(l, r)| l == r).map(|(_, r)| r).collect();
    let name = |column: &String| {
        if left_columns.contains(column) { format!("{column}{}", p.suffix) } else { column.clone() }
    };
    let mut rows = Rows::new();
    let mut is_met = vec![false; p.right.len()];
    for (ix, left) in p.left.iter().enumerate() {
        if ix % ROWS_PER_LOOK == 0 && is_cancelled() {
            return Err(Error::cancelled());
        }
        let found = partners.get(&keys(left, left_on)).map_or(&[][..], Vec::as_slice);
        for partner in found {
            is_met[*partner] = true;
            let mut row = left.clone();
            let others = p.right[*partner].iter().filter(|(column, _)| !shared.contains(column));
            row.extend(others.map(|(column, value)| (name(column), value.clone())));
            rows.push(row);
        }
        if found.is_empty() && matches!(p.how, How::Left | How::Outer) {
            rows.push(left.clone());
        }
        if rows.len() > ROWS_MAX {
            let message =
                format!("the result has more than {ROWS_MAX} rows; are the columns to join on right?");
            return Err(Error::new("table.too_large", message).permanent());
        }
    }
    if matches!(p.how, How::Right | How::Outer) {
        for (right, _) in p.right.iter().zip(&is_met).filter(|(_, is_met)| !**is_met) {
            let cell = |(column, value): (&String, &serde_json::Value)| {
                let at = right_on.iter().position(|on| on == column);
                (at.map_or_else(|| name(column), |at| left_on[at].clone()), value.clone())
            };
            rows.push(right.iter().map(cell).collect());
        }
    }
    Ok(Table { rows })
}

fn columns(p: &Join) -> Result<(&Vec<String>, &Vec<String>), Error> {
    let pair = match (&p.on, &p.left_on, &p.right_on) {
        (Some(on), None, None) => (on, on),
        (None, Some(left), Some(right)) if left.len() == right.len() => (left, right),
        _ => {
            let message = "give either `on`, or `left_on` and `right_on` with the same number of columns";
            return Err(Error::validation(message));
        }
    };
    pair.0.iter().try_for_each(|column| require(&p.left, column))?;
    pair.1.iter().try_for_each(|column| require(&p.right, column))?;
    Ok(pair)
}
