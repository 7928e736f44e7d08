//! What a run knows: instances of scopes, a node for every step in them, and what is armed, timed and in flight.

use super::again::Superseded;
use super::child::Parent;
use super::ending::{Ending, Phase};
use super::generation::Carried;
use super::inbox::{Inbox, Ticket};
use super::pause::Pause;
use super::record::{CallKey, InstanceIx, Record, TimerId};
use super::status::StepStatus;
use super::undo::{Armed, Undo};
use crate::failure::Failure;
use crate::line::Line;
use crate::payload::Payload;
use crate::plan::{Plan, ScopeIx, StepIx};
use crate::time::Timestamp;
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What a run is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its id.
    pub run_id: Arc<str>,
    /// Its input, checked.
    pub input: Payload,
    /// Values for `config.<key>`.
    pub config: Arc<BTreeMap<Box<str>, Payload>>,
    /// Source of everything that must look random.
    pub seed: u64,
    /// Bodies of a foreach at a time where the document says 0.
    pub host_concurrency: u32,
    /// End the run once this step has settled.
    pub until: Option<StepIx>,
    /// What is kept of what has happened.
    pub history: History,
    /// What it was started by, if a step of another run did.
    pub parent: Option<Parent>,
    /// What the former generation has left, if there was one.
    pub carried: Option<Arc<Carried>>,
    /// What it shares with other runs of its workflow, of which only so many may be under way.
    pub key: Option<Arc<str>>,
    /// It has to wait for its turn, and what for.
    pub queued: Option<Arc<str>>,
    /// It is not to begin before this time.
    pub delayed_until: Option<Timestamp>,
}

/// What a run keeps of what has happened in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum History {
    /// Every record, until the run is forgotten.
    #[default]
    Full,
    /// The records of the run itself (its start, its end, wishes to cancel it) and the lines of `log` steps. Of other
    /// steps it knows what stands in living bodies, and after the end only how many there were and how many completed.
    None,
}

/// Everything a run knows besides its plan.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) start: Start,
    pub(crate) started_at: Timestamp,
    pub(crate) started_text: Box<str>,
    pub(crate) version_text: Box<str>,
    pub(crate) instances: Vec<Option<Box<Instance>>>,
    pub(crate) infos: Vec<InstanceInfo>,
    /// The newest records.
    pub(crate) history: Vec<Record>,
    /// How many there were before them.
    pub(crate) forgotten: usize,
    /// What of it does not count any more, because the run went back.
    pub(crate) superseded: Superseded,
    /// The failure of this step is taken for one that another attempt follows.
    pub(crate) again: Option<(InstanceIx, StepIx)>,
    pub(crate) armed: Vec<Armed>,
    pub(crate) undos: Vec<Option<Undo>>,
    pub(crate) timers: HashMap<TimerId, TimerKind>,
    pub(crate) next_timer: u64,
    pub(crate) run_timer: Option<TimerId>,
    pub(crate) phase: Phase,
    pub(crate) ending: Option<Ending>,
    /// What it waits for before it begins.
    pub(crate) queued: Option<Arc<str>>,
    /// The timer of its start, while that is not due.
    pub(crate) delay: Option<TimerId>,
    pub(crate) custom_status: Option<Payload>,
    pub(crate) status_version: u64,
    /// Calls asked for and not reported yet, cancelled ones included.
    pub(crate) in_flight: u32,
    /// Runs among them that steps have started and wait for.
    pub(crate) children_awaited: u32,
    /// Steps that wait for a timer.
    pub(crate) waiting: u32,
    pub(crate) steps_total: u64,
    pub(crate) steps_settled: u64,
    pub(crate) steps_completed: u64,
    /// Some body limits the calls inside it.
    pub(crate) has_gates: bool,
    /// The run is paused, and what waits for it to go on.
    pub(crate) pause: Option<Box<Pause>>,
    pub(crate) inbox: Inbox,
    /// Detached runs that end with this one.
    pub(crate) followers: Vec<Arc<str>>,
    /// It ends at once, without clean-up, and so do those that it started.
    pub(crate) is_killed: bool,
    pub(crate) work: VecDeque<Work>,
    /// Calls that became ready in this turn, where priorities decide which of them start first.
    pub(crate) ready: Vec<(InstanceIx, StepIx)>,
    /// Limits that have room again since this turn began, where priorities count.
    pub(crate) roomy: Vec<InstanceIx>,
}

/// Something that follows from what just happened. Worked off in a loop, so that chains of any length and steps
/// that settle at once never recurse.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Every dependency has been decided: trigger rule, condition, start.
    Fire(InstanceIx, StepIx),
    /// A step has settled: tell its successors.
    Propagate(InstanceIx, StepIx),
    /// An instance has nothing left to do.
    Ended(InstanceIx),
    /// A foreach may start more bodies or be finished.
    Foreach(InstanceIx, StepIx),
    /// The next attempt of a step, without delay.
    Attempt(InstanceIx, StepIx),
}

/// What stays known of an instance after it has gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InstanceInfo {
    pub(crate) scope: ScopeIx,
    pub(crate) parent: Option<InstanceIx>,
    /// Index of the item, number of the iteration; 0 elsewhere.
    pub(crate) ordinal: u32,
    /// It was stopped: steps without a record are cancelled.
    pub(crate) stopped: bool,
    /// The run went back to before it began.
    pub(crate) is_superseded: bool,
}

/// A living body.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) scope: ScopeIx,
    /// The step that the first node is about.
    pub(crate) first: u32,
    pub(crate) nodes: Box<[Node]>,
    /// Steps not settled.
    pub(crate) open: u32,
    /// Calls in flight and living child instances.
    pub(crate) active: u32,
    pub(crate) stop: Option<Stop>,
    /// Its owner goes on without it; it only waits for what is in flight.
    pub(crate) detached: bool,
    pub(crate) last_completed: Option<StepIx>,
    pub(crate) variables: Box<[Payload]>,
    pub(crate) bound: Bound,
    pub(crate) gate: Option<Gate>,
    /// What stands before the ids of its steps in their paths; nothing outside foreach and repeat.
    pub(crate) prefix: Option<Arc<str>>,
}

/// Why an instance is being stopped.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// A critical failure inside.
    Failed(Arc<Failure>),
    /// From outside.
    Cancelled,
}

/// Values bound by the kind of body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bound {
    /// Item of a foreach; former stage's output in a pipeline.
    pub(crate) value: Payload,
    /// Former stage's output in a pipeline.
    pub(crate) previous: Payload,
    /// Error of a catch or of `on_failure`.
    pub(crate) error: Payload,
    /// Index of the item or number of the iteration.
    pub(crate) ordinal: u32,
    /// The item of a pipeline was dropped: later stages are skipped.
    pub(crate) dropped: bool,
}

/// A limit on call attempts inside an instance, at any depth.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(crate) limit: u32,
    pub(crate) running: u32,
    pub(crate) queue: Line<CallKey>,
}

/// One step in one instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) phase: NodePhase,
    /// Edges that have not reported.
    pub(crate) pending: u32,
    pub(crate) attempts: u32,
    pub(crate) attempt_start: Timestamp,
    /// A call has been asked for and has not been reported.
    pub(crate) is_in_flight: bool,
    /// A declared dependency completed or failed; that is, it was not skipped.
    pub(crate) is_reached: bool,
    pub(crate) output: Payload,
    pub(crate) more: Option<Box<NodeMore>>,
}

/// Where a node stands: a step status and what lies between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum NodePhase {
    #[default]
    Pending,
    /// Triggered, held back by a limit.
    Queued,
    Running,
    Waiting,
    Completed,
    Failed,
    Skipped,
    Cancelled,
    Compensated,
}

impl NodePhase {
    pub(crate) fn status(self) -> StepStatus {
        match self {
            Self::Pending | Self::Queued => StepStatus::Pending,
            Self::Running => StepStatus::Running,
            Self::Waiting => StepStatus::Waiting,
            Self::Completed => StepStatus::Completed,
            Self::Failed => StepStatus::Failed,
            Self::Skipped => StepStatus::Skipped,
            Self::Cancelled => StepStatus::Cancelled,
            Self::Compensated => StepStatus::Compensated,
        }
    }

    pub(crate) fn is_settled(self) -> bool {
        self.status().is_settled()
    }
}

/// What only some nodes have.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeMore {
    pub(crate) failure: Option<Arc<Failure>>,
    /// What `steps.x.error` answers.
    pub(crate) error: Payload,
    /// What `steps.x.case` answers.
    pub(crate) case: Payload,
    pub(crate) first_start: Timestamp,
    /// Timer that bounds the attempt.
    pub(crate) limit_timer: Option<TimerId>,
    /// Timer that the step waits for: a wait, a retry, the next iteration.
    pub(crate) pause_timer: Option<TimerId>,
    /// The step waits for what is sent to the run.
    pub(crate) ticket: Option<Ticket>,
    /// The run that the present attempt has started.
    pub(crate) child: Option<Arc<str>>,
    /// The input of the generation that the present attempt makes ready.
    pub(crate) next_input: Option<Payload>,
    pub(crate) children: SmallVec<[InstanceIx; 1]>,
    /// The attempt ends with this failure as soon as all children have gone.
    pub(crate) abort: Option<Box<Failure>>,
    /// So many attempts do not count: somebody wanted the step tried again.
    pub(crate) forgiven: u32,
    /// A catch runs: its failure is final.
    pub(crate) is_caught: bool,
    pub(crate) early: Option<Early>,
    pub(crate) progress: Progress,
}

/// Counters of a rule that fires before everything has settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Early {
    pub(crate) awaited_left: u32,
    pub(crate) declared_left: u32,
    pub(crate) completed: u32,
}

/// How far a structured step has come in its present attempt.
#[derive(Clone, Debug, Default)]
pub(crate) enum Progress {
    #[default]
    None,
    Switch(Vec<(u32, Option<Payload>)>),
    Foreach(Box<ForeachProgress>),
    Repeat(u32),
    Race(Vec<(StepIx, Payload)>),
}

#[derive(Clone, Debug)]
pub(crate) struct ForeachProgress {
    pub(crate) items: Vec<Payload>,
    pub(crate) next: u32,
    pub(crate) running: u32,
    pub(crate) outputs: Vec<Payload>,
    pub(crate) failures: Vec<(u32, Arc<Failure>)>,
    pub(crate) tolerated: u32,
    /// `while` said no.
    pub(crate) is_closed: bool,
    /// A `Work::Foreach` is queued.
    pub(crate) is_scheduled: bool,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TimerKind {
    /// The run may begin, or stand in line for that.
    Start,
    /// A `wait` is over.
    Wait(InstanceIx, StepIx),
    /// The next attempt.
    Retry(InstanceIx, StepIx),
    /// The next iteration.
    Iterate(InstanceIx, StepIx),
    /// An attempt of a step that is no call took too long.
    Limit(InstanceIx, StepIx),
    /// The next attempt of an undo.
    UndoRetry(usize),
    /// The run took too long.
    Run,
    /// Clean-up took too long.
    Cleanup,
}

impl Data {
    pub(crate) fn new(plan: &Plan, start: Start, at: Timestamp) -> Self {
        let (carried, queued) = (start.carried.clone(), start.queued.clone());
        let mut data = Self {
            start,
            started_at: at,
            started_text: at.to_rfc3339().into(),
            version_text: plan.version.to_string().into(),
            instances: Vec::new(),
            infos: Vec::new(),
            history: Vec::new(),
            forgotten: 0,
            superseded: Superseded::new(),
            again: None,
            armed: Vec::new(),
            undos: Vec::new(),
            timers: HashMap::new(),
            next_timer: 0,
            run_timer: None,
            phase: Phase::Running,
            ending: None,
            queued,
            delay: None,
            custom_status: None,
            status_version: 0,
            in_flight: 0,
            children_awaited: 0,
            waiting: 0,
            steps_total: 0,
            steps_settled: 0,
            steps_completed: 0,
            has_gates: false,
            pause: None,
            inbox: Inbox::default(),
            followers: Vec::new(),
            is_killed: false,
            work: VecDeque::new(),
            ready: Vec::new(),
            roomy: Vec::new(),
        };
        if let Some(carried) = carried {
            data.take_over(&carried);
        }
        data
    }

    /// Takes over what the former generation has left.
    fn take_over(&mut self, carried: &Carried) {
        for unread in &carried.unread {
            self.inbox.put((unread.channel, unread.name.clone()), unread.data.clone());
        }
        self.custom_status = Some(carried.custom_status.clone()).filter(|status| !status.is_null());
        self.status_version = carried.status_version;
        self.followers.clone_from(&carried.followers);
    }

    /// Whether nobody limits calls, waits for a certain step or has paused the run.
    pub(crate) fn is_plain_run(&self) -> bool {
        !self.has_gates && self.start.until.is_none() && self.pause.is_none()
    }

    pub(crate) fn instance(&self, ix: InstanceIx) -> Option<&Instance> {
        self.instances.get(ix.0 as usize)?.as_deref()
    }

    pub(crate) fn instance_mut(&mut self, ix: InstanceIx) -> Option<&mut Instance> {
        self.instances.get_mut(ix.0 as usize)?.as_deref_mut()
    }

    pub(crate) fn node(&self, plan: &Plan, ix: InstanceIx, step: StepIx) -> Option<&Node> {
        let instance = self.instance(ix)?;
        instance.nodes.get(local(plan, instance.scope, step))
    }

    pub(crate) fn node_mut(&mut self, plan: &Plan, ix: InstanceIx, step: StepIx) -> Option<&mut Node> {
        let instance = self.instance_mut(ix)?;
        let at = local(plan, instance.scope, step);
        instance.nodes.get_mut(at)
    }

    /// Path of a step: its id, behind `owner[n].` for every foreach and repeat around it.
    pub(crate) fn path(&self, plan: &Plan, instance: InstanceIx, step: StepIx) -> String {
        self.prefix(plan, Some(instance)) + &plan.step(step).id
    }

    /// What stands before the ids of an instance's steps, also after it has gone.
    pub(crate) fn prefix(&self, plan: &Plan, instance: Option<InstanceIx>) -> String {
        use crate::plan::ScopeRole::{Item, Iteration};
        let mut parts = Vec::new();
        let mut at = instance;
        while let Some(ix) = at {
            let info = self.infos[ix.0 as usize];
            let scope = plan.scope(info.scope);
            if let (Item | Iteration, Some(owner)) = (scope.role, scope.owner) {
                parts.push(format!("{}[{}].", plan.step(owner).id, info.ordinal));
            }
            at = info.parent;
        }
        parts.reverse();
        parts.concat()
    }

    /// Whether `inner` is (inside) a body that `step` of `outer` owns.
    pub(crate) fn belongs_to(&self, plan: &Plan, inner: InstanceIx, outer: InstanceIx, step: StepIx) -> bool {
        let mut at = Some(inner);
        while let Some(ix) = at {
            let info = self.infos[ix.0 as usize];
            if info.parent == Some(outer) && plan.scope(info.scope).owner == Some(step) {
                return true;
            }
            at = info.parent;
        }
        false
    }

    /// A body has gone; what is left of it stands in its info and in the history.
    pub(crate) fn drop_instance(&mut self, ix: InstanceIx) {
        if let Some(slot) = self.instances.get_mut(ix.0 as usize) {
            *slot = None;
        }
    }

    pub(crate) fn record(&mut self, record: Record) {
        use super::record::RecordKind::{EventReceived, Log, MessageReceived};
        let is_sent = matches!(record.kind, EventReceived | MessageReceived);
        let is_wanted = (record.step.is_none() && !is_sent) || record.kind == Log;
        if is_wanted || self.keeps_steps() {
            self.history.push(record);
        }
    }

    /// Whether what happens to steps is kept.
    pub(crate) fn keeps_steps(&self) -> bool {
        self.start.history == History::Full
    }
}

impl Node {
    pub(crate) fn more(&mut self) -> &mut NodeMore {
        self.more.get_or_insert_default()
    }

    /// A dependency has settled; `is_reached` if it is declared and was not skipped. True if it was the last that
    /// the step waited for.
    pub(crate) fn settle_dependency(&mut self, is_reached: bool) -> bool {
        self.is_reached |= is_reached;
        self.pending = self.pending.saturating_sub(1);
        self.pending == 0 && self.phase == NodePhase::Pending
    }

    pub(crate) fn elapsed(&self, now: Timestamp) -> Duration {
        now.since(self.attempt_start)
    }
}

/// Position of a step in the nodes of an instance of its scope.
pub(crate) fn local(plan: &Plan, scope: ScopeIx, step: StepIx) -> usize {
    (step.0 - plan.scope(scope).steps.start) as usize
}
