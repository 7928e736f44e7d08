//! What is there and cannot be used, with the plugin that it concerns.

use crate::error::LoadError;
use crate::refusal::{Identity, Refused};
use jackfield_core::catalog::Unusable;
use semver::Version;
use std::fmt;
use std::path::Path;

/// A file in the plugin directories, or a plugin among the others, that cannot be used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fault {
    /// The plugin, if it could be found out.
    pub plugin: Option<String>,
    /// Its version, if it could be found out.
    pub version: Option<Version>,
    /// What is wrong.
    pub error: LoadError,
    /// What the name of its file suggests as its name. Any name will do for a file, so this is only a guess.
    suggested: Option<String>,
}

impl Fault {
    /// The stable code, such as `plugin.truncated`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.error.code()
    }

    /// A fault of the plugin `name`.
    pub(crate) fn of(name: &str, version: &Version, error: LoadError) -> Self {
        let (plugin, version) = (Some(name.to_owned()), Some(version.clone()));
        Self { plugin, version, error, suggested: None }
    }

    /// A fault of a file of which nothing is known but its name.
    pub(crate) fn of_file(file: &Path, error: LoadError) -> Self {
        Self { plugin: None, version: None, error, suggested: suggested_name(file) }
    }

    /// The fault of a file that was refused.
    pub(crate) fn refused(file: &Path, refused: Refused) -> Self {
        let error = refused.why.of(file);
        match refused.plugin {
            Some(Identity { name, version }) => Self::of(&name, &version, error),
            None => Self::of_file(file, error),
        }
    }

    /// Whether this is about that version of a plugin.
    pub(crate) fn concerns(&self, name: &str, version: &Version) -> bool {
        self.plugin.as_deref() == Some(name) && self.version.as_ref() == Some(version)
    }

    /// For those who ask for the plugin; `None` if nobody can ask for it.
    pub(crate) fn unusable(&self) -> Option<Unusable> {
        let name = self.plugin.as_deref().or(self.suggested.as_deref())?;
        Some(Unusable {
            name: name.into(),
            version: self.version.clone(),
            reason: self.error.reason().into(),
            remedy: self.error.remedy().into(),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// `csv` for `csv.so`, `libcsv.so` and `libjackfield_plugin_csv.so`, as cargo and the bundled plugins have it.
fn suggested_name(file: &Path) -> Option<String> {
    if file.extension()? != std::env::consts::DLL_EXTENSION {
        return None;
    }
    let stem = file.file_stem()?.to_str()?;
    let stem = stem.strip_prefix(std::env::consts::DLL_PREFIX).unwrap_or(stem);
    let name = stem.strip_prefix("jackfield_plugin_").unwrap_or(stem);
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_suggests_that_of_the_plugin() {
        let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        for stem in ["csv".to_owned(), format!("{prefix}csv"), format!("{prefix}jackfield_plugin_csv")] {
            assert_eq!(suggested_name(Path::new(&format!("{stem}{suffix}"))).as_deref(), Some("csv"));
            assert_eq!(suggested_name(Path::new(&stem)), None);
        }
    }
}
