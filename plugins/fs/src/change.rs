//! `write`, `copy`, `move` and `delete`: what changes a file.

use crate::{CHUNK_BYTES, FILES};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jackfield_file_access::Target;
use jackfield_plugin_api::prelude::*;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::PathBuf;

/// What to write, and where: either `text` or `base64`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Write {
    /// The file.
    path: PathBuf,
    /// The content as text; it is written as UTF-8.
    text: Option<String>,
    /// The content as base64 with padding.
    base64: Option<String>,
    /// Whether a file that is already there is replaced.
    #[serde(default = "yes")]
    overwrite: bool,
    /// Whether missing directories on the way are made.
    #[serde(default)]
    create_dirs: bool,
}

/// From where to where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transfer {
    /// What there is.
    from: PathBuf,
    /// Its new path, including the name.
    to: PathBuf,
    /// Whether a file that is already there is replaced.
    #[serde(default = "yes")]
    overwrite: bool,
    /// Whether missing directories on the way are made.
    #[serde(default)]
    create_dirs: bool,
}

/// What to delete.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delete {
    /// A file, a symbolic link or an empty directory.
    path: PathBuf,
    /// Whether it is fine if there is nothing.
    #[serde(default)]
    missing_ok: bool,
}

const fn yes() -> bool {
    true
}

/// What is there now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Changed {
    /// The file.
    path: PathBuf,
    /// Its length in bytes.
    bytes: u64,
}

/// What became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Deleted {
    /// Whether there was something to delete.
    deleted: bool,
}

/// Performs `write`.
///
/// # Errors
/// `validation` for wrong base64, errors of the file.
pub(crate) fn write(p: &Write) -> Result<Changed, Error> {
    let content = match (&p.text, &p.base64) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(code)) => {
            STANDARD.decode(code).map_err(|error| Error::validation(format!("`base64`: {error}")))?
        }
        _ => return Err(Error::validation("`write` needs either `text` or `base64`")),
    };
    let target = Target { overwrite: p.overwrite, create_dirs: p.create_dirs };
    let bytes = FILES.write(&p.path, target, |out| Ok(out.write_all(&content)?))?;
    Ok(Changed { path: p.path.clone(), bytes })
}

/// Performs `copy`.
///
/// # Errors
/// Errors of the files, `cancelled`; the target is then as it was.
pub(crate) fn copy(p: &Transfer, is_cancelled: &dyn Fn() -> bool) -> Result<Changed, Error> {
    let failed = |error| FILES.error("cannot read", &p.from, error);
    let mut from = fs::File::open(&p.from).map_err(failed)?;
    let target = Target { overwrite: p.overwrite, create_dirs: p.create_dirs };
    let bytes = FILES.write(&p.to, target, |out| {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            if is_cancelled() {
                return Err(Error::cancelled());
            }
            match from.read(&mut chunk).map_err(failed)? {
                0 => return Ok(()),
                len => out.write_all(&chunk[..len])?,
            }
        }
    })?;
    Ok(Changed { path: p.to.clone(), bytes })
}

/// Performs `move`. A file that goes to another file system is copied and then deleted.
///
/// # Errors
/// `fs.already_exists`, errors of the files, `cancelled`.
pub(crate) fn relocate(p: &Transfer, is_cancelled: &dyn Fn() -> bool) -> Result<Changed, Error> {
    let failed = |error| FILES.error("cannot move to", &p.to, error);
    let metadata =
        fs::symlink_metadata(&p.from).map_err(|error| FILES.error("cannot move", &p.from, error))?;
    // another process may create the target after this look: a rename cannot be told to spare it everywhere
    if !p.overwrite && fs::symlink_metadata(&p.to).is_ok() {
        return Err(failed(ErrorKind::AlreadyExists.into()));
    }
    if let Some(folder) = p.to.parent().filter(|_| p.create_dirs) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    match fs::rename(&p.from, &p.to) {
        Ok(()) => {
            let bytes = if metadata.is_dir() { 0 } else { metadata.len() };
            Ok(Changed { path: p.to.clone(), bytes })
        }
        Err(error) if error.kind() == ErrorKind::CrossesDevices && metadata.is_file() => {
            let moved = copy(p, is_cancelled)?;
            fs::remove_file(&p.from).map_err(|error| FILES.error("cannot delete", &p.from, error))?;
            Ok(moved)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Performs `delete`.
///
/// # Errors
/// `fs.not_found` unless that is fine, `fs.directory_not_empty`, other errors of the file.
pub(crate) fn delete(p: &Delete) -> Result<Deleted, Error> {
    let removed = fs::symlink_metadata(&p.path).and_then(|metadata| {
        if metadata.is_dir() { fs::remove_dir(&p.path) } else { fs::remove_file(&p.path) }
    });
    match removed {
        Ok(()) => Ok(Deleted { deleted: true }),
        Err(error) if p.missing_ok && error.kind() == ErrorKind::NotFound => Ok(Deleted { deleted: false }),
        Err(error) => Err(FILES.error("cannot delete", &p.path, error)),
    }
}
