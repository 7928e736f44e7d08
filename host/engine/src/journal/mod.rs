//! Durable runs: what happens in them is written down before anything that depends on it is done.
//!
//! A run's facts go to the journal in the order in which they were applied, under the run's lock. One thread writes
//! everything that is pending in one transaction, then lets go on what waited for it: calls that are not `pure`, starts
//! that want to be acknowledged, ends that want to be told. What arrives meanwhile is the next transaction.

mod activate;
mod back;
mod begin;
mod copy;
mod evict;
mod keeper;
mod log;
mod manage;
mod pages;
mod replay;
mod retry;
mod whole;
mod writer;

pub(crate) use self::keeper::Chore;
pub(crate) use self::log::{Held, RunLog};
pub(crate) use self::replay::forget;
pub(crate) use self::writer::Journal;
pub use self::writer::JournalStats;
#[cfg(all(test, not(feature = "loom")))]
pub(crate) use self::{
    back::Begin,
    replay::{Restored, Source, replay},
    writer::Transaction,
};

use jackfield_core::journal::BlobId;
use std::sync::Arc;

/// The document that a plan was made from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its hash.
    pub id: BlobId,
    /// Its text.
    pub text: Arc<str>,
}

impl Document {
    /// This text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        Self { id: BlobId::of(text.as_bytes()), text }
    }
}
