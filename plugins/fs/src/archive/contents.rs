//! What goes into an archive, under which names and in which order.

use super::Archive;
use crate::{FILES, limits, list};
use jackfield_plugin_api::prelude::*;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// All entries of an archive.
pub(super) struct Contents {
    /// Sorted by name, so that a directory comes before what is in it.
    pub(super) entries: Vec<Entry>,
    /// Links and special files that were left out.
    pub(super) skipped: u64,
}

/// A file or directory to pack.
pub(super) struct Entry {
    /// Where it is, beginning as the parameter does.
    pub(super) path: PathBuf,
    /// What the archive calls it, with `/` between the parts; a directory's name ends with one.
    pub(super) name: String,
    /// Whether it is a directory.
    pub(super) is_dir: bool,
}

/// Everything in `from` that matches.
pub(super) fn collect(p: &Archive, is_cancelled: &dyn Fn() -> bool) -> Result<Contents, Error> {
    let failed = |error| FILES.error("cannot archive", &p.from, error);
    // a `from` that is a link stands for what it leads to
    let root = fs::canonicalize(&p.from).map_err(failed)?;
    let matcher = p.glob.as_deref().map(list::pattern).transpose()?;
    let target = fs::canonicalize(&p.to).ok();
    let is_one_file = !root.is_dir();
    let mut contents = Contents { entries: Vec::new(), skipped: 0 };
    for entry in WalkDir::new(&root).min_depth(usize::from(!is_one_file)) {
        if is_cancelled() {
            return Err(Error::cancelled());
        }
        let entry = entry.map_err(|error| unlisted(p, &root, error))?;
        let name = if is_one_file { p.from.file_name().map(Path::new) } else { inside(&root, entry.path()) };
        let name = name.ok_or_else(|| failed(ErrorKind::InvalidInput.into()))?;
        if matcher.as_ref().is_some_and(|matcher| !matcher.is_match(name)) {
            continue;
        }
        if target.as_deref() == Some(entry.path()) {
            if is_one_file {
                return Err(Error::validation("`from` and `to` are the same file"));
            }
            continue;
        }
        let (name, kind) = (written(p, name)?, entry.file_type());
        if !kind.is_file() && !kind.is_dir() {
            if !p.skip_special {
                return Err(limits::special_file(&p.from, &name));
            }
            contents.skipped += 1;
            continue;
        }
        if contents.entries.len() as u64 == p.max_entries {
            return Err(limits::too_many(&p.from, p.max_entries));
        }
        let is_dir = kind.is_dir();
        let name = if is_dir { name + "/" } else { name };
        let path = if is_one_file { p.from.clone() } else { p.from.join(&name) };
        contents.entries.push(Entry { path, name, is_dir });
    }
    contents.entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(contents)
}

fn inside<'a>(root: &Path, path: &'a Path) -> Option<&'a Path> {
    path.strip_prefix(root).ok()
}

/// The error of a directory, which begins as the parameter does.
fn unlisted(p: &Archive, root: &Path, error: walkdir::Error) -> Error {
    let place = error.path().and_then(|path| inside(root, path));
    let place = place.map_or_else(|| p.from.clone(), |name| p.from.join(name));
    let error = error.into_io_error().unwrap_or_else(|| ErrorKind::Other.into());
    FILES.error("cannot list", &place, error)
}

/// A relative path as archives write it.
fn written(p: &Archive, name: &Path) -> Result<String, Error> {
    let parts: Option<Vec<&str>> = name.iter().map(|part| part.to_str()).collect();
    let parts = parts.ok_or_else(|| limits::name_not_utf8(&p.from, &name.to_string_lossy()))?;
    Ok(parts.join("/"))
}
