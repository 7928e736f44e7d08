//! Why a plugin cannot be used: one line each, with a code that stays the same.

use crate::installing::InstallError;
use crate::trust::Distrust;
use semver::{Version, VersionReq};
use std::path::PathBuf;

/// What is wrong with a plugin file, or with a plugin among the others.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no such file or directory.
    #[error("`{}` does not exist", file.display())]
    NotFound {
        /// Where it was looked for.
        file: PathBuf,
    },
    /// A plugin is a file.
    #[error("`{}` is a directory, not a plugin file", file.display())]
    IsDirectory {
        /// The directory.
        file: PathBuf,
    },
    /// The file has no contents.
    #[error("`{}` is empty", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// The file is larger than a plugin may be.
    #[error("`{}` has {bytes} bytes, a plugin may have {bytes_max}", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The file is something else.
    #[error("`{}` is not a plugin: {reason}", file.display())]
    NotAPlugin {
        /// The file.
        file: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// The file is a library for another machine or system.
    #[error("`{}` is built for {found}, this host needs {needed}", file.display())]
    WrongArchitecture {
        /// The file.
        file: PathBuf,
        /// What it is for.
        found: String,
        /// What it should be for.
        needed: String,
    },
    /// A part of the file is missing or damaged.
    #[error("`{}` is truncated or damaged: {reason}", file.display())]
    Truncated {
        /// The file.
        file: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The manifest cannot be understood.
    #[error("`{}`: {reason}", file.display())]
    ManifestInvalid {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The plugin needs a newer host.
    #[error("plugin `{plugin}` needs ABI {needs} or newer, this host has {has}")]
    AbiTooNew {
        /// The plugin.
        plugin: String,
        /// The oldest ABI that it works with.
        needs: u16,
        /// The newest ABI of this host.
        has: u16,
    },
    /// The plugin needs an older host.
    #[error("plugin `{plugin}` works up to ABI {knows}, this host needs {has}")]
    AbiTooOld {
        /// The plugin.
        plugin: String,
        /// The newest ABI that it works with.
        knows: u16,
        /// The oldest ABI of this host.
        has: u16,
    },
    /// The tables in the library are laid out in another way than the host's.
    #[error("plugin `{plugin}`: its layout differs: {reason}")]
    LayoutDiffers {
        /// The plugin.
        plugin: String,
        /// Where.
        reason: String,
    },
    /// The system's loader refuses the library.
    #[error("plugin `{plugin}` cannot be opened: {reason}")]
    OpenFailed {
        /// The plugin.
        plugin: String,
        /// The system's own words.
        reason: String,
    },
    /// The opened plugin does not say what it offers, or something else than its file.
    #[error("plugin `{plugin}` does not describe itself: {reason}")]
    DescribeFailed {
        /// The plugin.
        plugin: String,
        /// What happened.
        reason: String,
    },
    /// Two different files claim to be the same version of one plugin.
    #[error("`{}` is another `{plugin} {version}` than `{}`, which stays", file.display(), other.display())]
    Conflict {
        /// The file that is left out.
        file: PathBuf,
        /// The file that is used.
        other: PathBuf,
        /// The plugin.
        plugin: String,
        /// The version that both claim.
        version: Version,
    },
    /// Another plugin that it needs is not there.
    #[error("plugin `{} {}` requires `{} {}`, {}", .0.plugin, .0.version, .0.needs, .0.range, .0.found)]
    MissingDependency(Box<MissingDependency>),
    /// It requires itself, by way of others.
    #[error("plugin `{plugin} {version}` requires itself: {path}")]
    CyclicDependency {
        /// The plugin.
        plugin: String,
        /// Its version.
        version: Version,
        /// The way round, such as "`a 1.0.0` -> `b 1.0.0` -> `a 1.0.0`".
        path: String,
    },
    /// The policy of this host is against it.
    #[error(transparent)]
    Distrusted(#[from] Box<Distrust>),
    /// It cannot be added to, or removed from, what is installed.
    #[error(transparent)]
    Install(#[from] Box<InstallError>),
    /// It cannot use the state of the version that it would take the place of.
    #[error("plugin `{plugin} {version}` does not take over the state of version {old}: {reason}")]
    StateRefused {
        /// The plugin.
        plugin: String,
        /// Its version.
        version: Version,
        /// The version that goes on.
        old: Box<Version>,
        /// What it says.
        reason: String,
    },
    /// It did something that a plugin must not do, and is not run any more.
    #[error("plugin `{plugin} {version}` is quarantined: {reason}")]
    Quarantined {
        /// The plugin.
        plugin: String,
        /// Its version.
        version: Version,
        /// What it did.
        reason: String,
    },
    /// It is to run in a worker process, and there is none.
    #[error("plugin `{plugin}` is to run in a worker process, {reason}")]
    NoWorker {
        /// The plugin.
        plugin: String,
        /// Why there is none.
        reason: String,
    },
    /// A step asks to run it in this process, which nobody trusts it with.
    #[error(
        "plugin `{plugin}` does not run in the host's process, as a step asks by `isolation`: `in_process`"
    )]
    KeptOut {
        /// The plugin.
        plugin: String,
    },
    /// The sandbox of its worker cannot be put in force.
    #[error("plugin `{plugin}` does not start: {reason}")]
    Sandbox {
        /// The plugin.
        plugin: String,
        /// Why, and what to do about it.
        reason: String,
    },
    /// A file or directory cannot be read or written.
    #[error("`{}` cannot be {action}: {reason}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Read or written.
        action: &'static str,
        /// The system's own words.
        reason: String,
    },
}

/// A plugin whose requirement is not met.
#[derive(Clone, Debug)]
pub struct MissingDependency {
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub version: Version,
    /// The plugin that it needs.
    pub needs: String,
    /// The versions that would do.
    pub range: VersionReq,
    /// What is there instead, such as "and only `b 1.4.0` is there".
    pub found: String,
}

impl LoadError {
    /// The stable code, such as `plugin.truncated`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "plugin.not_found",
            Self::IsDirectory { .. } => "plugin.is_directory",
            Self::Empty { .. } => "plugin.empty",
            Self::TooLarge { .. } => "plugin.too_large",
            Self::NotAPlugin { .. } => "plugin.not_a_plugin",
            Self::WrongArchitecture { .. } => "plugin.wrong_architecture",
            Self::Truncated { .. } => "plugin.truncated",
            Self::ManifestInvalid { .. } => "plugin.manifest_invalid",
            Self::AbiTooNew { .. } => "plugin.abi_too_new",
            Self::AbiTooOld { .. } => "plugin.abi_too_old",
            Self::LayoutDiffers { .. } => "plugin.layout_differs",
            Self::OpenFailed { .. } => "plugin.open_failed",
            Self::DescribeFailed { .. } => "plugin.describe_failed",
            Self::Conflict { .. } => "plugin.conflict",
            Self::MissingDependency(_) => "plugin.missing_dependency",
            Self::CyclicDependency { .. } => "plugin.cyclic_dependency",
            Self::Distrusted(distrust) => distrust.code(),
            Self::Install(error) => error.code(),
            Self::Quarantined { .. } => "plugin.quarantined",
            Self::StateRefused { .. } => "plugin.state_refused",
            Self::NoWorker { .. } => "plugin.no_worker",
            Self::KeptOut { .. } => "plugin.kept_out",
            Self::Sandbox { .. } => jackfield_plugin_api::worker::REFUSED_BY_SANDBOX,
            Self::Io { .. } => "plugin.io",
        }
    }

    /// What follows on "plugin `x` cannot be used: ".
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::MissingDependency(lack) => {
                format!("it requires `{} {}`, {}", lack.needs, lack.range, lack.found)
            }
            Self::AbiTooNew { needs, has, .. } => {
                format!("it needs ABI {needs} or newer, this host has {has}")
            }
            Self::AbiTooOld { knows, has, .. } => {
                format!("it works up to ABI {knows}, this host needs {has}")
            }
            Self::CyclicDependency { path, .. } => format!("it requires itself: {path}"),
            Self::Distrusted(distrust) => distrust.reason(),
            Self::Quarantined { reason, .. } => format!("it is quarantined: {reason}"),
            other => other.to_string(),
        }
    }

    /// What to do about it, as a sentence; empty if the message says it all.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::MissingDependency(lack) => {
                format!("Put a version of `{}` within `{}` into a plugin directory.", lack.needs, lack.range)
            }
            Self::CyclicDependency { .. } => {
                "One of these plugins must require the next as an optional one; ask their authors.".into()
            }
            Self::Conflict { .. } => "Remove one of the two, or raise the version of the newer one.".into(),
            Self::Distrusted(distrust) => distrust.remedy(),
            Self::Install(error) => error.remedy(),
            Self::AbiTooNew { .. } => "Update the host, or use an older build of the plugin.".into(),
            Self::AbiTooOld { .. } => "Use a newer build of the plugin.".into(),
            Self::WrongArchitecture { .. } => "Use a build of the plugin for this machine.".into(),
            Self::StateRefused { old, .. } => {
                format!(
                    "Version {old} goes on. Install a build that can use its state, or start the host anew without it."
                )
            }
            Self::Quarantined { plugin, .. } => {
                format!(
                    "Install another build of it, or let it out with `jackfield plugin release {plugin}`."
                )
            }
            Self::NoWorker { plugin, .. } | Self::KeptOut { plugin } => format!(
                "If you trust the plugin as you trust the host, say `isolation = \"in_process\"` under [plugins.{plugin}]."
            ),
            Self::Empty { .. } | Self::Truncated { .. } => "Copy the file again, whole.".into(),
            _ => String::new(),
        }
    }

    /// Whether this concerns who may be trusted, and not what the file is.
    #[must_use]
    pub fn is_distrust(&self) -> bool {
        matches!(self, Self::Distrusted(_))
    }

    pub(crate) fn io(file: &std::path::Path, action: &'static str, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::NotFound {
            return Self::NotFound { file: file.to_owned() };
        }
        Self::Io { file: file.to_owned(), action, reason: error.to_string() }
    }
}

/// What a worker says when it refuses, on one line. The sandbox's own words end with what to do, which must not be cut off.
#[cfg(unix)]
pub(crate) fn refusal_line(code: &str, reason: &str) -> String {
    let is_sandbox = code == jackfield_plugin_api::worker::REFUSED_BY_SANDBOX;
    line_within(reason, if is_sandbox { 2000 } else { CHARS_MAX })
}

const CHARS_MAX: usize = 300;

/// Brings the words of a library that likes to write pages onto one line of bearable length.
pub(crate) fn one_line(text: &str) -> String {
    line_within(text, CHARS_MAX)
}

fn line_within(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() >= chars_max {
            line.push_str(" ...");
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}
