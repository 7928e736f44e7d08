//! What expressions see while a run decides: the run's values, found from an instance outwards.

use super::identity;
use super::record::{Input, Inputs, InstanceIx};
use super::state::{Data, Instance};
use crate::expr::{Env, Operand, RefIx};
use crate::payload::Payload;
use crate::plan::{Call, Plan, Ref, ScopeIx, StepAttribute, StepIx};
use crate::time::Timestamp;
use std::sync::Arc;

/// The point of view of an evaluation.
pub(crate) struct View<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) data: &'a Data,
    pub(crate) instance: InstanceIx,
    pub(crate) now: Timestamp,
    pub(crate) seed: u64,
    pub(crate) local: Local<'a>,
}

/// What only one evaluation sees.
#[derive(Clone, Copy, Default)]
pub(crate) struct Local<'a> {
    pub(crate) result: Option<&'a Payload>,
    pub(crate) error: Option<&'a Payload>,
    pub(crate) item: Option<&'a Payload>,
    pub(crate) index: u32,
    pub(crate) event: Option<&'a Payload>,
}

impl<'a> View<'a> {
    /// The point of view of `step` in `instance`.
    pub(crate) fn new(
        plan: &'a Plan,
        data: &'a Data,
        instance: InstanceIx,
        step: Option<StepIx>,
        now: Timestamp,
    ) -> Self {
        let position = u64::from(instance.0) << 32 | step.map_or(u64::MAX >> 32, |step| u64::from(step.0));
        let seed = identity::mix(identity::mix(data.start.seed, position), now.0);
        Self { plan, data, instance, now, seed, local: Local::default() }
    }

    pub(crate) fn with(mut self, local: Local<'a>) -> Self {
        self.local = local;
        self
    }

    /// Keeps the values of `references` for a rendering later on.
    pub(crate) fn keep(&self, references: &[RefIx]) -> Inputs {
        let values =
            references.iter().enumerate().map(|(nth, r)| Input::keep(self.operand(*r, nth))).collect();
        Inputs { values, now: self.now, seed: self.seed }
    }

    /// Keeps what the parameters, the session and the key of the rate limit of `call` are rendered from.
    pub(crate) fn keep_call(&self, call: &Call) -> Inputs {
        let mut inputs = self.keep(call.parameters.references());
        if let Some(session) = call.session() {
            inputs.values.extend(self.keep(session.references()).values);
        }
        if let Some(limit) = call.rate_limit() {
            inputs.values.extend(self.keep(limit.key.references()).values);
        }
        inputs
    }

    /// The nearest instance of `scope`, going outwards.
    fn enclosing(&self, scope: ScopeIx) -> Option<&'a Instance> {
        let mut at = Some(self.instance);
        while let Some(ix) = at {
            let info = self.data.infos[ix.0 as usize];
            if info.scope == scope {
                return self.data.instance(ix);
            }
            at = info.parent;
        }
        None
    }

    fn step(&self, step: StepIx, attribute: StepAttribute) -> Operand<'a> {
        let scope = self.plan.step(step).scope;
        let Some(instance) = self.enclosing(scope) else { return Operand::Null };
        let node = &instance.nodes[super::state::local(self.plan, scope, step)];
        let more = node.more.as_deref();
        match attribute {
            StepAttribute::Output => Operand::Json(&node.output),
            StepAttribute::Status => Operand::Text(node.phase.status().as_str()),
            StepAttribute::Error => more.map_or(Operand::Null, |more| Operand::Json(&more.error)),
            StepAttribute::Attempts => Operand::Int(i64::from(node.attempts)),
            StepAttribute::Case => more.map_or(Operand::Null, |more| Operand::Json(&more.case)),
        }
    }

    fn value(&self, reference: &'a Ref) -> Operand<'a> {
        let optional = |payload: Option<&'a Payload>| payload.map_or(Operand::Null, Operand::Json);
        let number = |scope| {
            self.enclosing(scope).map_or(Operand::Null, |found| Operand::Int(i64::from(found.bound.ordinal)))
        };
        match reference {
            Ref::Input => Operand::Json(&self.data.start.input),
            Ref::Variable { scope, slot } => {
                optional(self.enclosing(*scope).and_then(|found| found.variables.get(*slot as usize)))
            }
            Ref::Step { step, attribute } => self.step(*step, *attribute),
            Ref::LocalResult => optional(self.local.result),
            Ref::LocalError => optional(self.local.error),
            Ref::LocalItem => optional(self.local.item),
            Ref::LocalEvent => optional(self.local.event),
            Ref::LocalIndex => Operand::Int(i64::from(self.local.index)),
            Ref::Error(scope) => optional(self.enclosing(*scope).map(|found| &found.bound.error)),
            Ref::Item(scope) => optional(self.enclosing(*scope).map(|found| &found.bound.value)),
            Ref::Index(scope) | Ref::Iteration(scope) => number(*scope),
            Ref::Previous(scope) => optional(self.enclosing(*scope).map(|found| &found.bound.previous)),
            Ref::WorkflowId => Operand::Text(&self.plan.id),
            Ref::WorkflowVersion => Operand::Text(&self.data.version_text),
            Ref::RunId => Operand::Text(&self.data.start.run_id),
            Ref::StartedAt => Operand::Text(&self.data.started_text),
            Ref::Config(key) => optional(self.data.start.config.get(key)),
        }
    }
}

impl Env for View<'_> {
    fn operand(&self, reference: RefIx, _: usize) -> Operand<'_> {
        self.value(&self.plan.refs[reference.0 as usize])
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn uuid(&self, nth: u32) -> [u8; 16] {
        identity::uuid(self.seed, nth)
    }

    fn secret(&self, name: &str) -> Result<Arc<str>, String> {
        Err(format!("secret `{name}` can only be read in the parameters of a call"))
    }
}
