//! `derive`: parts of dates.

use crate::Table;
use crate::row::{Rows, require, value};
use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use jackfield_plugin_api::prelude::*;
use serde_json::Value;

/// How dates may be written. Without a time it is midnight.
const FORMATS: [&str; 8] = [
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S%.f%:z",
];
const DATE_FORMATS: [&str; 2] = ["%Y/%m/%d", "%Y-%m-%d"];

/// What to derive from which column.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Derive {
    /// The rows.
    rows: Rows,
    /// The column with dates, such as `2012/01/31`, `2010/01/31 08:00` or ISO 8601. Null stays null.
    column: String,
    /// The column to write.
    #[serde(rename = "as")]
    target: String,
    /// Which part.
    op: Part,
    /// Whether a value that is no date becomes null; else it is an error that names the row.
    #[serde(default)]
    bad_as_null: bool,
}

/// A part of a date.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Part {
    /// 2012
    Year,
    /// 1 to 12
    Month,
    /// 1 to 31
    Day,
    /// 0 to 23
    Hour,
    /// 1 (Monday) to 7
    Weekday,
    /// `2012-01-31`
    Date,
    /// `2012-01`
    YearMonth,
}

pub(crate) fn derive(mut p: Derive) -> Result<Table, Error> {
    require(&p.rows, &p.column)?;
    for (index, row) in p.rows.iter_mut().enumerate() {
        let found = match value(row, &p.column) {
            Value::Null => Value::Null,
            text => match text.as_str().and_then(parse) {
                Some(time) => part(time, p.op),
                None if p.bad_as_null => Value::Null,
                None => {
                    let message = format!("column `{}` of row {index} is {text}, expected a date", p.column);
                    return Err(Error::new("table.not_a_date", message).permanent());
                }
            },
        };
        row.insert(p.target.clone(), found);
    }
    Ok(Table { rows: p.rows })
}

fn parse(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    let time = FORMATS.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let date = || DATE_FORMATS.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok());
    time.or_else(|| date()?.and_hms_opt(0, 0, 0))
}

fn part(time: NaiveDateTime, part: Part) -> Value {
    match part {
        Part::Year => Value::from(time.year()),
        Part::Month => Value::from(time.month()),
        Part::Day => Value::from(time.day()),
        Part::Hour => Value::from(time.hour()),
        Part::Weekday => Value::from(time.weekday().number_from_monday()),
        Part::Date => Value::from(time.format("%Y-%m-%d").to_string()),
        Part::YearMonth => Value::from(time.format("%Y-%m").to_string()),
    }
}
