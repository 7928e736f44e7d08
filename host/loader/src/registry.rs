//! The registry: which plugins there are, and where methods come from.

use crate::changes::{Changes, PluginVersion};
use crate::config::RegistryConfig;
use crate::error::LoadError;
use crate::fault::Fault;
use crate::installed::Index;
use crate::lease::Leases;
use crate::look::{Candidate, Look};
use crate::peers::{Callee, Switchboard, Wanted};
use crate::plugin::{PluginEntry, Surroundings};
use crate::requires::newest;
use crate::store::{Hash, Store};
use crate::trust::{KeyId, Policy};
use crate::unclean::{Notes, UncleanExit};
#[cfg(unix)]
use crate::worker::Supervisor;
use jackfield_core::catalog::{Catalog, MethodKind, Unusable};
use jackfield_core::failure::{Failure, kind};
use jackfield_core::model::Isolation;
use jackfield_core::ports::{Method, Methods};
use jackfield_plugin_api::manifest::{Manifest, Requirement};
use parking_lot::{Mutex, RwLock};
use semver::Version;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    pub(crate) config: RegistryConfig,
    pub(crate) store: Store,
    pub(crate) index: Index,
    pub(crate) leases: Arc<Leases>,
    /// Serialises changes; readers only look at `found`.
    pub(crate) changing: Mutex<()>,
    pub(crate) found: RwLock<Found>,
    switchboard: Arc<Switchboard>,
    #[cfg(unix)]
    supervisor: Supervisor,
}

/// Says that the process of a host ends on purpose.
#[derive(Clone)]
pub struct ExitNote(Arc<Notes>);

impl ExitNote {
    /// The process is about to end: no plugin is to blame for it.
    pub fn leave(&self) {
        self.0.clear();
    }
}

/// What one look at all files has found.
#[derive(Default)]
pub(crate) struct Found {
    /// Files named one by one, beside the directories.
    pub(crate) files: Vec<PathBuf>,
    /// What the files are, whether they can be called or not.
    pub(crate) known: BTreeMap<Hash, Arc<PluginEntry>>,
    pub(crate) usable: Vec<Arc<PluginEntry>>,
    pub(crate) faults: Vec<Fault>,
    /// Who signed what, as far as somebody trusted has.
    pub(crate) signers: BTreeMap<Hash, KeyId>,
    /// Not found any more, but needed by runs.
    pub(crate) draining: Vec<Arc<PluginEntry>>,
    catalog: Arc<Catalog>,
}

impl Registry {
    /// Looks into all directories of `config`. Files that are no usable plugins are no error here: see
    /// [`Registry::faults`].
    ///
    /// # Errors
    /// If the data directory cannot be written.
    pub fn open(config: RegistryConfig) -> Result<Self, LoadError> {
        let mut store = Store::open(&config.data_dir)?;
        store.always_hashes = Policy::read(&config.trust).is_in_force();
        let index = Index::new(&store.home);
        let registry = Self {
            config,
            store,
            index,
            leases: Arc::default(),
            changing: Mutex::default(),
            found: RwLock::default(),
            switchboard: Arc::default(),
            #[cfg(unix)]
            supervisor: Supervisor::default(),
        };
        registry.rescan();
        Ok(registry)
    }

    /// Looks into all directories again, at all files that were added, and at what is installed. Methods that are bound stay as they are;
    /// what could not be used before can be now, if its cause is gone. Answers with what can be called now and could not
    /// before, and the reverse.
    pub fn rescan(&self) -> Changes {
        let _changing = self.changing.lock();
        let files = self.found.read().files.clone();
        self.scan(files)
    }

    /// The same while some files are being written: of these the plugin that they held before stays, if any.
    pub fn rescan_without(&self, unsettled: &BTreeSet<PathBuf>) -> Changes {
        let _changing = self.changing.lock();
        let files = self.found.read().files.clone();
        self.commit(self.gather(Look { files, installed: self.index.read(), unsettled }))
    }

    /// Plugin versions that cannot be had any more, because their file is gone or has other contents, and that runs
    /// still need. Sorted.
    #[must_use]
    pub fn draining(&self) -> Vec<PluginVersion> {
        let found = self.found.read();
        let needed = found.draining.iter().filter(|entry| self.leases.count(entry.hash) > 0);
        let mut versions: Vec<_> = needed.map(|entry| PluginVersion::of(&entry.manifest)).collect();
        versions.sort();
        versions
    }

    /// Sets what is told when the last run that needed some plugin file has ended. It is called on a thread of the
    /// engine, and must return at once.
    pub fn on_idle(&self, hook: Arc<dyn Fn() + Send + Sync>) {
        self.leases.set_idle_hook(hook);
    }

    /// Adds one plugin file, wherever it lies.
    ///
    /// # Errors
    /// If it is no usable plugin; then nothing has changed.
    pub fn add(&self, file: &Path) -> Result<(String, Version), LoadError> {
        let _changing = self.changing.lock();
        let policy = Policy::read(&self.config.trust);
        let admitted = self.read(&Candidate::file(file.to_owned()), &policy).map_err(|fault| fault.error)?;
        let entry = admitted.entry;
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

    /// The full manifests of all usable versions of a plugin, newest first; empty if there is none. Versions that have
    /// never been described are opened as [`Registry::load`] does it.
    ///
    /// # Errors
    /// The first version that cannot be opened or does not describe itself.
    pub fn manifests(&self, name: &str) -> Result<Vec<Manifest>, LoadError> {
        let usable = self.found.read().usable.clone();
        let versions = usable.iter().filter(|entry| entry.manifest.name == name);
        let full = versions.map(|entry| entry.full_manifest(&self.surroundings()));
        let mut manifests = full.collect::<Result<Vec<_>, _>>()?;
        manifests.sort_by(|a, b| b.version.cmp(&a.version));
        Ok(manifests)
    }

    /// The file of a usable plugin: of the version that is named, or else of the newest.
    #[must_use]
    pub fn plugin_file(&self, name: &str, version: Option<&Version>) -> Option<PathBuf> {
        let found = self.found.read();
        let named = found.usable.iter().map(|entry| (&entry.manifest, &entry.file));
        let fitting = named.filter(|(manifest, _)| {
            manifest.name == name && version.is_none_or(|version| manifest.version == *version)
        });
        fitting.max_by(|(a, _), (b, _)| a.version.cmp(&b.version)).map(|(_, file)| file.clone())
    }

    fn scan(&self, files: Vec<PathBuf>) -> Changes {
        let look = Look { files, installed: self.index.read(), unsettled: &BTreeSet::new() };
        self.commit(self.gather(look))
    }

    /// Makes what was found what counts.
    pub(crate) fn commit(&self, mut found: Found) -> Changes {
        self.hand_over(&mut found);
        found.refresh_catalog();
        let mut present = self.found.write();
        found.draining = self.draining_after(&present, &found.usable);
        let before = std::mem::replace(&mut *present, found);
        let changes = Changes::between(&before.usable, &present.usable, &present.draining);
        let gone = beyond(&before.usable, &present.usable);
        let come = beyond(&present.usable, &before.usable);
        drop(present);
        gone.iter().for_each(|entry| entry.set_replaced(true));
        come.iter().for_each(|entry| entry.set_replaced(false));
        self.store.cache.save();
        changes
    }

    /// What runs still need and new ones do not get any more once `usable` is what can be called.
    fn draining_after(&self, present: &Found, usable: &[Arc<PluginEntry>]) -> Vec<Arc<PluginEntry>> {
        let is_left = |entry: &&Arc<PluginEntry>| {
            self.leases.count(entry.hash) > 0 && !usable.iter().any(|other| other.hash == entry.hash)
        };
        present.draining.iter().chain(&present.usable).filter(is_left).cloned().collect()
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

    /// Hosts with the same data directory that ended without a shutdown before this one began, and the plugins that were open in
    /// them: one of these may have crashed its host.
    #[must_use]
    pub fn unclean_exits(&self) -> &[UncleanExit] {
        self.store.notes.found()
    }

    /// What says that this process ends on purpose, whatever goes on in it.
    #[must_use]
    pub fn exit_note(&self) -> ExitNote {
        ExitNote(Arc::clone(&self.store.notes))
    }

    /// Ends all worker processes at once, for good. Calls that are in them fail; plugins in this process stay as they are.
    pub fn end_workers(&self) {
        #[cfg(unix)]
        self.supervisor.close();
    }

    /// Lets plugins call methods of other plugins of this registry. Without this such calls are `plugin.unavailable`.
    pub fn connect(self: &Arc<Self>) {
        self.switchboard.connect(Arc::downgrade(self));
    }

    /// The method that the plugin `caller` may call.
    ///
    /// # Errors
    /// `plugin.unavailable` if there is none.
    pub(crate) fn callee(&self, caller: &str, wanted: &Wanted<'_>, method: &str) -> Result<Callee, Failure> {
        let entry = {
            let found = self.found.read();
            let entry = match wanted {
                Wanted::Required(requirement) => newest(requirement, &found.usable).cloned(),
                // a version that drains still calls itself
                Wanted::Own(_, hash) => {
                    found.usable.iter().chain(&found.draining).find(|entry| entry.hash == *hash).cloned()
                }
            };
            entry.map(|entry| (self.leases.take(entry.hash), entry))
        };
        let unavailable =
            |message: String| Failure { retryable: false, ..Failure::new(kind::PLUGIN_UNAVAILABLE, message) };
        let (lease, entry) = entry.ok_or_else(|| {
            unavailable(match wanted {
                Wanted::Required(Requirement { name, version, .. }) => {
                    format!(
                        "`{caller}` calls `{name}`, of which no version that fits `{version}` can be used"
                    )
                }
                Wanted::Own(name, _) => format!("`{name}` calls itself, but cannot be used any more"),
            })
        })?;
        let failed = |fault: LoadError| Failure::new(kind::PLUGIN_UNAVAILABLE, fault.to_string());
        let around = self.surroundings();
        let facts = entry.facts(method, &around).map_err(failed)?;
        let bound = entry.bind(method, None, lease, &around).map_err(failed)?;
        let version = entry.manifest.version.clone();
        match (facts, bound) {
            (Some(facts), Some(_)) if facts.kind == MethodKind::Stream => Err(unavailable(format!(
                "method `{}.{method}` produces a stream, which cannot be called yet",
                entry.manifest.name
            ))),
            (Some(facts), Some(method)) => Ok(Callee { method, facts, version }),
            _ => Err(unavailable(format!(
                "plugin `{} {version}` has no method `{method}`",
                entry.manifest.name
            ))),
        }
    }

    pub(crate) fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            store: &self.store,
            config: &self.config,
            switchboard: &self.switchboard,
            #[cfg(unix)]
            supervisor: &self.supervisor,
        }
    }

    fn fault_of(&self, file: &Path, name: &str, version: &Version) -> Option<LoadError> {
        let found = self.found.read();
        let concerns = |fault: &&Fault| match &fault.error {
            LoadError::Conflict { file: other, .. } => other == file,
            LoadError::MissingDependency(_)
            | LoadError::StateRefused { .. }
            | LoadError::CyclicDependency { .. }
            | LoadError::Quarantined { .. } => fault.concerns(name, version),
            _ => false,
        };
        found.faults.iter().find(concerns).map(|fault| fault.error.clone())
    }

    fn is_draining(&self, found: &Found, plugin: &str, version: &Version) -> bool {
        let mut draining = found.draining.iter().filter(|entry| self.leases.count(entry.hash) > 0);
        draining.any(|entry| entry.manifest.name == plugin && entry.manifest.version == *version)
    }

    fn unavailable(&self, plugin: &str, version: &Version) -> Failure {
        let found = self.found.read();
        let message = match found.faults.iter().find(|fault| fault.concerns(plugin, version)) {
            Some(fault) => format!("plugin `{plugin} {version}` cannot be used: {}", fault.error.reason()),
            None if self.is_draining(&found, plugin, version) => {
                format!("plugin `{plugin} {version}` is draining: only runs that began with it still have it")
            }
            None => format!("plugin `{plugin} {version}` is not installed"),
        };
        Failure::new(kind::PLUGIN_UNAVAILABLE, message)
    }
}

/// Those of `one` whose files are not among `other`.
fn beyond(one: &[Arc<PluginEntry>], other: &[Arc<PluginEntry>]) -> Vec<Arc<PluginEntry>> {
    let other: BTreeSet<Hash> = other.iter().map(|entry| entry.hash).collect();
    one.iter().filter(|entry| !other.contains(&entry.hash)).cloned().collect()
}

impl Found {
    pub(crate) fn with(files: Vec<PathBuf>) -> Self {
        Self { files, ..Self::default() }
    }

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
        let entry = {
            // counted under the lock under which a look decides whether the file is still needed
            let found = self.found.read();
            let is_it =
                |it: &&Arc<PluginEntry>| it.manifest.name == plugin && it.manifest.version == *version;
            let entry = found.usable.iter().find(is_it).cloned();
            entry.map(|entry| (self.leases.take(entry.hash), entry))
        };
        let (lease, entry) = entry.ok_or_else(|| self.unavailable(plugin, version))?;
        let bound = entry.bind(method, isolation, lease, &self.surroundings()).map_err(|fault| {
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
