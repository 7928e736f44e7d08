//! Bearer tokens: who may ask over TCP. The directory for data keeps of each what it may do, until when, and the SHA-256 of it;
//! the token itself is known to nobody but those who were told it once.

mod file;
mod scope;

pub(crate) use scope::Need;
pub use scope::Scope;

use crate::namespace::Namespace;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use file::Identity;
use jackfield::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;

/// What every token begins with, so that those who look for secrets in files find it.
const PREFIX: &str = "jf_";
/// Random bytes of a token.
const RANDOM_LEN: usize = 32;
/// Tokens that are kept at most: each request is compared with all of them.
const TOKENS_MAX: usize = 1_000;
/// Characters of the name of a token at most.
const NAME_LEN_MAX: usize = 64;

/// The tokens of a directory for data.
#[derive(Debug)]
pub struct Tokens {
    data_dir: PathBuf,
    /// What was read last, and of which state of the file.
    seen: Mutex<Option<(Identity, Arc<Book>)>>,
}

/// Why something could not be done with tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("cannot {verb} the tokens in {}", .path.display())]
    Io {
        /// What was to be done.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not what this version writes.
    #[error("{} holds no tokens that this version understands ({why}); restore it, or remove it and make new tokens", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A name that cannot be used.
    #[error("`{0}` is no name for a token: 1 to {NAME_LEN_MAX} letters, digits, `-`, `_`, `.` and `@`")]
    BadName(String),
    /// The name is taken.
    #[error("there is a token `{0}` already; revoke it first, or choose another name")]
    Exists(String),
    /// There is no such token.
    #[error("there is no token `{0}`; `jackfield token list` shows those that there are")]
    NotFound(String),
    /// There are as many as there may be.
    #[error("there are {TOKENS_MAX} tokens already; revoke some that are not used")]
    TooMany,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    NoRandom(String),
}

/// What a new token is to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its name, for people and the audit log.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Where.
    pub namespace: Namespace,
    /// For how long; for ever if absent.
    pub expires_in: Option<Duration>,
}

/// What is known of a token.
#[derive(Clone, Debug, Serialize)]
pub struct TokenInfo {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Where.
    pub namespace: Namespace,
    /// Since when, RFC 3339.
    pub created_at: String,
    /// Until when, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Whether that is over.
    pub is_expired: bool,
}

/// The tokens as they stood when they were read.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Whether there ever was one: from then on everybody needs one, also when the last has been revoked.
    pub(crate) is_kept: bool,
    tokens: Vec<Kept>,
}

/// One token as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    name: String,
    scope: Scope,
    namespace: Namespace,
    sha256: String,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) name: Arc<str>,
    pub(crate) scope: Scope,
    pub(crate) namespace: Namespace,
    /// The hash of the token, by which it is found again.
    pub(crate) hash: TokenHash,
}

/// What is not a token that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Unknown,
    Expired { name: String, at: Timestamp },
}

/// The SHA-256 of a token.
pub(crate) type TokenHash = [u8; 32];

/// The SHA-256 of something secret.
pub(crate) fn hash(secret: &str) -> TokenHash {
    Sha256::digest(secret.as_bytes()).into()
}

/// Something that nobody can guess, as text.
pub(crate) fn random_text() -> Result<String, TokenError> {
    let mut bytes = [0_u8; RANDOM_LEN];
    getrandom::fill(&mut bytes).map_err(|error| TokenError::NoRandom(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

pub(crate) fn now() -> Timestamp {
    Timestamp::default().after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl Tokens {
    /// The tokens in `data_dir`; nothing is read yet.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned(), seen: Mutex::default() }
    }

    /// Makes a token. It is answered once and kept nowhere. A server sees it at once.
    ///
    /// # Errors
    /// If the name is taken or cannot be used; if there are too many; if the file cannot be read and written.
    pub fn create(&self, new: NewToken) -> Result<(String, TokenInfo), TokenError> {
        let NewToken { name, scope, namespace, expires_in } = new;
        let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
        if name.is_empty() || name.len() > NAME_LEN_MAX || !name.chars().all(is_fine) {
            return Err(TokenError::BadName(name.chars().take(NAME_LEN_MAX).collect()));
        }
        let token = format!("{PREFIX}{}", random_text()?);
        let created_at = now();
        let expires_at = expires_in.map(|length| created_at.after(length));
        let sha256 = URL_SAFE_NO_PAD.encode(hash(&token));
        let kept = Kept { name, scope, namespace, sha256, created_at, expires_at };
        let info = kept.info(created_at);
        file::change(&self.data_dir, move |tokens| {
            if tokens.iter().any(|other| other.name == kept.name) {
                return Err(TokenError::Exists(kept.name.clone()));
            }
            if tokens.len() >= TOKENS_MAX {
                return Err(TokenError::TooMany);
            }
            tokens.push(kept);
            Ok(())
        })?;
        Ok((token, info))
    }

    /// What is known of all tokens, in the order in which they were made.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn list(&self) -> Result<Vec<TokenInfo>, TokenError> {
        let now = now();
        Ok(self.current()?.tokens.iter().map(|kept| kept.info(now)).collect())
    }

    /// Takes a token out. A server refuses it from then on.
    ///
    /// # Errors
    /// If there is none of this name; if the file cannot be read and written.
    pub fn revoke(&self, name: &str) -> Result<TokenInfo, TokenError> {
        file::change(&self.data_dir, |tokens| {
            let found = tokens.iter().position(|kept| kept.name == name);
            let at = found.ok_or_else(|| TokenError::NotFound(name.to_owned()))?;
            Ok(tokens.remove(at).info(now()))
        })
    }

    /// The tokens as they stand now: the file is read again when it is another than the last time.
    pub(crate) fn current(&self) -> Result<Arc<Book>, TokenError> {
        let path = file::path(&self.data_dir);
        let identity = Identity::of(&path)?;
        if let Some((seen, book)) = &*self.seen.lock()
            && *seen == identity
        {
            return Ok(book.clone());
        }
        let book = Arc::new(file::read(&path)?);
        *self.seen.lock() = Some((identity, book.clone()));
        Ok(book)
    }
}

impl Book {
    /// Whose token this is.
    pub(crate) fn holder(&self, token: &str) -> Result<Holder, Unfit> {
        self.holder_of(&hash(token))
    }

    /// Whose token has this hash. All are compared, each in the same time, so that how long it takes says nothing.
    pub(crate) fn holder_of(&self, hash: &TokenHash) -> Result<Holder, Unfit> {
        let text = URL_SAFE_NO_PAD.encode(hash);
        let mut found = None;
        for kept in &self.tokens {
            if bool::from(kept.sha256.as_bytes().ct_eq(text.as_bytes())) {
                found = Some(kept);
            }
        }
        let kept = found.ok_or(Unfit::Unknown)?;
        match kept.expires_at.filter(|at| *at <= now()) {
            Some(at) => Err(Unfit::Expired { name: kept.name.clone(), at }),
            None => Ok(Holder {
                name: kept.name.as_str().into(),
                scope: kept.scope,
                namespace: kept.namespace.clone(),
                hash: *hash,
            }),
        }
    }

    /// Whether any of them counts.
    pub(crate) fn has_valid(&self) -> bool {
        let now = now();
        self.tokens.iter().any(|kept| kept.expires_at.is_none_or(|at| at > now))
    }
}

impl Kept {
    fn info(&self, now: Timestamp) -> TokenInfo {
        TokenInfo {
            name: self.name.clone(),
            scope: self.scope,
            namespace: self.namespace.clone(),
            created_at: self.created_at.to_rfc3339(),
            expires_at: self.expires_at.map(Timestamp::to_rfc3339),
            is_expired: self.expires_at.is_some_and(|at| at <= now),
        }
    }
}
