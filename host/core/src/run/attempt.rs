//! Attempts: how a step starts, and what its outcome leads to.

use super::record::{
    CallCommand, CallKey, Command, Detail, InputEnv, Inputs, InstanceIx, LogLine, RecordKind,
};
use super::state::{NodePhase, Progress, TimerKind, local};
use super::turn::Turn;
use crate::expr::{EvalError, Template};
use crate::failure::{Failure, kind};
use crate::model::duration;
use crate::payload::Payload;
use crate::plan::{Action, Assignment, Call, Fail, Log, Plan, StepIx};
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Longest custom status of a run, in bytes.
const STATUS_LEN_MAX: usize = 256 * 1024;

/// What rendering parameters or waiting times can go wrong with.
type Fallible<T> = Result<T, Failure>;

impl Turn<'_> {
    /// Starts the next attempt of a step.
    pub(crate) fn start_attempt(&mut self, at: InstanceIx, step: StepIx) {
        let plan = self.plan;
        let shape = plan.step(step);
        if !matches!(shape.action, Action::Call(_)) && self.count_attempt(at, step).is_err() {
            return;
        }
        match &shape.action {
            Action::Call(_) => self.start_call(at, step),
            Action::Set(assignments) => self.assign(at, step, assignments),
            Action::Log(log) => self.log(at, step, log),
            Action::Fail(fail) => self.fail_on_purpose(at, step, fail),
            Action::Return(value) => self.return_value(at, step, value),
            Action::WaitFor(_) | Action::WaitUntil(_) => self.start_wait(at, step),
            Action::WaitForEvent(_) | Action::Receive(_) => self.start_listening(at, step),
            Action::Emit(emit) => self.emit(at, step, emit),
            Action::Workflow(child) => self.start_child(at, step, child),
            Action::ContinueAsNew(next) => self.continue_as_new(at, step, next),
            Action::Group(_)
            | Action::Switch(_)
            | Action::Foreach(_)
            | Action::Repeat(_)
            | Action::Race { .. } => self.start_structured(at, step),
        }
    }

    /// Counts a new attempt; the first one sets the run's custom status. `Err` if that failed and the step with it.
    pub(crate) fn count_attempt(&mut self, at: InstanceIx, step: StepIx) -> Result<(), ()> {
        let now = self.now;
        let plan = self.plan;
        let Some(node) = self.data.node_mut(plan, at, step) else { return Err(()) };
        node.attempts += 1;
        node.phase = NodePhase::Running;
        let is_first = node.attempts == 1;
        node.attempt_start = now;
        let shape = plan.step(step);
        if is_first && shape.retry.is_some() {
            node.more().first_start = now;
        }
        let status = shape.extras.as_ref().and_then(|extras| extras.status.as_ref());
        if let (true, Some(template)) = (is_first, status) {
            match self.render(at, Some(step), template) {
                Ok(value) if value.len() <= STATUS_LEN_MAX => self.set_status(at, step, value),
                Ok(value) => {
                    let len = value.len();
                    let message = format!("`status` has {len} bytes, at most {STATUS_LEN_MAX} are allowed");
                    let failure = Failure::new(kind::PAYLOAD_TOO_LARGE, message);
                    self.fail_attempt(at, step, failure, Duration::ZERO);
                    return Err(());
                }
                Err(error) => {
                    let failure = expression_failure("status", &error);
                    self.fail_attempt(at, step, failure, Duration::ZERO);
                    return Err(());
                }
            }
        }
        Ok(())
    }

    fn set_status(&mut self, at: InstanceIx, step: StepIx, value: Payload) {
        self.note((at, step), RecordKind::StatusSet, Duration::ZERO, Detail::Value(value.clone()));
        self.data.custom_status = (!value.is_null()).then_some(value);
        self.data.status_version += 1;
    }

    /// Asks for a call; all limits have been passed.
    pub(crate) fn issue_call(&mut self, at: InstanceIx, step: StepIx) {
        let plan = self.plan;
        let Action::Call(call) = &plan.step(step).action else { return };
        if self.count_attempt(at, step).is_err() {
            // Whoever was held back still is: the place was taken a moment ago.
            return self.leave_gates(at);
        }
        let is_constant = call.parameters.constant().is_some()
            && call.session().is_none_or(|session| session.constant().is_some())
            && call.rate_limit().is_none_or(|limit| limit.key.constant().is_some());
        let inputs = (!is_constant).then(|| self.view(at, Some(step)).keep_call(call));
        let timeout = self.attempt_limit(at, step);
        let Some(instance) = self.data.instance_mut(at) else { return };
        instance.active += 1;
        let prefix = instance.prefix.clone();
        let place = local(plan, instance.scope, step);
        let Some(node) = instance.nodes.get_mut(place) else { return };
        node.is_in_flight = true;
        let key = CallKey { instance: at, step, attempt: node.attempts, is_undo: false };
        self.data.in_flight += 1;
        let command = CallCommand::new(key, call.method, timeout, prefix, inputs);
        self.commands.push(Command::Call(command));
    }

    /// An attempt is about to begin that is made at most once.
    pub(crate) fn note_begun(&mut self, key: CallKey) {
        if key.is_undo {
            return self.note_undo(key, Duration::ZERO, RecordKind::CompensationStarted, Detail::None);
        }
        let node = self.data.node(self.plan, key.instance, key.step);
        if node.is_some_and(|node| node.is_in_flight && node.attempts == key.attempt) {
            self.note((key.instance, key.step), RecordKind::StepStarted, Duration::ZERO, Detail::None);
        }
    }

    /// What a call came to.
    pub(crate) fn outcome(
        &mut self,
        key: CallKey,
        duration: Duration,
        outcome: Result<Payload, Box<Failure>>,
    ) {
        let (at, step) = (key.instance, key.step);
        let plan = self.plan;
        if plan.has_limits {
            self.leave_out_waiting(key, duration);
        }
        let Some(instance) = self.data.instance_mut(at) else { return };
        let place = local(plan, instance.scope, step);
        let Some(node) = instance.nodes.get_mut(place) else { return };
        if !node.is_in_flight || node.attempts != key.attempt {
            return;
        }
        node.is_in_flight = false;
        let is_current = node.phase == NodePhase::Running;
        instance.active -= 1;
        let is_drained = instance.open == 0 && instance.active == 0;
        self.data.in_flight -= 1;
        let is_call = matches!(plan.step(step).action, Action::Call(_));
        if is_call {
            self.leave_gates(at);
        } else {
            self.child_left(step);
        }
        match outcome {
            // It had been stopped; only its end was waited for.
            _ if !is_current => {
                if is_drained {
                    self.data.work.push_back(super::state::Work::Ended(at));
                }
            }
            Ok(result) if is_call && plan.step(step).extras.is_none() => {
                self.complete_step(at, step, result, duration)
            }
            Ok(found) if matches!(plan.step(step).action, Action::ContinueAsNew(_)) => {
                self.continue_run(at, step, &found, duration);
            }
            Ok(result) => {
                self.child_detached(at, step);
                self.complete_attempt(at, step, result, duration);
            }
            Err(failure) => self.fail_attempt(at, step, *failure, duration),
        }
        self.start_held_back(at);
    }

    /// An attempt succeeded with `result`: the `output` template, then the step is completed.
    pub(crate) fn complete_attempt(
        &mut self,
        at: InstanceIx,
        step: StepIx,
        result: Payload,
        duration: Duration,
    ) {
        self.stop_limit(at, step);
        let extras = self.plan.step(step).extras.as_deref();
        let Some(template) = extras.and_then(|extras| extras.output.as_ref()) else {
            return self.complete_step(at, step, result, duration);
        };
        self.note((at, step), RecordKind::CallAnswered, duration, Detail::Value(result.clone()));
        let local = super::environment::Local { result: Some(&result), ..Default::default() };
        match template.render(&self.view(at, Some(step)).with(local)) {
            Ok(output) => self.complete_step(at, step, output, duration),
            Err(error) => {
                self.fail_attempt(at, step, expression_failure("output", &error), duration);
            }
        }
    }

    /// The step is completed with `output`.
    pub(crate) fn complete_step(
        &mut self,
        at: InstanceIx,
        step: StepIx,
        output: Payload,
        duration: Duration,
    ) {
        self.note((at, step), RecordKind::StepCompleted, duration, Detail::Value(output.clone()));
        let Some(node) = self.data.node_mut(self.plan, at, step) else { return };
        node.output = output;
        self.arm(at, step);
        self.settle(at, step, NodePhase::Completed);
    }

    fn assign(&mut self, at: InstanceIx, step: StepIx, assignments: &[Assignment]) {
        let mut values = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            match self.render(at, Some(step), &assignment.value) {
                Ok(value) => values.push(value),
                Err(error) => {
                    let field = format!("variables.{}", assignment.name);
                    return self.fail_attempt(at, step, expression_failure(&field, &error), Duration::ZERO);
                }
            }
        }
        for (assignment, value) in assignments.iter().zip(&values) {
            let mut holder = Some(at);
            while let Some(ix) = holder.filter(|ix| self.data.infos[ix.0 as usize].scope != assignment.scope)
            {
                holder = self.data.infos[ix.0 as usize].parent;
            }
            let variables =
                holder.and_then(|ix| self.data.instance_mut(ix)).map(|found| &mut found.variables);
            if let Some(slot) = variables.and_then(|all| all.get_mut(assignment.slot as usize)) {
                *slot = value.clone();
            }
        }
        let fields = assignments.iter().map(|assignment| &*assignment.name).zip(&values);
        self.complete_attempt(at, step, Payload::object(fields), Duration::ZERO);
    }

    fn log(&mut self, at: InstanceIx, step: StepIx, log: &Log) {
        let message = match self.render(at, Some(step), &log.message) {
            Ok(message) => text_of(&message),
            Err(error) => {
                return self.fail_attempt(at, step, expression_failure("message", &error), Duration::ZERO);
            }
        };
        let data = match log.data.as_ref().map(|template| self.render(at, Some(step), template)) {
            None => Payload::null(),
            Some(Ok(data)) => data,
            Some(Err(error)) => {
                return self.fail_attempt(at, step, expression_failure("data", &error), Duration::ZERO);
            }
        };
        let line = Arc::new(LogLine { level: log.level, message, data });
        self.note((at, step), RecordKind::Log, Duration::ZERO, Detail::Line(line));
        self.complete_attempt(at, step, Payload::null(), Duration::ZERO);
    }

    fn fail_on_purpose(&mut self, at: InstanceIx, step: StepIx, fail: &Fail) {
        let field = |name: &str, template: &Option<Template>| -> Fallible<Option<Payload>> {
            let Some(template) = template else { return Ok(None) };
            self.render(at, Some(step), template)
                .map(Some)
                .map_err(|error| expression_failure(&format!("error.{name}"), &error))
        };
        let parts = (|| {
            Ok((
                field("type", &fail.kind)?,
                field("message", &fail.message)?,
                field("details", &fail.details)?,
            ))
        })();
        let failure = match parts {
            Ok((kind, message, details)) => {
                let kind = kind.map_or("fail".into(), |kind| text_of(&kind));
                let message = message.map_or("the workflow failed on purpose".into(), |text| text_of(&text));
                Failure { details: details.unwrap_or_default(), ..Failure::new(&kind, message) }
            }
            Err(failure) => failure,
        };
        self.fail_attempt(at, step, failure, Duration::ZERO);
    }

    fn return_value(&mut self, at: InstanceIx, step: StepIx, value: &Template) {
        match self.render(at, Some(step), value) {
            Ok(value) => {
                self.complete_step(at, step, value.clone(), Duration::ZERO);
                self.return_from_run(value);
            }
            Err(error) => {
                self.fail_attempt(at, step, expression_failure("value", &error), Duration::ZERO);
            }
        }
    }

    fn start_wait(&mut self, at: InstanceIx, step: StepIx) {
        let due = match self.wait_until(at, step) {
            Ok(due) => due,
            Err(failure) => return self.fail_attempt(at, step, failure, Duration::ZERO),
        };
        self.note((at, step), RecordKind::StepStarted, Duration::ZERO, Detail::None);
        self.start_limit(at, step);
        self.pause(at, step, TimerKind::Wait(at, step), due);
    }

    fn wait_until(&self, at: InstanceIx, step: StepIx) -> Fallible<Timestamp> {
        let render = |template, field| {
            self.render(at, Some(step), template).map_err(|error| expression_failure(field, &error))
        };
        match &self.plan.step(step).action {
            Action::WaitFor(template) => {
                let value = render(template, "duration")?;
                let length = duration::of_json(value.value()).map_err(|problem| {
                    Failure::new(kind::EXPRESSION, format!("`duration` is {value:?}: {problem}"))
                })?;
                Ok(self.now.after(length))
            }
            Action::WaitUntil(template) => {
                let value = render(template, "until")?;
                let text = value.value().as_str().unwrap_or_default();
                Timestamp::from_rfc3339(text).ok_or_else(|| {
                    let message = format!("`until` is {value:?}, expected a point in time as in RFC 3339");
                    Failure::new(kind::EXPRESSION, message)
                })
            }
            _ => Ok(self.now),
        }
    }

    pub(crate) fn wait_over(&mut self, at: InstanceIx, step: StepIx) {
        let Some(elapsed) = self.resume(at, step) else { return };
        self.complete_attempt(at, step, Payload::null(), elapsed);
    }

    /// Lets a step wait for a timer.
    pub(crate) fn pause(&mut self, at: InstanceIx, step: StepIx, timer: TimerKind, due: Timestamp) {
        let id = self.start_timer_at(timer, due);
        let Some(node) = self.data.node_mut(self.plan, at, step) else { return };
        node.phase = NodePhase::Waiting;
        node.more().pause_timer = Some(id);
        self.data.waiting += 1;
    }

    /// A waiting step runs again, be it that its timer is due or that something else came first. `None` if it does
    /// not wait any more.
    pub(crate) fn resume(&mut self, at: InstanceIx, step: StepIx) -> Option<Duration> {
        let now = self.now;
        let node = self.data.node_mut(self.plan, at, step)?;
        if node.phase != NodePhase::Waiting {
            return None;
        }
        node.phase = NodePhase::Running;
        let elapsed = node.elapsed(now);
        let more = node.more();
        let (timer, ticket) = (more.pause_timer.take(), more.ticket.take());
        self.data.waiting -= 1;
        self.stop_timer(timer);
        self.stop_listening(step, ticket);
        Some(elapsed)
    }

    /// Starts the timer that bounds an attempt of a step that is no call.
    pub(crate) fn start_limit(&mut self, at: InstanceIx, step: StepIx) {
        if let Some(limit) = self.attempt_limit(at, step) {
            let id = self.start_timer(TimerKind::Limit(at, step), limit);
            if let Some(node) = self.data.node_mut(self.plan, at, step) {
                node.more().limit_timer = Some(id);
            }
        }
    }

    pub(crate) fn stop_limit(&mut self, at: InstanceIx, step: StepIx) {
        let node = self.data.node_mut(self.plan, at, step);
        let id = node.and_then(|node| node.more.as_mut()).and_then(|more| more.limit_timer.take());
        self.stop_timer(id);
    }

    /// An attempt of a step that is no call took too long.
    pub(crate) fn limit_reached(&mut self, at: InstanceIx, step: StepIx) {
        let failure = timeout_failure(self.attempt_limit(at, step).unwrap_or_default());
        if let Some(elapsed) = self.resume(at, step) {
            return self.abort_or_fail(at, step, failure, elapsed);
        }
        let elapsed = match self.data.node(self.plan, at, step) {
            Some(node) if node.phase == NodePhase::Running => node.elapsed(self.now),
            _ => return,
        };
        self.abort_or_fail(at, step, failure, elapsed);
    }

    fn abort_or_fail(&mut self, at: InstanceIx, step: StepIx, failure: Failure, elapsed: Duration) {
        if self.has_children(at, step) {
            self.abort_attempt(at, step, failure);
        } else {
            self.give_up_operation(at, step);
            self.fail_attempt(at, step, failure, elapsed);
        }
    }

    /// Forgets how far an attempt of a structured step had come.
    pub(crate) fn reset_progress(&mut self, at: InstanceIx, step: StepIx) {
        if let Some(more) = self.data.node_mut(self.plan, at, step).and_then(|node| node.more.as_mut()) {
            more.progress = Progress::None;
            more.abort = None;
        }
    }
}

/// The call that a key is about.
pub(crate) fn call_of(plan: &Plan, key: CallKey) -> Option<&Call> {
    let step = plan.step(key.step);
    if key.is_undo {
        return step.extras.as_ref()?.compensate.as_ref().map(|undo| &undo.call);
    }
    match &step.action {
        Action::Call(call) => Some(call),
        _ => None,
    }
}

/// Renders the parameters of a call from what was kept for it.
pub(crate) fn render(
    plan: &Plan,
    command: &CallCommand,
    secrets: &dyn crate::ports::Secrets,
    parameters: &mut Payload,
) -> Result<(), Failure> {
    let Some(call) = call_of(plan, command.key) else {
        return Err(Failure::new(kind::INTERNAL, "a call was asked for where the plan has none"));
    };
    let nothing = Inputs::default();
    let env = InputEnv { inputs: command.inputs().unwrap_or(&nothing), first: 0, secrets };
    let rendered = call.parameters.render_into(&env, parameters);
    rendered.map_err(|error| expression_failure("parameters", &error))
}

/// A failure of type `expression` that names the field.
pub(crate) fn expression_failure(field: &str, error: &EvalError) -> Failure {
    Failure::new(kind::EXPRESSION, format!("`{field}`: {error}"))
}

/// A failure of type `timeout`.
pub(crate) fn timeout_failure(limit: Duration) -> Failure {
    Failure::new(kind::TIMEOUT, format!("took longer than {}", duration::display(limit)))
}

/// A JSON string as its text, anything else as compact JSON.
pub(crate) fn text_of(payload: &Payload) -> Box<str> {
    payload.value().as_str().map_or_else(|| payload.as_str().into(), Into::into)
}
