//! Plugin files that cannot be used, and what another look at them has changed.

use jackfield_loader::{Changes, Fault, PluginVersion};
use semver::Version;
use serde::Serialize;
use std::fmt;

/// A file that is no usable plugin, in one line with a stable code.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
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
    #[schemars(with = "Option<String>")]
    pub version: Option<Version>,
    /// What to do about it, as a sentence; empty if the message says it all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl PluginProblem {
    pub(crate) fn new(fault: &Fault) -> Self {
        Self {
            code: fault.code().to_owned(),
            message: fault.to_string(),
            plugin: fault.plugin.clone(),
            version: fault.version.clone(),
            remedy: fault.error.remedy(),
        }
    }
}

impl fmt::Display for PluginProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

/// What another look at all plugins has found: [`Host::rescan`](crate::Host::rescan), or one that was made because
/// something had changed. Each list of plugins is sorted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PluginChanges {
    /// Plugins that can be called now, and could not before.
    pub added: Vec<PluginVersion>,
    /// Plugins that cannot be called any more.
    pub removed: Vec<PluginVersion>,
    /// Plugins whose file has other contents under the same version: runs that start now call those.
    pub replaced: Vec<PluginVersion>,
    /// Plugins that are gone, or have other contents now, and that runs still need: new runs do not get them.
    pub draining: Vec<PluginVersion>,
    /// Plugins that were draining, and whose last run has ended; told only to those who watch.
    pub drained: Vec<PluginVersion>,
    /// Everything that cannot be used now, new or not: what [`Host::plugin_problems`](crate::Host::plugin_problems)
    /// answers.
    pub problems: Vec<PluginProblem>,
}

impl PluginChanges {
    pub(crate) fn new(changes: Changes, problems: Vec<PluginProblem>) -> Self {
        let Changes { added, removed, replaced, draining, .. } = changes;
        Self { added, removed, replaced, draining, drained: Vec::new(), problems }
    }

    /// Whether there is anything in which it differs from before, apart from problems.
    pub(crate) fn is_change(&self) -> bool {
        [&self.added, &self.removed, &self.replaced, &self.drained].iter().any(|list| !list.is_empty())
    }
}
