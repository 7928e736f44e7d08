//! The local engine: runs workflows in memory on threads of its own.
//!
//! Every run stands behind one short lock. Threads hand in outcomes and take the next calls under it; nothing
//! polls. `inline` methods run on the engine's own threads in chunks, `blocking` ones on a bounded pool, `async`
//! ones answer by completion. One thread keeps all timers and watches over bodies that do not return. With a store, runs
//! are durable: see `journal`.

mod admission;
mod careful;
mod children;
mod config;
mod control;
mod crew;
mod delays;
mod doors;
mod engine;
mod errands;
mod error;
mod generations;
mod handle;
mod inline;
mod journal;
mod lane;
mod latency;
mod limits;
mod line;
mod listener;
mod listing;
#[cfg(test)]
#[cfg(feature = "loom")]
mod model;
mod pause;
mod perform;
mod planted;
mod pool;
mod progress;
mod request;
mod run;
mod schedules;
mod seats;
mod signals;
mod silence;
#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod sim;
mod spans;
mod stats;
mod sync;
#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests;
mod timers;
mod traces;
mod workflows;

pub use config::{Config, Ports, StartRequest};
pub use engine::Engine;
pub use error::{EngineError, InputFault};
pub use handle::RunHandle;
pub use journal::{Document, JournalStats};
pub use latency::{Latencies, Latency};
pub use listener::{RunListener, SilentListener};
pub use listing::{RunFilter, RunSummary};
pub use progress::CustomStatus;
pub use schedules::{Backfilled, PlannedStart, ScheduleInfo, ScheduleRequest, Triggered};
pub use stats::{EngineStats, QueueDepths, RunCounts, StepCounts};
pub use workflows::{Compile, Registered, WorkflowEntry};
