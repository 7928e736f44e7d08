//! Plugin files that cannot be used.

use jackfield_loader::LoadError;
use serde::Serialize;
use std::fmt;

/// A file that is no usable plugin, in one line with a stable code.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PluginProblem {
    /// Stable code.
    pub code: String,
    /// What is wrong, naming the file or the plugin.
    pub message: String,
}

impl PluginProblem {
    pub(crate) fn new(error: &LoadError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}

impl fmt::Display for PluginProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}
