//! Why a plugin cannot be installed, removed or updated: one line each, with a code and a remedy.

use semver::{Version, VersionReq};
use std::path::PathBuf;

/// What stands against a change of what is installed. Nothing has changed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// There is no such installed plugin.
    #[error("plugin {} is not installed{}", named(plugin, version.as_ref()), there_is(plugin, installed))]
    NotInstalled {
        /// The plugin.
        plugin: String,
        /// The version that was asked for.
        version: Option<Version>,
        /// The versions that are installed.
        installed: Vec<Version>,
    },
    /// Several versions are installed, and none was named.
    #[error("several versions of plugin `{plugin}` are installed: {}", listed(plugin, installed))]
    Ambiguous {
        /// The plugin.
        plugin: String,
        /// The versions that are installed.
        installed: Vec<Version>,
    },
    /// Another plugin needs it.
    #[error("plugin `{plugin} {version}` is required by `{by} {by_version}`, as `{plugin} {range}`")]
    Required {
        /// The plugin.
        plugin: String,
        /// Its version.
        version: Version,
        /// Who needs it.
        by: String,
        /// The version of that.
        by_version: Version,
        /// The versions that would do.
        range: VersionReq,
    },
    /// Runs that go on need it.
    #[error("plugin `{plugin} {version}` is needed by runs that go on")]
    InUse {
        /// The plugin.
        plugin: String,
        /// Its version.
        version: Version,
    },
    /// The version is older than what is installed.
    #[error("plugin `{plugin} {version}` is older than `{plugin} {newest}`, which is installed")]
    Downgrade {
        /// The plugin.
        plugin: String,
        /// The version of the file.
        version: Version,
        /// The newest that is installed.
        newest: Version,
    },
    /// There are no plugin files in a directory.
    #[error("there is no plugin file in `{}`", directory.display())]
    NothingThere {
        /// The directory.
        directory: PathBuf,
    },
    /// The list of what is installed cannot be understood.
    #[error("the list of installed plugins `{}` cannot be understood: {reason}", file.display())]
    IndexUnusable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The stored file of an installed plugin is not what was installed.
    #[error("the stored file of plugin `{plugin} {version}` is missing or damaged")]
    Damaged {
        /// The plugin.
        plugin: String,
        /// Its version.
        version: Version,
    },
}

fn named(plugin: &str, version: Option<&Version>) -> String {
    version.map_or_else(|| format!("`{plugin}`"), |version| format!("`{plugin} {version}`"))
}

fn listed(plugin: &str, versions: &[Version]) -> String {
    versions.iter().map(|version| format!("`{plugin} {version}`")).collect::<Vec<_>>().join(", ")
}

fn there_is(plugin: &str, versions: &[Version]) -> String {
    match versions {
        [] => String::new(),
        [one] => format!(", only `{plugin} {one}` is"),
        many => format!(", only {} are", listed(plugin, many)),
    }
}

impl InstallError {
    /// The stable code, such as `plugin.required`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotInstalled { .. } => "plugin.not_installed",
            Self::Ambiguous { .. } => "plugin.ambiguous",
            Self::Required { .. } => "plugin.required",
            Self::InUse { .. } => "plugin.in_use",
            Self::Downgrade { .. } => "plugin.downgrade",
            Self::NothingThere { .. } => "plugin.not_found",
            Self::IndexUnusable { .. } => "plugin.index_unusable",
            Self::Damaged { .. } => "plugin.damaged",
        }
    }

    /// What to do about it, as a sentence.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::NotInstalled { installed, .. } if installed.is_empty() => {
                "`jackfield plugin add FILE` installs one; what lies in a plugin directory is removed there."
                    .into()
            }
            Self::NotInstalled { .. } => "Name one of these.".into(),
            Self::Ambiguous { plugin, installed } => {
                let newest = installed.last().map(ToString::to_string).unwrap_or_default();
                format!("Name one, such as `{plugin}@{newest}`.")
            }
            Self::Required { by, by_version, .. } => {
                format!("Remove `{by} {by_version}` first, or add another version that it can work with.")
            }
            Self::InUse { .. } => "Wait until they have ended, or cancel them.".into(),
            Self::Downgrade { .. } => "If you mean it, say `--allow-downgrade`.".into(),
            Self::NothingThere { .. } => {
                format!("Plugin files end in `{}` here.", std::env::consts::DLL_SUFFIX)
            }
            Self::IndexUnusable { .. } => "Restore it, or delete it and add the plugins again.".into(),
            Self::Damaged { .. } => "Add its file again with `jackfield plugin add FILE`.".into(),
        }
    }
}
