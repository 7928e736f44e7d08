//! The journal of durable runs in one SQLite file: [`SqliteStore`] implements [`jackfield_core::journal::Store`].
//!
//! Facts of all runs are appended to one table, `log`, one row a commit, so that a commit writes as few pages as can be.
//! When a run ends, leaves memory or grows long, its facts are written once more, together, to `chunks`; the rows at the
//! front of the log that nobody needs any more are deleted in bulk. The files are split by table:
//!
//! | what | file |
//! |---|---|
//! | opening, closing, the trait | `store.rs`, `lock.rs`, `schema.rs`, `readers.rs` |
//! | one commit | `writer.rs` |
//! | `log`, `tails`: facts as they arrive | `log.rs`, `frame.rs`, `tail.rs` |
//! | `chunks`: facts for good; a run with all that it has | `chunks.rs` |
//! | `runs`, `starts` | `runs.rs`, `list.rs` |
//! | `former` | `former.rs` |
//! | `blobs`, `blob_uses` | `blobs.rs` |
//! | `documents`, `workflows` | `documents.rs` |
//! | `schedules`, `queued_starts` | `schedules.rs` |
//! | commands for people | `check.rs`, `backup.rs`, `prune.rs`, `stats.rs` |
//! | errors | `fault.rs` |

mod backup;
mod blobs;
mod check;
mod chunks;
mod documents;
mod fault;
mod former;
mod frame;
mod list;
mod lock;
mod log;
mod prune;
mod rates;
mod readers;
mod runs;
mod schedules;
mod schema;
mod stats;
mod store;
mod tail;
mod writer;

pub use backup::{Compacted, Progress};
pub use prune::Retention;
pub use stats::Stats;
pub use store::{Durability, Options, SqliteStore};
