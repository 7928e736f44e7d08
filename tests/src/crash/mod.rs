//! Hosts that die: a process that runs one document on a journal, writes down what it calls, and kills itself where it
//! is told to. The product knows nothing of this: stores and methods are wrapped in those of a test.

mod effects;
mod host;
mod life;
mod script;
mod store;

pub use effects::{Called, Effects};
pub use host::Lab;
pub use life::{Life, RUN_ID, live};
pub use script::{Deed, Kill, Moment, Script};

/// Files of a case, in its directory.
pub mod file {
    /// The journal.
    pub const JOURNAL: &str = "journal.db";
    /// Its write-ahead log.
    pub const WAL: &str = "journal.db-wal";
    /// What was done outside of it.
    pub const EFFECTS: &str = "effects.log";
    /// What came of the run.
    pub const RESULT: &str = "result.json";
    /// Copies of the others, by write.
    pub const KEPT: &str = "kept";
}
