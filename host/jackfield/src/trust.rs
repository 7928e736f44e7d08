//! `[trust]`: what is asked of plugin files before any of their code runs.

use crate::Error;
use jackfield_loader::{AllowRule, TrustConfig, TrustedKey};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The name of a lock that is found beside a configuration.
const LOCK_NAME: &str = "jackfield.lock";

/// `[trust]`. What is absent asks for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TrustSettings {
    /// The lock that every plugin must stand in. If absent, `jackfield.lock` beside the configuration counts if it is
    /// there.
    pub lock: Option<PathBuf>,
    /// Public keys of minisign, each the second line of a `minisign.pub`.
    pub keys: Vec<TrustedKey>,
    /// Whether plugins without a signature by one of the keys are refused.
    pub require_signature: bool,
    /// Plugins that may be used; all if absent.
    pub allow: Option<Vec<AllowRule>>,
}

impl TrustSettings {
    /// Where the lock is, or would be written: as configured, or in `base_dir`.
    #[must_use]
    pub fn lock_file(&self, base_dir: Option<&Path>) -> PathBuf {
        self.lock.clone().unwrap_or_else(|| base_dir.unwrap_or(Path::new("")).join(LOCK_NAME))
    }

    /// What the loader is told. A lock in `base_dir` counts if there is something of its name, whatever it is.
    ///
    /// # Errors
    /// If signatures are required and there is no key by which one could count.
    pub(crate) fn checked(&self, base_dir: Option<&Path>) -> Result<TrustConfig, Error> {
        if self.require_signature && self.keys.is_empty() {
            let message = "`require_signature` under `[trust]` needs the public key of a signer in `keys`";
            return Err(Error::setup(message));
        }
        let beside = base_dir.map(|dir| dir.join(LOCK_NAME));
        let beside = beside.filter(|path| std::fs::symlink_metadata(path).is_ok());
        Ok(TrustConfig {
            lock: self.lock.clone().or(beside),
            keys: self.keys.clone(),
            require_signature: self.require_signature,
            allow: self.allow.clone(),
        })
    }
}
