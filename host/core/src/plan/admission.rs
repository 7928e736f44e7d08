//! Which runs may be under way at a time.

use crate::expr::Expression;
pub use crate::model::OnConflict;

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
