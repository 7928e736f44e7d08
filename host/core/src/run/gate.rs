//! Limits on call attempts: the run's `max_concurrency` and that of every body around a call.

use super::record::{CallKey, InstanceIx};
use super::state::{Gate, NodePhase};
use super::turn::Turn;
use crate::plan::StepIx;

impl Turn<'_> {
    /// Starts a call, or queues it at the first limit that is used up.
    pub(crate) fn start_call(&mut self, at: InstanceIx, step: StepIx) {
        if self.plan.step_priorities.is_some() {
            // it is not known yet what else becomes ready in this turn
            self.data.ready.push((at, step));
            return self.hold(at, step);
        }
        if !self.data.has_gates {
            return self.issue_call(at, step);
        }
        self.pass_gates(at, step, |gate| gate.running >= gate.limit);
    }

    /// Starts a call unless some limit around it `is_closed`: then it is queued there.
    fn pass_gates(
        &mut self,
        at: InstanceIx,
        step: StepIx,
        is_closed: impl Fn(&Gate) -> bool,
    ) -> Option<InstanceIx> {
        let closed = self.gates(at).find(|ix| {
            let gate = self.data.instance(*ix).and_then(|found| found.gate.as_ref());
            gate.is_some_and(&is_closed)
        });
        if let Some(closed) = closed {
            let key = CallKey { instance: at, step, attempt: 0, is_undo: false };
            let plan = self.plan;
            if let Some(gate) = self.data.instance_mut(closed).and_then(|found| found.gate.as_mut()) {
                gate.queue.push_back(key, |key| plan.priority_of(key.step));
            }
            self.hold(at, step);
            return Some(closed);
        }
        self.count_running(at, 1);
        self.issue_call(at, step);
        None
    }

    fn hold(&mut self, at: InstanceIx, step: StepIx) {
        if let Some(node) = self.data.node_mut(self.plan, at, step) {
            node.phase = NodePhase::Queued;
        }
    }

    /// Starts the calls that became ready in this turn, by priority, as far as limits around them have room; who stands in a line
    /// already has waited longer. False if nothing was to be done.
    pub(crate) fn start_ready(&mut self) -> bool {
        let mut ready = std::mem::take(&mut self.data.ready);
        let mut roomy = std::mem::take(&mut self.data.roomy);
        if self.data.pause.is_some() {
            roomy.clear();
        }
        let has_some = !ready.is_empty() || !roomy.is_empty();
        let plan = self.plan;
        ready.retain(|(at, step)| {
            self.data.node(plan, *at, *step).is_some_and(|node| node.phase == NodePhase::Queued)
        });
        let (limited, mut free): (Vec<_>, Vec<_>) =
            ready.into_iter().partition(|(at, _)| self.data.has_gates && self.gates(*at).next().is_some());
        for (at, step) in limited {
            roomy.extend(self.pass_gates(at, step, |_| true));
        }
        free.sort_by_key(|(_, step)| std::cmp::Reverse(plan.priority_of(*step)));
        for (at, step) in free {
            let node = self.data.node(plan, at, step);
            // what started before it may have failed at once, and its body with it
            if node.is_some_and(|node| node.phase == NodePhase::Queued) {
                self.issue_call(at, step);
            }
        }
        roomy.into_iter().for_each(|ix| self.fill_gate(ix));
        has_some
    }

    /// A call has ended: it gives its places back.
    pub(crate) fn leave_gates(&mut self, at: InstanceIx) {
        if self.data.has_gates {
            self.count_running(at, -1);
        }
    }

    /// Places may have become free around `at`: whoever was held back may start, in the order of coming. Called
    /// once it is known what the end of the last call leads to, so that nothing starts in a scope that has failed.
    pub(crate) fn start_held_back(&mut self, at: InstanceIx) {
        if !self.data.has_gates || self.data.pause.is_some() {
            return;
        }
        let gates: smallvec::SmallVec<[InstanceIx; 4]> = self.gates(at).collect();
        if self.plan.step_priorities.is_some() {
            // what becomes ready by the same end may go first
            return self.data.roomy.extend(gates);
        }
        gates.into_iter().for_each(|ix| self.fill_gate(ix));
    }

    /// As many of those that `ix` holds back start as it has room for.
    pub(crate) fn fill_gate(&mut self, ix: InstanceIx) {
        while let Some(key) = self.next_queued(ix) {
            self.pass_gates(key.instance, key.step, |gate| gate.running >= gate.limit);
        }
    }

    /// Takes the first call out of a gate's queue that still wants to start, if the gate has room.
    fn next_queued(&mut self, ix: InstanceIx) -> Option<CallKey> {
        loop {
            let gate = self.data.instance_mut(ix)?.gate.as_mut()?;
            if gate.running >= gate.limit {
                return None;
            }
            let key = gate.queue.pop_front()?;
            let node = self.data.node(self.plan, key.instance, key.step);
            if node.is_some_and(|node| node.phase == NodePhase::Queued) {
                return Some(key);
            }
        }
    }

    fn count_running(&mut self, at: InstanceIx, change: i32) {
        let gates: smallvec::SmallVec<[InstanceIx; 4]> = self.gates(at).collect();
        for ix in gates {
            if let Some(gate) = self.data.instance_mut(ix).and_then(|found| found.gate.as_mut()) {
                gate.running = gate.running.saturating_add_signed(change);
            }
        }
    }

    /// The instances around `at`, itself first, that have a limit.
    fn gates(&self, at: InstanceIx) -> impl Iterator<Item = InstanceIx> + '_ {
        let up = |ix: &InstanceIx| self.data.infos[ix.0 as usize].parent;
        std::iter::successors(Some(at), up)
            .filter(|ix| self.data.instance(*ix).is_some_and(|found| found.gate.is_some()))
    }
}
