//! Structured steps: how their bodies start, and what the end of a body means for its owner.

use super::attempt::expression_failure;
use super::environment::Local;
use super::record::{Detail, InstanceIx, RecordKind};
use super::state::{Bound, NodePhase, Progress, Stop, TimerKind};
use super::turn::Turn;
use crate::expr::{Expression, RefIx};
use crate::failure::{Failure, kind};
use crate::payload::Payload;
use crate::plan::{Action, Mode, Ref, Repeat, ScopeIx, ScopeRole, StepIx, Switch};
use std::sync::Arc;
use std::time::Duration;

/// How a body ended.
pub(crate) enum BodyEnd {
    Completed(Payload),
    Failed(Arc<Failure>),
    Cancelled,
}

/// Whether a repeat goes on.
enum Verdict {
    GoOn,
    Done,
    Wrong(Failure),
}

impl Turn<'_> {
    /// Starts an attempt of a step with bodies.
    pub(crate) fn start_structured(&mut self, at: InstanceIx, step: StepIx) {
        let plan = self.plan;
        self.note((at, step), RecordKind::StepStarted, Duration::ZERO, Detail::None);
        self.start_limit(at, step);
        match &plan.step(step).action {
            Action::Group(body) => self.spawn_child(at, step, *body, Bound::default()),
            Action::Switch(switch) => self.start_switch(at, step, switch),
            Action::Foreach(foreach) => self.start_foreach(at, step, foreach),
            Action::Repeat(repeat) => self.iterate(at, step, repeat, 1),
            Action::Race { body, .. } => {
                self.set_progress(at, step, Progress::Race(Vec::new()));
                self.spawn_child(at, step, *body, Bound::default());
            }
            _ => {}
        }
    }

    /// Makes a body of `step` come to life.
    pub(crate) fn spawn_child(&mut self, at: InstanceIx, step: StepIx, scope: ScopeIx, mut bound: Bound) {
        // The first stage of a pipeline inside a body takes the run's input, as that of the document does.
        if self.plan.scope(scope).mode == Mode::Pipeline {
            bound.previous = self.data.start.input.clone();
        }
        let child = self.spawn(scope, Some(at), bound);
        if let Some(instance) = self.data.instance_mut(at) {
            instance.active += 1;
        }
        if let Some(node) = self.data.node_mut(self.plan, at, step) {
            node.more().children.push(child);
        }
    }

    pub(crate) fn set_progress(&mut self, at: InstanceIx, step: StepIx, progress: Progress) {
        if let Some(node) = self.data.node_mut(self.plan, at, step) {
            node.more().progress = progress;
        }
    }

    fn start_switch(&mut self, at: InstanceIx, step: StepIx, switch: &Switch) {
        let mut taken = Vec::new();
        for (nth, case) in switch.cases.iter().enumerate() {
            match case.when.evaluate_bool(&self.view(at, Some(step))) {
                Ok(true) => taken.push((nth, case.body)),
                Ok(false) => {}
                Err(error) => {
                    let failure = expression_failure(&format!("cases[{nth}].when"), &error);
                    return self.fail_attempt(at, step, failure, Duration::ZERO);
                }
            }
            if !taken.is_empty() && !switch.match_all {
                break;
            }
        }
        if taken.is_empty() {
            taken.extend(switch.default.map(|body| (switch.cases.len(), body)));
        }
        let name = |nth: usize| switch.cases.get(nth).map_or("default", |case| &*case.name);
        let case = match (switch.match_all, taken.first()) {
            (_, None) => Payload::null(),
            (false, Some((nth, _))) => Payload::string(name(*nth)),
            (true, Some(_)) => Payload::encode(&taken.iter().map(|(nth, _)| name(*nth)).collect::<Vec<_>>()),
        };
        if let Some(node) = self.data.node_mut(self.plan, at, step) {
            node.more().case = case;
        }
        if taken.is_empty() {
            return self.complete_attempt(at, step, Payload::null(), Duration::ZERO);
        }
        let progress = taken.iter().map(|(nth, _)| (u32::try_from(*nth).unwrap_or(u32::MAX), None)).collect();
        self.set_progress(at, step, Progress::Switch(progress));
        for (_, body) in taken {
            self.spawn_child(at, step, body, Bound::default());
        }
    }

    fn iterate(&mut self, at: InstanceIx, step: StepIx, repeat: &Repeat, iteration: u32) {
        self.set_progress(at, step, Progress::Repeat(iteration));
        self.spawn_child(at, step, repeat.body, Bound { ordinal: iteration, ..Bound::default() });
    }

    pub(crate) fn iterate_due(&mut self, at: InstanceIx, step: StepIx) {
        let plan = self.plan;
        if self.resume(at, step).is_none() {
            return;
        }
        let node = self.data.node(plan, at, step);
        let done = match node.and_then(|node| node.more.as_ref()).map(|more| &more.progress) {
            Some(Progress::Repeat(done)) => *done,
            _ => return,
        };
        if let Action::Repeat(repeat) = &plan.step(step).action {
            self.iterate(at, step, repeat, done + 1);
        }
    }

    /// An instance may have come to its end.
    pub(crate) fn ended(&mut self, at: InstanceIx) {
        let Some(instance) = self.data.instance(at) else { return };
        if instance.open > 0 || instance.active > 0 {
            return;
        }
        let (stop, detached) = (instance.stop.clone(), instance.detached);
        match self.role(at) {
            ScopeRole::Root => {
                if stop.is_none() {
                    self.body_completed(at);
                }
                return;
            }
            ScopeRole::OnFailure | ScopeRole::Finally => return self.cleanup_body_ended(at),
            _ => {}
        }
        if detached {
            return self.data.drop_instance(at);
        }
        let end = match stop {
            None => match self.body_output(at) {
                Ok(output) => BodyEnd::Completed(output),
                Err(failure) => BodyEnd::Failed(Arc::new(failure)),
            },
            Some(Stop::Failed(failure)) => BodyEnd::Failed(failure),
            Some(Stop::Cancelled) => BodyEnd::Cancelled,
        };
        self.hand_over(at, end);
    }

    /// Lets the owner of an ended body go on.
    fn hand_over(&mut self, at: InstanceIx, end: BodyEnd) {
        let plan = self.plan;
        let info = self.data.infos[at.0 as usize];
        let (Some(parent), Some(step)) = (info.parent, plan.scope(info.scope).owner) else { return };
        let role = plan.scope(info.scope).role;
        let verdict = match (role, &end) {
            (ScopeRole::Iteration, BodyEnd::Completed(_)) => self.repeat_verdict(at, step),
            _ => Verdict::Done,
        };
        let end = if role == ScopeRole::Contest { self.contest_end(at, step, end) } else { end };
        self.release_child(at, parent, step);
        let Some(node) = self.data.node(plan, parent, step) else { return };
        if node.phase != NodePhase::Running {
            return self.check_drained(parent);
        }
        if node.more.as_ref().is_some_and(|more| more.abort.is_some()) {
            return self.finish_abort(parent, step);
        }
        let elapsed = node.elapsed(self.now);
        match (role, end) {
            (ScopeRole::Item, end) => self.item_ended(parent, step, info.ordinal, end),
            (_, BodyEnd::Cancelled) => {}
            (ScopeRole::Case(nth), BodyEnd::Failed(failure)) => self.case_failed(parent, step, nth, &failure),
            (_, BodyEnd::Failed(failure)) => self.fail_attempt(parent, step, (*failure).clone(), elapsed),
            (ScopeRole::Case(nth), BodyEnd::Completed(output)) => self.case_ended(parent, step, nth, output),
            (ScopeRole::Iteration, BodyEnd::Completed(output)) => {
                self.iteration_ended(parent, step, output, verdict);
            }
            (ScopeRole::Contest, BodyEnd::Completed(output)) => {
                self.race_decided(parent, step, output, elapsed)
            }
            (ScopeRole::Catch(_), BodyEnd::Completed(output)) => {
                self.complete_step(parent, step, output, elapsed);
            }
            (_, BodyEnd::Completed(output)) => self.complete_attempt(parent, step, output, elapsed),
        }
    }

    /// Takes an ended body off its owner's books.
    pub(crate) fn release_child(&mut self, child: InstanceIx, parent: InstanceIx, step: StepIx) {
        self.data.drop_instance(child);
        self.forget_child(child, parent, step);
    }

    pub(crate) fn forget_child(&mut self, child: InstanceIx, parent: InstanceIx, step: StepIx) {
        if let Some(instance) = self.data.instance_mut(parent) {
            instance.active -= 1;
        }
        if let Some(node) = self.data.node_mut(self.plan, parent, step) {
            node.more().children.retain(|ix| *ix != child);
        }
    }

    pub(crate) fn check_drained(&mut self, at: InstanceIx) {
        if self.data.instance(at).is_some_and(|instance| instance.open == 0 && instance.active == 0) {
            self.data.work.push_back(super::state::Work::Ended(at));
        }
    }

    /// What a body that came to its end by itself puts out.
    pub(crate) fn body_output(&self, at: InstanceIx) -> Result<Payload, Failure> {
        let scope = self.plan.scope(self.data.infos[at.0 as usize].scope);
        let Some(template) = &scope.output else { return Ok(self.default_output(at)) };
        let result = self.reads_result(template.references()).then(|| self.default_output(at));
        let local = Local { result: result.as_ref(), ..Local::default() };
        let view = self.view(at, scope.owner).with(local);
        template.render(&view).map_err(|error| expression_failure("output", &error))
    }

    pub(crate) fn reads_result(&self, references: &[RefIx]) -> bool {
        references.iter().any(|reference| self.plan.refs[reference.0 as usize] == Ref::LocalResult)
    }

    /// Body output by mode: all outputs by id, or that of the last step that completed.
    fn default_output(&self, at: InstanceIx) -> Payload {
        let Some(instance) = self.data.instance(at) else { return Payload::null() };
        let scope = self.plan.scope(instance.scope);
        match scope.mode {
            Mode::Parallel | Mode::Conditional => {
                let steps = scope.steps.clone().map(|step| &*self.plan.steps[step as usize].id);
                Payload::object(steps.zip(instance.nodes.iter().map(|node| &node.output)))
            }
            Mode::Pipeline if instance.bound.dropped => Payload::null(),
            Mode::Pipeline => instance.bound.previous.clone(),
            Mode::Sequential => instance
                .last_completed
                .and_then(|step| self.data.node(self.plan, at, step))
                .map_or_else(Payload::null, |node| node.output.clone()),
        }
    }

    fn case_failed(&mut self, at: InstanceIx, step: StepIx, _nth: u32, failure: &Failure) {
        self.abort_attempt(at, step, failure.clone());
    }

    fn case_ended(&mut self, at: InstanceIx, step: StepIx, nth: u32, output: Payload) {
        let plan = self.plan;
        let Action::Switch(switch) = &plan.step(step).action else { return };
        let now = self.now;
        let Some(node) = self.data.node_mut(plan, at, step) else { return };
        let elapsed = node.elapsed(now);
        let Progress::Switch(taken) = &mut node.more().progress else { return };
        for (case, slot) in taken.iter_mut().filter(|(case, _)| *case == nth) {
            debug_assert_eq!(*case, nth);
            *slot = Some(output.clone());
        }
        if taken.iter().any(|(_, slot)| slot.is_none()) {
            return;
        }
        let result = if switch.match_all {
            let name = |nth: u32| switch.cases.get(nth as usize).map_or("default", |case| &*case.name);
            Payload::object(taken.iter().filter_map(|(nth, slot)| Some((name(*nth), slot.as_ref()?))))
        } else {
            output
        };
        self.complete_attempt(at, step, result, elapsed);
    }

    fn repeat_verdict(&self, body: InstanceIx, step: StepIx) -> Verdict {
        let Action::Repeat(repeat) = &self.plan.step(step).action else { return Verdict::Done };
        let check = |condition: &Option<Expression>, field: &str| {
            let Some(condition) = condition else { return Ok(None) };
            let view = self.view(body, Some(step));
            condition.evaluate_bool(&view).map(Some).map_err(|error| expression_failure(field, &error))
        };
        match (check(&repeat.while_, "while"), check(&repeat.until, "until")) {
            (Err(failure), _) | (_, Err(failure)) => Verdict::Wrong(failure),
            (Ok(Some(false)), _) | (_, Ok(Some(true))) => Verdict::Done,
            (Ok(_), Ok(_)) => Verdict::GoOn,
        }
    }

    fn iteration_ended(&mut self, at: InstanceIx, step: StepIx, output: Payload, verdict: Verdict) {
        let plan = self.plan;
        let Action::Repeat(repeat) = &plan.step(step).action else { return };
        let Some(node) = self.data.node(plan, at, step) else { return };
        let elapsed = node.elapsed(self.now);
        let done = match node.more.as_ref().map(|more| &more.progress) {
            Some(Progress::Repeat(done)) => *done,
            _ => return,
        };
        match verdict {
            Verdict::Done => self.complete_attempt(at, step, output, elapsed),
            Verdict::Wrong(failure) => self.fail_attempt(at, step, failure, elapsed),
            Verdict::GoOn if done >= repeat.max_iterations => {
                let message = format!("the condition was not met within {done} iterations");
                let failure = Failure::new(kind::REPEAT_TOO_MANY_ITERATIONS, message);
                self.fail_attempt(at, step, failure, elapsed);
            }
            Verdict::GoOn if repeat.delay.is_zero() => self.iterate(at, step, repeat, done + 1),
            Verdict::GoOn => {
                let due = self.now.after(repeat.delay);
                self.pause(at, step, TimerKind::Iterate(at, step), due);
            }
        }
    }
}
