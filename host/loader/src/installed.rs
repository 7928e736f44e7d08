//! The list of installed plugins: which files of the store are to be found at every start.

use crate::error::{LoadError, one_line};
use crate::installing::InstallError;
use crate::store::{Hash, write_lasting};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The form of the file.
const FORMAT: u32 = 1;

/// One version of one installed plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct InstalledPlugin {
    /// The plugin.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// The hash of its file, by which it lies in the store.
    pub sha256: Hash,
    /// The text of its detached signature, as it was when it was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl InstalledPlugin {
    pub(crate) fn is(&self, name: &str, version: &Version) -> bool {
        self.name == name && self.version == *version
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    plugins: Vec<InstalledPlugin>,
}

/// The file with the list. Readers see it whole, before or after a change; writers take turns.
pub(crate) struct Index {
    file: PathBuf,
}

/// Held while the list is read, changed and written.
pub(crate) struct Turn {
    _lock: File,
}

impl Index {
    /// The list below `home`, the directory of all that the loader keeps.
    pub(crate) fn new(home: &Path) -> Self {
        Self { file: home.join("installed.json") }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Waits until no other process changes the list.
    pub(crate) fn turn(&self) -> Result<Turn, LoadError> {
        let path = self.file.with_extension("lock");
        let failed = |error: std::io::Error| LoadError::io(&path, "locked", &error);
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Turn { _lock: lock })
    }

    /// What is installed, in the order of installation.
    pub(crate) fn read(&self) -> Result<Vec<InstalledPlugin>, LoadError> {
        let unusable = |reason: String| {
            let reason = one_line(&reason);
            LoadError::from(Box::new(InstallError::IndexUnusable { file: self.file.clone(), reason }))
        };
        let text = match std::fs::read(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unusable(error.to_string())),
        };
        let document: Document =
            serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?;
        match document.format {
            FORMAT => Ok(document.plugins),
            other => Err(unusable(format!("it has the form {other}, only {FORMAT} is known"))),
        }
    }

    /// Replaces the list.
    pub(crate) fn write(&self, _: &Turn, plugins: Vec<InstalledPlugin>) -> Result<(), LoadError> {
        let document = Document { format: FORMAT, plugins };
        let mut text = serde_json::to_vec_pretty(&document).map_err(|error| LoadError::Io {
            file: self.file.clone(),
            action: "written",
            reason: error.to_string(),
        })?;
        text.push(b'\n');
        write_lasting(&self.file, &text)
    }
}
