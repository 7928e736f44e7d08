//! `read` and `hash`: what is in a file.

use crate::{CHUNK_BYTES, FILES};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jackfield_plugin_api::prelude::*;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

/// Largest file that `read` returns unless told otherwise: 16 MiB.
const READ_BYTES_DEFAULT: u64 = 16 * 1024 * 1024;

/// How bytes become a JSON string.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    /// The file is UTF-8 text.
    #[default]
    Utf8,
    /// Any bytes, as base64 with padding.
    Base64,
}

/// Which file to read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Read {
    /// The file.
    path: PathBuf,
    /// How its bytes are returned.
    #[serde(default)]
    encoding: Encoding,
    /// A file with more bytes is an error.
    #[serde(default = "read_bytes_default")]
    max_bytes: u64,
}

const fn read_bytes_default() -> u64 {
    READ_BYTES_DEFAULT
}

/// What a file holds.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Content {
    /// The content, in the encoding asked for.
    content: String,
    /// Length of the file in bytes.
    bytes: u64,
}

/// Which file to hash.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hash {
    /// The file.
    path: PathBuf,
}

/// The hash of a file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Hashed {
    /// SHA-256 in lower-case hexadecimal digits.
    pub(crate) sha256: String,
    /// Bytes hashed.
    bytes: u64,
}

/// Performs `read`.
///
/// # Errors
/// `fs.too_large`, `fs.not_utf8`, errors of the file.
pub(crate) fn read(p: &Read) -> Result<Content, Error> {
    let content = FILES.read(&p.path, p.max_bytes)?;
    let bytes = content.len() as u64;
    let content = match p.encoding {
        Encoding::Base64 => STANDARD.encode(content),
        Encoding::Utf8 => String::from_utf8(content).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let message = format!("`{}` is not UTF-8 at byte {at}. Read it as `base64`.", p.path.display());
            Error::new("fs.not_utf8", message).permanent()
        })?,
    };
    Ok(Content { content, bytes })
}

/// Performs `hash`.
///
/// # Errors
/// Errors of the file, `cancelled`.
pub(crate) fn hash(p: &Hash, is_cancelled: &dyn Fn() -> bool) -> Result<Hashed, Error> {
    let failed = |error| FILES.error("cannot read", &p.path, error);
    let mut file = std::fs::File::open(&p.path).map_err(failed)?;
    digest(&mut file, failed, is_cancelled)
}

/// The hash of all that `from` has left to read.
pub(crate) fn digest(
    from: &mut dyn io::Read,
    failed: impl Fn(io::Error) -> Error,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Hashed, Error> {
    let (mut hasher, mut chunk, mut bytes) = (Sha256::new(), vec![0; CHUNK_BYTES], 0);
    loop {
        if is_cancelled() {
            return Err(Error::cancelled());
        }
        let len = from.read(&mut chunk).map_err(&failed)?;
        if len == 0 {
            break;
        }
        hasher.update(&chunk[..len]);
        bytes += len as u64;
    }
    let mut sha256 = String::new();
    for byte in hasher.finalize() {
        write!(sha256, "{byte:02x}").expect("a string takes all that is written");
    }
    Ok(Hashed { sha256, bytes })
}
