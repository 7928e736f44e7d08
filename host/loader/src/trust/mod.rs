//! What a plugin file must fulfil before any of its code may run: an allow list, a lock, signatures. Judged are the
//! bytes that are put into the store, at every start and every later look; no judgement is kept anywhere.

mod allow;
mod distrust;
mod lock;
mod signature;
mod target;

pub use allow::AllowRule;
pub use distrust::Distrust;
pub use lock::{Lock, LockedPlugin};
pub(crate) use signature::read_signature;
pub use signature::{KeyId, TrustedKey};
pub use target::target;

use crate::store::Hash;
use jackfield_plugin_api::manifest::Manifest;
use std::path::{Path, PathBuf};

/// Which plugins may be used. By default all.
#[derive(Clone, Debug, Default)]
pub struct TrustConfig {
    /// A lock file that every plugin must stand in. It is read again at every look; while it cannot be read nothing is
    /// trusted.
    pub lock: Option<PathBuf>,
    /// Keys of signers.
    pub keys: Vec<TrustedKey>,
    /// Whether a plugin without a signature by one of the keys is refused.
    pub require_signature: bool,
    /// Plugins that may be used; all if absent, none if empty.
    pub allow: Option<Vec<AllowRule>>,
}

/// A plugin file as it was read.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'a> {
    pub(crate) file: &'a Path,
    pub(crate) bytes: &'a [u8],
    pub(crate) hash: Hash,
    pub(crate) manifest: &'a Manifest,
    /// The text of its detached signature, if it has one.
    pub(crate) signature: Option<&'a str>,
}

/// The configuration with its lock read, for one look at all files.
pub(crate) struct Policy<'a> {
    config: &'a TrustConfig,
    lock: Option<Result<Lock, Box<Distrust>>>,
}

impl<'a> Policy<'a> {
    pub(crate) fn read(config: &'a TrustConfig) -> Self {
        Self { config, lock: config.lock.as_deref().map(Lock::read) }
    }

    /// Whether files must be read to be judged: then nothing that was noted about them counts.
    pub(crate) fn is_in_force(&self) -> bool {
        self.lock.is_some()
            || self.config.allow.is_some()
            || self.config.require_signature
            || !self.config.keys.is_empty()
    }

    /// Whether the plugin may be used; answers with who signed it.
    pub(crate) fn judge(&self, evidence: &Evidence<'_>) -> Result<Option<KeyId>, Box<Distrust>> {
        let manifest = evidence.manifest;
        if let Some(rules) = &self.config.allow
            && !rules.iter().any(|rule| rule.admits(&manifest.name, &manifest.version))
        {
            let (plugin, version) = (manifest.name.clone(), manifest.version.clone());
            return Err(Box::new(Distrust::NotAllowed { plugin, version }));
        }
        let locked = self.check_lock(evidence)?;
        let signer = signature::check(evidence, &self.config.keys, self.config.require_signature)?;
        if let (Some(locked), Some(signer)) = (locked.and_then(|locked| locked.signer), signer)
            && locked != signer
        {
            let (plugin, version) = (manifest.name.clone(), manifest.version.clone());
            return Err(Box::new(Distrust::SignerDiffers { plugin, version, locked, signer }));
        }
        Ok(signer)
    }

    fn check_lock(&self, evidence: &Evidence<'_>) -> Result<Option<&LockedPlugin>, Box<Distrust>> {
        let Some(lock) = &self.lock else { return Ok(None) };
        let lock = lock.as_ref().map_err(Box::clone)?;
        let (plugin, version) = (evidence.manifest.name.clone(), evidence.manifest.version.clone());
        let file = self.config.lock.clone().unwrap_or_default();
        let Some(locked) = lock.find(&plugin, &version) else {
            return Err(Box::new(Distrust::NotLocked { plugin, version, lock: file, target: None }));
        };
        match locked.sha256.get(target()) {
            Some(hash) if *hash == evidence.hash => Ok(Some(locked)),
            Some(hash) => {
                let (locked, found) = (*hash, evidence.hash);
                Err(Box::new(Distrust::HashDiffers { plugin, version, lock: file, locked, found }))
            }
            None => {
                Err(Box::new(Distrust::NotLocked { plugin, version, lock: file, target: Some(target()) }))
            }
        }
    }
}
