//! Plugin files that cannot be used, and what another look at them has changed.

use jackfield_loader::{Changes, Fault, PluginVersion};
use semver::Version;
use serde::Serialize;
use std::fmt;

/// A file that is no usable plugin, in one line with a stable code.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PluginProblem {
    /// Stable code.
    pub code: String,
    /// What is wrong, naming the file or the plugin.
    pub message: String,
    /// The plugin, if it could be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Its version, if it could be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

impl PluginProblem {
    pub(crate) fn new(fault: &Fault) -> Self {
        Self {
            code: fault.code().to_owned(),
            message: fault.to_string(),
            plugin: fault.plugin.clone(),
            version: fault.version.clone(),
        }
    }
}

impl fmt::Display for PluginProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

/// What [`Host::rescan`](crate::Host::rescan) found. Each list of plugins is sorted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PluginChanges {
    /// Plugins that can be called now, and could not before.
    pub added: Vec<PluginVersion>,
    /// Plugins that cannot be called any more.
    pub removed: Vec<PluginVersion>,
    /// Plugins whose file has other contents under the same version: runs that start now call those.
    pub replaced: Vec<PluginVersion>,
    /// Everything that cannot be used now, new or not: what [`Host::plugin_problems`](crate::Host::plugin_problems)
    /// answers.
    pub problems: Vec<PluginProblem>,
}

impl PluginChanges {
    pub(crate) fn new(changes: Changes, problems: Vec<PluginProblem>) -> Self {
        let Changes { added, removed, replaced, .. } = changes;
        Self { added, removed, replaced, problems }
    }
}
