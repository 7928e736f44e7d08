//! Writes the entries of an archive below a directory that nobody else knows, within limits.

use super::Extract;
use crate::{CHUNK_BYTES, FILES, limits};
use jackfield_plugin_api::prelude::*;
use serde_json::json;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write as _};
use std::path::{Component, Path, PathBuf};

/// What an entry is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    File {
        is_executable: bool,
    },
    Directory,
    /// A link, a pipe or a device.
    Special,
}

/// What was unpacked so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) entries: u64,
    pub(super) skipped: u64,
    pub(super) bytes: u64,
}

/// Unpacks one archive.
pub(super) struct Unpacker<'a> {
    p: &'a Extract,
    dir: &'a Path,
    is_cancelled: &'a dyn Fn() -> bool,
    chunk: Vec<u8>,
    found: Found,
    /// Entries, and directories that stand in names only.
    counted: u64,
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(p: &'a Extract, dir: &'a Path, is_cancelled: &'a dyn Fn() -> bool) -> Self {
        Self { p, dir, is_cancelled, chunk: vec![0; CHUNK_BYTES], found: Found::default(), counted: 0 }
    }

    pub(super) fn found(&self) -> Found {
        self.found
    }

    /// Unpacks an entry called `name`.
    pub(super) fn entry(&mut self, name: &str, kind: Kind, content: &mut dyn Read) -> Result<(), Error> {
        self.go_on()?;
        self.count()?;
        let path = self.path(name)?;
        match kind {
            Kind::Special if self.p.skip_special => {
                self.found.skipped += 1;
                return Ok(());
            }
            Kind::Special => return Err(limits::special_file(&self.p.from, name)),
            Kind::Directory => {
                self.make_parents(&path)?;
                self.make(&path)?;
            }
            Kind::File { is_executable } => {
                self.make_parents(&path)?;
                self.write(&path, is_executable, content)?;
            }
        }
        self.found.entries += 1;
        Ok(())
    }

    fn go_on(&self) -> Result<(), Error> {
        if (self.is_cancelled)() { Err(Error::cancelled()) } else { Ok(()) }
    }

    fn count(&mut self) -> Result<(), Error> {
        if self.counted == self.p.max_entries {
            return Err(limits::too_many(&self.p.from, self.p.max_entries));
        }
        self.counted += 1;
        Ok(())
    }

    /// The relative path that `name` means, if it stays below the directory.
    fn path(&self, name: &str) -> Result<PathBuf, Error> {
        let mut path = PathBuf::new();
        if name.starts_with('/') {
            return Err(self.unsafe_entry(name));
        }
        for part in name.split('/').filter(|part| !part.is_empty() && *part != ".") {
            // in Windows this tells `a\b` and `C:` from names; a colon there leads to a stream of a file
            let is_plain = Path::new(part).components().eq([Component::Normal(part.as_ref())]);
            if !is_plain || part.contains('\0') || (cfg!(windows) && part.contains(':')) {
                return Err(self.unsafe_entry(name));
            }
            path.push(part);
        }
        Ok(path)
    }

    fn unsafe_entry(&self, name: &str) -> Error {
        let from = &self.p.from;
        let message = format!("`{name}` in `{}` would leave the directory", from.display());
        Error::new("fs.unsafe_entry", message).permanent().details(&json!({ "path": from, "entry": name }))
    }

    /// Makes the directories that `path` lies in.
    fn make_parents(&mut self, path: &Path) -> Result<(), Error> {
        let parents: Vec<&Path> = path.ancestors().skip(1).collect();
        for parent in parents.into_iter().rev() {
            if self.make(parent)? {
                self.count()?;
            }
        }
        Ok(())
    }

    /// Makes one directory; whether it was missing.
    fn make(&self, path: &Path) -> Result<bool, Error> {
        let place = self.dir.join(path);
        match fs::create_dir(&place) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && place.is_dir() => Ok(false),
            Err(error) => Err(self.unwritten(path, error)),
        }
    }

    fn write(&mut self, path: &Path, is_executable: bool, content: &mut dyn Read) -> Result<(), Error> {
        let mut file = File::create_new(self.dir.join(path)).map_err(|error| self.unwritten(path, error))?;
        loop {
            self.go_on()?;
            let read = content.read(&mut self.chunk);
            let len = read.map_err(|error| limits::unreadable(&self.p.from, error))?;
            if len == 0 {
                break;
            }
            self.found.bytes += len as u64;
            if self.found.bytes > self.p.max_bytes {
                return Err(limits::too_large(&self.p.from, self.p.max_bytes));
            }
            file.write_all(&self.chunk[..len]).map_err(|error| self.unwritten(path, error))?;
        }
        if is_executable {
            allow_execution(&file).map_err(|error| self.unwritten(path, error))?;
        }
        file.sync_all().map_err(|error| self.unwritten(path, error))
    }

    fn unwritten(&self, path: &Path, error: std::io::Error) -> Error {
        if error.kind() == ErrorKind::AlreadyExists {
            let what = format!("two of its entries have the same name, `{}`", path.display());
            return limits::bad_archive(&self.p.from, &what);
        }
        FILES.error("cannot write", &self.p.to.join(path), error)
    }
}

/// Whoever may read the file may execute it.
#[cfg(unix)]
fn allow_execution(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata()?.permissions().mode();
    file.set_permissions(fs::Permissions::from_mode(mode | (mode & 0o444) >> 2))
}

/// Permissions to execute exist on Unix only.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
fn allow_execution(_file: &File) -> std::io::Result<()> {
    Ok(())
}
