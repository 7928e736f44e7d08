//! Calls that are made at most once: that an attempt begins is recorded, and lasts, before it is made. Only runs whose
//! workflow has such calls look for them.

use crate::engine::Inner;
use crate::journal::Held;
use crate::perform::Afterwards;
use crate::run::{RunCell, Shared};
use jackfield_core::plan::Plan;
use jackfield_core::run::{CallCommand, CallKey, Fact, RunState};
use std::collections::HashSet;
use std::sync::Arc;

/// What a run with such calls knows of them.
#[derive(Default)]
pub(crate) struct Careful {
    /// Taken by a thread, and yet to be recorded.
    fresh: Vec<CallCommand>,
    /// Recorded attempts.
    begun: HashSet<CallKey>,
}

impl Careful {
    /// For runs of a plan that has such calls.
    pub(crate) fn of(plan: &Plan) -> Option<Box<Self>> {
        plan.has_at_most_once.then(Box::default)
    }

    /// Keeps back a call that has to be recorded first; hands back any other.
    pub(crate) fn keep_back(&mut self, plan: &Plan, call: CallCommand) -> Option<CallCommand> {
        if !RunState::is_at_most_once(plan, call.key) || self.begun.contains(&call.key) {
            return Some(call);
        }
        self.fresh.push(call);
        None
    }

    /// Attempts that have ended are of no interest any more.
    pub(crate) fn forget(&mut self, facts: &[Fact]) {
        for fact in facts {
            if let Fact::Outcome { key, .. } = fact {
                self.begun.remove(key);
            }
        }
    }
}

impl Inner {
    /// Records the attempts that a thread wanted to begin. They are ready again as soon as that lasts. Whether there were
    /// any.
    pub(crate) fn record_begun(
        self: &Arc<Self>,
        run: &Arc<RunCell>,
        shared: &mut Shared,
        after: &mut Afterwards,
    ) -> bool {
        let Some(careful) = shared.careful.as_mut().filter(|careful| !careful.fresh.is_empty()) else {
            return false;
        };
        let calls = std::mem::take(&mut careful.fresh);
        careful.begun.extend(calls.iter().map(|call| call.key));
        let mut facts: Vec<_> = calls.iter().map(|call| Fact::Began(call.key)).collect();
        self.apply_all(run, shared, self.ports.clock.now(), &mut facts, after);
        if let Some(log) = &mut shared.log {
            calls.into_iter().for_each(|call| log.hold(Held::Call(call)));
        } else {
            for call in calls.into_iter().rev() {
                shared.ready(run.lane(call.method)).calls.push_front(call, |call| run.priority(call));
            }
        }
        true
    }
}
