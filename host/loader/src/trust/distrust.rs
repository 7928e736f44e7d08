//! Why a plugin is not trusted: one line each, with a code that stays the same and a remedy.

use super::signature::KeyId;
use crate::store::Hash;
use semver::Version;
use std::path::PathBuf;

/// What the policy of this host has against a plugin. Nothing of the file has run.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// The allow list does not name it.
    #[error("plugin `{plugin} {version}` is not on the allow list")]
    NotAllowed {
        /// The plugin.
        plugin: String,
        /// Its version.
        version: Version,
    },
    /// The lock does not name it, or not for this target.
    #[error("plugin `{plugin} {version}` is not in the lock `{}`{}", lock.display(), for_target(*target))]
    NotLocked {
        /// The plugin.
        plugin: String,
        /// Its version.
        version: Version,
        /// The lock.
        lock: PathBuf,
        /// The target, if there are hashes for others.
        target: Option<&'static str>,
    },
    /// The lock has another hash.
    #[error(
        "plugin `{plugin} {version}`: its hash {found} differs from the lock `{}`, which has {locked}",
        lock.display()
    )]
    HashDiffers {
        /// The plugin.
        plugin: String,
        /// Its version.
        version: Version,
        /// The lock.
        lock: PathBuf,
        /// What it should be.
        locked: Hash,
        /// What it is.
        found: Hash,
    },
    /// The lock names another signer.
    #[error("plugin `{plugin} {version}` is signed by key {signer}, but the lock has key {locked}")]
    SignerDiffers {
        /// The plugin.
        plugin: String,
        /// Its version.
        version: Version,
        /// Who should have signed it.
        locked: KeyId,
        /// Who has.
        signer: KeyId,
    },
    /// There is a lock to be kept, but it cannot be read: nothing is trusted.
    #[error("the lock `{}` cannot be used: {reason}", lock.display())]
    LockUnusable {
        /// The lock.
        lock: PathBuf,
        /// Why.
        reason: String,
    },
    /// It has no signature.
    #[error("`{}` is not signed: there is no `{}`", file.display(), signature.display())]
    NotSigned {
        /// The file.
        file: PathBuf,
        /// Where its signature should be.
        signature: PathBuf,
    },
    /// Its signature is by somebody unknown.
    #[error("`{}` is signed by key {key}, which is not trusted", file.display())]
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// The key.
        key: KeyId,
    },
    /// Its signature is no good.
    #[error("`{}` is not what was signed: {reason}", file.display())]
    SignatureInvalid {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
}

fn for_target(target: Option<&str>) -> String {
    target.map(|target| format!(" for {target}")).unwrap_or_default()
}

impl Distrust {
    /// The stable code, such as `plugin.not_locked`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAllowed { .. } => "plugin.not_allowed",
            Self::NotLocked { .. } => "plugin.not_locked",
            Self::HashDiffers { .. } => "plugin.hash_differs",
            Self::SignerDiffers { .. } => "plugin.signer_differs",
            Self::LockUnusable { .. } => "plugin.lock_unusable",
            Self::NotSigned { .. } => "plugin.not_signed",
            Self::UnknownKey { .. } => "plugin.unknown_key",
            Self::SignatureInvalid { .. } => "plugin.signature_invalid",
        }
    }

    /// What follows on "plugin `x` cannot be used: ".
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::NotAllowed { .. } => "it is not on the allow list".into(),
            Self::NotLocked { lock, target, .. } => {
                format!("it is not in the lock `{}`{}", lock.display(), for_target(*target))
            }
            Self::HashDiffers { lock, locked, found, .. } => {
                format!("its hash {found} differs from the lock `{}`, which has {locked}", lock.display())
            }
            Self::SignerDiffers { locked, signer, .. } => {
                format!("it is signed by key {signer}, but the lock has key {locked}")
            }
            other => other.to_string(),
        }
    }

    /// What to do about it, as a sentence.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::NotAllowed { plugin, .. } => {
                format!("If you trust it, add \"{plugin}\" to `allow` under `[trust]` in the configuration.")
            }
            Self::NotLocked { .. } => {
                "If you trust it, run `jackfield plugin lock`, with `--plugin-path FILE` if it is \
                                       to be added."
                    .into()
            }
            Self::HashDiffers { .. } => {
                "Restore the file that was locked, or, if you trust this one, run `jackfield plugin lock`."
                    .into()
            }
            Self::SignerDiffers { .. } => {
                "If the plugin has changed hands and you trust it, run `jackfield plugin lock`.".into()
            }
            Self::LockUnusable { .. } => {
                "Restore the lock, or write a new one with `jackfield plugin lock`.".into()
            }
            Self::NotSigned { .. } => {
                "Ask its publisher for the signature and put it beside the file.".into()
            }
            Self::UnknownKey { .. } => {
                "If you trust this signer, add the public key to `keys` under `[trust]` in the configuration."
                    .into()
            }
            Self::SignatureInvalid { .. } => {
                "Fetch the file and its signature again, both from the publisher.".into()
            }
        }
    }
}
