//! Lists of runs in memory.

use crate::engine::Inner;
use crate::run::RunCell;
use jackfield_core::run::RunStatus;
use jackfield_core::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Only those that stand here.
    pub status: Option<RunStatus>,
    /// Only those of this workflow.
    pub workflow: Option<String>,
}

/// A line in a list of runs.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// Id of the run.
    pub run_id: Arc<str>,
    /// Id of its workflow.
    pub workflow: String,
    /// Version of its workflow.
    pub version: String,
    /// Where it stands.
    pub status: RunStatus,
    /// When it started.
    pub started_at: Timestamp,
    /// How long it took, or has taken so far.
    pub duration: Duration,
}

impl Inner {
    /// The line of a run, which may have gone on as new since the caller got hold of it.
    pub(crate) fn summary(&self, run: &Arc<RunCell>, now: Timestamp) -> RunSummary {
        let mut run = run.clone();
        loop {
            let line = summary(&run, now);
            let next = self.known_run(&run.id).filter(|next| !Arc::ptr_eq(next, &run));
            match next.filter(|_| line.status == RunStatus::Continued) {
                Some(next) => run = next,
                None => return line,
            }
        }
    }
}

fn summary(run: &RunCell, now: Timestamp) -> RunSummary {
    let shared = run.shared.lock();
    let started_at = shared.state.started_at();
    let ended = shared.is_over.then(|| shared.state.history().last().map_or(now, |record| record.at));
    RunSummary {
        run_id: run.id.clone(),
        workflow: run.plan.id.to_string(),
        version: run.plan.version.to_string(),
        status: shared.status(),
        started_at,
        duration: ended.unwrap_or(now).since(started_at),
    }
}
