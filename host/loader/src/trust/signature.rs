//! Detached minisign signatures: `plugin.so.minisig` beside `plugin.so`.

use super::Evidence;
use super::distrust::Distrust;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign_verify::{Error, PublicKey, Signature};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A larger signature file is none.
const SIGNATURE_BYTES_MAX: u64 = 16 << 10;

/// The id of a signer's key, as minisign shows it: 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// The id within a key or signature: behind two bytes that name the algorithm.
    fn of(base64: &str) -> Option<Self> {
        let bytes = STANDARD.decode(base64.trim()).ok()?;
        let mut id: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
        // stored as a little-endian number, shown as a number
        id.reverse();
        Some(Self(id))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<KeyId> for String {
    fn from(key: KeyId) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for KeyId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(&text, 16).ok().filter(|_| is_hex);
        let number = number.ok_or_else(|| format!("`{text}` is no key id; it has 16 hexadecimal digits"))?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// A public key whose signatures count.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct TrustedKey {
    id: KeyId,
    key: PublicKey,
}

impl TrustedKey {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrustedKey").field(&self.id).finish()
    }
}

impl FromStr for TrustedKey {
    type Err = String;

    /// Takes the second line of a `minisign.pub`.
    ///
    /// # Errors
    /// A sentence that names the text, if it is no public key.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no public key of minisign; it is the second line of a `minisign.pub`");
        let key = PublicKey::from_base64(text.trim()).map_err(|_| wrong())?;
        Ok(Self { id: KeyId::of(text).ok_or_else(wrong)?, key })
    }
}

impl TryFrom<String> for TrustedKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Where the signature of a plugin file lies.
pub(crate) fn signature_file(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".minisig");
    name.into()
}

/// The text of the signature beside `file`; `None` if there is none.
pub(crate) fn read_signature(file: &Path) -> Result<Option<String>, Box<Distrust>> {
    let path = signature_file(file);
    let invalid = |reason: String| Box::new(Distrust::SignatureInvalid { file: file.to_owned(), reason });
    let size = match std::fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(invalid(format!("`{}` cannot be read: {error}", path.display()))),
    };
    if size > SIGNATURE_BYTES_MAX {
        return Err(invalid(format!("`{}` is no signature", path.display())));
    }
    let text = std::fs::read_to_string(&path);
    text.map(Some).map_err(|error| invalid(format!("`{}` cannot be read: {error}", path.display())))
}

/// Who of the trusted signers has signed the file. Where signatures are not required, one by somebody unknown counts as
/// none; one by somebody known must be right.
pub(crate) fn check(
    evidence: &Evidence<'_>,
    keys: &[TrustedKey],
    is_required: bool,
) -> Result<Option<KeyId>, Box<Distrust>> {
    let file = || evidence.file.to_owned();
    let Some(text) = evidence.signature else {
        return match is_required {
            true => {
                let (file, signature) = (file(), signature_file(evidence.file));
                Err(Box::new(Distrust::NotSigned { file, signature }))
            }
            false => Ok(None),
        };
    };
    if keys.is_empty() && !is_required {
        return Ok(None);
    }
    let invalid = |reason: String| Box::new(Distrust::SignatureInvalid { file: file(), reason });
    let damaged = || invalid("its signature is damaged, or made by another tool than minisign".into());
    let signature = Signature::decode(text).map_err(|_| damaged())?;
    let id = text.lines().nth(1).and_then(KeyId::of).ok_or_else(damaged)?;
    let mut last = None;
    for trusted in keys.iter().filter(|trusted| trusted.id == id) {
        match trusted.key.verify(evidence.bytes, &signature, false) {
            Ok(()) => return Ok(Some(id)),
            Err(error) => last = Some(error),
        }
    }
    match last {
        None if is_required => Err(Box::new(Distrust::UnknownKey { file: file(), key: id })),
        None => Ok(None),
        Some(Error::UnexpectedAlgorithm) => {
            Err(invalid(format!("its signature by key {id} is of the old kind without prehashing")))
        }
        Some(_) => Err(invalid(format!(
            "its signature by key {id} belongs to other contents (its comment says `{}`)",
            crate::error::one_line(&signature.trusted_comment().escape_debug().to_string())
        ))),
    }
}
