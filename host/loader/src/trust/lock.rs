//! `jackfield.lock`: which plugin files a project was tried with, by hash, for all targets at once.

use super::distrust::Distrust;
use super::signature::KeyId;
use super::target::target;
use crate::error::{LoadError, one_line};
use crate::store::{Hash, write_lasting};
use jackfield_plugin_api::manifest::{AbiRange, is_plugin_name};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The form of the file.
const FORMAT: u32 = 1;
/// A larger file is no lock.
const BYTES_MAX: u64 = 16 << 20;

/// The contents of a lock file, sorted by name and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    plugins: Vec<LockedPlugin>,
}

/// One version of one plugin in a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LockedPlugin {
    /// The plugin.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// The ABIs that it can be used through.
    pub abi: AbiRange,
    /// Who has signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<KeyId>,
    /// The hash of its file, by target.
    pub sha256: BTreeMap<String, Hash>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    #[serde(default)]
    plugin: Vec<LockedPlugin>,
}

impl Lock {
    /// Reads the text of a lock.
    ///
    /// # Errors
    /// What is wrong with it, in one line: it is no TOML, says something that this version does not know, or says
    /// something twice.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document: Document = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            one_line(&format!("{place}{}", error.message()))
        })?;
        if document.version != FORMAT {
            return Err(format!("it has the form {}, only {FORMAT} is known", document.version));
        }
        let mut lock = Self { plugins: document.plugin };
        for plugin in &lock.plugins {
            if !is_plugin_name(&plugin.name) {
                return Err(format!("`{}` is no name of a plugin", plugin.name.escape_debug()));
            }
            if let Some(target) = plugin.sha256.keys().find(|target| !is_target(target)) {
                return Err(format!("`{}` is no name of a target", target.escape_debug()));
            }
        }
        lock.sort();
        let twice = lock.plugins.windows(2).find(|two| two[0].is(&two[1].name, &two[1].version));
        match twice {
            Some(two) => Err(format!("`{} {}` stands in it twice", two[0].name, two[0].version)),
            None => Ok(lock),
        }
    }

    /// Reads a lock that must be there.
    pub(crate) fn read(path: &Path) -> Result<Self, Box<Distrust>> {
        let unusable = |reason| Box::new(Distrust::LockUnusable { lock: path.to_owned(), reason });
        let text = read_text(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => unusable("it does not exist".into()),
            _ => unusable(one_line(&error.to_string())),
        })?;
        Self::parse(&text).map_err(unusable)
    }

    /// The lock at `path`; an empty one if there is none.
    ///
    /// # Errors
    /// If there is one that cannot be read or understood.
    pub fn read_or_new(path: &Path) -> Result<Self, LoadError> {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            _ => Ok(Self::read(path)?),
        }
    }

    /// Writes the lock: readers see the old one or the new one, whole.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(&self, path: &Path) -> Result<(), LoadError> {
        write_lasting(path, self.to_text().as_bytes())
    }

    /// All plugins, by name, then by version, oldest first.
    #[must_use]
    pub fn plugins(&self) -> &[LockedPlugin] {
        &self.plugins
    }

    /// The entry of one version of a plugin.
    #[must_use]
    pub fn find(&self, name: &str, version: &Version) -> Option<&LockedPlugin> {
        self.plugins.iter().find(|plugin| plugin.is(name, version))
    }

    /// Makes `found` what is locked for the target of this host. What is locked for other targets stays; a signer is
    /// the one that was found here.
    #[must_use]
    pub fn relocked(&self, found: Vec<LockedPlugin>) -> Self {
        let mut plugins = self.plugins.clone();
        for plugin in &mut plugins {
            plugin.sha256.remove(target());
        }
        plugins.retain(|plugin| !plugin.sha256.is_empty());
        for mut fresh in found {
            if let Some(at) = plugins.iter().position(|plugin| plugin.is(&fresh.name, &fresh.version)) {
                fresh.sha256.append(&mut plugins.remove(at).sha256);
            }
            plugins.push(fresh);
        }
        let mut lock = Self { plugins };
        lock.sort();
        lock
    }

    /// The file as people read it. Names, versions, hashes and targets need no escapes.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("# Written by `jackfield plugin lock`.\nversion = {FORMAT}\n");
        for plugin in &self.plugins {
            let (name, version, abi) = (&plugin.name, &plugin.version, plugin.abi);
            let _ = write!(text, "\n[[plugin]]\nname = \"{name}\"\nversion = \"{version}\"\n");
            let _ = writeln!(text, "abi = {{ min = {}, max = {} }}", abi.min, abi.max);
            if let Some(signer) = plugin.signer {
                let _ = writeln!(text, "signer = \"{signer}\"");
            }
            let hash = |(target, hash): (&String, &Hash)| format!("\"{target}\" = \"{hash}\"");
            let hashes: Vec<String> = plugin.sha256.iter().map(hash).collect();
            let _ = writeln!(text, "sha256 = {{ {} }}", hashes.join(", "));
        }
        text
    }

    fn sort(&mut self) {
        self.plugins.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.version.cmp(&b.version)));
    }
}

impl LockedPlugin {
    /// An entry with the hash of the file for this host's target.
    pub(crate) fn here(name: &str, version: &Version, abi: AbiRange, hash: Hash) -> Self {
        let sha256 = BTreeMap::from([(target().to_owned(), hash)]);
        Self { name: name.to_owned(), version: version.clone(), abi, signer: None, sha256 }
    }

    fn is(&self, name: &str, version: &Version) -> bool {
        self.name == name && self.version == *version
    }
}

fn read_text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(std::io::Error::other(format!("it is larger than {BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn is_target(text: &str) -> bool {
    let may_stand = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.len() <= 128 && text.chars().all(may_stand)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(name: &str, version: &str, contents: &str) -> LockedPlugin {
        let version = Version::parse(version).unwrap();
        LockedPlugin::here(name, &version, AbiRange { min: 1, max: 1 }, Hash::of(contents.as_bytes()))
    }

    #[test]
    fn what_is_written_is_read_again() {
        let signer = KeyId::try_from("0123456789ABCDEF".to_owned()).unwrap();
        let signed = LockedPlugin { signer: Some(signer), ..plugin("csv", "1.10.0", "x") };
        let lock = Lock::default().relocked(vec![
            signed,
            plugin("csv", "1.9.0", "y"),
            plugin("b", "1.0.0-rc.1+x", "z"),
        ]);
        assert_eq!(Lock::parse(&lock.to_text()), Ok(lock.clone()));
        let order: Vec<String> = lock.plugins().iter().map(|it| it.version.to_string()).collect();
        assert_eq!(order, ["1.0.0-rc.1+x", "1.9.0", "1.10.0"]);
    }

    #[test]
    fn locking_here_keeps_what_is_locked_elsewhere() {
        let elsewhere = |mut plugin: LockedPlugin| {
            let hash = plugin.sha256.remove(target()).unwrap();
            plugin.sha256.insert("riscv64-unknown-none".into(), hash);
            plugin
        };
        let other = Lock {
            plugins: vec![elsewhere(plugin("a", "1.0.0", "a")), elsewhere(plugin("b", "1.0.0", "b"))],
        };
        let both = other.relocked(vec![plugin("a", "1.0.0", "here"), plugin("c", "1.0.0", "c")]);
        let targets: Vec<usize> = both.plugins().iter().map(|it| it.sha256.len()).collect();
        assert_eq!(targets, [2, 1, 1]);
        // what is no longer found here goes, unless another target has it
        let later = both.relocked(Vec::new());
        assert_eq!(later, other);
    }

    #[test]
    fn faults_are_named_in_one_line_with_their_place() {
        let hash = Hash::of(b"x");
        let entry = format!(
            "[[plugin]]\nname = \"a\"\nversion = \"1.0.0\"\nabi = {{ min = 1, max = 1 }}\nsha256 = {{ t = \"{hash}\" }}\n"
        );
        for (text, expected) in [
            (String::new(), "missing field `version`"),
            ("version = 2".into(), "form 2"),
            ("version = 1\n<<<<<<< ours\n".into(), "line 2"),
            (format!("version = 1\n{entry}{entry}"), "`a 1.0.0` stands in it twice"),
            (format!("version = 1\n{}", entry.replace("name = \"a\"", "name = \"a b\"")), "`a b`"),
            (format!("version = 1\n{}", entry.replace("{ t =", "{ \"t x\" =")), "`t x`"),
            (format!("version = 1\n{}", entry.replace(&hash.to_string(), "12")), "line 6"),
            (format!("version = 1\n{entry}signed = true\n"), "unknown field `signed`"),
        ] {
            let fault = Lock::parse(&text).unwrap_err();
            assert!(fault.contains(expected) && !fault.contains('\n'), "{text}: {fault}");
        }
    }
}
