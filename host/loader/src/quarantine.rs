//! Plugin files that are not run any more because of what they did: kept in the data directory by the hash of the file, until
//! somebody lets them out or the file changes.

use crate::changes::PluginVersion;
use crate::error::LoadError;
use crate::store::{Hash, write_replacing};
#[cfg(unix)]
use jackfield_core::failure::{Failure, kind};
use parking_lot::Mutex;
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::time::{SystemTime, UNIX_EPOCH};

/// The form of the file.
const FORMAT: u32 = 1;

/// Why a file is not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confined {
    pub(crate) plugin: String,
    pub(crate) version: Version,
    pub(crate) reason: String,
    /// Seconds since 1970.
    since: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct Contents {
    format: u32,
    files: BTreeMap<Hash, Confined>,
}

/// The list of one data directory. Several processes may use it: each change is made to what the file says now.
pub(crate) struct Quarantine {
    file: PathBuf,
    files: Mutex<BTreeMap<Hash, Confined>>,
}

impl Quarantine {
    /// Reads the list; one that cannot be read is empty.
    pub(crate) fn open(file: PathBuf) -> Self {
        let files = Mutex::new(read(&file));
        Self { file, files }
    }

    /// Reads the list again: another process may have changed it.
    pub(crate) fn reload(&self) {
        *self.files.lock() = read(&self.file);
    }

    /// Why the file with this hash is not run, if it is not.
    pub(crate) fn get(&self, hash: Hash) -> Option<Confined> {
        self.files.lock().get(&hash).cloned()
    }

    /// Puts a file in.
    #[cfg(unix)]
    pub(crate) fn add(&self, hash: Hash, plugin: &str, version: &Version, reason: &str) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let confined =
            Confined { plugin: plugin.into(), version: version.clone(), reason: reason.into(), since };
        tracing::error!(plugin, %version, reason, "a plugin is quarantined");
        let mut files = self.files.lock();
        files.extend(read(&self.file));
        files.insert(hash, confined);
        if let Err(error) = write(&self.file, &files) {
            // it holds in this process nevertheless
            tracing::warn!(%error, "the list of quarantined plugins could not be written");
        }
    }

    /// Lets all versions of a plugin out; which there were.
    ///
    /// # Errors
    /// If the list cannot be written; then it stays as it was.
    pub(crate) fn release(&self, plugin: &str) -> Result<Vec<PluginVersion>, LoadError> {
        let mut files = self.files.lock();
        let (out, stay): (BTreeMap<_, _>, BTreeMap<_, _>) =
            read(&self.file).into_iter().partition(|(_, confined)| confined.plugin == plugin);
        write(&self.file, &stay).map_err(|error| LoadError::io(&self.file, "written", &error))?;
        *files = stay;
        let version = |confined: Confined| PluginVersion { name: confined.plugin, version: confined.version };
        Ok(out.into_values().map(version).collect())
    }
}

impl Confined {
    pub(crate) fn error(&self) -> LoadError {
        LoadError::Quarantined {
            plugin: self.plugin.clone(),
            version: self.version.clone(),
            reason: self.reason.clone(),
        }
    }
}

/// What calls of a quarantined plugin fail with.
#[cfg(unix)]
pub(crate) fn failure(plugin: &str, version: &Version, reason: &str) -> Failure {
    let error = LoadError::Quarantined {
        plugin: plugin.to_owned(),
        version: version.clone(),
        reason: reason.to_owned(),
    };
    let message = format!("{error}. {}", error.remedy());
    Failure { retryable: false, ..Failure::new(kind::PLUGIN_UNAVAILABLE, message) }
}

fn read(file: &Path) -> BTreeMap<Hash, Confined> {
    let contents = std::fs::read(file).ok();
    let contents = contents.and_then(|bytes| serde_json::from_slice::<Contents>(&bytes).ok());
    contents.filter(|contents| contents.format == FORMAT).unwrap_or_default().files
}

fn write(file: &Path, files: &BTreeMap<Hash, Confined>) -> std::io::Result<()> {
    let contents = Contents { format: FORMAT, files: files.clone() };
    let text = serde_json::to_vec_pretty(&contents)?;
    write_replacing(file, &text)
}
