//! Schedules as a store keeps them.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A schedule: what it is, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSchedule {
    /// Its id.
    pub id: Arc<str>,
    /// The workflow whose runs it starts.
    pub workflow: Arc<str>,
    /// The range of versions of which the newest is taken; any version if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When and how, as [`crate::schedule::Spec`] reads it.
    pub spec: Arc<str>,
    /// Whether it stands in the document of its workflow.
    #[serde(default)]
    pub is_own: bool,
    /// Since when it has been like this.
    pub since: Timestamp,
    /// The newest time that is behind: started, skipped or missed.
    pub last: Timestamp,
    /// Why it is paused, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// Runs that it started and that had not ended when this was written. Not kept where runs may overlap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub active: Vec<Arc<str>>,
    /// The run that it started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<Arc<str>>,
    /// Runs that it has started.
    #[serde(default)]
    pub started: u64,
    /// Starts that were left out because a run had not ended.
    #[serde(default)]
    pub skipped: u64,
    /// Why the last start failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A start that is to be made, written down before it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedStart {
    /// Its place in the queue of its schedule.
    pub no: u64,
    /// Id of the run: the same start always has the same.
    pub run_id: Arc<str>,
    /// What it is for.
    pub cause: Cause,
    /// The time that the run is for.
    pub at: Timestamp,
    /// The data of the event as JSON text; empty if there is none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub data: Arc<str>,
}

/// What a start is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// Its time has come.
    Time,
    /// An event.
    Event,
    /// Somebody wanted it now.
    Trigger,
    /// Somebody wanted what would have been started in the past.
    Backfill,
}
