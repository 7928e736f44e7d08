//! What is wrong with the contents of a file, wherever it lies.

use crate::error::LoadError;
use jackfield_plugin_api::abi::JF_ABI_MAJOR;
use semver::Version;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A refused file, with the plugin that it would be if that can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) why: Refusal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plugin: Option<Identity>,
}

/// What every manifest says, whatever else is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) version: Version,
}

/// Why the contents of a file are no plugin that this host can use. What it says is kept in the cache: a change of its
/// form is a change of the form of the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub(crate) enum Refusal {
    Empty,
    NotAPlugin { reason: String },
    WrongArchitecture { found: String, needed: String },
    Truncated { reason: String },
    ManifestInvalid { reason: String },
    AbiTooNew { plugin: String, needs: u16 },
    AbiTooOld { plugin: String, knows: u16 },
}

impl Refusal {
    pub(crate) fn not_a_plugin(reason: impl Into<String>) -> Self {
        Self::NotAPlugin { reason: reason.into() }
    }

    pub(crate) fn truncated(reason: impl Into<String>) -> Self {
        Self::Truncated { reason: reason.into() }
    }

    /// The error about `file`.
    pub(crate) fn of(self, file: &Path) -> LoadError {
        let file = file.to_owned();
        match self {
            Self::Empty => LoadError::Empty { file },
            Self::NotAPlugin { reason } => LoadError::NotAPlugin { file, reason },
            Self::WrongArchitecture { found, needed } => LoadError::WrongArchitecture { file, found, needed },
            Self::Truncated { reason } => LoadError::Truncated { file, reason },
            Self::ManifestInvalid { reason } => LoadError::ManifestInvalid { file, reason },
            Self::AbiTooNew { plugin, needs } => LoadError::AbiTooNew { plugin, needs, has: JF_ABI_MAJOR },
            Self::AbiTooOld { plugin, knows } => LoadError::AbiTooOld { plugin, knows, has: JF_ABI_MAJOR },
        }
    }
}
