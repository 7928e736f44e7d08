//! Sending events and messages to runs: the run says what to whom, the engine does it and reports what came of it.

use super::attempt::{expression_failure, text_of};
use super::record::{CallKey, Command, EmitCommand, InstanceIx};
use super::turn::Turn;
use crate::expr::Template;
use crate::failure::{Failure, kind};
use crate::payload::Payload;
use crate::plan::{Action, Emit, StepIx};
use std::sync::Arc;
use std::time::Duration;

impl Turn<'_> {
    pub(crate) fn emit(&mut self, at: InstanceIx, step: StepIx, emit: &Emit) {
        let parts = self
            .run_id_of(at, step, "to", emit.to.as_ref())
            .and_then(|to| Ok((to, self.field_of(at, step, "data", emit.data.as_ref())?)));
        let (to, data) = match parts {
            Ok(parts) => parts,
            Err(failure) => return self.fail_attempt(at, step, failure, Duration::ZERO),
        };
        self.start_limit(at, step);
        let Some(key) = self.begin_operation(at, step) else { return };
        let (channel, name) = (emit.channel, emit.name.clone());
        self.commands.push(Command::Emit(Box::new(EmitCommand { key, channel, name, to, data })));
    }

    /// The value of an optional field; null if it is absent.
    pub(crate) fn field_of(
        &self,
        at: InstanceIx,
        step: StepIx,
        field: &str,
        template: Option<&Template>,
    ) -> Result<Payload, Failure> {
        let Some(template) = template else { return Ok(Payload::null()) };
        self.render(at, Some(step), template).map_err(|error| expression_failure(field, &error))
    }

    /// The run id that an optional field yields.
    pub(crate) fn run_id_of(
        &self,
        at: InstanceIx,
        step: StepIx,
        field: &str,
        template: Option<&Template>,
    ) -> Result<Option<Arc<str>>, Failure> {
        if template.is_none() {
            return Ok(None);
        }
        let value = self.field_of(at, step, field, template)?;
        if value.value().as_str().is_none_or(str::is_empty) {
            let message = format!("`{field}` is {value:?}, expected the id of a run");
            return Err(Failure::new(kind::EXPRESSION, message));
        }
        Ok(Some(text_of(&value).into()))
    }

    /// Notes that the engine does something for a step, which it will report as the outcome of the attempt.
    pub(crate) fn begin_operation(&mut self, at: InstanceIx, step: StepIx) -> Option<CallKey> {
        let node = self.data.node_mut(self.plan, at, step)?;
        node.is_in_flight = true;
        let key = CallKey { instance: at, step, attempt: node.attempts, is_undo: false };
        self.data.instance_mut(at)?.active += 1;
        self.data.in_flight += 1;
        Some(key)
    }

    /// The attempt of a step that is no call is over before its outcome is known.
    pub(crate) fn give_up_operation(&mut self, at: InstanceIx, step: StepIx) {
        match &self.plan.step(step).action {
            Action::Workflow(child) => self.stop_child(at, step, child, true),
            _ => self.leave_operation(at, step),
        }
    }

    /// Does not wait for the outcome of an attempt any more.
    pub(crate) fn leave_operation(&mut self, at: InstanceIx, step: StepIx) {
        let Some(node) = self.data.node_mut(self.plan, at, step) else { return };
        if !std::mem::take(&mut node.is_in_flight) {
            return;
        }
        if let Some(instance) = self.data.instance_mut(at) {
            instance.active -= 1;
        }
        self.data.in_flight -= 1;
        self.child_left(step);
    }
}
