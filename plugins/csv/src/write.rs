//! `save` and `append`: rows become lines of a file.

use crate::format::{decode, single_byte};
use crate::{FILES, Row, cell};
use jackfield_file_access::Target;
use jackfield_plugin_api::Error;
use jackfield_plugin_api::prelude::*;
use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// Rows between two looks at whether the call is cancelled.
const ROWS_PER_LOOK: usize = 4_096;
/// Longest header that `append` looks for at the beginning of a file, in bytes.
const HEADER_BYTES_MAX: u64 = 1024 * 1024;

/// Which file to write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Save {
    /// The file; what was there before is replaced. It is UTF-8.
    pub(crate) path: PathBuf,
    /// The rows. `null` becomes an empty field, lists and objects become JSON text.
    pub(crate) rows: Vec<Row>,
    /// Columns to write, in this order. By default all that occur, in order of their first occurrence.
    pub(crate) columns: Option<Vec<String>>,
    /// What stands between two fields: one ASCII character.
    #[serde(default = "comma")]
    pub(crate) delimiter: String,
    /// Whether the first line names the columns.
    #[serde(default = "yes")]
    pub(crate) header: bool,
    /// Whether missing directories on the way are made.
    #[serde(default)]
    pub(crate) create_dirs: bool,
}

/// What to add, and where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Append {
    /// The file, with a header and in UTF-8; it is begun if there is none.
    pub(crate) path: PathBuf,
    /// The rows. A column that the file does not have is an error, a missing one an empty field.
    pub(crate) rows: Vec<Row>,
    /// What stands between two fields: one ASCII character.
    #[serde(default = "comma")]
    pub(crate) delimiter: String,
}

/// What was written.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Saved {
    /// The file.
    pub(crate) path: PathBuf,
    /// Rows that this call wrote.
    pub(crate) rows: usize,
    /// Length of the file afterwards, in bytes.
    pub(crate) bytes: u64,
    /// Columns of the file in order.
    pub(crate) columns: Vec<String>,
}

fn comma() -> String {
    ",".to_owned()
}
const fn yes() -> bool {
    true
}

/// Performs `save`.
///
/// # Errors
/// `csv.header` if a column is named twice, errors of the file, `cancelled`; the file is then as it was.
pub(crate) fn save(p: &Save, is_cancelled: &dyn Fn() -> bool) -> Result<Saved, Error> {
    let delimiter = single_byte("delimiter", &p.delimiter)?;
    let columns = p.columns.clone().unwrap_or_else(|| columns_of(&p.rows));
    let target = Target { overwrite: true, create_dirs: p.create_dirs };
    let bytes = FILES.write(&p.path, target, |out| {
        let header = p.header.then_some(columns.as_slice());
        write_rows(out, delimiter, header, &columns, &p.rows, is_cancelled)
    })?;
    Ok(Saved { path: p.path.clone(), rows: p.rows.len(), bytes, columns })
}

/// Performs `append`. The rows are written and synced in one piece, so that a cancelled call adds nothing.
///
/// # Errors
/// `csv.header` if a row has a column that the file has not, errors of the file, `cancelled`.
pub(crate) fn append(p: &Append, is_cancelled: &dyn Fn() -> bool) -> Result<Saved, Error> {
    let delimiter = single_byte("delimiter", &p.delimiter)?;
    let failed = |error| FILES.error("cannot append to", &p.path, error);
    let mut file = match OpenOptions::new().read(true).append(true).open(&p.path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return begin(p, is_cancelled),
        Err(error) => return Err(failed(error)),
    };
    let columns = match header_of(&mut file, delimiter, p)? {
        Some(columns) => columns,
        None => return begin(p, is_cancelled),
    };
    let known: HashSet<&str> = columns.iter().map(String::as_str).collect();
    if let Some(extra) = p.rows.iter().flat_map(Row::keys).find(|key| !known.contains(key.as_str())) {
        let message =
            format!("`{}` has no column `{extra}`; it has `{}`", p.path.display(), columns.join("`, `"));
        return Err(Error::new("csv.header", message).permanent());
    }
    let mut text = Vec::new();
    file.seek(SeekFrom::End(-1)).map_err(failed)?;
    let mut last = [0];
    file.read_exact(&mut last).map_err(failed)?;
    if last != *b"\n" {
        text.push(b'\n');
    }
    write_rows(&mut text, delimiter, None, &columns, &p.rows, is_cancelled)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    Ok(Saved { path: p.path.clone(), rows: p.rows.len(), bytes, columns })
}

/// Begins a file that is missing or empty.
fn begin(p: &Append, is_cancelled: &dyn Fn() -> bool) -> Result<Saved, Error> {
    let (path, rows) = (p.path.clone(), p.rows.clone());
    let delimiter = p.delimiter.clone();
    save(&Save { path, rows, columns: None, delimiter, header: true, create_dirs: false }, is_cancelled)
}

/// Columns of a file; `None` if it is empty.
fn header_of(file: &mut std::fs::File, delimiter: u8, p: &Append) -> Result<Option<Vec<String>>, Error> {
    let mut bytes = Vec::new();
    let failed = |error| FILES.error("cannot read", &p.path, error);
    file.take(HEADER_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_reader(bytes.as_slice());
    let mut record = csv::ByteRecord::new();
    reader.read_byte_record(&mut record).map_err(write_error)?;
    record.iter().map(|name| Ok(decode(name, "utf-8")?.into_owned())).collect::<Result<_, Error>>().map(Some)
}

/// All columns of `rows` in order of their first occurrence.
fn columns_of(rows: &[Row]) -> Vec<String> {
    let mut seen = HashSet::new();
    rows.iter().flat_map(Row::keys).filter(|key| seen.insert(key.as_str())).cloned().collect()
}

fn write_rows(
    out: impl Write,
    delimiter: u8,
    header: Option<&[String]>,
    columns: &[String],
    rows: &[Row],
    is_cancelled: &dyn Fn() -> bool,
) -> Result<(), Error> {
    if let Some(twice) = columns.iter().enumerate().find(|(index, name)| columns[..*index].contains(name)) {
        return Err(Error::new("csv.header", format!("the column `{}` is named twice", twice.1)).permanent());
    }
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(out);
    // a row of no fields would be written as an empty pair of quotes
    let is_empty = columns.is_empty();
    if let Some(header) = header.filter(|_| !is_empty) {
        writer.write_record(header).map_err(write_error)?;
    }
    for (index, row) in rows.iter().enumerate().take_while(|_| !is_empty) {
        if index.is_multiple_of(ROWS_PER_LOOK) && is_cancelled() {
            return Err(Error::cancelled());
        }
        for column in columns {
            let field = row.get(column).map_or(Ok("".into()), cell::print)?;
            writer.write_field(field.as_bytes()).map_err(write_error)?;
        }
        writer.write_record(None::<&[u8]>).map_err(write_error)?;
    }
    writer.flush().map_err(|error| write_error(error.into()))
}

fn write_error(error: csv::Error) -> Error {
    let message = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::from(error),
        _ => Error::new("csv.malformed", message).permanent(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::fs;
    use std::path::Path;

    fn saved(path: &Path, more: Value) -> Result<Saved, Error> {
        let mut value = more;
        value["path"] = json!(path);
        save(&serde_json::from_value(value).unwrap(), &|| false)
    }

    fn appended(path: &Path, rows: Value) -> Result<Saved, Error> {
        append(&serde_json::from_value(json!({"path": path, "rows": rows})).unwrap(), &|| false)
    }

    #[test]
    fn rows_are_written_under_all_columns_that_occur() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        let done =
            saved(&path, json!({"rows": [{"a": 1, "b": null}, {"a": "x,\"y\"", "c": [1, 2]}]})).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "a,b,c\n1,,\n\"x,\"\"y\"\"\",,\"[1,2]\"\n");
        assert_eq!((done.rows, done.bytes), (2, text.len() as u64));
    }

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        let rows = json!([{"a": 1, "b": "two\nlines", "c": null}, {"a": -2.5, "b": "ü;,\"", "c": true}]);
        saved(&path, json!({"rows": rows, "delimiter": ";"})).unwrap();
        let load = serde_json::from_value(json!({"path": path, "delimiter": ";"})).unwrap();
        assert_eq!(serde_json::to_value(crate::read::load(&load, &|| false).unwrap().rows).unwrap(), rows);
    }

    #[test]
    fn append_begins_a_file_and_then_keeps_to_its_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        appended(&path, json!([{"a": 1, "b": 2}])).unwrap();
        appended(&path, json!([{"b": 4, "a": 3}, {"b": 5}])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a,b\n1,2\n3,4\n,5\n");
        let error = appended(&path, json!([{"a": 1, "z": 2}])).unwrap_err();
        assert_eq!(error.kind(), "csv.header");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a,b\n1,2\n3,4\n,5\n");
    }

    #[test]
    fn append_ends_an_open_last_line_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        fs::write(&path, "a\n1").unwrap();
        appended(&path, json!([{"a": 2}])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\n1\n2\n");
    }

    #[test]
    fn a_cancelled_save_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        fs::write(&path, "old").unwrap();
        let p = serde_json::from_value(json!({"path": path, "rows": [{"a": 1}]})).unwrap();
        assert_eq!(save(&p, &|| true).unwrap_err().kind(), "cancelled");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    }
}
