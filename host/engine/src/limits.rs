//! Calls that need a place in a pool or have a rate limit: how they come to the doors and through them. Only runs whose
//! workflow has such calls know of all this.
//!
//! A call stands at the doors from when it is ready until it is let in. Then it holds its place until its outcome is reported,
//! and one that its run stops before it has begun gives it back. What a paused run holds back stands nowhere.

use crate::doors::{Grant, Opened};
use crate::engine::Inner;
use crate::error::EngineError;
use crate::journal::Journal;
use crate::perform::Afterwards;
use crate::planted::{Bug, planted};
use crate::run::{LaneKind, RunCell, Shared};
use crate::timers::Due;
use jackfield_core::failure::Failure;
use jackfield_core::journal::{Change, RateStart};
use jackfield_core::line::Spot;
use jackfield_core::plan::Plan;
use jackfield_core::run::{CallCommand, CallKey, Fact, Needs, Rate, RunReport, RunState, StepStatus};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

/// What a run with such calls knows of them.
#[derive(Default)]
pub(crate) struct Limited {
    waiting: HashMap<CallKey, Waiting>,
    placed: HashMap<CallKey, Placed>,
}

/// A call at the doors.
struct Waiting {
    call: CallCommand,
    needs: Arc<Needs>,
    spot: Spot,
}

/// A call that was let in.
struct Placed {
    needs: Arc<Needs>,
    has_begun: bool,
}

/// Whether a call that a thread has taken may be made.
pub(crate) enum Begin {
    /// Now.
    Now,
    /// Not now, or not any more; the thread has nothing to do with it.
    Not(Afterwards),
    /// Never: what it needs cannot be found out.
    Never(Failure),
}

impl Limited {
    /// For runs of a plan that has such calls.
    pub(crate) fn of(plan: &Plan) -> Option<Box<Self>> {
        plan.has_limits.then(Box::default)
    }

    /// Calls that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

impl Inner {
    /// A call may be made as far as its run is concerned: a thread gets it, perhaps once it has been let in.
    pub(crate) fn ready_call(
        &self,
        run: &Arc<RunCell>,
        shared: &mut Shared,
        call: CallCommand,
        after: &mut Afterwards,
    ) {
        let may_begin = call.key.is_undo || !shared.is_parking();
        if let Some(limited) = &mut shared.limited
            && may_begin
            && !limited.placed.contains_key(&call.key)
            // one that fails does so when a thread takes it
            && let Ok(Some(needs)) = RunState::needs(&run.plan, &call)
        {
            let (needs, key) = (Arc::new(needs), call.key);
            let priority = run.plan.priority_of(key.step);
            let who = (Arc::downgrade(run), key);
            let (spot, opened) = self.doors.lock().stand(who, &needs, priority, crate::timers::now());
            limited.waiting.insert(key, Waiting { call, needs, spot });
            return self.note_opened(opened, after);
        }
        shared.push_ready(run, call);
    }

    fn note_opened(&self, opened: Opened<Weak<RunCell>>, after: &mut Afterwards) {
        let Opened { mut grants, looks } = opened;
        after.granted.append(&mut grants);
        for (key, at) in looks {
            self.timers.set(at, Due::Rate(key));
        }
    }

    /// A thread is about to make a call.
    pub(crate) fn begin_call(&self, run: &Arc<RunCell>, call: &CallCommand) -> Begin {
        let mut after = Afterwards::default();
        let mut shared = run.shared.lock();
        if shared.is_over || shared.is_evicted || shared.dropped.remove(&call.key) {
            return Begin::Not(after);
        }
        let needs = match RunState::needs(&run.plan, call) {
            Ok(None) => return Begin::Now,
            Ok(Some(needs)) => needs,
            Err(failure) => return Begin::Never(failure),
        };
        let placed = shared.limited.as_mut().and_then(|limited| limited.placed.get_mut(&call.key));
        if let Some(placed) = placed {
            placed.has_begun = true;
            let opened = self.doors.lock().begin(&needs, crate::timers::now());
            self.note_opened(opened, &mut after);
            if let (Some(rate), Some(_)) = (&needs.rate, &shared.log) {
                self.keep_rate_start(rate);
            }
            return Begin::Now;
        }
        // its place was taken back while the thread had it
        self.ready_call(run, &mut shared, call.clone(), &mut after);
        shared.park(run);
        Begin::Not(after)
    }

    /// Writes down that an attempt begins that a rate limit counts.
    fn keep_rate_start(&self, rate: &Rate) {
        let Some(journal) = &self.journal else { return };
        let at = self.ports.clock.now();
        let until = at.after(self.doors.lock().longest(&rate.key));
        let start = RateStart { key: rate.key.clone(), at, until };
        journal.submit(&mut vec![Change::RateStart(start)], None);
    }

    /// What rate limits counted before this engine began still counts. What the clock says it has not seen yet began now.
    pub(crate) fn remember_rates(&self, journal: &Journal) -> Result<(), EngineError> {
        let (now, wall) = (crate::timers::now(), self.ports.clock.now());
        let mut after = Afterwards::default();
        for RateStart { key, at, until } in journal.store.rate_starts()? {
            let (keep, age) = (until.since(at), wall.since(at));
            if age < keep && !planted(Bug::RatesForgotten) {
                let at = now.checked_sub(age).unwrap_or(now);
                let opened = self.doors.lock().remember(&key, keep, at, now);
                self.note_opened(opened, &mut after);
            }
        }
        Ok(())
    }

    /// Attempts that have ended give back what they hold.
    pub(crate) fn give_back(&self, limited: &mut Limited, facts: &[Fact], after: &mut Afterwards) {
        for fact in facts {
            let Fact::Outcome { key, .. } = fact else { continue };
            if let Some(Placed { needs, has_begun }) = limited.placed.remove(key) {
                let opened = self.doors.lock().leave(&needs, has_begun, crate::timers::now());
                self.note_opened(opened, after);
            }
            self.leave_door(limited, *key);
        }
    }

    /// A call leaves the doors, if it stands there.
    pub(crate) fn leave_door(&self, limited: &mut Limited, key: CallKey) -> Option<CallCommand> {
        let Waiting { call, needs, spot } = limited.waiting.remove(&key)?;
        self.doors.lock().give_up(&needs, spot);
        Some(call)
    }

    /// No call that has not begun will: all that they hold or wait for is left to others. Those that waited are handed back, in
    /// the order of their coming.
    pub(crate) fn leave_doors(
        &self,
        shared: &mut Shared,
        is_meant: impl Fn(CallKey) -> bool,
        after: &mut Afterwards,
    ) -> Vec<CallCommand> {
        let Some(limited) = &mut shared.limited else { return Vec::new() };
        let unbegun =
            |(key, placed): (&CallKey, &Placed)| (!placed.has_begun && is_meant(*key)).then_some(*key);
        let unbegun: Vec<_> = limited.placed.iter().filter_map(unbegun).collect();
        for key in unbegun {
            let Some(placed) = limited.placed.remove(&key) else { continue };
            let opened = self.doors.lock().leave(&placed.needs, false, crate::timers::now());
            self.note_opened(opened, after);
        }
        let mut waiting: Vec<_> = limited
            .waiting
            .iter()
            .filter(|(key, _)| is_meant(**key))
            .map(|(key, it)| (it.spot, *key))
            .collect();
        waiting.sort_unstable_by_key(|(spot, _)| spot.order(true));
        waiting.into_iter().filter_map(|(_, key)| self.leave_door(limited, key)).collect()
    }

    /// The run was paused or goes on: what it does not begin meanwhile keeps nobody waiting.
    pub(crate) fn follow_pause(&self, run: &Arc<RunCell>, shared: &mut Shared, after: &mut Afterwards) {
        let was_paused = shared.is_parking();
        shared.follow_pause(run);
        let is_paused = shared.is_parking();
        if shared.limited.is_none() || was_paused == is_paused {
            return;
        }
        if is_paused {
            for call in self.leave_doors(shared, |key| !key.is_undo, after) {
                shared.push_ready(run, call);
            }
            return shared.park(run);
        }
        for lane in [LaneKind::Inline, LaneKind::Blocking] {
            let ready = shared.ready(lane).calls.take_all();
            for call in ready {
                self.ready_call(run, shared, call, after);
            }
        }
    }

    /// Calls that were let in become ready.
    pub(crate) fn deliver(self: &Arc<Self>, grants: Vec<Grant<Weak<RunCell>>>) {
        let mut grants = VecDeque::from(grants);
        while let Some(Grant { to, key, spot, needs }) = grants.pop_front() {
            let mut after = Afterwards::default();
            let run = to.upgrade();
            let is_taken = run.as_ref().is_some_and(|run| self.go_in(run, (key, spot), &needs, &mut after));
            if !is_taken {
                let opened = self.doors.lock().leave(&needs, false, crate::timers::now());
                self.note_opened(opened, &mut after);
            }
            grants.extend(std::mem::take(&mut after.granted));
            run.into_iter().for_each(|run| self.go_on(&run, std::mem::take(&mut after)));
        }
    }

    fn go_in(
        &self,
        run: &Arc<RunCell>,
        (key, spot): (CallKey, Spot),
        needs: &Arc<Needs>,
        after: &mut Afterwards,
    ) -> bool {
        let mut shared = run.shared.lock();
        if shared.is_over || shared.is_evicted {
            return false;
        }
        let Some(limited) = &mut shared.limited else { return false };
        if limited.waiting.get(&key).is_none_or(|waiting| waiting.spot != spot) {
            return false;
        }
        let Some(Waiting { call, .. }) = limited.waiting.remove(&key) else { return false };
        limited.placed.insert(key, Placed { needs: needs.clone(), has_begun: false });
        shared.push_ready(run, call);
        self.follow_seat(run, &mut shared);
        after.is_inline_ready = self.offer(&mut shared);
        after.is_blocking_ready = shared.blocking.queue();
        true
    }

    /// More attempts that a key counts may begin.
    pub(crate) fn rate_is_due(self: &Arc<Self>, key: &str) {
        let mut after = Afterwards::default();
        let opened = self.doors.lock().is_due(key, crate::timers::now());
        self.note_opened(opened, &mut after);
        self.deliver(after.granted);
    }

    /// Says of steps at the doors that they wait, and what for.
    pub(crate) fn tell_waiting(&self, shared: &Shared, report: &mut RunReport) {
        let Some(limited) = &shared.limited else { return };
        for (key, waiting) in &limited.waiting {
            let path = shared.state.path(key.instance, key.step);
            let Some(step) = report.steps.get_mut(&path) else { continue };
            let why = self.doors.lock().why(&waiting.needs, crate::timers::now());
            if key.is_undo {
                step.reason = Some(format!("its undo {why}"));
            } else {
                step.status = StepStatus::Waiting;
                step.reason = Some(why);
            }
        }
    }
}
