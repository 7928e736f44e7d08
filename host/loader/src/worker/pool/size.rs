//! How many workers there are: more when work waits, fewer when they are idle or used up.

use super::{Pool, State, fail};
use crate::config::WorkerLimits;
use crate::worker::crash::Killed;
use crate::worker::process;
use crate::worker::seats::{Phase, Seat};
use crate::worker::share::Share;
use crate::worker::talk::{Worker, listen};
use jackfield_core::failure::{Failure, kind};
use jackfield_plugin_api::worker::{Kind, NO_CALL};
use std::sync::Arc;
use std::time::Instant;

impl State {
    /// Whether no run needs its workers any more, and none will.
    fn is_over(&self) -> bool {
        self.is_replaced && self.bound == 0
    }
}

impl Pool {
    /// A method has been bound for a run.
    pub(crate) fn bound(&self) {
        self.state.lock().bound += 1;
    }

    /// The run of a bound method has ended.
    pub(crate) fn unbound(&self) {
        let mut state = self.state.lock();
        state.bound -= 1;
        self.let_go(&mut state);
    }

    /// Whether no new run gets this plugin file: then its workers go when the last run that has it ends.
    pub(crate) fn set_replaced(&self, is_replaced: bool) {
        let mut state = self.state.lock();
        state.is_replaced = is_replaced;
        self.let_go(&mut state);
    }

    fn let_go(&self, state: &mut State) {
        if state.is_over() {
            let workers: Vec<u64> = state.seats.all.keys().copied().collect();
            workers.into_iter().for_each(|worker| self.retire(state, worker));
        }
    }

    /// Lets a worker go if it has nothing to do and is not to be given anything any more.
    pub(super) fn retire(&self, state: &mut State, worker: u64) {
        let recycle_after = self.setup.limits.recycle_after;
        let is_over = state.is_over();
        let Some(seat) = state.seats.all.get_mut(&worker) else { return };
        let is_used_up =
            recycle_after > 0 && seat.served >= recycle_after && !state.seats.sessions.is_at(worker);
        if seat.phase == Phase::Ready && is_used_up {
            seat.phase = Phase::Leaving;
        }
        if (state.closed.is_some() || is_over) && seat.phase == Phase::Ready {
            seat.phase = Phase::Leaving;
        }
        if seat.phase == Phase::Leaving && seat.calls.is_empty() {
            seat.worker.tell(Kind::Shutdown, NO_CALL);
            self.at(Instant::now() + self.setup.limits.grace, move |pool| pool.kill_if_lingering(worker));
        }
    }

    /// Orders another worker if one is needed and may be had.
    pub(super) fn grow(&self, state: &mut State) {
        let max = self.setup.limits.max.max(1);
        let min = match &state.trial {
            Some(_) => self.setup.limits.min.max(1),
            None if state.is_over() => 0,
            None => self.setup.limits.min,
        };
        if state.is_start_ordered || state.closed.is_some() {
            return;
        }
        let all = || state.seats.all.values();
        let taking = all().filter(|seat| seat.takes_calls()).count();
        // a crash is to take as few calls along as can be
        let is_one_shared = all().any(|seat| seat.takes_calls() && seat.calls.len() > 1);
        let is_one_starting = all().any(Seat::is_starting);
        let has_work = state.seats.is_anything_waiting() || is_one_shared;
        let is_wanted = taking < min || (has_work && !is_one_starting);
        // workers that wait for calls that were given up are not used, but there are not more and more of them
        let is_allowed = taking < max && all().count() < max * 2 && !is_one_starting;
        if is_wanted && is_allowed {
            state.is_start_ordered = true;
            let at = state.restarts.next_start(has_work).unwrap_or_else(Instant::now);
            self.at(at, |pool| pool.start_worker());
        }
    }

    /// Starts a worker. On the clock's thread.
    fn start_worker(&self) {
        if self.state.lock().closed.is_some() {
            return;
        }
        let started = process::start(&self.setup.program, &self.setup.hello.sandbox.grant);
        let mut state = self.state.lock();
        state.is_start_ordered = false;
        let id = state.seats.next_worker();
        let made = started.and_then(|started| {
            let share = Share::new(self.setup.transport)?;
            Worker::new(id, started, share, self.result_frame_bytes_max())
        });
        let worker = made.and_then(|(worker, ears)| {
            let pool = self.me.upgrade().ok_or(std::io::ErrorKind::NotFound)?;
            let own = Arc::clone(&worker);
            let listener = std::thread::Builder::new().name("jackfield-worker".into());
            listener.spawn(move || listen(&own, ears, &pool))?;
            Ok(worker)
        });
        match worker {
            Ok(worker) => {
                state.seats.seat(Arc::clone(&worker));
                if state.closed.is_some() {
                    worker.kill(Killed::HostEnds);
                }
                drop(state);
                self.greet(&worker);
            }
            Err(error) => {
                let program = self.setup.program.path.display();
                let message = format!(
                    "plugin `{}`: no worker process could be started from `{program}`: {error}",
                    self.setup.plugin
                );
                state.end_trial(Err(message.clone()));
                let waiting = state.seats.take_waiting();
                drop(state);
                fail(waiting, &Failure::new(kind::PLUGIN_UNAVAILABLE, message));
            }
        }
    }

    fn greet(&self, worker: &Arc<Worker>) {
        worker.greet(&self.setup.hello);
        let id = worker.id;
        self.at(Instant::now() + self.setup.limits.start_timeout, move |pool| {
            let state = pool.state.lock();
            let Some(seat) = state.seats.all.get(&id) else { return };
            match seat.phase {
                Phase::Starting => seat.worker.kill(Killed::StartTimeout),
                Phase::Restoring => seat.worker.kill(Killed::StateTimeout),
                Phase::Ready | Phase::Leaving => {}
            }
        });
    }

    pub(super) fn kill_if_lingering(&self, worker: u64) {
        if let Some(seat) = self.state.lock().seats.all.get(&worker) {
            seat.worker.kill(Killed::Lingering);
        }
    }

    pub(super) fn order_idle_look(&self, state: &mut State) {
        if state.is_idle_look_ordered || state.closed.is_some() {
            return;
        }
        let idle = || state.seats.all.values().filter(|seat| seat.is_idle());
        if idle().count() == 0 || state.seats.all.len() <= self.setup.limits.min {
            return;
        }
        let first = idle().map(|seat| seat.idle_since).min();
        let Some(at) = first.and_then(|first| first.checked_add(self.setup.limits.idle)) else { return };
        state.is_idle_look_ordered = true;
        // not again and again while calls come and go
        self.at(at.max(Instant::now() + self.setup.limits.idle / 8), Self::look_for_idle);
    }

    fn look_for_idle(&self) {
        let mut state = self.state.lock();
        state.is_idle_look_ordered = false;
        let WorkerLimits { min, idle, .. } = self.setup.limits;
        let too_many = state.seats.all.len().saturating_sub(min);
        let sessions = &state.seats.sessions;
        let is_over = |seat: &Seat| {
            seat.is_idle() && seat.idle_since.elapsed() >= idle && !sessions.is_at(seat.worker.id)
        };
        let over: Vec<u64> = state
            .seats
            .all
            .iter()
            .filter(|(_, seat)| is_over(seat))
            .map(|(id, _)| *id)
            .take(too_many)
            .collect();
        for id in over {
            if let Some(seat) = state.seats.all.get_mut(&id) {
                seat.phase = Phase::Leaving;
            }
            self.retire(&mut state, id);
        }
        self.order_idle_look(&mut state);
    }
}
