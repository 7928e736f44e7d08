//! What the loader keeps on disk: plugin files under their hash, and what each said about itself. Both are written once
//! and never changed, so that replacing a plugin file never touches a library that is in use. Beside them lies the cache.

use crate::cache::{Cache, Finding};
use crate::error::LoadError;
use crate::quarantine::Quarantine;
use crate::stamp::Stamp;
use crate::unclean::Notes;
use jackfield_plugin_api::manifest::Manifest;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// SHA-256 of a plugin file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
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

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::try_from(text.as_str())
    }
}

impl TryFrom<&str> for Hash {
    type Error = &'static str;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        const NO_HASH: &str = "a hash has 64 hexadecimal digits";
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(NO_HASH) };
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(NO_HASH)
    }
}

/// The two directories under the data directory, and the cache.
pub(crate) struct Store {
    /// The directory of all of it.
    pub(crate) home: PathBuf,
    libraries: PathBuf,
    manifests: PathBuf,
    pub(crate) cache: Cache,
    /// Whether a kept file is hashed each time that it is opened, whatever was noted about it.
    pub(crate) always_hashes: bool,
    pub(crate) quarantine: Arc<Quarantine>,
    /// Kept files that this process opens, locked so that no other process takes them away.
    opened: Mutex<BTreeMap<Hash, File>>,
    /// What is open in this process.
    pub(crate) notes: Arc<Notes>,
}

impl Store {
    pub(crate) fn open(data_dir: &Path) -> Result<Self, LoadError> {
        let home = data_dir.join("plugins");
        let (libraries, manifests) = (home.join("store"), home.join("described"));
        let cache = Cache::open(home.join("registry.json"));
        let quarantine = Arc::new(Quarantine::open(home.join("quarantine.json")));
        let notes = Arc::new(Notes::open(home.join("open")));
        let store = Self {
            home,
            libraries,
            manifests,
            cache,
            always_hashes: false,
            quarantine,
            opened: Mutex::default(),
            notes,
        };
        for directory in [&store.libraries, &store.manifests] {
            std::fs::create_dir_all(directory)
                .map_err(|error| LoadError::io(directory, "written", &error))?;
        }
        Ok(store)
    }

    fn library(&self, hash: Hash) -> PathBuf {
        self.libraries.join(format!("{hash}{}", std::env::consts::DLL_SUFFIX))
    }

    /// Whether a plugin file of this hash and size is kept. Whoever opens it looks closer: see [`Store::verified`].
    pub(crate) fn keeps(&self, hash: Hash, bytes: u64) -> bool {
        std::fs::metadata(self.library(hash)).is_ok_and(|metadata| metadata.len() == bytes)
    }

    /// Keeps a plugin file.
    pub(crate) fn keep(&self, hash: Hash, bytes: &[u8]) -> Result<(), LoadError> {
        if self.keeps(hash, bytes.len() as u64) {
            return Ok(());
        }
        write_lasting(&self.library(hash), bytes)
    }

    /// Keeps a plugin file that is to be found here only: also if what lies in its place has other contents.
    pub(crate) fn keep_whole(&self, hash: Hash, bytes: &[u8]) -> Result<(), LoadError> {
        let path = self.library(hash);
        if std::fs::read(&path).is_ok_and(|kept| kept == bytes) {
            return Ok(());
        }
        write_lasting(&path, bytes)
    }

    /// Where the file with this hash is kept.
    pub(crate) fn path(&self, hash: Hash) -> PathBuf {
        self.library(hash)
    }

    /// What the file at `path`, which now has `stamp`, was found to be. A plugin counts only while its copy is kept.
    pub(crate) fn finding(&self, path: &Path, stamp: &Stamp) -> Option<Finding> {
        self.cache.finding(path, stamp).filter(|finding| match finding {
            Finding::Plugin { hash, .. } => self.keeps(*hash, stamp.bytes),
            Finding::Refused(_) => true,
        })
    }

    /// Says to other processes that a kept file is needed, as long as this process has the store open.
    fn hold(&self, hash: Hash, file: &File) {
        let mut opened = self.opened.lock();
        if opened.contains_key(&hash) {
            return;
        }
        // a file system without locks, or without another descriptor: then a removed plugin may have to be added again
        if let Ok(own) = file.try_clone()
            && own.try_lock_shared().is_ok()
        {
            opened.insert(hash, own);
        }
    }

    /// Deletes a kept file, and what it said about itself, unless another process has it open or something else of the same
    /// contents was found somewhere.
    pub(crate) fn discard(&self, hash: Hash) {
        let path = self.library(hash);
        if self.cache.knows_elsewhere(hash, &path) {
            return;
        }
        self.opened.lock().remove(&hash);
        let is_free = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if is_free {
            for file in [path, self.manifests.join(format!("{hash}.json"))] {
                // what cannot be deleted costs room and nothing else
                let _ = std::fs::remove_file(file);
            }
        }
    }

    /// Where a kept file lies, after making sure that it is still what its name says: by its hash, or because it has
    /// not changed since that was last done.
    pub(crate) fn verified(&self, hash: Hash) -> Result<PathBuf, LoadError> {
        let path = self.library(hash);
        let failed = |error: io::Error| LoadError::io(&path, "read", &error);
        let now = SystemTime::now();
        let mut file = File::open(&path).map_err(failed)?;
        self.hold(hash, &file);
        let stamp = Stamp::of(&file.metadata().map_err(failed)?);
        if !self.always_hashes && self.cache.is_intact(hash, &stamp) {
            return Ok(path);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        if Hash::of(&bytes) != hash {
            return Err(LoadError::Truncated {
                file: path,
                reason: "its contents do not have its hash".into(),
            });
        }
        if stamp.is_settled(now) {
            self.cache.note_intact(hash, stamp);
            self.cache.save();
        }
        Ok(path)
    }

    /// What the plugin with this hash said about itself before. A damaged note counts as none.
    pub(crate) fn described(&self, hash: Hash) -> Option<Manifest> {
        let bytes = std::fs::read(self.manifests.join(format!("{hash}.json"))).ok()?;
        Manifest::parse(&bytes).ok()
    }

    pub(crate) fn remember(&self, hash: Hash, manifest: &[u8]) -> Result<(), LoadError> {
        write_lasting(&self.manifests.join(format!("{hash}.json")), manifest)
    }
}

/// Writes a file that must be whole after a power cut.
pub(crate) fn write_lasting(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    replace(path, bytes, File::sync_all).map_err(|error| LoadError::io(path, "written", &error))
}

/// Writes a file that readers never see half written, but may find damaged after a power cut.
pub(crate) fn write_replacing(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, |_| Ok(()))
}

fn replace(path: &Path, bytes: &[u8], settle: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    settle(file.as_file())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
