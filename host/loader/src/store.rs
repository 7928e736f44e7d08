//! What the loader keeps on disk: plugin files under their hash, and what each said about itself. Both are written once
//! and never changed, so that replacing a plugin file never touches a library that is in use.

use crate::error::LoadError;
use jackfield_plugin_api::manifest::Manifest;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

/// SHA-256 of a plugin file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The two directories under the data directory.
pub(crate) struct Store {
    libraries: PathBuf,
    manifests: PathBuf,
}

impl Store {
    pub(crate) fn open(data_dir: &Path) -> Result<Self, LoadError> {
        let store =
            Self { libraries: data_dir.join("plugins/store"), manifests: data_dir.join("plugins/described") };
        for directory in [&store.libraries, &store.manifests] {
            std::fs::create_dir_all(directory)
                .map_err(|error| LoadError::io(directory, "written", &error))?;
        }
        Ok(store)
    }

    fn library(&self, hash: Hash) -> PathBuf {
        self.libraries.join(format!("{hash}{}", std::env::consts::DLL_SUFFIX))
    }

    /// Keeps a plugin file.
    pub(crate) fn keep(&self, hash: Hash, bytes: &[u8]) -> Result<(), LoadError> {
        let path = self.library(hash);
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() == bytes.len() as u64) {
            return Ok(());
        }
        write_atomically(&self.libraries, &path, bytes)
    }

    /// Where a kept file lies, after making sure that it is still what its name says.
    pub(crate) fn verified(&self, hash: Hash) -> Result<PathBuf, LoadError> {
        let path = self.library(hash);
        let bytes = std::fs::read(&path).map_err(|error| LoadError::io(&path, "read", &error))?;
        if Hash::of(&bytes) != hash {
            return Err(LoadError::Truncated {
                file: path,
                reason: "its contents do not have its hash".into(),
            });
        }
        Ok(path)
    }

    /// What the plugin with this hash said about itself before. A damaged note counts as none.
    pub(crate) fn described(&self, hash: Hash) -> Option<Manifest> {
        let bytes = std::fs::read(self.manifests.join(format!("{hash}.json"))).ok()?;
        Manifest::parse(&bytes).ok()
    }

    pub(crate) fn remember(&self, hash: Hash, manifest: &[u8]) -> Result<(), LoadError> {
        write_atomically(&self.manifests, &self.manifests.join(format!("{hash}.json")), manifest)
    }
}

fn write_atomically(directory: &Path, path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    let failed = |error: &std::io::Error| LoadError::io(path, "written", error);
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(|error| failed(&error))?;
    file.write_all(bytes).map_err(|error| failed(&error))?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}
