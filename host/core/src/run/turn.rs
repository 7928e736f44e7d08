//! One turn of the machine: a fact goes in, everything that follows is worked off, commands come out.

use super::environment::View;
use super::record::{CancelMode, Command, Detail, Fact, InstanceIx, Record, RecordKind, TimerId};
use super::state::{Bound, Data, Gate, Instance, InstanceInfo, Node, TimerKind, Work};
use crate::expr::{Env, EvalError, Template};
use crate::failure::{Failure, kind};
use crate::line::Line;
use crate::payload::Payload;
use crate::plan::{Mode, Plan, ScopeIx, ScopeRole, StepIx};
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Turn<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) data: &'a mut Data,
    pub(crate) commands: &'a mut Vec<Command>,
    pub(crate) now: Timestamp,
}

impl Turn<'_> {
    /// The start of the run.
    pub(crate) fn begin(mut self) {
        let input = self.data.start.input.clone();
        self.note_run(RecordKind::RunStarted, Detail::Value(input.clone()));
        if let Some(timeout) = self.plan.timeout {
            self.data.run_timer = Some(self.start_timer(TimerKind::Run, timeout));
        }
        let bound = Bound { previous: input, ..Bound::default() };
        let root = self.spawn(ScopeIx::ROOT, None, bound);
        if let Err(failure) = self.initial_variables(root) {
            self.fail_run(failure);
        }
        self.settle_work();
    }

    /// A fact from outside.
    pub(crate) fn take(mut self, fact: Fact) {
        match fact {
            Fact::Outcome { key, duration, outcome } if key.is_undo => {
                self.undo_outcome(key, duration.into(), outcome)
            }
            Fact::Outcome { key, duration, outcome: Ok(result) } if self.is_plain(key.step) => {
                self.plain_outcome(key, duration, result)
            }
            Fact::Outcome { key, duration, outcome } => self.outcome(key, duration.into(), outcome),
            // it has begun already
            Fact::Admitted => {}
            // these concern the state as a whole
            Fact::Retried(_) | Fact::Forked(_) => {}
            Fact::Began(key) => self.note_begun(key),
            Fact::Timer(id) => self.timer(id),
            Fact::Cancel { mode: CancelMode::Graceful, .. } if self.data.ending.is_some() => {}
            Fact::Cancel { mode, reason } => {
                let reason: Arc<Box<str>> = Arc::new((*reason).into());
                self.note_run(RecordKind::CancelRequested, Detail::Text(reason.clone()));
                match mode {
                    CancelMode::Graceful => self.cancel_run(reason),
                    CancelMode::Kill => self.kill_run(reason),
                }
            }
            Fact::Pause { reason } => self.pause_run(&reason),
            Fact::Resume => self.resume_run(),
            Fact::Recovered => self.note_run(RecordKind::RunRecovered, Detail::None),
            Fact::Sent { channel, name, data } => self.deliver((channel, name), data),
        }
        self.settle_work();
    }

    /// Works off what follows until nothing does.
    fn settle_work(&mut self) {
        loop {
            while let Some(work) = self.data.work.pop_front() {
                let Some(work) = self.hold_back(work) else { continue };
                match work {
                    Work::Fire(instance, step) => self.fire(instance, step),
                    Work::Propagate(instance, step) => self.propagate(instance, step),
                    Work::Ended(instance) => self.ended(instance),
                    Work::Foreach(instance, step) => self.advance_foreach(instance, step),
                    Work::Attempt(instance, step) => self.next_attempt(instance, step),
                }
            }
            if self.plan.step_priorities.is_some() && self.start_ready() {
                continue;
            }
            self.continue_ending();
            if self.data.work.is_empty() && self.data.ready.is_empty() {
                return;
            }
        }
    }

    fn initial_variables(&mut self, root: InstanceIx) -> Result<(), Failure> {
        for slot in 0..self.plan.variables.len() {
            let Some(template) = &self.plan.variables[slot] else { continue };
            let value = self.render(root, None, template).map_err(|error| {
                let name = &self.plan.scope(ScopeIx::ROOT).variables[slot];
                Failure::new(kind::EXPRESSION, format!("variable `{name}`: {error}"))
            })?;
            if let Some(instance) = self.data.instance_mut(root) {
                instance.variables[slot] = value;
            }
        }
        Ok(())
    }

    pub(crate) fn timer(&mut self, id: TimerId) {
        if self.holds_timer(id) {
            return;
        }
        match self.data.timers.remove(&id) {
            None => {}
            Some(TimerKind::Start) => self.start_is_due(),
            Some(TimerKind::Wait(instance, step)) => self.wait_over(instance, step),
            Some(TimerKind::Retry(instance, step)) => self.retry_due(instance, step),
            Some(TimerKind::Iterate(instance, step)) => self.iterate_due(instance, step),
            Some(TimerKind::Limit(instance, step)) => self.limit_reached(instance, step),
            Some(TimerKind::UndoRetry(undo)) => self.undo_call(undo),
            Some(TimerKind::Run) => self.run_timed_out(),
            Some(TimerKind::Cleanup) => self.cleanup_timed_out(),
        }
    }

    /// Makes a body come to life: its steps without dependencies are queued in list order.
    pub(crate) fn spawn(&mut self, scope: ScopeIx, parent: Option<InstanceIx>, bound: Bound) -> InstanceIx {
        let shape = self.plan.scope(scope);
        let ix = InstanceIx(
            u32::try_from(self.data.infos.len()).expect("far fewer than 2^32 bodies fit in memory"),
        );
        let steps = shape.steps.clone();
        let nodes: Box<[Node]> = steps
            .clone()
            .map(|step| Node { pending: self.plan.in_degree[step as usize], ..Node::default() })
            .collect();
        let open = steps.end - steps.start;
        let limit = if scope == ScopeIx::ROOT { self.plan.max_concurrency } else { shape.max_concurrency };
        let queue = || Line::new(self.plan.step_priorities.is_some());
        let gate = limit.map(|limit| Gate { limit, running: 0, queue: queue() });
        self.data.infos.push(InstanceInfo {
            scope,
            parent,
            ordinal: bound.ordinal,
            stopped: false,
            is_superseded: false,
        });
        self.data.has_gates |= gate.is_some();
        let prefix = match shape.role {
            ScopeRole::Item | ScopeRole::Iteration => Some(self.data.prefix(self.plan, Some(ix)).into()),
            _ => parent.and_then(|parent| self.data.instance(parent)?.prefix.clone()),
        };
        self.data.steps_total += u64::from(open);
        if self.data.keeps_steps() {
            self.data.history.reserve(open as usize);
        }
        self.data.instances.push(Some(Box::new(Instance {
            scope,
            first: steps.start,
            nodes,
            open,
            active: 0,
            stop: None,
            detached: false,
            last_completed: None,
            variables: vec![Payload::null(); shape.variables.len()].into(),
            bound,
            gate,
            prefix,
        })));
        let ready = steps.filter(|step| self.plan.in_degree[*step as usize] == 0);
        self.data.work.extend(ready.map(|step| Work::Fire(ix, StepIx(step))));
        if open == 0 {
            self.data.work.push_back(Work::Ended(ix));
        }
        ix
    }

    pub(crate) fn start_timer(&mut self, kind: TimerKind, after: Duration) -> TimerId {
        self.start_timer_at(kind, self.now.after(after))
    }

    pub(crate) fn start_timer_at(&mut self, kind: TimerKind, at: Timestamp) -> TimerId {
        let id = TimerId(self.data.next_timer);
        self.data.next_timer += 1;
        self.data.timers.insert(id, kind);
        self.commands.push(Command::StartTimer { id, at });
        id
    }

    pub(crate) fn stop_timer(&mut self, id: Option<TimerId>) {
        if let Some(id) = id.filter(|id| self.data.timers.remove(id).is_some()) {
            self.commands.push(Command::CancelTimer(id));
        }
    }

    pub(crate) fn view(&self, instance: InstanceIx, step: Option<StepIx>) -> View<'_> {
        View::new(self.plan, self.data, instance, step, self.now)
    }

    pub(crate) fn render(
        &self,
        instance: InstanceIx,
        step: Option<StepIx>,
        template: &Template,
    ) -> Result<Payload, EvalError> {
        template.render(&self.view(instance, step) as &dyn Env)
    }

    pub(crate) fn mode(&self, instance: InstanceIx) -> Mode {
        self.plan.scope(self.data.infos[instance.0 as usize].scope).mode
    }

    pub(crate) fn role(&self, instance: InstanceIx) -> ScopeRole {
        self.plan.scope(self.data.infos[instance.0 as usize].scope).role
    }

    /// Appends a record about a step.
    pub(crate) fn note(
        &mut self,
        (instance, step): (InstanceIx, StepIx),
        kind: RecordKind,
        duration: Duration,
        detail: Detail,
    ) {
        let attempt = self.data.node(self.plan, instance, step).map_or(0, |node| node.attempts);
        self.data.record(Record {
            at: self.now,
            duration: duration.into(),
            instance,
            step: Some(step),
            attempt,
            kind,
            detail,
        });
    }

    /// Appends a record about the run.
    pub(crate) fn note_run(&mut self, kind: RecordKind, detail: Detail) {
        use RecordKind::{RunCancelled, RunCompleted, RunContinued, RunFailed};
        let ends = matches!(kind, RunCompleted | RunFailed | RunCancelled | RunContinued);
        let duration = if ends { self.now.since(self.data.started_at) } else { Duration::ZERO };
        self.data.record(Record {
            at: self.now,
            duration: duration.into(),
            instance: InstanceIx(0),
            step: None,
            attempt: 0,
            kind,
            detail,
        });
    }
}
