//! `sort`.

use crate::Table;
use crate::row::{Rows, order, require, value};
use jackfield_plugin_api::prelude::*;
use std::cmp::Ordering;

/// What to sort, and by what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sort {
    /// The rows.
    rows: Rows,
    /// The columns, the most important first.
    by: Vec<By>,
}

/// One column to sort by. Numbers come before text; null comes last, also when descending.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct By {
    /// The column.
    column: String,
    /// Whether the greatest comes first.
    #[serde(default)]
    desc: bool,
}

pub(crate) fn sort(mut p: Sort) -> Result<Table, Error> {
    for by in &p.by {
        require(&p.rows, &by.column)?;
    }
    p.rows.sort_by(|a, b| {
        let compare = |by: &By| {
            let (a, b) = (value(a, &by.column), value(b, &by.column));
            let order = order(a, b);
            if by.desc && !a.is_null() && !b.is_null() { order.reverse() } else { order }
        };
        p.by.iter().map(compare).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    Ok(Table { rows: p.rows })
}
