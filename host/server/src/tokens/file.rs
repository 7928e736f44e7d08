//! The file of tokens: for its owner only, replaced as a whole, changed by one process at a time.

use super::{Book, Kept, TokenError};
use crate::private::private;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const FILE: &str = "tokens.json";
/// Held while the file is changed.
const LOCK: &str = "tokens.lock";
/// Version of what is written.
const VERSION: u32 = 1;
/// Bytes of the file at most.
const BYTES_MAX: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    tokens: Vec<Kept>,
}

/// By which a file is known to be another one, or to be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity(Option<(u64, Option<SystemTime>, u64)>);

impl Identity {
    pub(super) fn of(path: &Path) -> Result<Self, TokenError> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Self(Some((number(&metadata), metadata.modified().ok(), metadata.len())))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(None)),
            Err(source) => Err(TokenError::Io { verb: "read", path: path.to_owned(), source }),
        }
    }
}

/// The number of a file, where files have one: a replaced one has another.
#[cfg(unix)]
fn number(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn number(metadata: &Metadata) -> u64 {
    let created = metadata.created().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    created.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

pub(super) fn read(path: &Path) -> Result<Book, TokenError> {
    let failed = |source| TokenError::Io { verb: "read", path: path.to_owned(), source };
    let damaged = |why: String| TokenError::Damaged { path: path.to_owned(), why };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Book::default()),
        file => file.map_err(failed)?,
    };
    let len = file.metadata().map_err(failed)?.len();
    if len > BYTES_MAX {
        return Err(damaged(format!("it has {len} bytes, at most {BYTES_MAX} are expected")));
    }
    let bytes = fs::read(path).map_err(failed)?;
    let contents: Contents = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if contents.version != VERSION {
        return Err(damaged(format!("its version is {}, not {VERSION}", contents.version)));
    }
    Ok(Book { is_kept: true, tokens: contents.tokens })
}

/// Changes the tokens, while no other process does.
pub(super) fn change<T>(
    data_dir: &Path,
    change: impl FnOnce(&mut Vec<Kept>) -> Result<T, TokenError>,
) -> Result<T, TokenError> {
    let path = path(data_dir);
    let failed = |source| TokenError::Io { verb: "write", path: path.clone(), source };
    fs::create_dir_all(data_dir).map_err(failed)?;
    let lock = private().create(true).truncate(false).write(true).open(data_dir.join(LOCK));
    let lock = lock.map_err(failed)?;
    // it is given back when the file is closed
    lock.lock().map_err(failed)?;
    let mut tokens = read(&path)?.tokens;
    let done = change(&mut tokens)?;
    let contents = Contents { version: VERSION, tokens };
    let text = serde_json::to_vec_pretty(&contents).map_err(|error| failed(io::Error::other(error)))?;
    // these are for their owner only from the beginning
    let mut draft = tempfile::Builder::new().prefix(".tokens-").tempfile_in(data_dir).map_err(failed)?;
    draft.write_all(&text).and_then(|()| draft.as_file().sync_all()).map_err(failed)?;
    draft.persist(&path).map_err(|error| failed(error.error))?;
    Ok(done)
}
