//! What stands in a lock, and whether what is found is what stands there.

use crate::error::LoadError;
use crate::fault::Fault;
use crate::plugin::PluginEntry;
use crate::registry::Registry;
use crate::store::Hash;
use crate::trust::{KeyId, Lock, LockedPlugin, target};
use jackfield_plugin_api::manifest::Manifest;
use semver::Version;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// What the policy says of one plugin that was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// The plugin; `None` if the file does not say.
    pub plugin: Option<String>,
    /// Its version.
    pub version: Option<Version>,
    /// The hash of its file; `None` if it was refused.
    pub sha256: Option<Hash>,
    /// Who of the trusted signers has signed it.
    pub signer: Option<KeyId>,
    /// Why it is refused.
    pub fault: Option<LoadError>,
}

/// What the policy says of everything that was found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Verification {
    /// Every plugin that was found, by name and version.
    pub verdicts: Vec<Verdict>,
    /// What is locked for this target and was not found.
    pub missing: Vec<LockedPlugin>,
}

impl Verification {
    /// Whether everything is as it should be.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.missing.is_empty() && self.verdicts.iter().all(|verdict| verdict.fault.is_none())
    }
}

impl Registry {
    /// Whether anything is asked of plugins before they are used: a lock, signatures, an allow list.
    #[must_use]
    pub fn has_policy(&self) -> bool {
        crate::trust::Policy::read(&self.config.trust).is_in_force()
    }

    /// What the last look made of every plugin file. Files that are no plugins at all are passed over.
    #[must_use]
    pub fn verify(&self) -> Verification {
        let found = self.found.read();
        let fine = found.usable.iter().map(|entry| Verdict {
            plugin: Some(entry.manifest.name.clone()),
            version: Some(entry.manifest.version.clone()),
            sha256: Some(entry.hash),
            signer: found.signers.get(&entry.hash).copied(),
            fault: None,
        });
        let is_plugin = |fault: &&Fault| !matches!(fault.error, LoadError::NotAPlugin { .. });
        let refused = found.faults.iter().filter(is_plugin).map(|fault| Verdict {
            plugin: fault.plugin.clone(),
            version: fault.version.clone(),
            sha256: None,
            signer: None,
            fault: Some(fault.error.clone()),
        });
        let mut verdicts: Vec<Verdict> = fine.chain(refused).collect();
        verdicts.sort_by(|a, b| (&a.plugin, &a.version).cmp(&(&b.plugin, &b.version)));
        let lock =
            self.config.trust.lock.as_deref().and_then(|path| Lock::read(path).ok()).unwrap_or_default();
        let is_found = |locked: &LockedPlugin| {
            let is_it = |it: &Verdict| {
                it.plugin.as_deref() == Some(&*locked.name) && it.version.as_ref() == Some(&locked.version)
            };
            verdicts.iter().any(is_it)
        };
        let here = lock.plugins().iter().filter(|locked| locked.sha256.contains_key(target()));
        let missing = here.filter(|locked| !is_found(locked)).cloned().collect();
        Verification { verdicts, missing }
    }

    /// Locks plugins for this target in the file at `path`, beside what is locked there for others: all that can be
    /// used, or those `needed` with everything that they require. Answers with the lock.
    ///
    /// # Errors
    /// If there is a lock that cannot be understood, or it cannot be written.
    pub fn write_lock(&self, path: &Path, needed: Option<&[(&str, &Version)]>) -> Result<Lock, LoadError> {
        let found = self.found.read();
        let chosen = match needed {
            None => found.usable.clone(),
            Some(needed) => closure(&found.usable, needed),
        };
        let entry = |entry: &Arc<PluginEntry>| LockedPlugin {
            signer: found.signers.get(&entry.hash).copied(),
            ..LockedPlugin::here(
                &entry.manifest.name,
                &entry.manifest.version,
                entry.manifest.abi,
                entry.hash,
            )
        };
        let lock = Lock::read_or_new(path)?.relocked(chosen.iter().map(entry).collect());
        lock.write(path)?;
        Ok(lock)
    }
}

/// The `needed` plugins and what they require: of each requirement, optional ones too, the newest that fits.
fn closure(usable: &[Arc<PluginEntry>], needed: &[(&str, &Version)]) -> Vec<Arc<PluginEntry>> {
    let is_needed = |manifest: &Manifest| {
        needed.iter().any(|(name, version)| manifest.name == *name && manifest.version == **version)
    };
    let mut queue: Vec<&Arc<PluginEntry>> =
        usable.iter().filter(|entry| is_needed(&entry.manifest)).collect();
    let (mut seen, mut chosen) = (BTreeSet::new(), Vec::new());
    while let Some(entry) = queue.pop() {
        if !seen.insert(entry.hash) {
            continue;
        }
        chosen.push(Arc::clone(entry));
        for requirement in &entry.manifest.requires {
            queue.extend(crate::requires::newest(requirement, usable));
        }
    }
    chosen
}
