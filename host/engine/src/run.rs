//! One run as the engine holds it: its state behind a short lock, the calls that are ready, and those under way.

use crate::crew::{Crew, Ready};
use crate::timers::Ticket;
use jackfield_core::catalog::MethodKind;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::plan::SharedPlan;
use jackfield_core::ports::{Call, Method};
use jackfield_core::run::{CallCommand, CallKey, Command, RunState, RunStatus, TimerId};
use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

/// The kinds of threads that make calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneKind {
    /// The engine's own threads: `inline` methods, and starting `async` ones.
    Inline,
    /// The bounded pool: `blocking` methods.
    Blocking,
}

pub(crate) struct RunCell {
    pub(crate) id: Arc<str>,
    pub(crate) plan: SharedPlan,
    /// By `MethodIx`.
    pub(crate) methods: Box<[Arc<dyn Method>]>,
    /// Which of them run on the spot, by `MethodIx`.
    pub(crate) kinds: Box<[MethodKind]>,
    pub(crate) shared: Mutex<Shared>,
    /// Signalled once, at the end.
    pub(crate) ended: Condvar,
    /// Signalled after every change while somebody watches.
    pub(crate) changed: Condvar,
    pub(crate) changed_async: tokio::sync::Notify,
    pub(crate) watchers: AtomicUsize,
    /// Raised whenever calls are cancelled: threads hand back what they have not begun.
    pub(crate) cancel_epoch: AtomicU64,
    pub(crate) span: tracing::Span,
    /// W3C trace context that it is part of; empty if none.
    pub(crate) traceparent: Box<str>,
}

pub(crate) struct Shared {
    pub(crate) state: RunState,
    pub(crate) inline: Ready<CallCommand>,
    pub(crate) blocking: Ready<CallCommand>,
    pub(crate) crew: Crew,
    pub(crate) running: HashMap<CallKey, Running>,
    /// Cancelled before they began: skipped when they are taken.
    pub(crate) dropped: HashSet<CallKey>,
    pub(crate) timers: HashMap<TimerId, Ticket>,
    pub(crate) commands: Vec<Command>,
    pub(crate) steps: crate::spans::StepSpans,
    /// Records up to here have been logged.
    pub(crate) logged: usize,
    /// Set once if the state machine itself broke.
    pub(crate) broken: Option<Failure>,
    pub(crate) is_over: bool,
}

/// A call under way outside the inline threads.
pub(crate) struct Running {
    pub(crate) call: Arc<Call>,
    pub(crate) method: Arc<dyn Method>,
    pub(crate) lane: LaneKind,
    pub(crate) started: std::time::Instant,
    /// Time it was given.
    pub(crate) limit: Duration,
    pub(crate) deadline: Option<Ticket>,
    pub(crate) grace: Option<Ticket>,
    /// Looks for its next sign of life.
    pub(crate) silence: Option<Ticket>,
}

impl Running {
    /// The timers that are set for it.
    pub(crate) fn tickets(&self) -> impl Iterator<Item = Ticket> {
        [self.deadline, self.grace, self.silence].into_iter().flatten()
    }
}

impl Shared {
    pub(crate) fn new(state: RunState) -> Self {
        Self {
            state,
            inline: Ready::default(),
            blocking: Ready::default(),
            crew: Crew::default(),
            running: HashMap::new(),
            dropped: HashSet::new(),
            timers: HashMap::new(),
            commands: Vec::new(),
            steps: Default::default(),
            logged: 0,
            broken: None,
            is_over: false,
        }
    }

    pub(crate) fn ready(&mut self, lane: LaneKind) -> &mut Ready<CallCommand> {
        match lane {
            LaneKind::Inline => &mut self.inline,
            LaneKind::Blocking => &mut self.blocking,
        }
    }

    /// Takes up to `max` calls that still want to be made.
    pub(crate) fn take(&mut self, lane: LaneKind, max: usize, into: &mut VecDeque<CallCommand>) {
        if into.is_empty() && self.dropped.is_empty() && self.ready(lane).calls.len() <= max {
            return std::mem::swap(&mut self.ready(lane).calls, into);
        }
        while into.len() < max {
            let Some(call) = self.ready(lane).calls.pop_front() else { return };
            if self.dropped.is_empty() || !self.dropped.remove(&call.key) {
                into.push_back(call);
            }
        }
    }

    pub(crate) fn status(&self) -> RunStatus {
        if self.broken.is_some() { RunStatus::Failed } else { self.state.status() }
    }

    /// The state machine panicked: the run cannot go on.
    pub(crate) fn break_down(&mut self, what: &str) {
        let message = format!("a defect of Jackfield ended the run: {what}");
        self.broken = Some(Failure { retryable: false, ..Failure::new(kind::INTERNAL, message) });
        self.inline.calls.clear();
        self.blocking.calls.clear();
        self.is_over = true;
    }
}
