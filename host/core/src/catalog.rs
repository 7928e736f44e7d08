//! What plugins offer, as validation sees it. The loader turns manifests into a catalog; the core knows no ABI.

use crate::payload::Payload;
use semver::{Version, VersionReq};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// How a method wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MethodKind {
    /// May block: runs on the bounded blocking pool.
    Blocking,
    /// Cheap and never blocking: runs on the engine's own threads.
    Inline,
    /// Answers by a completion.
    Async,
    /// Produces items over time.
    Stream,
}

/// One method of one plugin version.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Method {
    /// Name as workflows write it.
    pub name: Box<str>,
    /// One sentence; may be empty.
    pub description: Box<str>,
    /// How it is called.
    pub kind: MethodKind,
    /// No side effects, same input gives the same output.
    pub pure: bool,
    /// Calling it twice has the effect of calling it once.
    pub idempotent: bool,
    /// At most one call at a time.
    pub serial: bool,
    /// What an attempt may take at most, unless the step or the document says otherwise.
    pub default_timeout: Option<Duration>,
    /// JSON Schema of the parameters; `null` accepts anything.
    pub parameters: Payload,
    /// JSON Schema of the result; `null` accepts anything.
    pub output: Payload,
}

/// One version of one plugin.
#[derive(Clone, Debug, Serialize)]
pub struct Plugin {
    /// Plugin id as workflows write it.
    pub name: Box<str>,
    /// Its version.
    pub version: Version,
    /// One sentence; may be empty.
    pub description: Box<str>,
    /// Methods in the order of the manifest.
    pub methods: Vec<Method>,
}

impl Plugin {
    /// The method called `name`.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| &*method.name == name)
    }
}

/// A plugin that is there, but cannot be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Its name, or what its file suggests as one.
    pub name: Box<str>,
    /// Its version; `None` if only the name of the file says what it is.
    pub version: Option<Version>,
    /// Why: what follows on "cannot be used: ", or a sentence about the file if only that is known.
    pub reason: Box<str>,
    /// What to do about it, as a sentence; may be empty.
    pub remedy: Box<str>,
}

/// All plugins that can be called, sorted by name, then by version, newest first; and those that cannot, for saying so.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    plugins: Vec<Arc<Plugin>>,
    unusable: Vec<Unusable>,
}

impl Catalog {
    /// A catalog of `plugins`; of two with the same name and version the first stays.
    #[must_use]
    pub fn new(mut plugins: Vec<Arc<Plugin>>) -> Self {
        plugins.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version)));
        plugins.dedup_by(|b, a| a.name == b.name && a.version == b.version);
        Self { plugins, unusable: Vec::new() }
    }

    /// With plugins that cannot be called.
    #[must_use]
    pub fn with_unusable(mut self, mut unusable: Vec<Unusable>) -> Self {
        unusable.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version)));
        self.unusable = unusable;
        self
    }

    /// The plugins that cannot be called, by name, then by version, newest first.
    #[must_use]
    pub fn unusable(&self) -> &[Unusable] {
        &self.unusable
    }

    /// All plugins in order.
    #[must_use]
    pub fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    /// All versions of `name`, newest first; empty if there is none.
    #[must_use]
    pub fn versions(&self, name: &str) -> &[Arc<Plugin>] {
        let start = self.plugins.partition_point(|plugin| &*plugin.name < name);
        let len = self.plugins[start..].partition_point(|plugin| &*plugin.name == name);
        &self.plugins[start..start + len]
    }

    /// The newest version of `name` that satisfies every one of `ranges`.
    #[must_use]
    pub fn resolve(&self, name: &str, ranges: &[&VersionReq]) -> Option<&Arc<Plugin>> {
        self.versions(name).iter().find(|plugin| ranges.iter().all(|range| range.matches(&plugin.version)))
    }
}
