//! Names of what is kept apart: a token belongs to one namespace, and reaches nothing of another.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// Where namespaces have their journals, in the directory for data.
const DIRECTORY: &str = "namespaces";
/// The one whose journal lies in the directory for data itself.
const DEFAULT: &str = "default";
/// Characters of a name at most.
const LEN_MAX: usize = 63;

/// The name of a namespace, which is also that of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the one of the socket, and of those who need no token.
    #[must_use]
    pub fn is_default(&self) -> bool {
        &*self.0 == DEFAULT
    }

    /// Where its journal lies.
    #[must_use]
    pub fn directory(&self, data_dir: &Path) -> PathBuf {
        if self.is_default() { data_dir.to_owned() } else { data_dir.join(DIRECTORY).join(self.as_str()) }
    }

    /// Those besides the default one that have a directory, in the order of their names.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn existing(data_dir: &Path) -> std::io::Result<Vec<Self>> {
        let entries = match std::fs::read_dir(data_dir.join(DIRECTORY)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            // what is called otherwise is not ours
            found.extend(
                name.to_str().and_then(|name| name.parse::<Self>().ok()).filter(|it| !it.is_default()),
            );
        }
        found.sort();
        Ok(found)
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(DEFAULT.into())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Namespace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let bytes = text.as_bytes();
        let is_fine = bytes.len() <= LEN_MAX
            && bytes.first().copied().is_some_and(is_plain)
            && bytes.iter().all(|byte| is_plain(*byte) || *byte == b'-');
        match is_fine {
            true => Ok(Self(text.into())),
            false => Err(format!(
                "`{}` is no name of a namespace: 1 to {LEN_MAX} lower-case letters, digits and `-`, beginning with a letter or \
                 digit",
                text.chars().take(LEN_MAX).collect::<String>()
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Namespace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_lead_out_of_their_directory() {
        for fine in ["default", "a", "team-1", "0", &"x".repeat(63)] {
            assert!(fine.parse::<Namespace>().is_ok(), "{fine}");
        }
        for bad in ["", ".", "..", "-a", "A", "a/b", "a.b", "a b", "ä", "a\0", &"x".repeat(64)] {
            assert!(bad.parse::<Namespace>().is_err(), "{bad}");
        }
    }
}
