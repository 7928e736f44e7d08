//! `list`: which files there are.

use crate::FILES;
use chrono::{DateTime, SecondsFormat, Utc};
use globset::{GlobBuilder, GlobMatcher};
use jackfield_plugin_api::prelude::*;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Entries that one call lists at most.
const ENTRIES_MAX: usize = 100_000;

/// What to list: either `glob` or `dir`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    /// A pattern of paths: `*` stays within one directory, `**` does not.
    glob: Option<String>,
    /// A directory.
    dir: Option<PathBuf>,
    /// Whether directories below `dir` are listed too.
    #[serde(default)]
    recursive: bool,
}

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Listed {
    /// Sorted by path.
    files: Vec<Entry>,
}

/// One file or directory.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Entry {
    /// Where it is, beginning as the parameter does.
    path: PathBuf,
    /// Last part of the path.
    name: String,
    /// Length in bytes; 0 for a directory.
    bytes: u64,
    /// Time of the last change in RFC 3339, UTC; `null` if the file system has none.
    modified: Option<String>,
    /// Whether it is a directory.
    is_dir: bool,
}

/// Performs `list`. Symbolic links are listed, not followed.
///
/// # Errors
/// `fs.too_many` above 100,000 entries, `validation` for a wrong pattern, errors of the directory, `cancelled`.
pub(crate) fn list(p: &List, is_cancelled: &dyn Fn() -> bool) -> Result<Listed, Error> {
    let (root, matcher, depth) = match (&p.glob, &p.dir) {
        (Some(glob), None) => (fixed_part(glob), Some(pattern(glob)?), usize::MAX),
        (None, Some(dir)) => (dir.clone(), None, if p.recursive { usize::MAX } else { 1 }),
        _ => return Err(Error::validation("`list` needs either `glob` or `dir`")),
    };
    let walked_root = if root.as_os_str().is_empty() { PathBuf::from(".") } else { root.clone() };
    let mut files = Vec::new();
    for entry in WalkDir::new(&walked_root).max_depth(depth).min_depth(usize::from(matcher.is_none())) {
        if is_cancelled() {
            return Err(Error::cancelled());
        }
        let entry = entry.map_err(|error| walk_error(&walked_root, error))?;
        let path = if root.as_os_str().is_empty() {
            entry.path().strip_prefix(".").unwrap_or(entry.path())
        } else {
            entry.path()
        };
        if matcher.as_ref().is_some_and(|matcher| !matcher.is_match(path)) {
            continue;
        }
        if files.len() == ENTRIES_MAX {
            let message = format!("`{}` has more than {ENTRIES_MAX} entries", walked_root.display());
            return Err(Error::new("fs.too_many", message).permanent());
        }
        files.push(describe(&entry, path, &walked_root)?);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Listed { files })
}

/// The parameter `glob`: `*` stays within one directory, `**` does not.
pub(crate) fn pattern(glob: &str) -> Result<GlobMatcher, Error> {
    let built = GlobBuilder::new(glob).literal_separator(true).build();
    Ok(built.map_err(|error| Error::validation(format!("`glob`: {error}")))?.compile_matcher())
}

fn describe(entry: &walkdir::DirEntry, path: &Path, root: &Path) -> Result<Entry, Error> {
    let metadata = entry.metadata().map_err(|error| walk_error(root, error))?;
    let modified = metadata
        .modified()
        .ok()
        .map(|time| DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true));
    let is_dir = metadata.is_dir();
    Ok(Entry {
        path: path.to_path_buf(),
        name: entry.file_name().to_string_lossy().into_owned(),
        bytes: if is_dir { 0 } else { metadata.len() },
        modified,
        is_dir,
    })
}

/// The directories at the beginning of a pattern that hold no wildcard.
fn fixed_part(glob: &str) -> PathBuf {
    let parts: Vec<_> = Path::new(glob).components().collect();
    let is_wild = |text: &str| text.contains(['*', '?', '[', '{', '\\']);
    let fixed = parts.iter().take_while(|part| !is_wild(&part.as_os_str().to_string_lossy())).count();
    parts[..fixed.min(parts.len().saturating_sub(1))].iter().collect()
}

pub(crate) fn walk_error(root: &Path, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(root).to_path_buf();
    let error = error.into_io_error().unwrap_or_else(|| std::io::ErrorKind::Other.into());
    FILES.error("cannot list", &path, error)
}
