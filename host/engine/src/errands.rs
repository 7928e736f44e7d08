//! What runs want done with other runs. One thread does it in the order of asking and never under a run's lock, so runs
//! that keep each other busy neither pile up on a stack nor hold on to a caller's thread.

use crate::admission::LineName;
use crate::engine::Inner;
use crate::error::EngineError;
use crate::perform::panic_text;
use crate::run::RunCell;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::payload::Payload;
use jackfield_core::ports::Outcome;
use jackfield_core::run::{CallKey, CancelMode, ChildCommand, ContinueCommand, EmitCommand, Fact};
use jackfield_core::time::Nanos;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Something to do for a run.
pub(crate) enum Errand {
    /// Send something to other runs.
    Emit(Box<EmitCommand>),
    /// Start a run for a step.
    StartChild(Box<ChildCommand>),
    /// Ask a run that this one started to end.
    CancelChild(Arc<str>, CancelMode),
    /// Begin, or wait in the line of those that may.
    StandInLine,
    /// Let those begin that have waited in this line.
    FillLine(LineName),
    /// Let those begin that have waited for a seat.
    FillSeats,
    /// All runs that were to end with this one have been told: it can be kept as ended.
    SettleEnd,
    /// Make the next generation of the run ready.
    Continue(Box<ContinueCommand>),
    /// Put the next generation in the place of the run, which has ended.
    BeginNext,
    /// A run that a step waits for has ended.
    ChildEnded(CallKey, Box<(Nanos, Outcome)>),
}

#[derive(Default)]
pub(crate) struct Errands {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    // Two entries at most for each step under way, so the limits on runs and bodies limit it, too.
    queue: VecDeque<(Arc<RunCell>, Errand)>,
    is_stopped: bool,
}

impl Errands {
    pub(crate) fn push(&self, run: &Arc<RunCell>, errand: Errand) {
        self.state.lock().queue.push_back((run.clone(), errand));
        self.more.notify_one();
    }

    /// Those that nobody has begun.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().queue.len()
    }

    fn next(&self) -> Option<(Arc<RunCell>, Errand)> {
        let mut state = self.state.lock();
        loop {
            if state.is_stopped {
                return None;
            }
            if let Some(next) = state.queue.pop_front() {
                return Some(next);
            }
            self.more.wait(&mut state);
        }
    }

    /// The next one, if there is one.
    #[cfg(test)]
    pub(crate) fn try_next(&self) -> Option<(Arc<RunCell>, Errand)> {
        self.state.lock().queue.pop_front()
    }

    pub(crate) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.more.notify_all();
    }
}

impl Inner {
    /// Body of the thread that runs errands.
    pub(crate) fn errand_thread(self: Arc<Self>) {
        while let Some((run, errand)) = self.errands.next() {
            self.go_on_errand(&run, errand);
        }
    }

    pub(crate) fn go_on_errand(self: &Arc<Self>, run: &Arc<RunCell>, errand: Errand) {
        match errand {
            Errand::Emit(emit) => self.emit(run, &emit),
            Errand::StartChild(child) => {
                let started = || self.start_child(run, &child).map_err(|error| failure(&error));
                self.report_done(run, child.key, started);
            }
            Errand::CancelChild(run_id, mode) => self.cancel_child(run, &run_id, mode),
            Errand::StandInLine => self.come_due(run),
            Errand::FillLine(name) => self.admit(&name),
            Errand::FillSeats => self.fill_seats(),
            Errand::SettleEnd => self.settle_end(run),
            Errand::Continue(next) => {
                let ready = || self.prepare_next(run, &next).map_err(|error| failure(&error));
                self.report_done(run, next.key, ready);
            }
            Errand::BeginNext => self.begin_next(run),
            Errand::ChildEnded(key, ended) => self.report_after(run, key, ended.0, ended.1),
        }
    }

    /// Does what an attempt asked for and reports what it came to, unless that is not known yet.
    fn report_done(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        key: CallKey,
        errand: impl FnOnce() -> Result<Option<Payload>, Failure>,
    ) {
        let done = catch_unwind(AssertUnwindSafe(errand)).unwrap_or_else(|panic| {
            let message = format!("a defect of Jackfield: {}", panic_text(&*panic));
            Err(Failure { retryable: false, ..Failure::new(kind::INTERNAL, message) })
        });
        if let Some(outcome) = done.transpose() {
            self.report_after(run, key, Nanos::ZERO, outcome);
        }
    }

    fn report_after(self: &Arc<Self>, run: &Arc<RunCell>, key: CallKey, duration: Nanos, outcome: Outcome) {
        let outcome = outcome.map_err(Box::new);
        self.exchange(run, &mut vec![Fact::Outcome { key, duration, outcome }]);
    }
}

/// What a step fails with when the engine refuses what it asks for.
pub(crate) fn failure(error: &EngineError) -> Failure {
    let (kind, retryable) = match error {
        EngineError::RunNotFound(_) => (kind::RUN_NOT_FOUND, true),
        EngineError::RunEnded { .. } => (kind::RUN_ENDED, false),
        EngineError::InboxFull { .. } => (kind::RUN_INBOX_FULL, true),
        EngineError::BadName(_) | EngineError::BadRunId(_) | EngineError::Input(_) => {
            (kind::VALIDATION, false)
        }
        EngineError::RunExists { .. } => (kind::RUN_EXISTS, false),
        EngineError::WorkflowNotFound(_) | EngineError::NoWorkflowVersion { .. } => {
            (kind::WORKFLOW_NOT_FOUND, true)
        }
        EngineError::TooDeep { .. } => (kind::WORKFLOW_TOO_DEEP, false),
        EngineError::Method { .. } => (kind::PLUGIN_UNAVAILABLE, true),
        EngineError::TooManyRuns(_)
        | EngineError::ShuttingDown
        | EngineError::KeyTaken { .. }
        | EngineError::ScheduleFull { .. } => (kind::RUN_REFUSED, true),
        EngineError::BadKey { .. } => (kind::EXPRESSION, false),
        _ => (kind::INTERNAL, false),
    };
    Failure { retryable, ..Failure::new(kind, error.to_string()) }
}
