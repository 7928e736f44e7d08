//! `select` and `concat`: which columns, which rows.

use crate::Table;
use crate::row::{Rows, require};
use jackfield_plugin_api::prelude::*;
use std::collections::HashMap;

/// Which columns to keep.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Select {
    /// The rows.
    rows: Rows,
    /// Columns to keep, in this order; all if absent.
    columns: Option<Vec<String>>,
    /// New names: old name to new name.
    #[serde(default)]
    rename: HashMap<String, String>,
}

/// Which tables to put together.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Concat {
    /// Rows of each table.
    pub(crate) tables: Vec<Rows>,
}

pub(crate) fn select(p: Select) -> Result<Table, Error> {
    for column in p.columns.iter().flatten().chain(p.rename.keys()) {
        require(&p.rows, column)?;
    }
    let name = |column: String| p.rename.get(&column).cloned().unwrap_or(column);
    let keep = |mut row: crate::row::Row| match &p.columns {
        None => row.into_iter().map(|(column, value)| (name(column), value)).collect(),
        Some(columns) => columns
            .iter()
            .map(|column| (name(column.clone()), row.remove(column).unwrap_or_default()))
            .collect(),
    };
    Ok(Table { rows: p.rows.into_iter().map(keep).collect() })
}
