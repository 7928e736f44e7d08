//! The line of calls in front of a session: one is served, the others wait in their order, and not too many of them.

use jackfield_plugin_api::{Context, Error};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    serving: Option<u64>,
    waiting: VecDeque<u64>,
    /// Why nobody is served any more.
    closed: Option<String>,
}

/// Being served, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    line: Arc<Line>,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn behind all who came before; at most `waiting_max` wait.
    ///
    /// # Errors
    /// `python.queue_full`; `python.no_session` once the line is closed; `cancelled`, also when the deadline of the call is over.
    pub(crate) fn enter(self: &Arc<Self>, ctx: &Context, waiting_max: usize) -> Result<Turn, Error> {
        let mut state = self.lock();
        if let Some(why) = &state.closed {
            return Err(gone(why));
        }
        state.last += 1;
        let number = state.last;
        if state.serving.is_none() && state.waiting.is_empty() {
            state.serving = Some(number);
            return Ok(Turn { line: Arc::clone(self) });
        }
        if state.waiting.len() >= waiting_max {
            let message = format!(
                "{waiting_max} calls wait for the session already, which is as many as `queue_max` allows"
            );
            return Err(Error::new("python.queue_full", message));
        }
        state.waiting.push_back(number);
        drop(state);
        let line = Arc::clone(self);
        let _told = ctx.on_cancel(move || {
            // whoever waits looks at it under the lock
            drop(line.lock());
            line.changed.notify_all();
        });
        self.wait(ctx, number)
    }

    fn wait(self: &Arc<Self>, ctx: &Context, number: u64) -> Result<Turn, Error> {
        let mut state = self.lock();
        loop {
            if let Some(why) = state.closed.clone() {
                state.waiting.retain(|other| *other != number);
                return Err(gone(&why));
            }
            if ctx.is_cancelled() {
                state.waiting.retain(|other| *other != number);
                drop(state);
                self.changed.notify_all();
                return Err(Error::cancelled());
            }
            if state.serving.is_none() && state.waiting.front() == Some(&number) {
                state.waiting.pop_front();
                state.serving = Some(number);
                return Ok(Turn { line: Arc::clone(self) });
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The turn, if nobody has it or waits for it.
    pub(crate) fn try_enter(self: &Arc<Self>) -> Option<Turn> {
        let mut state = self.lock();
        if state.closed.is_some() || state.serving.is_some() || !state.waiting.is_empty() {
            return None;
        }
        state.last += 1;
        state.serving = Some(state.last);
        Some(Turn { line: Arc::clone(self) })
    }

    /// Nobody is served any more; those who wait hear why. Says whether it was open.
    pub(crate) fn close(&self, why: &str) -> bool {
        let mut state = self.lock();
        let was_open = state.closed.is_none();
        if was_open {
            state.closed = Some(why.to_owned());
        }
        drop(state);
        self.changed.notify_all();
        was_open
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.lock().serving.is_some()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.line.lock().serving = None;
        self.line.changed.notify_all();
    }
}

/// The error for a session that is there no more.
pub(crate) fn gone(why: &str) -> Error {
    Error::new("python.no_session", format!("the session is closed: {why}")).permanent()
}
