//! How many runs are under way on this host (`runs_under_way_max`): more wait in line.
//!
//! The limit is one on beginning. A run that only waits (for time, for what others send, for runs that it has started, to be
//! resumed, for a plugin, for a place in a pool or its turn within a rate limit) gives its seat back and takes one again when it goes on, without waiting for it; and a run that a step
//! of another one waits for takes one at once. So nobody who has begun ever waits for a seat, and no two runs can keep each
//! other from going on; for a while there can be more runs under way than the limit.

use crate::engine::Inner;
use crate::errands::Errand;
use crate::line::RunLine;
use crate::run::{RunCell, Shared};
use jackfield_core::plan::Plan;
use jackfield_core::run::{Fact, Start};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// The runs that have a seat, and those that wait for one.
#[derive(Default)]
pub(crate) struct Seats(Mutex<RunLine>);

/// A seat, or a place in the line, until the run that has it is known to the engine.
pub(crate) struct Seat {
    inner: Arc<Inner>,
    run_id: Arc<str>,
    is_kept: bool,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.is_kept {
            self.inner.seats.0.lock().leave(&self.run_id);
            self.inner.fill_seats();
        }
    }
}

impl Inner {
    /// Sees whether the run that `start` would begin has to wait for a seat: then `start` says so. One that waits for something
    /// else asks when that has come.
    pub(crate) fn ask_for_seat(self: &Arc<Self>, plan: &Plan, start: &mut Start) -> Option<Seat> {
        let limit = self.config.runs_under_way_max;
        let waits = start.queued.is_some() || start.delayed_until.is_some();
        if limit == 0 || waits || is_awaited(start) {
            return None;
        }
        let mut line = self.seats.0.lock();
        if line.knows(&start.run_id) {
            // the id is taken, which is found out soon
            return None;
        }
        if line.has_room(limit) {
            line.under_way.insert(start.run_id.clone());
        } else {
            start.queued = Some(self.seat_text(plan));
            line.wait(&start.run_id, Weak::new(), plan.priority, limit);
        }
        drop(line);
        Some(Seat { inner: self.clone(), run_id: start.run_id.clone(), is_kept: false })
    }

    /// The run of `seat` is known now.
    pub(crate) fn take_seat(self: &Arc<Self>, mut seat: Seat, run: &Arc<RunCell>) {
        seat.is_kept = true;
        self.seats.0.lock().make_known(run);
        self.fill_seats();
    }

    /// Nothing else keeps the run from beginning: it begins, or waits for a seat.
    pub(crate) fn let_begin(self: &Arc<Self>, run: &Arc<RunCell>) {
        let limit = self.config.runs_under_way_max;
        if limit > 0 && !is_awaited(run.shared.lock().state.start_values()) {
            let mut line = self.seats.0.lock();
            if !line.has_room(limit) {
                line.wait(&run.id, Arc::downgrade(run), run.plan.priority, limit);
                drop(line);
                run.shared.lock().queued_for = Some(self.seat_text(&run.plan));
                return self.leave_seat_if_over(run);
            }
            line.under_way.insert(run.id.clone());
        }
        self.begin(run);
    }

    /// A run that was queued has come back into memory, and nothing else keeps it from beginning.
    pub(crate) fn wait_for_seat_again(&self, run: &Arc<RunCell>) {
        let limit = self.config.runs_under_way_max;
        let limit = if limit == 0 { usize::MAX } else { limit };
        self.seats.0.lock().wait(&run.id, Arc::downgrade(run), run.plan.priority, limit);
    }

    /// Lets those begin that have a seat now.
    pub(crate) fn fill_seats(self: &Arc<Self>) {
        let admitted = self.seats.0.lock().admit();
        admitted.iter().for_each(|run| self.begin(run));
    }

    fn begin(self: &Arc<Self>, run: &Arc<RunCell>) {
        self.exchange(run, &mut vec![Fact::Admitted]);
        self.say_admitted(run);
        self.leave_seat_if_over(run);
    }

    /// One that has ended meanwhile may have left before it came.
    fn leave_seat_if_over(&self, run: &Arc<RunCell>) {
        if run.shared.lock().is_over {
            self.leave_seat(run);
        }
    }

    /// A run needs no seat any more. Whoever is next begins soon: it could end at once, and so on.
    pub(crate) fn leave_seat(&self, run: &Arc<RunCell>) {
        let mut line = self.seats.0.lock();
        line.leave(&run.id);
        if line.is_anybody_waiting() {
            self.errands.push(run, Errand::FillSeats);
        }
    }

    /// A run that has begun has a seat while anything is done for it.
    pub(crate) fn follow_seat(&self, run: &Arc<RunCell>, shared: &mut Shared) {
        if self.config.runs_under_way_max == 0 || shared.is_over || shared.state.is_queued() {
            return;
        }
        let is_seated = !shared.is_idle();
        if shared.is_seated.replace(is_seated) == Some(is_seated) {
            return;
        }
        match is_seated {
            true => _ = self.seats.0.lock().under_way.insert(run.id.clone()),
            false => self.leave_seat(run),
        }
    }

    fn seat_text(&self, plan: &Plan) -> Arc<str> {
        let (limit, priority) = (self.config.runs_under_way_max, plan.priority);
        format!("a place among the runs under way, which are {limit} at a time (priority {priority})").into()
    }
}

impl Shared {
    /// Whether nothing is done for a run that has begun, and nothing will be until something comes from elsewhere.
    fn is_idle(&self) -> bool {
        let is_held = self.state.is_paused() && self.running.is_empty() && self.crew.workers == 0;
        let is_held_up = self.at_doors() > 0 && self.at_doors() == self.state.under_way();
        self.blocked.is_some() || is_held || is_held_up || self.state.is_idle()
    }
}

/// Whether a step of another run waits for its end.
fn is_awaited(start: &Start) -> bool {
    start.parent.as_ref().is_some_and(|parent| !parent.is_detached)
}
