//! What another look into the plugin directories has changed.

use crate::plugin::PluginEntry;
use jackfield_plugin_api::manifest::Manifest;
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

impl PluginVersion {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        Self { name: manifest.name.clone(), version: manifest.version.clone() }
    }
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
    /// Of what cannot be called any more, and of the old contents of what was replaced, that which runs still need.
    pub draining: Vec<PluginVersion>,
}

impl Changes {
    pub(crate) fn between(
        before: &[Arc<PluginEntry>],
        now: &[Arc<PluginEntry>],
        draining: &[Arc<PluginEntry>],
    ) -> Self {
        let same = |plugins: &[Arc<PluginEntry>], it: &PluginEntry| {
            plugins.iter().find(|other| it.is_same_version(other)).map(|other| other.hash)
        };
        Self {
            added: versions(now, |it| same(before, it).is_none()),
            removed: versions(before, |it| same(now, it).is_none()),
            replaced: versions(now, |it| same(before, it).is_some_and(|hash| hash != it.hash)),
            draining: versions(draining, |_| true),
        }
    }
}

fn versions(plugins: &[Arc<PluginEntry>], counts: impl Fn(&PluginEntry) -> bool) -> Vec<PluginVersion> {
    let version = |it: &Arc<PluginEntry>| PluginVersion::of(&it.manifest);
    let mut versions: Vec<_> = plugins.iter().filter(|it| counts(it)).map(version).collect();
    versions.sort();
    versions
}
