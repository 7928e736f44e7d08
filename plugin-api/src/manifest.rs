//! What a plugin says about itself. The *static* manifest stands in a section of the file and is read without running
//! any code; the *full* one adds the schemas, which only code can compute, and comes from `describe`.

use schemars::Schema;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

/// The form of manifests that this crate reads and writes.
pub const MANIFEST_FORMAT: u32 = 1;
/// Section of ELF and PE files that holds the static manifest.
pub const SECTION: &str = ".jfmf";
/// Section of Mach-O files that holds the static manifest, in the segment `__DATA`.
pub const SECTION_MACH_O: &str = "__jfmf";

/// A plugin in its own words. Unknown fields are ignored, so that newer plugins may say more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Form of this document, [`MANIFEST_FORMAT`].
    pub manifest: u32,
    /// The ABIs that the plugin can be used through.
    pub abi: AbiRange,
    /// Plugin id as workflows write it: a letter or `_`, then letters, digits, `_` and `-`, at most 128 characters.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// One sentence.
    #[serde(default)]
    pub description: String,
    /// `Name <mail>` of each.
    #[serde(default)]
    pub authors: Vec<String>,
    /// SPDX expression.
    #[serde(default)]
    pub license: String,
    /// Address of a page about it.
    #[serde(default)]
    pub homepage: String,
    /// Its methods; a call names one by its place in this list.
    pub methods: Vec<ManifestMethod>,
    /// What it wants to reach outside.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// Where it wishes to run; the host's configuration decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// Other plugins that it works with.
    #[serde(default)]
    pub requires: Vec<Requirement>,
    /// Schema of its configuration; only in the full manifest, and only if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Schema>,
}

/// A range of major versions of the ABI, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbiRange {
    /// The oldest.
    pub min: u16,
    /// The newest.
    pub max: u16,
}

/// How a method wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MethodKind {
    /// May block: called on a thread that may wait.
    Blocking,
    /// Cheap and never blocking: called on the engine's own threads.
    Inline,
    /// Answers by a completion.
    Async,
    /// Produces items over time.
    Stream,
}

/// One method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ManifestMethod {
    /// Name as workflows write it; the rule is that of plugin names, without `-`.
    pub name: String,
    /// How it wants to be called.
    pub kind: MethodKind,
    /// One sentence.
    #[serde(default)]
    pub description: String,
    /// No side effects, same input gives the same output.
    #[serde(default)]
    pub pure: bool,
    /// Calling it twice has the effect of calling it once.
    #[serde(default)]
    pub idempotent: bool,
    /// At most one call at a time.
    #[serde(default)]
    pub serial: bool,
    /// What its author thinks an attempt may take at most, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Schema of the parameters; only in the full manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Schema>,
    /// Schema of the result; only in the full manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Schema>,
}

/// What a plugin wants to reach. Enforced in workers, documentation in process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Paths to read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fs_read: Vec<String>,
    /// Paths to write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fs_write: Vec<String>,
    /// Network connections.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub net: bool,
    /// Other programs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exec: bool,
    /// Environment variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
}

/// Where a plugin runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// In the host's own process.
    InProcess,
    /// In a process of its own.
    Worker,
}

/// Another plugin that a plugin works with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Requirement {
    /// Its name.
    pub name: String,
    /// The versions that will do.
    pub version: VersionReq,
    /// Whether the plugin also works without it.
    #[serde(default)]
    pub optional: bool,
}

/// Why a manifest was not accepted.
#[derive(Debug)]
pub enum ManifestError {
    /// It is no manifest in JSON.
    Json(serde_json::Error),
    /// Its form is newer than [`MANIFEST_FORMAT`].
    Format(u32),
    /// A name breaks the rule for names.
    Name(String),
    /// Two methods have one name.
    DuplicateMethod(String),
}

impl std::fmt::Display for ManifestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json(error) => write!(f, "the manifest is not valid: {error}"),
            Self::Format(format) => {
                write!(f, "the manifest has the form {format}, only {MANIFEST_FORMAT} is known")
            }
            Self::Name(name) => write!(f, "`{}` is no valid name in a manifest", name.escape_debug()),
            Self::DuplicateMethod(name) => write!(f, "the manifest has two methods called `{name}`"),
        }
    }
}

impl std::error::Error for ManifestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            _ => None,
        }
    }
}

impl Manifest {
    /// Reads and checks a manifest, static or full.
    ///
    /// # Errors
    /// If it is not JSON of this form, or a name in it breaks its rule or is there twice.
    pub fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_slice(json).map_err(ManifestError::Json)?;
        if manifest.manifest != MANIFEST_FORMAT {
            return Err(ManifestError::Format(manifest.manifest));
        }
        if !is_plugin_name(&manifest.name) {
            return Err(ManifestError::Name(manifest.name));
        }
        for (index, method) in manifest.methods.iter().enumerate() {
            if !is_method_name(&method.name) {
                return Err(ManifestError::Name(method.name.clone()));
            }
            if manifest.methods[..index].iter().any(|other| other.name == method.name) {
                return Err(ManifestError::DuplicateMethod(method.name.clone()));
            }
        }
        Ok(manifest)
    }
}

const NAME_LEN_MAX: usize = 128;

/// Whether `name` may name a plugin.
#[must_use]
pub const fn is_plugin_name(name: &str) -> bool {
    is_name(name, true)
}

/// Whether `name` may name a method.
#[must_use]
pub const fn is_method_name(name: &str) -> bool {
    is_name(name, false)
}

const fn is_name(name: &str, may_have_hyphens: bool) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > NAME_LEN_MAX || !(bytes[0].is_ascii_alphabetic() || bytes[0] == b'_')
    {
        return false;
    }
    let mut index = 1;
    while index < bytes.len() {
        let byte = bytes[index];
        if !(byte.is_ascii_alphanumeric() || byte == b'_' || (may_have_hyphens && byte == b'-')) {
            return false;
        }
        index += 1;
    }
    true
}
