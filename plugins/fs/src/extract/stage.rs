//! A hidden directory in the target, from which files move to their places when all of them are there.

use super::Extract;
use crate::{FILES, list};
use jackfield_plugin_api::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use walkdir::WalkDir;

/// The hidden directory; it vanishes with what is still in it.
pub(super) struct Stage {
    // dropped in this order: the directory is in one of those that were made
    dir: TempDir,
    made: Made,
    target: PathBuf,
}

/// Directories that were made on the way, outermost first; they vanish again unless they are kept or used.
struct Made(Vec<PathBuf>);

impl Drop for Made {
    fn drop(&mut self) {
        for dir in self.0.iter().rev() {
            // somebody else may use it already, and nobody could be told
            drop(fs::remove_dir(dir));
        }
    }
}

/// A file, or a directory that is new to the target, and where it goes.
struct Move {
    /// Relative to both.
    name: PathBuf,
    /// The permissions of the file that is replaced, which it hands on.
    permissions: Option<fs::Permissions>,
}

impl Stage {
    /// Makes the target if it is missing, and the hidden directory in it.
    pub(super) fn make(p: &Extract) -> Result<Self, Error> {
        let failed = |error| FILES.error("cannot extract to", &p.to, error);
        let made = make_dirs(p).map_err(failed)?;
        let target = fs::canonicalize(&p.to).map_err(failed)?;
        let dir = tempfile::Builder::new().prefix(".").suffix(".partial").tempdir_in(&target);
        Ok(Self { dir: dir.map_err(failed)?, made, target })
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Moves everything to its place. What stands in the way is found before the first move.
    pub(super) fn place(mut self, p: &Extract, is_cancelled: &dyn Fn() -> bool) -> Result<(), Error> {
        let moves = self.plan(p)?;
        self.sync()?;
        if is_cancelled() {
            return Err(Error::cancelled());
        }
        let mut changed = BTreeSet::new();
        for step in moves {
            let (from, to) = (self.dir().join(&step.name), self.target.join(&step.name));
            let failed = |error| FILES.error("cannot write", &p.to.join(&step.name), error);
            if let Some(permissions) = step.permissions {
                fs::set_permissions(&from, permissions).map_err(failed)?;
            }
            // another process may create the target after the plan: a rename cannot be told to spare it everywhere
            fs::rename(&from, &to).map_err(failed)?;
            changed.extend(to.parent().map(Path::to_path_buf));
        }
        for dir in self.made.0.drain(..) {
            let dir = fs::canonicalize(&dir).map_err(|error| FILES.error("cannot write", &dir, error))?;
            changed.extend(dir.parent().map(Path::to_path_buf));
        }
        for folder in changed {
            FILES.sync_folder(&folder)?;
        }
        Ok(())
    }

    fn plan(&self, p: &Extract) -> Result<Vec<Move>, Error> {
        let mut moves = Vec::new();
        let mut walk = WalkDir::new(self.dir()).min_depth(1).sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            let entry = entry.map_err(|error| list::walk_error(&p.to, error))?;
            let name = entry.path().strip_prefix(self.dir()).expect("what is below it begins with it");
            let (to, is_dir) = (self.target.join(name), entry.file_type().is_dir());
            let permissions = match fs::symlink_metadata(&to) {
                Ok(found) if is_dir && found.is_dir() => continue,
                Ok(found) => replaced(p, name, &found, is_dir)?,
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(FILES.error("cannot write", &p.to.join(name), error)),
            };
            if is_dir {
                walk.skip_current_dir();
            }
            moves.push(Move { name: name.to_path_buf(), permissions });
        }
        Ok(moves)
    }

    /// Makes what is in the new directories survive a power loss; files do already.
    fn sync(&self) -> Result<(), Error> {
        for entry in WalkDir::new(self.dir()).min_depth(1) {
            let entry = entry.map_err(|error| list::walk_error(self.dir(), error))?;
            if entry.file_type().is_dir() {
                FILES.sync_folder(entry.path())?;
            }
        }
        Ok(())
    }
}

/// What an entry inherits from the one in its place, if it may replace that.
fn replaced(
    p: &Extract,
    name: &Path,
    found: &fs::Metadata,
    is_dir: bool,
) -> Result<Option<fs::Permissions>, Error> {
    let path = p.to.join(name);
    let refused = |kind: ErrorKind| Err(FILES.error("cannot write", &path, kind.into()));
    if is_dir && found.is_symlink() {
        let message = format!("`{}` is a link, which may leave the directory", path.display());
        let details = json!({ "path": p.from, "entry": name });
        return Err(Error::new("fs.unsafe_entry", message).permanent().details(&details));
    }
    if is_dir {
        return refused(ErrorKind::NotADirectory);
    }
    if found.is_dir() {
        return refused(ErrorKind::IsADirectory);
    }
    if !p.overwrite {
        return refused(ErrorKind::AlreadyExists);
    }
    Ok(found.is_file().then(|| found.permissions()))
}

fn make_dirs(p: &Extract) -> io::Result<Made> {
    let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
    let count = if p.create_dirs { usize::MAX } else { 1 };
    let missing: Vec<&Path> = p.to.ancestors().take_while(is_missing).take(count).collect();
    let mut made = Made(Vec::new());
    for dir in missing.into_iter().rev() {
        match fs::create_dir(dir) {
            Ok(()) => made.0.push(dir.to_path_buf()),
            // another process was faster
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}
