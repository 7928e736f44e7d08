//! How much `archive` and `extract` take unless told otherwise, and what they say about more.

use crate::FILES;
use jackfield_plugin_api::prelude::*;
use serde_json::json;
use std::io;
use std::path::Path;

/// Bytes of all files in an archive: 4 GiB.
pub(crate) const fn max_bytes() -> u64 {
    4 * 1024 * 1024 * 1024
}

/// Files and directories in an archive: as many as `list` returns.
pub(crate) const fn max_entries() -> u64 {
    100_000
}

/// The error `fs.too_large`.
pub(crate) fn too_large(path: &Path, max_bytes: u64) -> Error {
    let message = format!("`{}` holds more bytes than `max_bytes`, {max_bytes}", path.display());
    Error::new("fs.too_large", message).permanent().details(&json!({ "path": path, "max_bytes": max_bytes }))
}

/// The error `fs.too_many`.
pub(crate) fn too_many(path: &Path, max_entries: u64) -> Error {
    let message = format!("`{}` holds more entries than `max_entries`, {max_entries}", path.display());
    Error::new("fs.too_many", message)
        .permanent()
        .details(&json!({ "path": path, "max_entries": max_entries }))
}

/// The error `fs.special_file`: `name` in `path` is neither a file nor a directory.
pub(crate) fn special_file(path: &Path, name: &str) -> Error {
    let message = format!(
        "`{name}` in `{}` is a link or a special file. Leave such entries out with `skip_special`.",
        path.display()
    );
    Error::new("fs.special_file", message).permanent().details(&json!({ "path": path, "entry": name }))
}

/// The error `fs.not_utf8` for a name, of which `shown` is a likeness.
pub(crate) fn name_not_utf8(path: &Path, shown: &str) -> Error {
    let message = format!("the name `{shown}` in `{}` is not UTF-8", path.display());
    Error::new("fs.not_utf8", message).permanent().details(&json!({ "path": path }))
}

/// The error `fs.bad_archive`.
pub(crate) fn bad_archive(path: &Path, what: &str) -> Error {
    let message = format!("`{}` is damaged or no such archive: {what}", path.display());
    Error::new("fs.bad_archive", message).permanent().details(&json!({ "path": path }))
}

/// What went wrong while an archive was read: the archive itself, or the reading of its file.
pub(crate) fn unreadable(path: &Path, error: io::Error) -> Error {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::InvalidData | Kind::InvalidInput | Kind::UnexpectedEof | Kind::Other => {
            bad_archive(path, &error.to_string())
        }
        _ => FILES.error("cannot extract", path, error),
    }
}
