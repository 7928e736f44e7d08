//! Lowers steps that have to do with other runs.

use super::expressions::{Field, optional};
use super::steps::Lowering;
use crate::model;
use crate::plan::{Action, Channel, Emit, Receive, Step, WaitForEvent};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Lowering<'_, '_, '_, '_> {
    pub(super) fn outward(&mut self, action: &model::Action) -> Option<Action> {
        match action {
            model::Action::WaitForEvent { event, filter } => {
                let site = self.site().field(Field::Filter);
                let filter = self.condition(filter.as_ref(), site)?;
                Some(Action::WaitForEvent(Box::new(WaitForEvent { event: (*event.value).into(), filter })))
            }
            model::Action::Receive { queue, max_messages } => {
                let max_messages = max_messages.as_ref().map_or(1, |count| count.value);
                Some(Action::Receive(Box::new(Receive { queue: (*queue.value).into(), max_messages })))
            }
            model::Action::Emit(emit) => {
                let to = optional(emit.to.as_ref(), |json| self.template(json));
                let data = optional(emit.data.as_ref(), |json| self.template(json));
                let (channel, name) = (emit.channel, (*emit.name.value).into());
                Some(Action::Emit(Box::new(Emit { channel, name, to: to?, data: data? })))
            }
            // reported where the document was read
            _ => None,
        }
    }
}

/// What `steps` wait for.
pub(super) fn listens(steps: &[Step]) -> BTreeSet<(Channel, Arc<str>)> {
    let listens = |step: &Step| match &step.action {
        Action::WaitForEvent(wait) => Some((Channel::Event, wait.event.clone())),
        Action::Receive(receive) => Some((Channel::Queue, receive.queue.clone())),
        _ => None,
    };
    steps.iter().filter_map(listens).collect()
}
