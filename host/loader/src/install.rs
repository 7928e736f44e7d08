//! Installing plugins: their files are kept in the store, and a list says which of them are to be found at every start.
//! Everything is tried out before the list is written, so that a change is made whole or not at all.

use crate::changes::PluginVersion;
use crate::error::LoadError;
use crate::fault::Fault;
use crate::installed::{InstalledPlugin, Turn};
use crate::installing::InstallError;
use crate::look::{Candidate, Look, plugin_files};
use crate::plugin::PluginEntry;
use crate::registry::{Found, Registry};
use crate::trust::{Policy, read_signature};
use jackfield_plugin_api::manifest::Manifest;
use semver::{Comparator, Op, Version, VersionReq};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Whether an update may go to an older version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Downgrade {
    /// It is refused.
    #[default]
    Refused,
    /// It is fine.
    Allowed,
}

/// How one version follows on another by the rules of semantic versioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Newer; ranges such as `^1.2` that took the old one take it.
    Compatible,
    /// Newer; such ranges keep the old one.
    Breaking,
    /// Older.
    Downgrade,
    /// The same.
    Same,
}

/// A file that is to be installed.
struct New {
    file: PathBuf,
    entry: Arc<PluginEntry>,
    plugin: InstalledPlugin,
}

/// What an update means for those who call the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Update {
    /// What is installed now, beside the old one.
    pub plugin: PluginVersion,
    /// The newest version that was installed before.
    pub from: Version,
    /// From the old one to the new one.
    pub direction: Direction,
    /// Methods that the old one had not, in order of the manifest.
    pub methods_added: Vec<String>,
    /// Methods that only the old one has.
    pub methods_removed: Vec<String>,
}

impl Registry {
    /// What is installed, in the order of installation.
    ///
    /// # Errors
    /// If the list cannot be read.
    pub fn installed(&self) -> Result<Vec<InstalledPlugin>, LoadError> {
        self.index.read()
    }

    /// Installs a plugin file, or all those in a directory together: all or none. One that is installed already is
    /// passed over. Answers with what was added.
    ///
    /// # Errors
    /// The first reason why one of them could not be used: what it is, that it is not trusted, that there is another
    /// file of its version, or what it requires. Then nothing has changed.
    pub fn install(&self, path: &Path) -> Result<Vec<PluginVersion>, LoadError> {
        let _changing = self.changing.lock();
        let turn = self.index.turn()?;
        let files = match path.is_dir() {
            false => vec![path.to_owned()],
            true => plugin_files(path)?,
        };
        if files.is_empty() {
            return Err(Box::new(InstallError::NothingThere { directory: path.to_owned() }).into());
        }
        let new = self.prepare(&files)?;
        let installed = self.index.read()?;
        self.add_to(&turn, installed, new)
    }

    /// Installs the file beside the versions of its plugin that are installed already, and says what changes. A file
    /// that is installed already changes nothing.
    ///
    /// # Errors
    /// As [`Registry::install`]; and if no version is installed, or the newest one is newer and that is refused.
    pub fn update(&self, file: &Path, downgrade: Downgrade) -> Result<Update, LoadError> {
        let _changing = self.changing.lock();
        let turn = self.index.turn()?;
        let new = self.prepare(std::slice::from_ref(&file.to_owned()))?;
        let entry = Arc::clone(&new[0].entry);
        let (name, version) = (entry.manifest.name.clone(), entry.manifest.version.clone());
        let installed = self.index.read()?;
        let newest =
            installed.iter().filter(|plugin| plugin.name == name).max_by(|a, b| a.version.cmp(&b.version));
        let Some(newest) = newest.cloned() else {
            let error = InstallError::NotInstalled { plugin: name, version: None, installed: Vec::new() };
            return Err(Box::new(error).into());
        };
        let direction = direction(&newest.version, &version);
        if direction == Direction::Downgrade && downgrade == Downgrade::Refused {
            let error = InstallError::Downgrade { plugin: name, version, newest: newest.version };
            return Err(Box::new(error).into());
        }
        let old = self.manifest_of(&newest);
        let update = Update {
            plugin: PluginVersion::of(&entry.manifest),
            from: newest.version,
            direction,
            methods_added: old.as_ref().map(|old| beyond(&entry.manifest, old)).unwrap_or_default(),
            methods_removed: old.as_ref().map(|old| beyond(old, &entry.manifest)).unwrap_or_default(),
        };
        self.add_to(&turn, installed, new)?;
        Ok(update)
    }

    /// Takes a plugin off the list, and its file out of the store unless something else needs it there: a file with the
    /// same contents in a plugin directory, here or of another host with this data directory, or a process that has
    /// opened it.
    ///
    /// # Errors
    /// If there is no such installed plugin, or several versions and none is named; if a plugin that is found now could
    /// not be used without it; if runs of this registry's host need it. Then nothing has changed.
    pub fn uninstall(&self, name: &str, version: Option<&Version>) -> Result<PluginVersion, LoadError> {
        let _changing = self.changing.lock();
        let turn = self.index.turn()?;
        let mut installed = self.index.read()?;
        let removed = installed.remove(choose(&installed, name, version)?);
        let (files, unsettled) = (self.found.read().files.clone(), BTreeSet::new());
        let look = |installed| Look { files: files.clone(), installed: Ok(installed), unsettled: &unsettled };
        let with = self.gather(look([installed.clone(), vec![removed.clone()]].concat()));
        let without = self.gather(look(installed.clone()));
        if let Some(error) = left_behind(&with, &without, &removed) {
            return Err(Box::new(error).into());
        }
        let is_elsewhere = without.usable.iter().any(|entry| entry.hash == removed.sha256);
        if !is_elsewhere && self.leases.count(removed.sha256) > 0 {
            let (plugin, version) = (removed.name, removed.version);
            return Err(Box::new(InstallError::InUse { plugin, version }).into());
        }
        self.index.write(&turn, installed)?;
        self.commit(without);
        if !is_elsewhere {
            self.store.discard(removed.sha256);
        }
        Ok(PluginVersion { name: removed.name, version: removed.version })
    }

    /// Judges files that are to be installed, and keeps them in the store.
    fn prepare(&self, files: &[PathBuf]) -> Result<Vec<New>, LoadError> {
        let policy = Policy::read(&self.config.trust);
        let mut new: Vec<New> = Vec::new();
        for file in files {
            let entry =
                self.read(&Candidate::file(file.clone()), &policy).map_err(|fault| fault.error)?.entry;
            let bytes = std::fs::read(file).map_err(|error| LoadError::io(file, "read", &error))?;
            if crate::store::Hash::of(&bytes) != entry.hash {
                let reason = "it was changed while it was read".into();
                return Err(LoadError::Truncated { file: file.clone(), reason });
            }
            self.store.keep_whole(entry.hash, &bytes)?;
            let (name, version) = (entry.manifest.name.clone(), entry.manifest.version.clone());
            let signature = read_signature(file)?;
            let plugin = InstalledPlugin { name, version, sha256: entry.hash, signature };
            new.push(New { file: file.clone(), entry, plugin });
        }
        Ok(new)
    }

    /// Tries the longer list out and writes it.
    fn add_to(
        &self,
        turn: &Turn,
        mut installed: Vec<InstalledPlugin>,
        new: Vec<New>,
    ) -> Result<Vec<PluginVersion>, LoadError> {
        let mut added = Vec::new();
        for New { file, plugin, .. } in &new {
            let known = installed.iter_mut().find(|it| it.is(&plugin.name, &plugin.version));
            match known {
                // the same file again may come with its signature this time
                Some(known) if known.sha256 == plugin.sha256 => *known = plugin.clone(),
                Some(known) => {
                    let (file, other) = (file.clone(), self.store.path(known.sha256));
                    let (plugin, version) = (plugin.name.clone(), plugin.version.clone());
                    return Err(LoadError::Conflict { file, other, plugin, version });
                }
                None => {
                    added.push(PluginVersion { name: plugin.name.clone(), version: plugin.version.clone() });
                    installed.push(plugin.clone());
                }
            }
        }
        let files = self.found.read().files.clone();
        let look = Look { files, installed: Ok(installed.clone()), unsettled: &BTreeSet::new() };
        let found = self.gather(look);
        let concerns = |fault: &&Fault| added.iter().any(|it| fault.concerns(&it.name, &it.version));
        if let Some(fault) = found.faults.iter().find(concerns) {
            return Err(self.in_words_of_the_user(fault.error.clone(), &new));
        }
        self.index.write(turn, installed)?;
        self.commit(found);
        Ok(added)
    }

    /// Users know the files that they named, not those in the store.
    fn in_words_of_the_user(&self, error: LoadError, new: &[New]) -> LoadError {
        match error {
            LoadError::Conflict { file, other, plugin, version } => {
                let named = new.iter().find(|it| self.store.path(it.plugin.sha256) == file);
                let file = named.map_or(file, |it| it.file.clone());
                LoadError::Conflict { file, other, plugin, version }
            }
            other => other,
        }
    }

    /// What an installed plugin said about itself.
    fn manifest_of(&self, plugin: &InstalledPlugin) -> Option<Manifest> {
        self.found.read().known.get(&plugin.sha256).map(|entry| entry.manifest.clone())
    }
}

/// Which entry of the list is meant.
fn choose(installed: &[InstalledPlugin], name: &str, version: Option<&Version>) -> Result<usize, LoadError> {
    let of_name = |(_, plugin): &(usize, &InstalledPlugin)| plugin.name == name;
    let candidates: Vec<(usize, &InstalledPlugin)> = installed.iter().enumerate().filter(of_name).collect();
    let fits = |(_, plugin): &&(usize, &InstalledPlugin)| version.is_none_or(|it| plugin.version == *it);
    let chosen: Vec<usize> = candidates.iter().filter(fits).map(|(at, _)| *at).collect();
    let mut versions: Vec<Version> = candidates.iter().map(|(_, it)| it.version.clone()).collect();
    versions.sort();
    let plugin = name.to_owned();
    match chosen.as_slice() {
        [only] => Ok(*only),
        [] => {
            let version = version.cloned();
            Err(Box::new(InstallError::NotInstalled { plugin, version, installed: versions }).into())
        }
        _ => Err(Box::new(InstallError::Ambiguous { plugin, installed: versions }).into()),
    }
}

/// The first plugin that could be used with the removed one and cannot be without it.
fn left_behind(with: &Found, without: &Found, removed: &InstalledPlugin) -> Option<InstallError> {
    let is_gone = |entry: &&Arc<PluginEntry>| {
        entry.hash != removed.sha256 && !without.usable.iter().any(|other| other.hash == entry.hash)
    };
    let gone: Vec<&Arc<PluginEntry>> = with.usable.iter().filter(is_gone).collect();
    // who names it itself comes before who needs it by way of others
    let needs = |entry: &Arc<PluginEntry>| {
        let mut requires = entry.manifest.requires.iter().filter(|it| !it.optional);
        requires.find(|it| it.name == removed.name && it.version.matches(&removed.version)).cloned()
    };
    let (entry, requirement) = gone.iter().find_map(|entry| Some((entry, needs(entry)?)))?;
    Some(InstallError::Required {
        plugin: removed.name.clone(),
        version: removed.version.clone(),
        by: entry.manifest.name.clone(),
        by_version: entry.manifest.version.clone(),
        range: requirement.version,
    })
}

fn direction(from: &Version, to: &Version) -> Direction {
    match to.cmp(from) {
        std::cmp::Ordering::Less => Direction::Downgrade,
        std::cmp::Ordering::Equal => Direction::Same,
        std::cmp::Ordering::Greater => {
            let caret = Comparator {
                op: Op::Caret,
                major: from.major,
                minor: Some(from.minor),
                patch: Some(from.patch),
                pre: from.pre.clone(),
            };
            match (VersionReq { comparators: vec![caret] }).matches(to) {
                true => Direction::Compatible,
                false => Direction::Breaking,
            }
        }
    }
}

/// Methods of `one` that `other` has not.
fn beyond(one: &Manifest, other: &Manifest) -> Vec<String> {
    let is_new = |name: &&String| !other.methods.iter().any(|method| method.name == **name);
    one.methods.iter().map(|method| &method.name).filter(is_new).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_follow_semantic_versioning() {
        for (from, to, expected) in [
            ("1.2.0", "1.3.0", Direction::Compatible),
            ("1.2.0", "2.0.0", Direction::Breaking),
            ("0.2.0", "0.2.1", Direction::Compatible),
            ("0.2.0", "0.3.0", Direction::Breaking),
            ("1.2.0", "1.1.9", Direction::Downgrade),
            ("1.2.0", "1.2.0", Direction::Same),
            ("1.2.0-rc.1", "1.2.0", Direction::Compatible),
        ] {
            let version = |text| Version::parse(text).unwrap();
            assert_eq!(direction(&version(from), &version(to)), expected, "{from} {to}");
        }
    }
}
