//! What runs want done with other runs. One thread does it in the order of asking and never under a run's lock, so runs
//! that keep each other busy neither pile up on a stack nor hold on to a caller's thread.

use crate::engine::Inner;
use crate::error::EngineError;
use crate::perform::panic_text;
use crate::run::RunCell;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::payload::Payload;
use jackfield_core::run::{CallKey, EmitCommand, Fact};
use jackfield_core::time::Nanos;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Something to do for a run.
pub(crate) enum Errand {
    /// Send something to other runs.
    Emit(Box<EmitCommand>),
}

impl Errand {
    /// The attempt that it is for.
    fn key(&self) -> CallKey {
        match self {
            Self::Emit(emit) => emit.key,
        }
    }
}

#[derive(Default)]
pub(crate) struct Errands {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    // One entry at most for each step under way, so the limits on runs and bodies limit it, too.
    queue: VecDeque<(Arc<RunCell>, Errand)>,
    is_stopped: bool,
}

impl Errands {
    pub(crate) fn push(&self, run: &Arc<RunCell>, errand: Errand) {
        self.state.lock().queue.push_back((run.clone(), errand));
        self.more.notify_one();
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

    pub(crate) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.more.notify_all();
    }
}

impl Inner {
    /// Body of the thread that runs errands.
    pub(crate) fn errand_thread(self: Arc<Self>) {
        while let Some((run, errand)) = self.errands.next() {
            let key = errand.key();
            let done = catch_unwind(AssertUnwindSafe(|| self.do_errand(errand)));
            let outcome = done.unwrap_or_else(|panic| {
                let message = format!("a defect of Jackfield: {}", panic_text(&*panic));
                Err(Box::new(Failure { retryable: false, ..Failure::new(kind::INTERNAL, message) }))
            });
            self.exchange(&run, &mut vec![Fact::Outcome { key, duration: Nanos::ZERO, outcome }]);
        }
    }

    fn do_errand(self: &Arc<Self>, errand: Errand) -> Result<Payload, Box<Failure>> {
        match errand {
            Errand::Emit(emit) => self.emit(&emit).map_err(|error| Box::new(failure(&error))),
        }
    }
}

/// What a step fails with when the engine refuses what it asks for.
pub(crate) fn failure(error: &EngineError) -> Failure {
    let (kind, retryable) = match error {
        EngineError::RunNotFound(_) => (kind::RUN_NOT_FOUND, true),
        EngineError::RunEnded { .. } => (kind::RUN_ENDED, false),
        EngineError::InboxFull { .. } => (kind::RUN_INBOX_FULL, true),
        EngineError::BadName(_) => (kind::VALIDATION, false),
        _ => (kind::INTERNAL, false),
    };
    Failure { retryable, ..Failure::new(kind, error.to_string()) }
}
