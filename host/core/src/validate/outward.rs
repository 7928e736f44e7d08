//! Lowers steps that have to do with other runs.

use super::expressions::{Field, optional};
use super::steps::Lowering;
use crate::model;
use crate::plan::{
    Action, Channel, ChildRun, ContinueAsNew, Emit, OnParentClose, Receive, Step, WaitForEvent,
};
use semver::VersionReq;
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
            model::Action::Workflow(child) => {
                let run_id = optional(child.run_id.as_ref(), |json| self.template(json));
                let input = optional(child.input.as_ref(), |json| self.template(json));
                let is_detached = child.detached.as_ref().is_some_and(|detached| detached.value);
                let close = match child.on_parent_close {
                    Some(close) => close,
                    None if is_detached => OnParentClose::Abandon,
                    None => OnParentClose::Cancel,
                };
                Some(Action::Workflow(Box::new(ChildRun {
                    own: None,
                    workflow: (*child.workflow.value).into(),
                    version: child.version.as_ref().map(|range| range.value.clone()),
                    run_id: run_id?,
                    input: input?,
                    is_detached,
                    close,
                })))
            }
            model::Action::ContinueAsNew { input, version } => {
                let input = optional(input.as_ref(), |json| self.template(json))?;
                let version = version.as_ref().map(|range| range.value.clone());
                Some(Action::ContinueAsNew(Box::new(ContinueAsNew { input, version })))
            }
            // all others are lowered where steps are
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

/// The workflows that `steps` run, each range once.
pub(super) fn children(steps: &[Step]) -> Vec<(Arc<str>, Option<VersionReq>)> {
    let mut children = Vec::new();
    for step in steps {
        let Action::Workflow(child) = &step.action else { continue };
        if child.own.is_some() {
            continue;
        }
        let child = (child.workflow.clone(), child.version.clone());
        if !children.contains(&child) {
            children.push(child);
        }
    }
    children
}
