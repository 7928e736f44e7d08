//! One look at all plugin files: what each is, whether it is trusted, and what can be called of it all.

use crate::cache::Finding;
use crate::error::LoadError;
use crate::fault::Fault;
use crate::inspect::{Inspected, inspect};
use crate::installed::InstalledPlugin;
use crate::installing::InstallError;
use crate::plugin::PluginEntry;
use crate::quarantine::Quarantine;
use crate::refusal::Refusal;
use crate::registry::{Found, Registry};
use crate::requires::resolve;
use crate::stamp::Stamp;
use crate::store::Hash;
use crate::trust::{Evidence, KeyId, Policy, read_signature};
use jackfield_plugin_api::manifest::Manifest;
use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// What is looked at, beside the directories of the configuration.
pub(crate) struct Look<'a> {
    /// Files named one by one.
    pub(crate) files: Vec<PathBuf>,
    /// The list of installed plugins, or why there is none.
    pub(crate) installed: Result<Vec<InstalledPlugin>, LoadError>,
    /// Files that are being written.
    pub(crate) unsettled: &'a BTreeSet<PathBuf>,
}

/// Where plugins come from, for those who watch it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Places {
    /// Directories whose files are plugins.
    pub directories: Vec<PathBuf>,
    /// Plugin files that were named one by one.
    pub files: Vec<PathBuf>,
    /// The lock and the list of installed plugins.
    pub lists: Vec<PathBuf>,
}

/// A file that may be a plugin.
pub(crate) struct Candidate {
    file: PathBuf,
    /// What it must be, if it is in the store because it was installed.
    installed: Option<InstalledPlugin>,
}

/// A plugin file that may be used.
pub(crate) struct Admitted {
    pub(crate) entry: Arc<PluginEntry>,
    signer: Option<KeyId>,
}

/// A file as far as it is known.
struct Known {
    hash: Hash,
    manifest: Manifest,
    signer: Option<KeyId>,
}

impl Candidate {
    pub(crate) fn file(file: PathBuf) -> Self {
        Self { file, installed: None }
    }
}

impl Registry {
    /// What another look depends on: directories with plugins, and single files.
    #[must_use]
    pub fn places(&self) -> Places {
        let files = self.found.read().files.clone();
        let lists = self.config.trust.lock.iter().cloned().chain([self.index.file().to_owned()]).collect();
        Places { directories: self.config.directories.clone(), files, lists }
    }

    /// Looks at everything; nothing counts before it is committed.
    pub(crate) fn gather(&self, look: Look<'_>) -> Found {
        let policy = Policy::read(&self.config.trust);
        self.store.quarantine.reload();
        let mut found = Found::with(look.files);
        for candidate in self.candidates(&mut found, look.installed) {
            if look.unsettled.contains(&candidate.file) {
                // under a policy what was there before would have to be judged anew, and its file is gone
                if let Some(entry) = self.held_by(&candidate.file).filter(|_| !policy.is_in_force()) {
                    found.take(candidate.file, entry, None, &self.store.quarantine);
                }
                continue;
            }
            match self.read(&candidate, &policy) {
                Ok(Admitted { entry, signer }) => {
                    found.take(candidate.file, entry, signer, &self.store.quarantine);
                }
                Err(fault) => found.faults.push(*fault),
            }
        }
        let lacking = resolve(&mut found.usable);
        found.faults.extend(lacking);
        found
    }

    /// Whether a file is more than the beginning of a plugin file that somebody is writing: a whole plugin, or one that
    /// is refused for what it is.
    #[must_use]
    pub fn is_whole(&self, file: &Path) -> bool {
        let unfinished = |refused: &crate::refusal::Refused| {
            matches!(refused.why, Refusal::Empty | Refusal::Truncated { .. } | Refusal::NotAPlugin { .. })
        };
        self.look_at(file).is_ok()
            && read_whole(file).is_ok_and(|(bytes, _)| !inspect(&bytes).is_err_and(|it| unfinished(&it)))
    }

    /// All files in the order in which they count. What cannot be listed is a fault.
    fn candidates(
        &self,
        found: &mut Found,
        installed: Result<Vec<InstalledPlugin>, LoadError>,
    ) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for directory in &self.config.directories {
            match plugin_files(directory) {
                Ok(files) => candidates.extend(files.into_iter().map(Candidate::file)),
                Err(error) => found.faults.push(Fault::of_file(directory, error)),
            }
        }
        candidates.extend(found.files.iter().cloned().map(Candidate::file));
        match installed {
            Ok(installed) => {
                candidates.extend(installed.into_iter().map(|plugin| Candidate {
                    file: self.store.path(plugin.sha256),
                    installed: Some(plugin),
                }))
            }
            Err(error) => found.faults.push(Fault::of_file(self.index.file(), error)),
        }
        candidates
    }

    /// The plugin that a file held at the last look.
    fn held_by(&self, file: &Path) -> Option<Arc<PluginEntry>> {
        self.found.read().usable.iter().find(|entry| entry.file == file).cloned()
    }

    /// Reads and inspects one file, asks whether it is trusted, and keeps it in the store. A file that is known already
    /// keeps its entry.
    pub(crate) fn read(&self, candidate: &Candidate, policy: &Policy<'_>) -> Result<Admitted, Box<Fault>> {
        let file = &candidate.file;
        let known = self.know(candidate, policy).map_err(|fault| match &candidate.installed {
            Some(plugin) if fault.plugin.is_none() => {
                Box::new(Fault::of(&plugin.name, &plugin.version, fault.error))
            }
            _ => fault,
        })?;
        let Known { hash, manifest, signer } = known;
        if let Some(plugin) = candidate.installed.as_ref().filter(|plugin| plugin.sha256 != hash) {
            return Err(damaged(plugin));
        }
        if let Some(entry) = self.found.read().known.get(&hash) {
            return Ok(Admitted { entry: Arc::clone(entry), signer });
        }
        Ok(Admitted { entry: Arc::new(PluginEntry::new(hash, file.to_owned(), manifest)), signer })
    }

    fn know(&self, candidate: &Candidate, policy: &Policy<'_>) -> Result<Known, Box<Fault>> {
        let file = &candidate.file;
        let metadata = self.look_at(file).map_err(|error| match (&candidate.installed, &error) {
            (Some(plugin), LoadError::NotFound { .. }) => damaged(plugin),
            _ => Box::new(Fault::of_file(file, error)),
        })?;
        if policy.is_in_force() {
            return self.examine(candidate, policy);
        }
        let path = file.canonicalize().ok();
        let noted = path.as_ref().and_then(|path| self.store.finding(path, &Stamp::of(&metadata)));
        match noted {
            Some(Finding::Refused(refused)) => Err(Box::new(Fault::refused(file, refused))),
            Some(Finding::Plugin { hash, manifest }) => match Manifest::parse(manifest.as_bytes()) {
                Ok(manifest) => Ok(Known { hash, manifest, signer: None }),
                Err(_) => self.examine(candidate, policy),
            },
            None => self.examine(candidate, policy),
        }
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

    /// What a file is, by reading it. The bytes that are judged are those that are kept.
    fn examine(&self, candidate: &Candidate, policy: &Policy<'_>) -> Result<Known, Box<Fault>> {
        let file = &candidate.file;
        let now = SystemTime::now();
        let unread = |error| Box::new(Fault::of_file(file, LoadError::io(file, "read", &error)));
        let (bytes, stamp) = read_whole(file).map_err(unread)?;
        let (finding, answer) = match inspect(&bytes) {
            Ok(Inspected { manifest, manifest_text }) => {
                let hash = Hash::of(&bytes);
                let of_plugin = |error| Box::new(Fault::of(&manifest.name, &manifest.version, error));
                let signer = self
                    .judge(
                        candidate,
                        policy,
                        &Evidence { file, bytes: &bytes, hash, manifest: &manifest, signature: None },
                    )
                    .map_err(of_plugin)?;
                self.store.keep(hash, &bytes).map_err(of_plugin)?;
                (Finding::Plugin { hash, manifest: manifest_text }, Ok(Known { hash, manifest, signer }))
            }
            Err(refused) => {
                let fault = Fault::refused(file, refused.clone());
                (Finding::Refused(refused), Err(Box::new(fault)))
            }
        };
        if let Ok(path) = file.canonicalize()
            && stamp.is_settled(now)
        {
            self.store.cache.note(&path, stamp, finding);
        }
        answer
    }

    fn judge(
        &self,
        candidate: &Candidate,
        policy: &Policy<'_>,
        evidence: &Evidence<'_>,
    ) -> Result<Option<KeyId>, LoadError> {
        if !policy.is_in_force() {
            return Ok(None);
        }
        let signature = match &candidate.installed {
            Some(plugin) => plugin.signature.clone(),
            None => read_signature(&candidate.file)?,
        };
        let evidence = Evidence { signature: signature.as_deref(), ..*evidence };
        Ok(policy.judge(&evidence)?)
    }
}

impl Found {
    /// Takes a plugin in, unless it is quarantined; one with the same contents counts once, and of two that claim one
    /// version the first.
    fn take(
        &mut self,
        file: PathBuf,
        entry: Arc<PluginEntry>,
        signer: Option<KeyId>,
        quarantine: &Quarantine,
    ) {
        if let Some(signer) = signer {
            self.signers.insert(entry.hash, signer);
        }
        if self.known.insert(entry.hash, Arc::clone(&entry)).is_some() {
            return;
        }
        if let Some(confined) = quarantine.get(entry.hash) {
            let (name, version) = (&entry.manifest.name, &entry.manifest.version);
            return self.faults.push(Fault::of(name, version, confined.error()));
        }
        match self.usable.iter().find(|other| other.is_same_version(&entry)) {
            None => self.usable.push(entry),
            Some(other) => self.faults.push(conflict(file, &entry, other)),
        }
    }
}

fn damaged(plugin: &InstalledPlugin) -> Box<Fault> {
    let (name, version) = (plugin.name.clone(), plugin.version.clone());
    let error = InstallError::Damaged { plugin: name, version };
    Box::new(Fault::of(&plugin.name, &plugin.version, Box::new(error).into()))
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
pub(crate) fn plugin_files(directory: &Path) -> Result<Vec<PathBuf>, LoadError> {
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
