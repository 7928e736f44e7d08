//! `load`: from the bytes of a file to rows, with every row that does not fit set aside.

use crate::cell::{self, CellType};
use crate::format::{decode, single_byte};
use crate::{FILES, Row};
use csv::StringRecord;
use jackfield_plugin_api::Error;
use jackfield_plugin_api::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

/// Default of `max_bytes`.
const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Default of `max_rows`.
const MAX_ROWS: usize = 1_000_000;
/// Bad rows that are listed; all are counted.
const BAD_ROWS_LISTED: usize = 1_000;
/// Characters of a bad row that are shown.
const RAW_CHARS: usize = 1_000;
/// Rows between two looks at whether the call is cancelled.
const ROWS_PER_LOOK: usize = 4_096;

/// Which file to read, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    /// The file.
    pub(crate) path: PathBuf,
    /// What stands between two fields: one ASCII character, such as `;` or a tab.
    #[serde(default = "comma")]
    pub(crate) delimiter: String,
    /// What surrounds fields that contain delimiters: one ASCII character. It is doubled inside such a field.
    #[serde(default = "double_quote")]
    pub(crate) quote: String,
    /// Whether the first row names the columns. Otherwise they are called `column_1`, `column_2` and so on.
    #[serde(default = "yes")]
    pub(crate) header: bool,
    /// Character encoding by its usual name, such as `utf-8`, `latin-1` or `shift_jis`. A byte order mark wins over it.
    #[serde(default = "utf_8")]
    pub(crate) encoding: String,
    /// Whether spaces around fields and column names are removed.
    #[serde(default)]
    pub(crate) trim: bool,
    /// Whether fields that look like numbers or booleans become such. If not, all are strings.
    #[serde(default = "yes")]
    pub(crate) infer: bool,
    /// Type of single columns, by their name in the file, instead of inference. A field that does not fit makes the
    /// row a bad one.
    #[serde(default)]
    pub(crate) types: BTreeMap<String, CellType>,
    /// Texts that stand for `null`. The empty field does by default.
    #[serde(default = "empty_field")]
    pub(crate) null_values: Vec<String>,
    /// Columns to keep, in this order, by their name in the file. All by default.
    pub(crate) columns: Option<Vec<String>>,
    /// New names of columns: from the name in the file to the name in the rows.
    #[serde(default)]
    pub(crate) rename: BTreeMap<String, String>,
    /// Stop after this many good rows.
    pub(crate) limit: Option<usize>,
    /// What becomes of rows with a wrong number of fields or with a field of the wrong type.
    #[serde(default)]
    pub(crate) on_bad_row: OnBadRow,
    /// Largest file that is read, in bytes.
    #[serde(default = "max_bytes")]
    pub(crate) max_bytes: u64,
    /// Most good rows that are returned; more are an error.
    #[serde(default = "max_rows")]
    pub(crate) max_rows: usize,
}

/// What becomes of a row that does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnBadRow {
    /// The method fails with `csv.malformed`.
    Fail,
    /// It is counted.
    Skip,
    /// It is counted and listed in `bad_rows`.
    #[default]
    Collect,
}

fn comma() -> String {
    ",".to_owned()
}
fn double_quote() -> String {
    "\"".to_owned()
}
fn utf_8() -> String {
    "utf-8".to_owned()
}
fn empty_field() -> Vec<String> {
    vec![String::new()]
}
const fn yes() -> bool {
    true
}
const fn max_bytes() -> u64 {
    MAX_BYTES
}
const fn max_rows() -> usize {
    MAX_ROWS
}

/// The content of a file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Loaded {
    /// The good rows.
    pub(crate) rows: Vec<Row>,
    /// Names of the columns in order.
    pub(crate) columns: Vec<String>,
    /// Number of good rows.
    pub(crate) row_count: usize,
    /// Number of rows that did not fit.
    pub(crate) bad_row_count: usize,
    /// The first 1,000 rows that did not fit, if `on_bad_row` is `collect`.
    pub(crate) bad_rows: Vec<BadRow>,
}

/// A row that did not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct BadRow {
    /// Line of the file on which it begins; the first is 1.
    pub(crate) line: u64,
    /// What is wrong with it.
    pub(crate) reason: String,
    /// Its text, at most 1,000 characters.
    pub(crate) raw: String,
}

/// Performs `load`.
///
/// # Errors
/// `csv.malformed` for a bad row if `on_bad_row` is `fail`, `csv.header` for unusable column names, `csv.encoding`,
/// `csv.too_large`, `csv.not_found` and other errors of the file, `cancelled`.
pub(crate) fn load(p: &Load, is_cancelled: &dyn Fn() -> bool) -> Result<Loaded, Error> {
    let bytes = FILES.read(&p.path, p.max_bytes)?;
    let text =
        decode(&bytes, &p.encoding).map_err(|error| error.context(format!("`{}`", p.path.display())))?;
    parse(p, &text, is_cancelled)
}

/// A column that is kept.
struct Column {
    index: usize,
    name: String,
    wanted: Option<CellType>,
}

fn parse(p: &Load, text: &str, is_cancelled: &dyn Fn() -> bool) -> Result<Loaded, Error> {
    let quote = single_byte("quote", &p.quote)?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(single_byte("delimiter", &p.delimiter)?)
        .quote(quote)
        .has_headers(false)
        .flexible(true)
        .trim(if p.trim { csv::Trim::All } else { csv::Trim::None })
        .from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut pending = read_record(&mut reader, &mut record)?;
    let names = if pending { column_names(p, &record)? } else { Vec::new() };
    let columns = select(p, &names)?;
    if p.header && pending {
        pending = read_record(&mut reader, &mut record)?;
    }
    let mut loaded = Loaded {
        rows: Vec::new(),
        columns: columns.iter().map(|column| column.name.clone()).collect(),
        row_count: 0,
        bad_row_count: 0,
        bad_rows: Vec::new(),
    };
    let mut seen = 0_usize;
    while pending && p.limit.is_none_or(|limit| loaded.rows.len() < limit) {
        seen += 1;
        if seen.is_multiple_of(ROWS_PER_LOOK) && is_cancelled() {
            return Err(Error::cancelled());
        }
        let end = usize::try_from(reader.position().byte()).unwrap_or(text.len());
        match row(p, &record, &columns, names.len()) {
            Ok(_) if loaded.rows.len() == p.max_rows => return Err(too_many_rows(p)),
            Ok(row) => loaded.rows.push(row),
            Err(reason) => set_aside(p, &mut loaded, bad_row(text, &record, end, quote, reason))?,
        }
        pending = read_record(&mut reader, &mut record)?;
    }
    loaded.row_count = loaded.rows.len();
    Ok(loaded)
}

fn read_record(reader: &mut csv::Reader<&[u8]>, record: &mut StringRecord) -> Result<bool, Error> {
    reader.read_record(record).map_err(|error| Error::new("csv.malformed", error.to_string()).permanent())
}

fn too_many_rows(p: &Load) -> Error {
    let message = format!("`{}` has more good rows than `max_rows`, {}", p.path.display(), p.max_rows);
    Error::new("csv.too_large", message).permanent()
}

/// Names of all columns of the file.
fn column_names(p: &Load, first: &StringRecord) -> Result<Vec<String>, Error> {
    let numbered = |index: usize| format!("column_{}", index + 1);
    if !p.header {
        return Ok((0..first.len()).map(numbered).collect());
    }
    let names: Vec<String> = (first.iter().enumerate())
        .map(|(index, name)| if name.is_empty() { numbered(index) } else { name.to_owned() })
        .collect();
    unique(&names, "the header of the file")?;
    Ok(names)
}

fn unique(names: &[String], place: &str) -> Result<(), Error> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => Err(header_error(format!("{place} has the column `{twice}` twice"))),
        None => Ok(()),
    }
}

fn header_error(message: String) -> Error {
    Error::new("csv.header", message).permanent()
}

/// The columns to keep.
fn select(p: &Load, names: &[String]) -> Result<Vec<Column>, Error> {
    let kept = p.columns.as_deref().unwrap_or(names);
    for wanted in kept.iter().chain(p.rename.keys()).chain(p.types.keys()) {
        if !names.contains(wanted) {
            let known = names.join("`, `");
            return Err(header_error(format!("the file has no column `{wanted}`; it has `{known}`")));
        }
    }
    let renamed: Vec<String> = kept.iter().map(|name| p.rename.get(name).unwrap_or(name).clone()).collect();
    unique(&renamed, "the result")?;
    let index = |name: &String| names.iter().position(|known| known == name).unwrap_or_default();
    Ok((kept.iter().zip(renamed))
        .map(|(name, renamed)| Column {
            index: index(name),
            name: renamed,
            wanted: p.types.get(name).copied(),
        })
        .collect())
}

/// The row of `record`, or why there is none.
fn row(p: &Load, record: &StringRecord, columns: &[Column], width: usize) -> Result<Row, String> {
    if record.len() != width {
        return Err(format!("{} fields instead of {width}", record.len()));
    }
    let mut row = Row::new();
    for column in columns {
        let text = &record[column.index];
        let value = if p.null_values.iter().any(|null| null == text) {
            Value::Null
        } else if let Some(wanted) = column.wanted {
            cell::convert(text, wanted)
                .ok_or_else(|| format!("`{text}` in column `{}` is no {}", column.name, wanted.name()))?
        } else if p.infer {
            cell::infer(text)
        } else {
            Value::String(text.to_owned())
        };
        row.insert(column.name.clone(), value);
    }
    Ok(row)
}

/// The place and the text of a record that ends before the byte `end`.
fn bad_row(text: &str, record: &StringRecord, end: usize, quote: u8, reason: String) -> BadRow {
    let (start, line) = record.position().map_or((0, 1), |place| (place.byte(), place.line()));
    let start = usize::try_from(start).unwrap_or_default();
    // a record's position may stand before the line ends that were skipped to find it
    let whole = text.get(start..end).unwrap_or_default();
    let raw = whole.trim_start_matches(['\n', '\r']);
    let skipped = whole[..whole.len() - raw.len()].bytes().filter(|byte| *byte == b'\n').count() as u64;
    let quotes = raw.bytes().filter(|byte| *byte == quote).count();
    let reason = if quotes % 2 == 1 { format!("{reason}; a quote is never closed") } else { reason };
    BadRow {
        line: line + skipped,
        reason,
        raw: raw.trim_end_matches(['\n', '\r']).chars().take(RAW_CHARS).collect(),
    }
}

fn set_aside(p: &Load, loaded: &mut Loaded, bad: BadRow) -> Result<(), Error> {
    loaded.bad_row_count += 1;
    match p.on_bad_row {
        OnBadRow::Fail => {
            let message = format!("`{}`, line {}: {}", p.path.display(), bad.line, bad.reason);
            return Err(Error::new("csv.malformed", message).permanent().details(&bad));
        }
        OnBadRow::Collect if loaded.bad_rows.len() < BAD_ROWS_LISTED => loaded.bad_rows.push(bad),
        OnBadRow::Collect | OnBadRow::Skip => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
