//! Why a program was not started.

use jackfield_plugin_api::Error;
use std::io;
use std::path::PathBuf;

/// Why nothing was started. Each has a dotted type of the plugin that asked ([`StartError::of`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No such program.
    #[error(
        "cannot find the program `{program}`: {looked_in}. Correct the name, give a full path, or install it"
    )]
    NotFound {
        /// As it was given.
        program: String,
        /// Where it was looked for, as words.
        looked_in: String,
    },
    /// A file that is no program.
    #[error("`{}` is not executable: {reason}", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The working directory is none.
    #[error("cannot use `{}` as working directory: {reason}", path.display())]
    NoDirectory {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A text that no program can be given.
    #[error("{0}")]
    Invalid(String),
    /// Children cannot be kept together here.
    #[error(
        "cannot make a group of processes, by which children are ended: {0}. In a worker the sandbox refuses it: let the \
         plugin run in process, or set `sandbox = \"off\"` for it; elsewhere `/bin/sh` must exist"
    )]
    NoGroup(#[source] io::Error),
    /// The system refuses.
    #[error("cannot start `{program}`: {source}")]
    System {
        /// As it was given.
        program: String,
        /// What the system says.
        source: io::Error,
    },
}

impl StartError {
    /// The error as the plugin called `plugin` reports it: `PLUGIN.not_found`, `PLUGIN.not_executable`, `PLUGIN.no_directory`,
    /// `PLUGIN.no_group`, `PLUGIN.start`, or `validation`.
    #[must_use]
    pub fn of(&self, plugin: &str) -> Error {
        let (kind, is_retryable) = match self {
            Self::NotFound { .. } => ("not_found", false),
            Self::NotExecutable { .. } => ("not_executable", false),
            Self::NoDirectory { .. } => ("no_directory", false),
            Self::Invalid(message) => return Error::validation(message.as_str()),
            Self::NoGroup(_) => ("no_group", false),
            // too many processes, too little memory: it may be otherwise soon
            Self::System { .. } => ("start", true),
        };
        Error::new(&format!("{plugin}.{kind}"), self.to_string()).retryable(is_retryable)
    }
}
