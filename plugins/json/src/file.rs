//! `load` and `save`.

use crate::FILES;
use jackfield_file_access::Target;
use jackfield_plugin_api::prelude::*;
use serde_json::Value;
use std::io::Write as _;
use std::path::PathBuf;

/// What to read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    /// The file, in UTF-8.
    path: PathBuf,
    /// Largest file, in bytes.
    #[serde(default = "max_bytes")]
    max_bytes: u64,
}

/// What to write, and where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Save {
    /// The file; what was there before is replaced.
    path: PathBuf,
    /// Any value.
    value: Value,
    /// Whether to indent it.
    #[serde(default)]
    pretty: bool,
    /// Whether missing directories on the way are made.
    #[serde(default)]
    create_dirs: bool,
}

/// What was written.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Saved {
    /// The file.
    path: PathBuf,
    /// Its length, in bytes.
    bytes: u64,
}

fn max_bytes() -> u64 {
    256 * 1024 * 1024
}

pub(crate) fn load(p: &Load) -> Result<Value, Error> {
    let bytes = FILES.read(&p.path, p.max_bytes)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("`{}` is no JSON: {error}", p.path.display());
        let details = serde_json::json!({ "line": error.line(), "column": error.column() });
        Error::new("json.malformed", message).permanent().details(&details)
    })
}

pub(crate) fn save(p: &Save) -> Result<Saved, Error> {
    let text =
        if p.pretty { serde_json::to_string_pretty(&p.value) } else { serde_json::to_string(&p.value) };
    let text = text.map_err(|error| Error::other(error.to_string()))?;
    let target = Target { overwrite: true, create_dirs: p.create_dirs };
    let bytes = FILES.write(&p.path, target, |file| {
        writeln!(file, "{text}").map_err(|error| FILES.error("cannot write", &p.path, error))
    })?;
    Ok(Saved { path: p.path.clone(), bytes })
}
