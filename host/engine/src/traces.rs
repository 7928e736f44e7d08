//! Spans of runs, for whoever collects them: made of the records of what has happened, never of what is about to happen, so that
//! runs which nobody traces pay nothing. Their ids follow from the run and the place in it, so that attempts can be told theirs
//! before they begin, and a run that goes on after a restart goes on in its trace.

use crate::run::RunCell;
use jackfield_core::failure::Failure;
use jackfield_core::plan::{Action, MethodIx, Plan, StepIx};
use jackfield_core::run::{CallKey, Detail, InstanceIx, Record, RecordKind, RunState};
use jackfield_core::time::Timestamp;
use jackfield_core::trace::{Span, SpanContext, SpanField, SpanSink};
use std::collections::HashMap;
use std::sync::Arc;

type Place = (InstanceIx, StepIx);
type Fields = Vec<(&'static str, SpanField)>;

/// What is kept of a run that is traced.
pub(crate) struct RunTrace {
    sink: Arc<dyn SpanSink>,
    /// The span of the run.
    own: SpanContext,
    /// What the run was given, if anything.
    given: Option<u64>,
    began: Timestamp,
    /// Steps that have begun and not settled, as far as records tell.
    steps: HashMap<Place, Begun>,
}

struct Begun {
    at: Timestamp,
    /// The last attempt that there is a span of.
    told: u32,
}

/// The trace context of a run itself, as text; empty if it is in no trace. Second is what its spans need, if they are wanted.
pub(crate) fn enter(
    sink: Option<&Arc<dyn SpanSink>>,
    given: &str,
    run_id: &str,
    state: &RunState,
) -> (Box<str>, Option<Box<RunTrace>>) {
    let above = SpanContext::parse(given);
    let is_sampled = |trace| sink.is_some_and(|sink| sink.samples(trace));
    let Some(context) =
        above.or_else(|| sink.map(|_| SpanContext::root(&(run_id, state.line()), is_sampled)))
    else {
        return Default::default();
    };
    // each time that it went back, and each generation, is a span of its own
    let mut returns = state.history().iter().filter(|record| record.kind == RecordKind::RunRetried);
    let own = context.child(&(run_id, state.generation(), returns.clone().count()));
    let trace = sink.filter(|_| own.is_sampled()).map(|sink| {
        let began = returns.next_back().map_or(state.started_at(), |record| record.at);
        let given = above.map(|above| above.span);
        let mut trace = RunTrace { sink: sink.clone(), own, given, began, steps: HashMap::new() };
        // what has been told by the process before this one is only remembered
        state.history().iter().for_each(|record| trace.remember(record));
        Box::new(trace)
    });
    (own.to_string().into(), trace)
}

/// What an attempt hands on, below the context of its run.
pub(crate) fn attempt(key: CallKey) -> (u32, u32, u32, bool) {
    (key.instance.0, key.step.0, key.attempt, key.is_undo)
}

/// What a step hands on to the run that it starts.
pub(crate) fn step(instance: InstanceIx, step: StepIx) -> (u32, u32) {
    (instance.0, step.0)
}

impl RunTrace {
    /// Makes spans of what was recorded.
    pub(crate) fn follow(&mut self, run: &RunCell, state: &RunState, records: &[Record]) {
        for record in records {
            match record.step {
                None => self.of_run(run, state, record),
                Some(step) => self.of_step(run, state, record, (record.instance, step)),
            }
            self.remember(record);
        }
    }

    fn remember(&mut self, record: &Record) {
        use RecordKind as Kind;
        let Some(step) = record.step else {
            if record.kind == Kind::RunRetried {
                self.steps.clear();
            }
            return;
        };
        let place = (record.instance, step);
        match record.kind {
            Kind::StepStarted | Kind::AttemptFailed | Kind::StepCaught => {
                let begun = self.steps.entry(place).or_insert(Begun { at: start_of(record), told: 0 });
                if record.kind != Kind::StepStarted {
                    begun.told = record.attempt;
                }
            }
            kind if settles(kind) => drop(self.steps.remove(&place)),
            _ => {}
        }
    }

    fn of_run(&self, run: &RunCell, state: &RunState, record: &Record) {
        use RecordKind as Kind;
        let status = match record.kind {
            Kind::RunCompleted => "completed",
            Kind::RunFailed => "failed",
            Kind::RunCancelled => "cancelled",
            Kind::RunContinued => "continued",
            _ => return,
        };
        let mut fields = self.common(run);
        fields.push(("jackfield.run.status", status.into()));
        fields.push(("jackfield.run.generation", state.generation().into()));
        let parent = state.start_values().parent.as_ref();
        fields.extend(parent.map(|parent| ("jackfield.run.parent_id", (*parent.run_id).into())));
        self.sink.take(Span {
            context: self.own,
            parent: self.given,
            is_parent_remote: parent.is_none(),
            is_call_out: false,
            name: format!("run {}", run.plan.id),
            from: self.began,
            to: record.at,
            error: failed(record, &mut fields),
            fields,
        });
    }

    fn of_step(&self, run: &RunCell, state: &RunState, record: &Record, place: Place) {
        use RecordKind as Kind;
        let is_undo = matches!(record.kind, Kind::StepCompensated | Kind::CompensationFailed);
        let ends_attempt = matches!(record.kind, Kind::AttemptFailed | Kind::StepCaught);
        if !(is_undo || ends_attempt || settles(record.kind)) || record.attempt == 0 {
            return;
        }
        let own = self.own.child(&step(place.0, place.1));
        let path = state.path(place.0, place.1);
        let begun = self.steps.get(&place);
        let told = begun.map_or(0, |begun| begun.told);
        let shape = run.plan.step(place.1);
        let is_call = matches!(shape.action, Action::Call(_));
        if is_undo || told < record.attempt && (is_call || ends_attempt || record.attempt > 1) {
            self.of_attempt(run, record, (own, place), (&path, is_undo));
        }
        if is_undo || ends_attempt {
            return;
        }
        let mut fields = self.common(run);
        fields.push(("jackfield.step.path", path.as_str().into()));
        fields.push(("jackfield.step.type", kind_of(&shape.action).into()));
        fields.push(("jackfield.step.status", status_of(record.kind).into()));
        fields.push(("jackfield.step.attempts", record.attempt.into()));
        let above =
            state.owner(place.0).map_or(self.own, |(instance, it)| self.own.child(&step(instance, it)));
        self.sink.take(Span {
            context: own,
            parent: Some(above.span),
            is_parent_remote: false,
            is_call_out: false,
            name: format!("step {}", shape.id),
            from: begun.map_or(start_of(record), |begun| begun.at.min(start_of(record))),
            to: record.at,
            error: failed(record, &mut fields),
            fields,
        });
    }

    fn of_attempt(
        &self,
        run: &RunCell,
        record: &Record,
        (above, (instance, step)): (SpanContext, Place),
        (path, is_undo): (&str, bool),
    ) {
        let key = CallKey { instance, step, attempt: record.attempt, is_undo };
        let mut fields = self.common(run);
        fields.push(("jackfield.step.path", path.into()));
        fields.push(("jackfield.attempt", record.attempt.into()));
        let called = method_of(&run.plan, step, is_undo).map(|ix| &run.plan.methods[ix.0 as usize]);
        let what = if is_undo { "compensate" } else { "attempt" };
        let name = match called {
            Some(used) => {
                fields.push(("jackfield.plugin.name", (*used.plugin).into()));
                fields.push(("jackfield.plugin.version", used.version.to_string().into()));
                fields.push(("jackfield.method", (*used.method).into()));
                format!("{what} {}.{}", used.plugin, used.method)
            }
            None => format!("{what} {}", run.plan.step(step).id),
        };
        self.sink.take(Span {
            context: self.own.child(&attempt(key)),
            parent: Some(above.span),
            is_parent_remote: false,
            is_call_out: false,
            name,
            from: start_of(record),
            to: record.at,
            error: failed(record, &mut fields),
            fields,
        });
    }

    fn common(&self, run: &RunCell) -> Fields {
        vec![
            ("jackfield.workflow.id", (*run.plan.id).into()),
            ("jackfield.workflow.version", run.plan.version.to_string().into()),
            ("jackfield.run.id", (*run.id).into()),
        ]
    }
}

fn start_of(record: &Record) -> Timestamp {
    Timestamp(record.at.0.saturating_sub(record.duration.0))
}

fn settles(kind: RecordKind) -> bool {
    matches!(kind, RecordKind::StepCompleted | RecordKind::StepFailed | RecordKind::StepCancelled)
}

fn status_of(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::StepCompleted => "completed",
        RecordKind::StepFailed => "failed",
        _ => "cancelled",
    }
}

/// What went wrong, if anything; its kind goes to the fields.
fn failed(record: &Record, fields: &mut Fields) -> Option<Box<str>> {
    let said: Box<str> = match &record.detail {
        Detail::Failure(failure) => {
            let failure: &Failure = failure;
            fields.push(("error.type", (*failure.kind).into()));
            (*failure.message).into()
        }
        Detail::Text(reason) if record.kind == RecordKind::RunCancelled => (***reason).into(),
        _ => return None,
    };
    Some(said)
}

/// The method that a step, or its undo, calls; `None` if it is no call.
pub(crate) fn method_of(plan: &Plan, step: StepIx, is_undo: bool) -> Option<MethodIx> {
    let step = plan.step(step);
    match &step.action {
        _ if is_undo => Some(step.extras.as_ref()?.compensate.as_ref()?.call.method),
        Action::Call(call) => Some(call.method),
        _ => None,
    }
}

/// The kind of a step, as documents call it.
pub(crate) const fn kind_of(action: &Action) -> &'static str {
    match action {
        Action::Call(_) => "call",
        Action::Group(_) => "group",
        Action::Switch(_) => "switch",
        Action::Foreach(_) => "foreach",
        Action::Repeat(_) => "repeat",
        Action::Race { .. } => "race",
        Action::Set(_) => "set",
        Action::Log(_) => "log",
        Action::WaitFor(_) => "wait_for",
        Action::WaitUntil(_) => "wait_until",
        Action::Fail(_) => "fail",
        Action::Return(_) => "return",
        Action::WaitForEvent(_) => "wait_for_event",
        Action::Receive(_) => "receive",
        Action::Emit(_) => "emit",
        Action::Workflow(_) => "workflow",
        Action::ContinueAsNew(_) => "continue_as_new",
    }
}
