//! What a host does with plugins besides calling them: install, remove, update, lock, verify.

use crate::host::Host;
use crate::model::{self, Dialect};
use crate::{Error, Workflow};
use jackfield_core::ports::Methods;
use jackfield_loader::{
    Downgrade, InstalledPlugin, Lock, PluginVersion, Standing as PluginStanding, Update, Verification,
};
use semver::Version;
use std::path::{Path, PathBuf};

impl Host {
    /// Installs a plugin file, or all plugin files of a directory, into the data directory, where every host with that
    /// directory finds them: all or none. What is installed already is passed over. Answers with what was added.
    ///
    /// # Errors
    /// [`Error::Plugin`] with the first reason why one of them could not be used. Then nothing has changed.
    pub fn add_plugin(&self, path: impl AsRef<Path>) -> Result<Vec<PluginVersion>, Error> {
        Ok(self.inner.registry.install(path.as_ref())?)
    }

    /// Installs a plugin file beside the versions of its plugin that are installed already, and says what changes for
    /// those who call it. Workflows that are loaded from now on take the highest version that they allow; runs that go on
    /// keep what they began with.
    ///
    /// # Errors
    /// [`Error::Plugin`] as [`Host::add_plugin`]; and if no version is installed, or the file is older than the newest
    /// and that is not allowed.
    pub fn update_plugin(&self, file: impl AsRef<Path>, downgrade: Downgrade) -> Result<Update, Error> {
        Ok(self.inner.registry.update(file.as_ref(), downgrade)?)
    }

    /// The file of a plugin that can be called: of the version that is named, or else of the newest. `None` if there is no such
    /// plugin, or it is the application's own.
    #[must_use]
    pub fn plugin_file(&self, name: &str, version: Option<&Version>) -> Option<PathBuf> {
        self.inner.registry.plugin_file(name, version)
    }

    /// Removes an installed plugin; `version` may be left out if only one is installed.
    ///
    /// # Errors
    /// [`Error::Plugin`] if it is not installed, another plugin requires it, or runs of this host need it. Then nothing
    /// has changed.
    pub fn remove_plugin(&self, name: &str, version: Option<&Version>) -> Result<PluginVersion, Error> {
        Ok(self.inner.registry.uninstall(name, version)?)
    }

    /// What is installed in the data directory, in the order of installation.
    ///
    /// # Errors
    /// [`Error::Plugin`] if the list cannot be read.
    pub fn installed_plugins(&self) -> Result<Vec<InstalledPlugin>, Error> {
        Ok(self.inner.registry.installed()?)
    }

    /// Plugins that are gone, or have other contents now, and that runs still need. New runs do not get them.
    #[must_use]
    pub fn draining_plugins(&self) -> Vec<PluginVersion> {
        self.inner.registry.draining()
    }

    /// How the plugins from files stand: where each runs, and its workers with what they use. By name, newest version first.
    #[must_use]
    pub fn plugin_standings(&self) -> Vec<PluginStanding> {
        self.inner.registry.standings()
    }

    /// Whether anything is asked of plugins: a lock, signatures, an allow list.
    #[must_use]
    pub fn has_plugin_policy(&self) -> bool {
        self.inner.registry.has_policy()
    }

    /// What lock, signatures and allow list say of every plugin that was found, and which locked ones were not.
    #[must_use]
    pub fn verify_plugins(&self) -> Verification {
        self.inner.registry.verify()
    }

    /// Writes what can be used into the lock at `path`, for the target of this host; what is locked for others stays.
    /// With `workflows` only the plugins that these need, and what those require, are locked. Use a host that was built
    /// with [`ignore_lock`](crate::HostBuilder::ignore_lock), or only what is locked already can be.
    ///
    /// # Errors
    /// [`Error::Plugin`] if there is a lock that cannot be understood, or it cannot be written.
    pub fn lock_plugins(
        &self,
        path: impl AsRef<Path>,
        workflows: Option<&[Workflow]>,
    ) -> Result<Lock, Error> {
        let needed = workflows.map(|workflows| workflows.iter().flat_map(|it| self.needs(it)).collect());
        let needed: Option<Vec<(String, Version)>> = needed;
        let needed =
            needed.as_ref().map(|all| all.iter().map(|(name, version)| (&**name, version)).collect());
        let needed: Option<Vec<(&str, &Version)>> = needed;
        Ok(self.inner.registry.write_lock(path.as_ref(), needed.as_deref())?)
    }

    /// What a workflow calls, and of what it only requires the newest that will do.
    fn needs(&self, workflow: &Workflow) -> Vec<(String, Version)> {
        let called = workflow.plan().methods.iter();
        let mut needs: Vec<(String, Version)> =
            called.map(|used| (used.plugin.to_string(), used.version.clone())).collect();
        // every JSON document is one with comments that has none
        let parsed = model::parse(workflow.source().as_bytes(), Dialect::Jsonc);
        let catalog = self.inner.methods.catalog();
        for (name, range) in parsed.workflow.iter().flat_map(|it| &it.requires) {
            if let Some(plugin) = catalog.resolve(name, &[&range.value]) {
                needs.push((name.to_string(), plugin.version.clone()));
            }
        }
        needs
    }
}
