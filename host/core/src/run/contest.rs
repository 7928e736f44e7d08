//! `race`: the first contestants to complete win; the others are cancelled and undone.

use super::attempt::expression_failure;
use super::body::BodyEnd;
use super::environment::Local;
use super::record::InstanceIx;
use super::state::{NodePhase, Progress, Stop};
use super::turn::Turn;
use super::undo::After;
use crate::failure::{Failure, kind};
use crate::payload::Payload;
use crate::plan::{Action, StepIx};
use std::sync::Arc;
use std::time::Duration;

impl Turn<'_> {
    /// A contestant has settled: it won, or it is eliminated.
    pub(crate) fn contestant_settled(&mut self, contest: InstanceIx, contestant: StepIx) {
        let plan = self.plan;
        let info = self.data.infos[contest.0 as usize];
        let (Some(at), Some(step)) = (info.parent, plan.scope(info.scope).owner) else { return };
        let Action::Race { winners, .. } = plan.step(step).action else { return };
        let Some(instance) = self.data.instance(contest) else { return };
        if instance.stop.is_some() {
            return;
        }
        let open = instance.open;
        let Some(node) = self.data.node(plan, contest, contestant) else { return };
        let win = (node.phase == NodePhase::Completed).then(|| (contestant, node.output.clone()));
        let last = node.more.as_ref().and_then(|more| more.failure.clone());
        let Some(race) = self.data.node_mut(plan, at, step) else { return };
        let more = race.more();
        if let Some(last) = last {
            more.failure = Some(last);
        }
        let last = more.failure.clone();
        let Progress::Race(won) = &mut more.progress else { return };
        won.extend(win);
        let count = u32::try_from(won.len()).unwrap_or(u32::MAX);
        if count >= winners {
            self.stop_limit(at, step);
            self.stop_steps(contest, Stop::Cancelled);
            self.leave_losers(contest, at, step);
        } else if count + open < winners {
            let failure = last.unwrap_or_else(|| Arc::new(nobody_left(winners, count)));
            self.stop_steps(contest, Stop::Failed(failure));
        }
    }

    /// Goes on without waiting for losers that are still in flight, unless something of theirs has to be undone.
    fn leave_losers(&mut self, contest: InstanceIx, at: InstanceIx, step: StepIx) {
        let is_busy = self.data.instance(contest).is_some_and(|instance| instance.active > 0);
        if !is_busy || self.has_armed_losers(contest, at, step) {
            return;
        }
        let end = self.contest_end(contest, step, BodyEnd::Cancelled);
        if let Some(instance) = self.data.instance_mut(contest) {
            instance.detached = true;
        }
        self.forget_child(contest, at, step);
        let elapsed =
            self.data.node(self.plan, at, step).map_or(Duration::ZERO, |node| node.elapsed(self.now));
        match end {
            BodyEnd::Completed(output) => self.complete_attempt(at, step, output, elapsed),
            BodyEnd::Failed(failure) => self.fail_attempt(at, step, (*failure).clone(), elapsed),
            BodyEnd::Cancelled => {}
        }
    }

    fn winners(&self, at: InstanceIx, step: StepIx) -> &[(StepIx, Payload)] {
        let node = self.data.node(self.plan, at, step);
        match node.and_then(|node| node.more.as_ref()).map(|more| &more.progress) {
            Some(Progress::Race(won)) => won,
            _ => &[],
        }
    }

    fn has_armed_losers(&self, contest: InstanceIx, at: InstanceIx, step: StepIx) -> bool {
        let won = self.winners(at, step);
        self.data.armed.iter().any(|armed| self.is_of_loser(armed.instance, armed.step, contest, won))
    }

    /// Whether an armed undo belongs to a contestant that did not win.
    fn is_of_loser(
        &self,
        instance: InstanceIx,
        step: StepIx,
        contest: InstanceIx,
        won: &[(StepIx, Payload)],
    ) -> bool {
        let scope = self.plan.scope(self.data.infos[contest.0 as usize].scope);
        let mut losers =
            scope.steps.clone().map(StepIx).filter(|c| won.iter().all(|(winner, _)| winner != c));
        losers.any(|loser| {
            (instance == contest && step == loser)
                || self.data.belongs_to(self.plan, instance, contest, loser)
        })
    }

    /// What the end of the contest means: a decided race has an output, whatever happened to the losers.
    pub(crate) fn contest_end(&self, contest: InstanceIx, step: StepIx, end: BodyEnd) -> BodyEnd {
        let Action::Race { winners, .. } = self.plan.step(step).action else { return end };
        let Some(at) = self.data.infos[contest.0 as usize].parent else { return end };
        let won = self.winners(at, step);
        if u32::try_from(won.len()).unwrap_or(u32::MAX) < winners {
            return end;
        }
        let scope = self.plan.scope(self.data.infos[contest.0 as usize].scope);
        let entry = |(contestant, value): &(StepIx, Payload)| {
            let id = Payload::string(&self.plan.step(*contestant).id);
            let index = Payload::encode(&(contestant.0 - scope.steps.start));
            Payload::object([("winner", &id), ("index", &index), ("value", value)])
        };
        let entries: Vec<_> = won.iter().map(entry).collect();
        let result = if winners == 1 { entries[0].clone() } else { Payload::array(entries.iter()) };
        let Some(template) = &scope.output else { return BodyEnd::Completed(result) };
        let local = Local { result: Some(&result), ..Local::default() };
        match template.render(&self.view(contest, Some(step)).with(local)) {
            Ok(output) => BodyEnd::Completed(output),
            Err(error) => BodyEnd::Failed(Arc::new(expression_failure("output", &error))),
        }
    }

    /// The contest has gone and the race has its output: losers are undone first.
    pub(crate) fn race_decided(&mut self, at: InstanceIx, step: StepIx, output: Payload, elapsed: Duration) {
        let won: Vec<_> = self.winners(at, step).to_vec();
        let is_loser = |turn: &Self, armed: &super::undo::Armed| {
            turn.data.belongs_to(turn.plan, armed.instance, at, step)
                && turn
                    .contest_of(armed.instance, at, step)
                    .is_some_and(|contest| turn.is_of_loser(armed.instance, armed.step, contest, &won))
        };
        let after = After::Race { at, step, output: output.clone(), elapsed };
        if !self.undo_where(is_loser, after) {
            self.complete_attempt(at, step, output, elapsed);
        }
    }

    /// The contest instance of a race that `inner` is in.
    fn contest_of(&self, inner: InstanceIx, at: InstanceIx, step: StepIx) -> Option<InstanceIx> {
        let up = |ix: &InstanceIx| self.data.infos[ix.0 as usize].parent;
        std::iter::successors(Some(inner), up).find(|ix| {
            let info = self.data.infos[ix.0 as usize];
            info.parent == Some(at) && self.plan.scope(info.scope).owner == Some(step)
        })
    }
}

fn nobody_left(winners: u32, count: u32) -> Failure {
    let message = format!("no contestant is left: {winners} were to win, {count} did");
    Failure::new(kind::CANCELLED, message)
}
