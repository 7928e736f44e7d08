//! The formats of archives, and how one is told from another.

use jackfield_plugin_api::prelude::*;
use std::path::Path;

/// How an archive is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub(crate) enum Format {
    /// A zip file.
    #[serde(rename = "zip")]
    Zip,
    /// A tar file, compressed by gzip.
    #[serde(rename = "tar.gz")]
    TarGz,
}

impl Format {
    /// The format that was given, or else the one that the end of the name tells: `.zip`, `.tar.gz` or `.tgz`.
    ///
    /// # Errors
    /// `validation` if neither does.
    pub(crate) fn of(path: &Path, given: Option<Self>) -> Result<Self, Error> {
        if let Some(format) = given {
            return Ok(format);
        }
        let name = path.to_string_lossy().to_lowercase();
        if name.ends_with(".zip") {
            return Ok(Self::Zip);
        }
        if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            return Ok(Self::TarGz);
        }
        let path = path.display();
        Err(Error::validation(format!(
            "`{path}` does not tell its format. Give `format`: `zip` or `tar.gz`."
        )))
    }
}
