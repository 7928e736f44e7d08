//! What the engine needs of a store.

use super::{BlobId, QueuedStart, RunNo, StoredSchedule};
use crate::payload::Payload;
use crate::run::RunStatus;
use crate::time::Timestamp;
use std::sync::Arc;

/// One thing to be written.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new run.
    Begin(Box<StoredRow>),
    /// A text that runs or workflows refer to; known ones are left as they are. Comes in the same write as what refers
    /// to it, for texts that nothing refers to may be removed between two writes.
    Document {
        /// Its hash.
        id: BlobId,
        /// The text.
        text: Arc<str>,
    },
    /// A long value that facts of `run` refer to.
    Blob {
        /// Which run.
        run: RunNo,
        /// Its hash.
        id: BlobId,
        /// The value.
        value: Payload,
    },
    /// Batches of facts of a run that goes on.
    Facts {
        /// Which run.
        run: RunNo,
        /// Number of the first batch, counted from the start of the run.
        first: u64,
        /// The batches.
        bytes: Box<[u8]>,
    },
    /// Batches of facts once more, all together, for good: what [`Change::Facts`] wrote of them is not needed any more.
    Chunk {
        /// Which run.
        run: RunNo,
        /// Number of the first batch.
        first: u64,
        /// Number behind the last one.
        end: u64,
        /// The batches.
        bytes: Box<[u8]>,
    },
    /// Where a run stands.
    Standing {
        /// Which run.
        run: RunNo,
        /// Where.
        standing: Box<Standing>,
    },
    /// The next generation of a run begins and takes its id over; the former one is kept beside it.
    Continue(Box<Continued>),
    /// A run is forgotten with everything that belongs to it, former generations too.
    Delete(RunNo),
    /// A workflow is made known.
    Workflow(Box<StoredWorkflow>),
    /// A version of a workflow, or all of them, is not known any more.
    Unregister {
        /// Workflow id.
        id: String,
        /// Version; all if absent.
        version: Option<String>,
    },
    /// A schedule is new, or stands elsewhere.
    Schedule(Box<StoredSchedule>),
    /// A schedule is forgotten with the starts that it had to make.
    RemoveSchedule(Arc<str>),
    /// A schedule has to make a start.
    QueueStart {
        /// Which schedule.
        schedule: Arc<str>,
        /// The start.
        start: Box<QueuedStart>,
    },
    /// An attempt that a rate limit counts has begun; those that are of no interest any more by then are forgotten.
    RateStart(RateStart),
    /// It need not be made any more.
    UnqueueStart {
        /// Which schedule.
        schedule: Arc<str>,
        /// Place in its queue.
        no: u64,
    },
}

/// An attempt that a rate limit counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RateStart {
    /// What it is counted by.
    pub key: Arc<str>,
    /// When it began, in wall time.
    pub at: Timestamp,
    /// When the longest window of the key that it is in has passed.
    pub until: Timestamp,
}

/// A run as it began.
#[derive(Clone, Debug)]
pub struct StoredRow {
    /// Its number.
    pub no: RunNo,
    /// Its id.
    pub run_id: Arc<str>,
    /// Workflow id.
    pub workflow: String,
    /// Workflow version.
    pub version: String,
    /// The document that its plan is made from.
    pub document: BlobId,
    /// When it began.
    pub started_at: Timestamp,
    /// What it was started with, see [`super::StoredStart`].
    pub start: String,
}

/// A run that goes on as new.
#[derive(Clone, Debug)]
pub struct Continued {
    /// Number of the generation that has ended; all of its facts are in chunks.
    pub former: RunNo,
    /// Which generation it was; the first is 1.
    pub generation: u32,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How many former generations of the run are kept at most; older ones are forgotten.
    pub keep: u32,
    /// How the next one begins.
    pub row: StoredRow,
}

/// Where a run stands, for lists and for finding out when it is to be looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Status.
    pub status: RunStatus,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When its next timer is due, if it waits, for its start also, and nothing of it is in memory.
    pub due_at: Option<Timestamp>,
    /// What is wrong, for people: the failure of a failed run, or what it waits for.
    pub reason: Option<String>,
    /// Custom status as JSON text.
    pub custom_status: Option<String>,
}

/// A registered workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWorkflow {
    /// Workflow id.
    pub id: String,
    /// Version.
    pub version: String,
    /// Its document.
    pub document: BlobId,
    /// When it was registered.
    pub registered_at: Timestamp,
}

/// A run as it is found in a store.
#[derive(Clone, Debug)]
pub struct StoredRun {
    /// How it began.
    pub row: StoredRow,
    /// Where it was last said to stand.
    pub standing: Standing,
    /// The first batches of facts in order, in one or more pieces; what is not in them comes by [`Store::stretch`].
    pub pieces: Vec<Box<[u8]>>,
    /// How many batches there are in all.
    pub batches: u64,
    /// How many of them stand in chunks.
    pub chunked: u64,
}

/// Batches of facts that follow each other.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    /// Number of the first one, counted from the start of the run.
    pub first: u64,
    /// The batches, in one or more pieces.
    pub pieces: Vec<Box<[u8]>>,
}

/// Runs are read in stretches of about so many bytes.
pub const STRETCH_LEN: usize = 1 << 20;

/// Which runs to list; newest first.
#[derive(Clone, Debug, Default)]
pub struct RunQuery {
    /// Only those that stand in one of these; all if empty.
    pub statuses: Vec<RunStatus>,
    /// Only those of this workflow.
    pub workflow: Option<String>,
    /// Only those that began at this time or later.
    pub since: Option<Timestamp>,
    /// Only those whose id, workflow, reason or custom status contains this text.
    pub text: Option<String>,
    /// Only those before this one in the list.
    pub before: Option<RunNo>,
    /// At most so many.
    pub limit: usize,
}

/// A line in a list of runs.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Its number.
    pub no: RunNo,
    /// Its id.
    pub run_id: String,
    /// Workflow id.
    pub workflow: String,
    /// Workflow version.
    pub version: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Where it stands.
    pub standing: Standing,
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The lines.
    pub runs: Vec<Listing>,
    /// Where the next page begins, if there may be one.
    pub next: Option<RunNo>,
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process owns it.
    #[error("the journal {path} is in use by process {pid}; stop that process, or talk to it")]
    InUse {
        /// Its file.
        path: String,
        /// Whose.
        pid: u32,
    },
    /// There is no room left; worth trying again.
    #[error("there is no room left for the journal {0}; free some space, it goes on by itself")]
    Full(String),
    /// The file is damaged.
    #[error(
        "the journal {path} is damaged: {why}; `jackfield db check` tells more, `jackfield db backup` saves what can be read"
    )]
    Damaged {
        /// Its file.
        path: String,
        /// What was found.
        why: String,
    },
    /// It was written by a later version.
    #[error(
        "the journal {path} has format {found}, this version of Jackfield reads up to {known}; use a newer one"
    )]
    TooNew {
        /// Its file.
        path: String,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// Anything else.
    #[error("the journal {path} cannot be used: {why}")]
    Other {
        /// Its file.
        path: String,
        /// What was said.
        why: String,
    },
}

impl StoreError {
    /// Whether the same may succeed later without anybody changing the store.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Whether another process owns it.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse { .. })
    }
}

/// Keeps runs. Writing is done by one thread at a time, reading by any.
pub trait Store: Send + Sync {
    /// Whether whoever wrote to it before ended out of order.
    fn was_left_unclean(&self) -> bool;

    /// Writes all changes in this order, or none; they are durable when this returns.
    ///
    /// # Errors
    /// If they could not be written; the store is as before.
    fn write(&self, changes: &[Change]) -> Result<(), StoreError>;

    /// The highest number that a run ever had; 0 if there was none.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn last_run(&self) -> Result<RunNo, StoreError>;

    /// Every run that has not ended and did not stand still when it was last written, or waited for a reason that it
    /// says: what has to go on at once, or can perhaps go on now. A queued one with a time at which it is due stands still.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn unfinished(&self) -> Result<Vec<StoredRun>, StoreError>;

    /// The run of this id.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn load(&self, run_id: &str) -> Result<Option<StoredRun>, StoreError>;

    /// A former generation of the run of this id, if it is kept. Where it stands is `continued`.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn former(&self, run_id: &str, generation: u32) -> Result<Option<StoredRun>, StoreError>;

    /// Batches of a run, which may be a former generation: that with number `from`, those behind it up to about
    /// [`STRETCH_LEN`] bytes, and perhaps some before it. No pieces if there is no such batch.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn stretch(&self, run: RunNo, from: u64) -> Result<Stretch, StoreError>;

    /// The line of this run, without its facts.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn find(&self, run_id: &str) -> Result<Option<Listing>, StoreError>;

    /// A page of a list.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn list(&self, query: &RunQuery) -> Result<Page, StoreError>;

    /// Ids of runs out of memory whose timers are due at `until` or earlier, earliest first, at most `limit`; and when the
    /// next one behind them is.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn due(&self, until: Timestamp, limit: usize) -> Result<(Vec<String>, Option<Timestamp>), StoreError>;

    /// A document.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn document(&self, id: BlobId) -> Result<Option<Arc<str>>, StoreError>;

    /// A long value.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn blob(&self, id: BlobId) -> Result<Option<Payload>, StoreError>;

    /// All registered workflows.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn workflows(&self) -> Result<Vec<StoredWorkflow>, StoreError>;

    /// All schedules, by id, each with the starts that it has to make, in their order.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn schedules(&self) -> Result<Vec<(StoredSchedule, Vec<QueuedStart>)>, StoreError>;

    /// The attempts that rate limits count, by key and then in the order of time.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn rate_starts(&self) -> Result<Vec<RateStart>, StoreError>;
}
