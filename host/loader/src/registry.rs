//! The registry: which plugins there are, and where methods come from.

use crate::cache::Finding;
use crate::changes::{Changes, PluginVersion};
use crate::config::RegistryConfig;
use crate::error::LoadError;
use crate::fault::Fault;
use crate::inspect::{Inspected, inspect};
use crate::plugin::{PluginEntry, Surroundings};
use crate::requires::resolve;
use crate::stamp::Stamp;
use crate::store::{Hash, Store};
#[cfg(unix)]
use crate::worker::Supervisor;
use jackfield_core::catalog::{Catalog, Unusable};
use jackfield_core::failure::{Failure, kind};
use jackfield_core::model::Isolation;
use jackfield_core::ports::{Method, Methods};
use jackfield_plugin_api::manifest::Manifest;
use parking_lot::{Mutex, RwLock};
use semver::Version;
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// All plugins of one host.
///
/// Finding plugins runs none of their code. [`Registry::load`] does, for those that are named: it makes their schemas
/// known, so that workflows can be checked against them. What a plugin said is kept under the hash of its file, so that
/// the next start needs no opening.
///
/// What inspection found is kept in `plugins/registry.json` below the data directory. A file is taken as unchanged, and
/// not read again, while its canonical path, size, times of modification and of change, device and inode are those of
/// the note (where there are no inodes: path, size and time of modification), and the store has a copy of that size. A
/// stored copy is hashed before it is opened, and not again while it is unchanged in the same sense. So whoever can write
/// to the data directory decides what code runs. A cache that is damaged or of another host is made anew; deleting it is
/// always safe.
pub struct Registry {
    config: RegistryConfig,
    store: Store,
    /// Serialises changes; readers only look at `found`.
    changing: Mutex<()>,
    found: RwLock<Found>,
    #[cfg(unix)]
    supervisor: Supervisor,
}

#[derive(Default)]
struct Found {
    /// Files named one by one, beside the directories.
    files: Vec<PathBuf>,
    /// What the files are, whether they can be called or not.
    known: BTreeMap<Hash, Arc<PluginEntry>>,
    usable: Vec<Arc<PluginEntry>>,
    faults: Vec<Fault>,
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
        let registry = Self {
            config,
            store,
            changing: Mutex::default(),
            found: RwLock::default(),
            #[cfg(unix)]
            supervisor: Supervisor::default(),
        };
        registry.rescan();
        Ok(registry)
    }

    /// Looks into all directories again, and at all files that were added. Methods that are bound stay as they are;
    /// what could not be used before can be now, if its cause is gone. Answers with what can be called now and could not
    /// before, and the reverse.
    pub fn rescan(&self) -> Changes {
        let _changing = self.changing.lock();
        let files = self.found.read().files.clone();
        self.scan(files)
    }

    /// Adds one plugin file, wherever it lies.
    ///
    /// # Errors
    /// If it is no usable plugin; then nothing has changed.
    pub fn add(&self, file: &Path) -> Result<(String, Version), LoadError> {
        let _changing = self.changing.lock();
        let entry = self.read(file).map_err(|fault| fault.error)?;
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
    pub fn faults(&self) -> Vec<Fault> {
        self.found.read().faults.clone()
    }

    /// Makes the schemas of all versions of the named plugins known to [`Methods::catalog`]. Those that have never been
    /// described are opened where they are to run: in this process, or in a worker, which may die of it. Names that no plugin has are passed over: checking a workflow reports them
    /// with their place.
    ///
    /// # Errors
    /// The first plugin that cannot be opened or does not describe itself; the others are loaded nevertheless.
    pub fn load(&self, names: &[&str]) -> Result<(), LoadError> {
        let usable = self.found.read().usable.clone();
        let mut first_fault = Ok(());
        let mut is_one_confined = false;
        for entry in usable.iter().filter(|entry| names.contains(&entry.manifest.name.as_str())) {
            if let Err(fault) = entry.describe(&self.surroundings()) {
                is_one_confined |= matches!(fault, LoadError::Quarantined { .. });
                first_fault = first_fault.and(Err(fault));
            }
        }
        self.found.write().refresh_catalog();
        if is_one_confined {
            self.rescan();
        }
        first_fault
    }

    fn scan(&self, files: Vec<PathBuf>) -> Changes {
        let mut faults = Vec::new();
        let mut known: BTreeMap<Hash, Arc<PluginEntry>> = BTreeMap::new();
        let mut usable: Vec<Arc<PluginEntry>> = Vec::new();
        self.store.quarantine.reload();
        let in_directories =
            self.config.directories.iter().flat_map(|directory| match plugin_files(directory) {
                Ok(files) => files,
                Err(error) => {
                    faults.push(Fault::of_file(directory, error));
                    Vec::new()
                }
            });
        let all: Vec<PathBuf> = in_directories.chain(files.iter().cloned()).collect();
        for file in all {
            let entry = match self.read(&file) {
                Ok(entry) => entry,
                Err(fault) => {
                    faults.push(*fault);
                    continue;
                }
            };
            if known.insert(entry.hash, Arc::clone(&entry)).is_some() {
                continue;
            }
            if let Some(confined) = self.store.quarantine.get(entry.hash) {
                faults.push(Fault::of(&entry.manifest.name, &entry.manifest.version, confined.error()));
                continue;
            }
            match usable.iter().find(|other| other.is_same_version(&entry)) {
                None => usable.push(entry),
                Some(other) => faults.push(conflict(file, &entry, other)),
            }
        }
        faults.extend(resolve(&mut usable));
        let mut found = Found { files, known, usable, faults, catalog: Arc::default() };
        found.refresh_catalog();
        let before = std::mem::replace(&mut *self.found.write(), found).usable;
        self.store.cache.save();
        Changes::between(&before, &self.found.read().usable)
    }

    /// Reads and inspects one file, and keeps it in the store. A file that is known already keeps its entry.
    fn read(&self, file: &Path) -> Result<Arc<PluginEntry>, Box<Fault>> {
        let metadata = self.look_at(file).map_err(|error| Box::new(Fault::of_file(file, error)))?;
        let (hash, manifest) = self.identify(file, &metadata)?;
        if let Some(entry) = self.found.read().known.get(&hash) {
            return Ok(Arc::clone(entry));
        }
        Ok(Arc::new(PluginEntry::new(hash, file.to_owned(), manifest)))
    }

    /// What can be said about a file from outside.
    fn look_at(&self, file: &Path) -> Result<Metadata, LoadError> {
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
        Ok(metadata)
    }

    /// What a file is: from the cache if it has not changed since it was inspected, otherwise by reading it.
    fn identify(&self, file: &Path, metadata: &Metadata) -> Result<(Hash, Manifest), Box<Fault>> {
        let path = file.canonicalize().ok();
        let noted = path.as_ref().and_then(|path| self.store.finding(path, &Stamp::of(metadata)));
        match noted {
            Some(Finding::Refused(refused)) => return Err(Box::new(Fault::refused(file, refused))),
            Some(Finding::Plugin { hash, manifest }) => {
                if let Ok(manifest) = Manifest::parse(manifest.as_bytes()) {
                    return Ok((hash, manifest));
                }
            }
            None => {}
        }
        let now = SystemTime::now();
        let unread = |error| Box::new(Fault::of_file(file, LoadError::io(file, "read", &error)));
        let (bytes, stamp) = read_whole(file).map_err(unread)?;
        let (finding, answer) = match inspect(&bytes) {
            Ok(Inspected { manifest, manifest_text }) => {
                let hash = Hash::of(&bytes);
                let of_plugin = |error| Box::new(Fault::of(&manifest.name, &manifest.version, error));
                self.store.keep(hash, &bytes).map_err(of_plugin)?;
                (Finding::Plugin { hash, manifest: manifest_text }, Ok((hash, manifest)))
            }
            Err(refused) => {
                let fault = Fault::refused(file, refused.clone());
                (Finding::Refused(refused), Err(Box::new(fault)))
            }
        };
        if let Some(path) = path.filter(|_| stamp.is_settled(now)) {
            self.store.cache.note(&path, stamp, finding);
        }
        answer
    }

    /// Lets all versions of a plugin out of quarantine, and looks into the directories again. Which versions there were.
    ///
    /// # Errors
    /// If the list of quarantined plugins cannot be written.
    pub fn release(&self, plugin: &str) -> Result<Vec<PluginVersion>, LoadError> {
        let released = self.store.quarantine.release(plugin)?;
        self.rescan();
        Ok(released)
    }

    /// Ends all worker processes at once, for good. Calls that are in them fail; plugins in this process stay as they are.
    pub fn end_workers(&self) {
        #[cfg(unix)]
        self.supervisor.close();
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            store: &self.store,
            config: &self.config,
            #[cfg(unix)]
            supervisor: &self.supervisor,
        }
    }

    fn fault_of(&self, file: &Path, name: &str, version: &Version) -> Option<LoadError> {
        let found = self.found.read();
        let concerns = |fault: &&Fault| match &fault.error {
            LoadError::Conflict { file: other, .. } => other == file,
            LoadError::MissingDependency(_) | LoadError::Quarantined { .. } => fault.concerns(name, version),
            _ => false,
        };
        found.faults.iter().find(concerns).map(|fault| fault.error.clone())
    }

    fn unavailable(&self, plugin: &str, version: &Version) -> Failure {
        let found = self.found.read();
        let message = match found.faults.iter().find(|fault| fault.concerns(plugin, version)) {
            Some(fault) => format!("plugin `{plugin} {version}` cannot be used: {}", fault.error.reason()),
            None => format!("plugin `{plugin} {version}` is not installed"),
        };
        Failure::new(kind::PLUGIN_UNAVAILABLE, message)
    }
}

impl Found {
    fn refresh_catalog(&mut self) {
        let usable = Catalog::new(self.usable.iter().map(|entry| entry.catalog()).collect());
        self.catalog = Arc::new(usable.with_unusable(self.unusable()));
    }

    /// What is not there in any usable file either. Of two files with one version one is usable, or says itself why not.
    fn unusable(&self) -> Vec<Unusable> {
        let faults = self.faults.iter().filter(|fault| !matches!(fault.error, LoadError::Conflict { .. }));
        let is_usable = |it: &Unusable| {
            let mut usable = self.usable.iter().map(|entry| &entry.manifest);
            usable.any(|manifest| manifest.name == *it.name && Some(&manifest.version) == it.version.as_ref())
        };
        faults.filter_map(Fault::unusable).filter(|it| !is_usable(it)).collect()
    }
}

impl Methods for Registry {
    /// All usable plugins. The schemas of those that were never loaded are `null`.
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.found.read().catalog)
    }

    fn bind(
        &self,
        plugin: &str,
        version: &Version,
        method: &str,
        isolation: Option<Isolation>,
    ) -> Result<Arc<dyn Method>, Failure> {
        let entry = self
            .found
            .read()
            .usable
            .iter()
            .find(|entry| entry.manifest.name == plugin && entry.manifest.version == *version)
            .cloned();
        let entry = entry.ok_or_else(|| self.unavailable(plugin, version))?;
        let bound = entry.bind(method, isolation, &self.surroundings()).map_err(|fault| {
            let message = match fault.remedy() {
                remedy if remedy.is_empty() => fault.to_string(),
                remedy => format!("{fault}. {remedy}"),
            };
            Failure::new(kind::PLUGIN_UNAVAILABLE, message)
        })?;
        match bound {
            Some(bound) => Ok(bound),
            None => Err(Failure::new(
                kind::PLUGIN_UNAVAILABLE,
                format!("plugin `{plugin} {version}` has no method `{method}`"),
            )),
        }
    }
}

fn conflict(file: PathBuf, entry: &PluginEntry, other: &PluginEntry) -> Fault {
    let (plugin, version) = (entry.manifest.name.clone(), entry.manifest.version.clone());
    let other = other.file.clone();
    Fault::of(&plugin.clone(), &version.clone(), LoadError::Conflict { file, other, plugin, version })
}

/// The contents of a file, and its stamp before they were read.
fn read_whole(path: &Path) -> std::io::Result<(Vec<u8>, Stamp)> {
    let mut file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((bytes, stamp))
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
