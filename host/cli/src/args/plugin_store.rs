//! `jackfield plugin add|remove|update`

use clap::Subcommand;
use jackfield::Version;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Install a plugin file, or all those in a directory, into the data directory
    Add {
        /// Plugin file, or a directory with plugin files
        #[arg(value_name = "FILE|DIR")]
        path: PathBuf,
    },
    /// Remove an installed plugin
    Remove {
        /// Plugin, such as csv, or csv@1.2.0 if several versions are installed
        #[arg(value_name = "NAME[@VERSION]")]
        plugin: PluginName,
    },
    /// Install another version of an installed plugin beside it, and say what changes
    Update {
        /// Plugin file
        file: PathBuf,
        /// Take a version that is older than what is installed
        #[arg(long)]
        allow_downgrade: bool,
    },
}

/// A plugin, and perhaps a version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginName {
    pub(crate) name: String,
    pub(crate) version: Option<Version>,
}

impl FromStr for PluginName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let version = version.map(Version::parse).transpose();
        let version = version.map_err(|error| format!("`{text}` has no version behind the @: {error}"))?;
        Ok(Self { name: name.to_owned(), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_named_with_or_without_version() {
        let named = |text: &str| text.parse::<PluginName>().map(|it| (it.name, it.version));
        assert_eq!(named("csv"), Ok(("csv".into(), None)));
        assert_eq!(named("csv@1.2.0"), Ok(("csv".into(), Some(Version::new(1, 2, 0)))));
        assert!(named("csv@^1").unwrap_err().contains("`csv@^1`"));
    }
}
