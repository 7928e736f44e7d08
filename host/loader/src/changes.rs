//! What another look into the plugin directories has changed.

use crate::plugin::PluginEntry;
use semver::Version;
use std::fmt;
use std::sync::Arc;

/// One version of one plugin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct PluginVersion {
    /// The plugin.
    pub name: String,
    /// The version.
    pub version: Version,
}

impl fmt::Display for PluginVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The difference between what could be called before and what can be now. Each list is sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// What can be called now, and could not before.
    pub added: Vec<PluginVersion>,
    /// What cannot be called any more.
    pub removed: Vec<PluginVersion>,
    /// What has another file with other contents now.
    pub replaced: Vec<PluginVersion>,
}

impl Changes {
    pub(crate) fn between(before: &[Arc<PluginEntry>], now: &[Arc<PluginEntry>]) -> Self {
        let same = |plugins: &[Arc<PluginEntry>], it: &PluginEntry| {
            plugins.iter().find(|other| it.is_same_version(other)).map(|other| other.hash)
        };
        Self {
            added: versions(now, |it| same(before, it).is_none()),
            removed: versions(before, |it| same(now, it).is_none()),
            replaced: versions(now, |it| same(before, it).is_some_and(|hash| hash != it.hash)),
        }
    }
}

fn versions(plugins: &[Arc<PluginEntry>], counts: impl Fn(&PluginEntry) -> bool) -> Vec<PluginVersion> {
    let version = |it: &Arc<PluginEntry>| PluginVersion {
        name: it.manifest.name.clone(),
        version: it.manifest.version.clone(),
    };
    let mut versions: Vec<_> = plugins.iter().filter(|it| counts(it)).map(version).collect();
    versions.sort();
    versions
}
