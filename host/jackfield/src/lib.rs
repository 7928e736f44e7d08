//! Embed Jackfield: a plugin host and workflow engine in one.
//!
//! A [`Host`] loads plugins and takes methods of the application as closures; workflows come from files, from
//! JSON text or from the typed builder; runs are awaited, watched and cancelled through handles.
//!
//! ```no_run
//! use jackfield::{Host, MethodError, Step, Workflow, json};
//!
//! # async fn example() -> Result<(), jackfield::Error> {
//! let host = Host::builder()
//!     .plugin_path("plugins")
//!     .method("app", "1.0.0", "greet", |name: String| Ok::<_, MethodError>(format!("hello {name}")))
//!     .build()?;
//! let workflow = Workflow::new("greeting")
//!     .step(Step::call("greet", "app", "greet").params("${input}"))
//!     .output("${steps.greet.output}");
//! let outcome = host.run(&host.define(&workflow)?, json!("world")).await?;
//! assert_eq!(outcome.value::<String>()?, "hello world");
//! host.shutdown();
//! # Ok(())
//! # }
//! ```

mod app;
mod builder;
mod calls;
mod changes;
mod clock;
mod code;
pub mod config;
mod definition;
mod error;
mod events;
pub mod graph;
mod host;
mod journal;
mod kept;
mod lines;
mod listener;
pub mod places;
mod plugins;
mod prepared;
mod problem;
mod records;
mod run;
mod schedules;
mod secrets;
mod sketch;
pub mod telemetry;
mod traces;
mod trust;
mod watch;
mod workflow;

pub use app::{AppMethod, MethodError};
pub use builder::{Engine, HostBuilder, JOURNAL_FILE};
pub use changes::DocumentChange;
pub use code::{Body, Catch, Compensate, Retry, Step, WorkflowBuilder};
pub use config::{Config, Transport};
pub use definition::{DOCUMENT_BYTES_MAX, Dialect, dialect_of, format, read, sketch};
pub use error::{Error, Invalid};
pub use events::EVENT_WORKFLOW;
pub use host::Host;
pub use journal::Journal;
pub use lines::{RUN_LINES_MAX, RunText, RunTexts, TextQuery, TextSource};
pub use listener::TracingListener;
pub use prepared::PreparedCall;
pub use problem::{PluginChanges, PluginProblem};
pub use records::Records;
pub use run::{Outcome, Run, RunOptions};
pub use schedules::{NewSchedule, Schedules};
pub use secrets::{SECRET_BYTES_MAX, SecretSource};
pub use traces::SpanCounts;
pub use workflow::Workflow;

pub use futures_core::Stream;
pub use jackfield_core::catalog::{Method, MethodKind, Plugin};
pub use jackfield_core::diagnostic;
pub use jackfield_core::failure::Failure;
pub use jackfield_core::journal::{Listing, Page, RunNo, RunQuery, Standing};
pub use jackfield_core::model::{self, Backoff, Isolation, LogLevel, Mode, Rollback, Tolerance, TriggerRule};
pub use jackfield_core::payload::Payload;
pub use jackfield_core::plan;
pub use jackfield_core::ports::{Call, CallListener, Clock, Secrets};
pub use jackfield_core::run::{
    CancelMode, Event, History, RecordKind as EventKind, RunReport, RunStatus, StepReport, StepStatus,
    Stopping,
};
pub use jackfield_core::time::Timestamp;
pub use jackfield_core::trace::SpanContext;
pub use jackfield_engine::{
    Backfilled, CustomStatus, EngineError, EngineStats, InputFault, JournalStats, Latencies, Latency,
    PlannedStart, QueueDepths, RunCounts, RunFilter, RunListener, RunSummary, ScheduleInfo, StepCounts,
    Triggered, WorkflowEntry,
};
pub use jackfield_loader::{
    AllowRule, Direction, Downgrade, ExitNote, InstalledPlugin, KeyId, Lock, LockedPlugin, PluginVersion,
    Standing as PluginStanding, TrustedKey, UncleanExit, Update, Verdict, Verification, WorkerStanding,
    Workers, manifest,
};
pub use schemars;
pub use semver::{Version, VersionReq};
pub use serde_json::{Value, json};
