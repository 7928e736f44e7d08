//! Which runs may be under way at a time.

use crate::expr::Expression;

/// `concurrency` of the document: runs of the workflow that share a key.
#[derive(Debug)]
pub struct Concurrency {
    /// Yields the key from what the run starts with.
    pub key: Expression,
    /// How many runs with one key may be under way; at least 1.
    pub limit: u32,
    /// What becomes of a run too many.
    pub on_conflict: OnConflict,
}

/// What becomes of a run when there are as many with its key as there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// It waits for its turn.
    #[default]
    Queue,
    /// It is not started.
    Reject,
    /// The others are cancelled, and it begins when one of them has ended.
    CancelRunning,
}
