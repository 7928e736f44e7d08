//! The one error of the facade. What callers branch on has a variant; the rest is a sentence.

use crate::diagnostic::{Diagnostic, Severity};
use jackfield_core::failure::Failure;
use jackfield_engine::EngineError;
use jackfield_loader::LoadError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or a directory is in the way.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried: `read`, `create`.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something about the configuration of the host or the request: a sentence.
    #[error("{0}")]
    Setup(String),
    /// The workflow cannot run as it is written.
    #[error(transparent)]
    Invalid(Box<Invalid>),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A plugin cannot be used.
    #[error(transparent)]
    Plugin(#[from] LoadError),
    /// A single call failed.
    #[error("{}: {}", .0.kind, .0.message)]
    Failed(Box<Failure>),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn setup(message: impl Into<String>) -> Self {
        Self::Setup(message.into())
    }

    /// A document called `name` with this text that cannot run, and why.
    #[must_use]
    pub fn invalid_document(name: &str, source: Box<str>, diagnostics: Vec<Diagnostic>) -> Self {
        Self::Invalid(Box::new(Invalid { name: name.to_owned(), source, diagnostics }))
    }

    /// What is wrong with the document, if that is the reason.
    #[must_use]
    pub fn invalid(&self) -> Option<&Invalid> {
        match self {
            Self::Invalid(invalid) => Some(invalid),
            _ => None,
        }
    }
}

/// A document that cannot run, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Invalid {
    /// The file, or `workflow` for text that came from none.
    pub name: String,
    /// The text, for showing lines of it.
    pub source: Box<str>,
    /// All findings in the order of the text; at least one is an error.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = || self.diagnostics.iter().filter(|it| it.severity == Severity::Error);
        write!(f, "`{}` is not a valid workflow", self.name)?;
        match (errors().count(), errors().next()) {
            (1, Some(only)) => write!(f, ": line {}: {}", only.line, only.message),
            (count, Some(first)) => {
                write!(f, ": {count} errors, the first in line {}: {}", first.line, first.message)
            }
            (_, None) => Ok(()),
        }
    }
}

impl std::error::Error for Invalid {}
