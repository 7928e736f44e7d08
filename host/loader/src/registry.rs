//! The registry: which plugins there are, and where methods come from.

use crate::config::RegistryConfig;
use crate::error::LoadError;
use crate::inspect::inspect;
use crate::plugin::PluginEntry;
use crate::requires::resolve;
use crate::store::{Hash, Store};
use jackfield_core::catalog::Catalog;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::ports::{Method, Methods};
use parking_lot::{Mutex, RwLock};
use semver::Version;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All plugins of one host.
///
/// Finding plugins runs none of their code. [`Registry::load`] does, for those that are named: it makes their schemas
/// known, so that workflows can be checked against them. What a plugin said is kept under the hash of its file, so that
/// the next start needs no opening.
pub struct Registry {
    config: RegistryConfig,
    store: Store,
    /// Serialises changes; readers only look at `found`.
    changing: Mutex<()>,
    found: RwLock<Found>,
}

#[derive(Default)]
struct Found {
    /// Files named one by one, beside the directories.
    files: Vec<PathBuf>,
    /// What the files are, whether they can be called or not.
    known: BTreeMap<Hash, Arc<PluginEntry>>,
    usable: Vec<Arc<PluginEntry>>,
    faults: Vec<LoadError>,
    catalog: Arc<Catalog>,
}

impl Registry {
    /// Looks into all directories of `config`. Files that are no usable plugins are no error here: see
    /// [`Registry::faults`].
    ///
    /// # Errors
    /// If the data directory cannot be written.
    pub fn open(config: RegistryConfig) -> Result<Self, LoadError> {
        let store = Store::open(&config.data_dir)?;
        let registry = Self { config, store, changing: Mutex::default(), found: RwLock::default() };
        registry.rescan();
        Ok(registry)
    }

    /// Looks into all directories again, and at all files that were added. Methods that are bound stay as they are;
    /// what could not be used before can be now, if its cause is gone.
    pub fn rescan(&self) {
        let _changing = self.changing.lock();
        let files = self.found.read().files.clone();
        self.scan(files);
    }

    /// Adds one plugin file, wherever it lies.
    ///
    /// # Errors
    /// If it is no usable plugin; then nothing has changed.
    pub fn add(&self, file: &Path) -> Result<(String, Version), LoadError> {
        let _changing = self.changing.lock();
        let entry = self.read(file)?;
        let identity = (entry.manifest.name.clone(), entry.manifest.version.clone());
        let before = self.found.read().files.clone();
        let mut files = before.clone();
        if !files.iter().any(|known| known == file) {
            files.push(file.to_owned());
        }
        self.scan(files);
        let fault = self.fault_of(file, &identity.0, &identity.1);
        match fault {
            None => Ok(identity),
            Some(fault) => {
                self.scan(before);
                Err(fault)
            }
        }
    }

    /// Why files in the directories, or plugins among the others, cannot be used.
    #[must_use]
    pub fn faults(&self) -> Vec<LoadError> {
        self.found.read().faults.clone()
    }

    /// Makes the schemas of all versions of the named plugins known to [`Methods::catalog`]. Opens, in this process,
    /// those that have never been described. Names that no plugin has are passed over: checking a workflow reports them
    /// with their place.
    ///
    /// # Errors
    /// The first plugin that cannot be opened or does not describe itself; the others are loaded nevertheless.
    pub fn load(&self, names: &[&str]) -> Result<(), LoadError> {
        let usable = self.found.read().usable.clone();
        let mut first_fault = Ok(());
        for entry in usable.iter().filter(|entry| names.contains(&entry.manifest.name.as_str())) {
            if let Err(fault) = entry.describe(&self.store) {
                first_fault = first_fault.and(Err(fault));
            }
        }
        self.found.write().refresh_catalog();
        first_fault
    }

    fn scan(&self, files: Vec<PathBuf>) {
        let mut faults = Vec::new();
        let mut known: BTreeMap<Hash, Arc<PluginEntry>> = BTreeMap::new();
        let mut usable: Vec<Arc<PluginEntry>> = Vec::new();
        let in_directories =
            self.config.directories.iter().flat_map(|directory| match plugin_files(directory) {
                Ok(files) => files,
                Err(fault) => {
                    faults.push(fault);
                    Vec::new()
                }
            });
        let all: Vec<PathBuf> = in_directories.chain(files.iter().cloned()).collect();
        for file in all {
            let entry = match self.read(&file) {
                Ok(entry) => entry,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            if known.insert(entry.hash, Arc::clone(&entry)).is_some() {
                continue;
            }
            match usable.iter().find(|other| is_same_version(other, &entry)) {
                None => usable.push(entry),
                Some(other) => faults.push(LoadError::Conflict {
                    file,
                    other: other.file.clone(),
                    plugin: entry.manifest.name.clone(),
                    version: entry.manifest.version.clone(),
                }),
            }
        }
        faults.extend(resolve(&mut usable));
        let mut found = Found { files, known, usable, faults, catalog: Arc::default() };
        found.refresh_catalog();
        *self.found.write() = found;
    }

    /// Reads and inspects one file, and keeps it in the store. A file that is known already keeps its entry.
    fn read(&self, file: &Path) -> Result<Arc<PluginEntry>, LoadError> {
        let metadata = std::fs::metadata(file).map_err(|error| LoadError::io(file, "read", &error))?;
        if metadata.is_dir() {
            return Err(LoadError::IsDirectory { file: file.to_owned() });
        }
        let (bytes, bytes_max) = (metadata.len(), self.config.file_bytes_max);
        if !metadata.is_file() {
            return Err(LoadError::NotAPlugin {
                file: file.to_owned(),
                reason: "it is no ordinary file".into(),
            });
        }
        if bytes > bytes_max {
            return Err(LoadError::TooLarge { file: file.to_owned(), bytes, bytes_max });
        }
        let bytes = std::fs::read(file).map_err(|error| LoadError::io(file, "read", &error))?;
        let manifest = inspect(file, &bytes)?;
        let hash = Hash::of(&bytes);
        if let Some(entry) = self.found.read().known.get(&hash) {
            return Ok(Arc::clone(entry));
        }
        self.store.keep(hash, &bytes)?;
        Ok(Arc::new(PluginEntry::new(hash, file.to_owned(), manifest)))
    }

    fn fault_of(&self, file: &Path, name: &str, version: &Version) -> Option<LoadError> {
        let found = self.found.read();
        let concerns = |fault: &&LoadError| match fault {
            LoadError::Conflict { file: other, .. } => other == file,
            LoadError::MissingDependency(lack) => lack.plugin == name && lack.version == *version,
            _ => false,
        };
        found.faults.iter().find(concerns).cloned()
    }

    fn unavailable(&self, plugin: &str, version: &Version) -> Failure {
        let found = self.found.read();
        let lacks = found.faults.iter().find(|fault| {
            matches!(fault, LoadError::MissingDependency(lack)
                if lack.plugin == plugin && lack.version == *version)
        });
        let message = match lacks {
            Some(fault) => fault.to_string(),
            None => format!("plugin `{plugin} {version}` is not installed"),
        };
        Failure::new(kind::PLUGIN_UNAVAILABLE, message)
    }
}

impl Found {
    fn refresh_catalog(&mut self) {
        self.catalog = Arc::new(Catalog::new(self.usable.iter().map(|entry| entry.catalog()).collect()));
    }
}

impl Methods for Registry {
    /// All usable plugins. The schemas of those that were never loaded are `null`.
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.found.read().catalog)
    }

    fn bind(&self, plugin: &str, version: &Version, method: &str) -> Result<Arc<dyn Method>, Failure> {
        let entry = self
            .found
            .read()
            .usable
            .iter()
            .find(|entry| entry.manifest.name == plugin && entry.manifest.version == *version)
            .cloned();
        let entry = entry.ok_or_else(|| self.unavailable(plugin, version))?;
        let bound = entry
            .bind(method, &self.store, &self.config)
            .map_err(|fault| Failure::new(kind::PLUGIN_UNAVAILABLE, fault.to_string()))?;
        match bound {
            Some(bound) => Ok(Arc::new(bound)),
            None => Err(Failure::new(
                kind::PLUGIN_UNAVAILABLE,
                format!("plugin `{plugin} {version}` has no method `{method}`"),
            )),
        }
    }
}

fn is_same_version(a: &PluginEntry, b: &PluginEntry) -> bool {
    a.manifest.name == b.manifest.name && a.manifest.version == b.manifest.version
}

/// The files in `directory` that have the extension of libraries, sorted by name.
fn plugin_files(directory: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed = |error: std::io::Error| LoadError::io(directory, "read", &error);
    let mut files = Vec::new();
    for item in std::fs::read_dir(directory).map_err(failed)? {
        let path = item.map_err(failed)?.path();
        let is_library =
            path.extension().is_some_and(|extension| extension == std::env::consts::DLL_EXTENSION);
        // a directory that is called like a library is none; a dangling link is reported by whoever reads it
        if is_library && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
