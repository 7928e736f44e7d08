//! One run as the engine holds it: its state behind a short lock, the calls that are ready, and those under way.

use crate::careful::Careful;
use crate::crew::{Crew, Ready};
use crate::generations::Prepared;
use crate::journal::RunLog;
use crate::latency::Histogram;
use crate::limits::Limited;
use crate::pause::Parked;
use crate::planted::{Bug, planted};
use crate::timers::Ticket;
use jackfield_core::catalog::MethodKind;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::line::Line;
use jackfield_core::plan::{MethodIx, SharedPlan};
use jackfield_core::ports::{Call, Method};
use jackfield_core::run::{CallCommand, CallKey, Command, RunState, RunStatus, TimerId};
use jackfield_core::time::Timestamp;
use jackfield_core::trace::SpanSink;
use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};
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
    /// By `MethodIx`; not set while one of them is missing, and in runs that had ended when they were read back.
    bound: OnceLock<Bound>,
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
    /// W3C trace context that it was given; empty if none.
    pub(crate) traceparent: Box<str>,
    /// That of its own span, which calls are below; empty if it is in no trace.
    pub(crate) context: Box<str>,
    /// Where the times of its methods are counted, by `MethodIx`.
    pub(crate) times: OnceLock<Box<[Arc<Histogram>]>>,
    /// The same for all generations of a run and for no other run.
    pub(crate) line: u64,
    /// What its plan was made from, if whoever started it said so and the run is not kept.
    pub(crate) document: Option<jackfield_core::journal::BlobId>,
}

/// The methods of a run.
struct Bound {
    methods: Box<[Arc<dyn Method>]>,
    /// How each wants to be called, which is not always what its plugin says: a call to a worker is never made on the spot.
    kinds: Box<[MethodKind]>,
}

#[cfg(test)]
impl std::fmt::Debug for RunCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id)
    }
}

impl RunCell {
    /// A run that nobody watches yet.
    pub(crate) fn new(id: Arc<str>, plan: SharedPlan, shared: Shared) -> Self {
        let span = crate::spans::run(&id, &plan.id, &plan.version.to_string());
        let line = shared.state.line();
        Self {
            id,
            bound: OnceLock::new(),
            plan,
            shared: Mutex::new(shared),
            ended: Condvar::new(),
            changed: Condvar::new(),
            changed_async: tokio::sync::Notify::new(),
            watchers: AtomicUsize::new(0),
            cancel_epoch: AtomicU64::new(0),
            span,
            traceparent: Box::default(),
            context: Box::default(),
            times: OnceLock::new(),
            line,
            document: None,
        }
    }

    /// The same run as part of a W3C trace context; empty if of none. Its spans go to `sink`, if there is one.
    pub(crate) fn within(mut self, traceparent: Box<str>, sink: Option<&Arc<dyn SpanSink>>) -> Self {
        self.traceparent = traceparent;
        if sink.is_none() && self.traceparent.is_empty() {
            return self;
        }
        let shared = self.shared.get_mut();
        (self.context, shared.trace) = crate::traces::enter(sink, &self.traceparent, &self.id, &shared.state);
        self
    }

    /// The same run, whose plan was made from this.
    pub(crate) fn made_from(mut self, document: Option<jackfield_core::journal::BlobId>) -> Self {
        self.document = document;
        self
    }

    /// Gives it the methods that it calls. Once is enough: later ones are not needed.
    pub(crate) fn bind(&self, methods: Box<[Arc<dyn Method>]>) {
        let kinds = methods.iter().map(|method| method.kind()).collect();
        self.bound.get_or_init(|| Bound { methods, kinds });
    }

    /// Whether it has the methods that it calls.
    pub(crate) fn is_bound(&self) -> bool {
        self.bound.get().is_some()
    }

    /// How a method wants to be called.
    pub(crate) fn kind(&self, method: MethodIx) -> MethodKind {
        let ix = method.0 as usize;
        self.bound.get().map_or_else(|| self.plan.methods[ix].kind, |bound| bound.kinds[ix])
    }

    /// Which threads make calls of this method.
    pub(crate) fn lane(&self, method: MethodIx) -> LaneKind {
        match self.kind(method) {
            MethodKind::Blocking => LaneKind::Blocking,
            MethodKind::Inline | MethodKind::Async | MethodKind::Stream => LaneKind::Inline,
        }
    }

    /// The priority of a call among those that are ready.
    pub(crate) fn priority(&self, call: &CallCommand) -> u8 {
        self.plan.priority_of(call.key.step)
    }

    /// All methods that it has.
    pub(crate) fn methods(&self) -> &[Arc<dyn Method>] {
        self.bound.get().map_or(&[], |bound| &bound.methods)
    }

    /// The method of a call; calls are made only once there is one.
    pub(crate) fn method(&self, ix: MethodIx) -> &Arc<dyn Method> {
        &self.methods()[ix.0 as usize]
    }
}

pub(crate) struct Shared {
    pub(crate) state: RunState,
    pub(crate) inline: Ready<CallCommand>,
    pub(crate) blocking: Ready<CallCommand>,
    /// Calls that wait for a paused run to go on.
    pub(crate) parked: Parked,
    pub(crate) crew: Crew,
    pub(crate) running: HashMap<CallKey, Running>,
    /// Cancelled before they began: skipped when they are taken.
    pub(crate) dropped: HashSet<CallKey>,
    /// With the wall time at which they are due.
    pub(crate) timers: HashMap<TimerId, (Ticket, Timestamp)>,
    pub(crate) commands: Vec<Command>,
    pub(crate) steps: crate::spans::StepSpans,
    /// What its spans need, if somebody wants them.
    pub(crate) trace: Option<Box<crate::traces::RunTrace>>,
    /// Records up to here have been logged.
    pub(crate) logged: usize,
    /// Set once if the state machine itself broke.
    pub(crate) broken: Option<Failure>,
    /// The steps that the engine has counted.
    pub(crate) counted: crate::stats::StepCounts,
    pub(crate) is_over: bool,
    /// What has to be written down, if the run is durable.
    pub(crate) log: Option<Box<RunLog>>,
    /// It has begun, and this is whether it has a seat, if that was looked at.
    pub(crate) is_seated: Option<bool>,
    /// What it waits for by now before it begins.
    pub(crate) queued_for: Option<Arc<str>>,
    /// Why no call can be made.
    pub(crate) blocked: Option<Arc<str>>,
    /// It has left memory: whoever still holds it is too late.
    pub(crate) is_evicted: bool,
    /// Calls that are made at most once, if its workflow has any.
    pub(crate) careful: Option<Box<Careful>>,
    /// Calls that have to wait for those of other runs, if its workflow has any.
    pub(crate) limited: Option<Box<Limited>>,
    /// What the next generation needs, once it is ready to begin.
    pub(crate) next: Option<Prepared>,
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
        let is_ranked = state.plan().step_priorities.is_some();
        Self {
            careful: Careful::of(state.plan()),
            limited: Limited::of(state.plan()),
            state,
            inline: Ready::new(is_ranked),
            blocking: Ready::new(is_ranked),
            parked: Parked::default(),
            crew: Crew::default(),
            running: HashMap::new(),
            dropped: HashSet::new(),
            timers: HashMap::new(),
            commands: Vec::new(),
            steps: Default::default(),
            trace: None,
            logged: 0,
            broken: None,
            counted: Default::default(),
            is_over: false,
            log: None,
            is_seated: None,
            queued_for: None,
            blocked: None,
            is_evicted: false,
            next: None,
        }
    }

    /// Whether the end may be told: it lasts.
    pub(crate) fn has_ended(&self) -> bool {
        let lasts = |log: &RunLog| log.is_end_durable || planted(Bug::EndBeforeItLasts);
        self.is_over && self.log.as_deref().is_none_or(lasts)
    }

    /// Whether the next generation stands in its place.
    pub(crate) fn is_replaced(&self) -> bool {
        self.is_over && self.state.is_continued()
    }

    /// Records that may be told.
    pub(crate) fn public(&self) -> usize {
        let told = self.log.as_ref().filter(|_| !planted(Bug::RecordsBeforeTheyLast));
        told.map_or(usize::MAX, |log| log.public)
    }

    /// Lets go of what happened long ago and stands in the journal.
    pub(crate) fn forget(&mut self, keep: usize) {
        if self.log.is_some() {
            let lasting = self.public().min(self.logged);
            crate::journal::forget(&mut self.state, lasting, keep);
        }
    }

    /// A call is ready for whatever thread takes it.
    pub(crate) fn push_ready(&mut self, run: &RunCell, call: CallCommand) {
        self.ready(run.lane(call.method)).calls.push_back(call, |call| run.priority(call));
    }

    pub(crate) fn ready(&mut self, lane: LaneKind) -> &mut Ready<CallCommand> {
        match lane {
            LaneKind::Inline => &mut self.inline,
            LaneKind::Blocking => &mut self.blocking,
        }
    }

    /// Takes up to `max` calls that still want to be made.
    pub(crate) fn take(
        &mut self,
        run: &RunCell,
        lane: LaneKind,
        max: usize,
        into: &mut VecDeque<CallCommand>,
    ) {
        self.park(run);
        if self.dropped.is_empty()
            && self.careful.is_none()
            && let Line::InOrder(ready) = &mut self.ready(lane).calls
        {
            if into.is_empty() && ready.len() <= max {
                return std::mem::swap(ready, into);
            }
            let room = max.saturating_sub(into.len()).min(ready.len());
            return into.extend(ready.drain(..room));
        }
        while into.len() < max {
            let Some(call) = self.ready(lane).calls.pop_front() else { return };
            if !self.dropped.is_empty() && self.dropped.remove(&call.key) {
                continue;
            }
            let call = match &mut self.careful {
                None => Some(call),
                Some(careful) => careful.keep_back(self.state.plan(), call),
            };
            into.extend(call);
        }
    }

    /// What it waits for before it begins, if it does.
    pub(crate) fn queued_for(&self) -> Option<&str> {
        self.state.queued_for().map(|before| self.queued_for.as_deref().unwrap_or(before))
    }

    pub(crate) fn status(&self) -> RunStatus {
        match self.state.status() {
            _ if self.broken.is_some() => RunStatus::Failed,
            // what is over is not told before it lasts
            status if status.is_terminal() && !self.has_ended() => RunStatus::Running,
            RunStatus::Running if self.blocked.is_some() || self.is_held_up() => RunStatus::Waiting,
            status => status,
        }
    }

    /// Whether everything that it has under way waits for a place in a pool or its turn.
    fn is_held_up(&self) -> bool {
        self.at_doors() > 0 && self.at_doors() == self.state.in_flight()
    }

    /// How many of its calls wait for a place in a pool or their turn.
    pub(crate) fn at_doors(&self) -> u32 {
        let waiting = self.limited.as_ref().map_or(0, |limited| limited.waiting());
        u32::try_from(waiting).unwrap_or(u32::MAX)
    }

    /// The state machine panicked: the run cannot go on.
    pub(crate) fn break_down(&mut self, what: &str) {
        let message = format!("a defect of Jackfield ended the run: {what}");
        self.broken = Some(Failure { retryable: false, ..Failure::new(kind::INTERNAL, message) });
        self.inline.calls.clear();
        self.blocking.calls.clear();
        self.parked = Parked::default();
        self.is_over = true;
    }
}
