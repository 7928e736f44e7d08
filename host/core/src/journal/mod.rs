//! What a journal keeps of a run, and the store that it is kept in.
//!
//! A run is restored from what it was started with and the facts that it took since then, applied again in the same
//! order. Everything else that a store keeps of a run (where it stands, when it is due) is there to be looked at.

mod codec;
mod pinned;
mod saved;
mod schedule;
mod start;
mod store;
#[cfg(test)]
mod tests;

pub use codec::{Batch, Batches, encode_batch};
pub use pinned::Pinned;
pub use saved::{SavedError, SavedRun};
pub use schedule::{Cause, QueuedStart, StoredSchedule};
pub use start::StoredStart;
pub use store::{
    Change, Continued, Listing, Page, RateStart, RunQuery, STRETCH_LEN, Standing, Store, StoreError,
    StoredRow, StoredRun, StoredWorkflow, Stretch,
};

use crate::payload::Payload;
use std::fmt;

/// The rules by which facts are applied. Raised when the same facts would no longer give the same state: runs that
/// began under other rules are refused instead of going astray.
pub const RULES: u32 = 1;

/// Values longer than this are kept once by their hash, outside the facts.
pub const INLINE_LEN_MAX: usize = 32 * 1024;

/// Number of a run in its store: given in the order of starts, never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunNo(pub u64);

/// SHA-256 of a value or of a document.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// The id of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Long values that facts refer to.
pub type Blobs = Vec<(BlobId, Payload)>;

/// Why bytes from a journal cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// They are none of ours, or cut short.
    #[error("what is stored from byte {at} on cannot be read: {why}")]
    Unreadable {
        /// Where, in the bytes of one row.
        at: usize,
        /// What was found instead.
        why: String,
    },
    /// A long value is missing.
    #[error("the stored value {0} is missing")]
    NoBlob(BlobId),
    /// The run began under rules that this version does not know.
    #[error("it was started by rules {0}, which this version of Jackfield does not know (it knows {RULES})")]
    Rules(u32),
    /// What it was started with is no sound JSON object.
    #[error("what the run was started with cannot be read: {0}")]
    Start(String),
}

impl serde::Serialize for BlobId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for BlobId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let mut id = [0; 32];
        let is_whole = text.len() == 64 && text.is_ascii();
        for (nth, byte) in id.iter_mut().enumerate().filter(|_| is_whole) {
            *byte = u8::from_str_radix(&text[2 * nth..2 * nth + 2], 16).map_err(D::Error::custom)?;
        }
        if is_whole { Ok(Self(id)) } else { Err(D::Error::custom("expected 64 hexadecimal digits")) }
    }
}
