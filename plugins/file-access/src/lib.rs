//! How the bundled plugins touch files: reading is bounded, writing is atomic, and every error names the path and
//! carries a dotted type of the plugin. A library, because the plugins are `cdylib`s and cannot link one another.

use jackfield_plugin_api::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// File access on behalf of one plugin, whose name begins the types of all errors.
#[derive(Clone, Copy, Debug)]
pub struct Files {
    plugin: &'static str,
}

/// Where a file is written to that is not there yet: `Write` and `Seek`, since some formats put lengths in front.
pub type Output<'a> = BufWriter<&'a mut File>;

/// What may happen to the target of a write.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Whether a file that is already there is replaced; if not, it is an error `PLUGIN.already_exists`.
    pub overwrite: bool,
    /// Whether missing directories on the way are made.
    pub create_dirs: bool,
}

impl Default for Target {
    /// Replaces, and makes no directories.
    fn default() -> Self {
        Self { overwrite: true, create_dirs: false }
    }
}

impl Files {
    /// Access for the plugin called `plugin`.
    #[must_use]
    pub const fn of(plugin: &'static str) -> Self {
        Self { plugin }
    }

    /// `error` as the plugin reports it: of the type `PLUGIN.not_found` and so on, and saying that `action` (such as
    /// "cannot read") failed on `path`.
    #[must_use]
    pub fn error(&self, action: &str, path: &Path, error: io::Error) -> Error {
        let plain = Error::from(error);
        let kind = plain.kind().replacen("io", self.plugin, 1);
        Error::new(&kind, format!("{action} `{}`: {}", path.display(), plain.message()))
            .retryable(plain.is_retryable())
            .details(&serde_json::json!({ "path": path }))
    }

    /// The error for something that exceeds the limit of `max_bytes`.
    #[must_use]
    pub fn too_large(&self, path: &Path, max_bytes: u64) -> Error {
        let message = format!("`{}` is larger than `max_bytes`, {max_bytes}", path.display());
        Error::new(&format!("{}.too_large", self.plugin), message)
            .permanent()
            .details(&serde_json::json!({ "path": path, "max_bytes": max_bytes }))
    }

    /// All bytes of a file.
    ///
    /// # Errors
    /// `PLUGIN.too_large` if there are more than `max_bytes`, and whatever reading fails with.
    pub fn read(&self, path: &Path, max_bytes: u64) -> Result<Vec<u8>, Error> {
        let failed = |error| self.error("cannot read", path, error);
        let file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        if len > max_bytes {
            return Err(self.too_large(path, max_bytes));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
        // one byte more than allowed shows that the file has grown meanwhile, or has no length of its own
        file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > max_bytes {
            return Err(self.too_large(path, max_bytes));
        }
        Ok(bytes)
    }

    /// Writes a file that appears under its name only when it is complete and on disk; returns its length in bytes.
    /// A file that is replaced hands on its permissions; a symbolic link is followed.
    ///
    /// # Errors
    /// Those of `fill`, or of the file system; the target is then as it was.
    pub fn write(
        &self,
        path: &Path,
        target: Target,
        fill: impl FnOnce(&mut Output<'_>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let failed = |error| self.error("cannot write", path, error);
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if place.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let folder = folder_of(&place);
        if target.create_dirs {
            fs::create_dir_all(&folder).map_err(failed)?;
        }
        let mut partial = partial_in(&folder).map_err(failed)?;
        let mut writer = BufWriter::new(partial.as_file_mut());
        fill(&mut writer)?;
        writer.flush().map_err(failed)?;
        drop(writer);
        if let Ok(replaced) = fs::metadata(&place) {
            partial.as_file().set_permissions(replaced.permissions()).map_err(failed)?;
        }
        partial.as_file().sync_all().map_err(failed)?;
        let bytes = partial.as_file().metadata().map_err(failed)?.len();
        let placed =
            if target.overwrite { partial.persist(&place) } else { partial.persist_noclobber(&place) };
        placed.map_err(|error| failed(error.error))?;
        self.sync_folder(&folder)?;
        Ok(bytes)
    }

    /// Makes renames in `folder` survive a power loss. Elsewhere than on Unix a directory cannot be opened for this.
    ///
    /// # Errors
    /// Those of the file system.
    #[cfg_attr(
        not(unix),
        expect(
            unused_variables,
            clippy::unused_self,
            clippy::unnecessary_wraps,
            reason = "nothing to do here"
        )
    )]
    pub fn sync_folder(&self, folder: &Path) -> Result<(), Error> {
        #[cfg(unix)]
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| self.error("cannot write", folder, error))?;
        Ok(())
    }
}

/// The directory that holds `path`.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// A new hidden file that vanishes unless it is persisted. Others may read it as far as the process' mask allows, as
/// with any file that a program creates.
fn partial_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".partial");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: Files = Files::of("demo");

    fn put(path: &Path, target: Target, text: &str) -> Result<u64, Error> {
        FILES.write(path, target, |out| out.write_all(text.as_bytes()).map_err(Error::from))
    }

    #[test]
    fn a_failed_write_leaves_the_old_content_and_no_litter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        put(&path, Target::default(), "old").unwrap();
        let failed = FILES.write(&path, Target::default(), |out| {
            out.write_all(b"half of the new")?;
            Err(Error::new("demo.broke", "half way"))
        });
        assert_eq!(failed.unwrap_err().kind(), "demo.broke");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn without_overwrite_an_existing_file_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        assert_eq!(put(&path, Target::default(), "old").unwrap(), 3);
        let error = put(&path, Target { overwrite: false, create_dirs: false }, "new").unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), ("demo.already_exists", false));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    }

    #[test]
    fn missing_directories_are_made_only_on_request() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x/y/a.txt");
        assert_eq!(put(&path, Target::default(), "1").unwrap_err().kind(), "demo.not_found");
        put(&path, Target { overwrite: true, create_dirs: true }, "1").unwrap();
        assert_eq!(FILES.read(&path, 1).unwrap(), b"1");
    }

    #[test]
    fn a_file_above_the_limit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        put(&path, Target::default(), "12345").unwrap();
        assert_eq!(FILES.read(&path, 5).unwrap(), b"12345");
        assert_eq!(FILES.read(&path, 4).unwrap_err().kind(), "demo.too_large");
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_hands_on_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sh");
        put(&path, Target::default(), "1").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        put(&path, Target::default(), "2").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750);
    }
}
