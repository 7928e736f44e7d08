//! What a pool knows: its workers, the calls in them, and the calls that wait.

use super::answer::Answer;
use super::talk::Worker;
use crate::method::MethodFacts;
use crate::sessions::{InSession, Sessions};
use crate::spans::CallSpan;
use jackfield_core::ports::{Call, Completion};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// A call that waits for a worker.
pub(crate) struct Pending {
    pub(crate) call: Arc<Call>,
    pub(crate) facts: Arc<MethodFacts>,
    pub(crate) done: Completion,
    /// The session that it is in.
    pub(crate) session: Option<InSession<u64>>,
    /// Its span, if it is wanted.
    pub(crate) span: Option<Arc<CallSpan>>,
}

/// A call that a worker has.
pub(crate) struct InFlight {
    pub(crate) pending: Pending,
    lane: usize,
    /// When it was told to stop.
    pub(crate) told: Option<Instant>,
    /// Whether the engine has given it up.
    pub(crate) is_abandoned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    /// The plugin is open and takes over the state of another version.
    Restoring,
    Ready,
    /// It takes no more calls and ends.
    Leaving,
}

/// A worker as its pool sees it.
pub(crate) struct Seat {
    pub(crate) worker: Arc<Worker>,
    pub(crate) phase: Phase,
    pub(crate) calls: HashMap<u64, InFlight>,
    /// Calls of blocking and inline methods among them.
    threads_in_use: u32,
    /// Calls among them that were given up: until they return nothing new is put beside them.
    abandoned: usize,
    pub(crate) served: u64,
    pub(crate) idle_since: Instant,
    /// What it was asked about state and has not answered.
    pub(crate) asked: Option<Asked>,
}

/// What becomes of the state of a plugin: the state, or whether it was taken; why not.
pub(crate) type Handed<T> = Result<T, String>;

/// A question about state, and its number.
pub(crate) struct Asked {
    pub(crate) id: u64,
    pub(crate) what: AskedFor,
}

pub(crate) enum AskedFor {
    /// To hand it over; who waits for it.
    Save(Arc<Answer<Handed<Option<Vec<u8>>>>>),
    /// To take it over.
    Restore,
}

/// A worker that is gone, and what it had.
pub(crate) struct Unseated {
    pub(crate) phase: Phase,
    pub(crate) calls: Vec<Pending>,
    pub(crate) asked: Option<Asked>,
}

/// Calls that wait. The first lane is that of calls that take a thread, the second that of asynchronous ones; each method
/// that takes one call at a time has one of its own.
pub(crate) struct Lane {
    takes_thread: bool,
    is_serial: bool,
    is_busy: bool,
    queue: VecDeque<Pending>,
}

impl Lane {
    fn new(takes_thread: bool, is_serial: bool) -> Self {
        Self { takes_thread, is_serial, is_busy: false, queue: VecDeque::new() }
    }

    /// Whether another of its calls may be made now.
    fn is_open(&self) -> bool {
        !self.is_serial || !self.is_busy
    }
}

/// A call that was given to a worker and is to be sent to it.
pub(crate) struct Assigned {
    pub(crate) worker: Arc<Worker>,
    pub(crate) id: u64,
    pub(crate) call: Arc<Call>,
    pub(crate) facts: Arc<MethodFacts>,
    /// Its session was lost with the worker that it was in, and begins anew.
    pub(crate) is_session_lost: bool,
    pub(crate) span: Option<Arc<CallSpan>>,
}

pub(crate) struct Seats {
    pub(crate) all: BTreeMap<u64, Seat>,
    pub(crate) sessions: Arc<Sessions<u64>>,
    lanes: Vec<Lane>,
    /// By the address of the call: worker and number.
    places: HashMap<usize, (u64, u64)>,
    next_call: u64,
    next_worker: u64,
    threads_max: u32,
    /// Calls that were given to workers, those that are gone too.
    pub(crate) calls_ever: u64,
}

fn address(call: &Call) -> usize {
    std::ptr::from_ref(call).addr()
}

impl Seats {
    /// `methods` says of each method whether it takes a thread and whether it takes one call at a time; second is the lane of
    /// each method.
    pub(crate) fn new(
        methods: impl Iterator<Item = (bool, bool)>,
        threads_max: u32,
        sessions: Arc<Sessions<u64>>,
    ) -> (Self, Box<[usize]>) {
        let mut lanes = vec![Lane::new(true, false), Lane::new(false, false)];
        let of_method = methods.map(|(takes_thread, is_serial)| match (takes_thread, is_serial) {
            (true, false) => 0,
            (false, false) => 1,
            (takes_thread, true) => {
                lanes.push(Lane::new(takes_thread, true));
                lanes.len() - 1
            }
        });
        let of_method = of_method.collect();
        let seats = Self {
            all: BTreeMap::new(),
            sessions,
            lanes,
            places: HashMap::new(),
            next_call: 1,
            next_worker: 1,
            threads_max,
            calls_ever: 0,
        };
        (seats, of_method)
    }

    /// The number of the next call, or of what a worker is asked besides.
    pub(crate) fn next_call(&mut self) -> u64 {
        self.next_call += 1;
        self.next_call - 1
    }

    pub(crate) fn next_worker(&mut self) -> u64 {
        self.next_worker += 1;
        self.next_worker - 1
    }

    pub(crate) fn seat(&mut self, worker: Arc<Worker>) {
        let seat = Seat {
            phase: Phase::Starting,
            calls: HashMap::new(),
            threads_in_use: 0,
            abandoned: 0,
            served: 0,
            idle_since: Instant::now(),
            asked: None,
            worker,
        };
        self.all.insert(seat.worker.id, seat);
    }

    pub(crate) fn wait(&mut self, lane: usize, pending: Pending) {
        self.lanes[lane].queue.push_back(pending);
    }

    pub(crate) fn is_anything_waiting(&self) -> bool {
        // what waits for the worker of its session is not served by another one
        let is_free =
            |pending: &Pending| pending.session.as_ref().is_none_or(|session| session.place().is_none());
        self.lanes.iter().any(|lane| lane.is_open() && lane.queue.iter().any(is_free))
    }

    /// How many calls wait for a worker.
    pub(crate) fn waiting_count(&self) -> usize {
        self.lanes.iter().map(|lane| lane.queue.len()).sum()
    }

    /// All calls that wait, taken away.
    pub(crate) fn take_waiting(&mut self) -> Vec<Pending> {
        self.lanes.iter_mut().flat_map(|lane| lane.queue.drain(..)).collect()
    }

    /// A call that waits, taken away.
    pub(crate) fn take_waiting_call(&mut self, call: &Call) -> Option<Pending> {
        let is_it = |pending: &Pending| address(&pending.call) == address(call);
        self.lanes.iter_mut().find_map(|lane| {
            let at = lane.queue.iter().position(is_it)?;
            lane.queue.remove(at)
        })
    }

    /// Gives a call that waits to a worker that has room for it.
    pub(crate) fn assign(&mut self) -> Option<Assigned> {
        for lane_index in 0..self.lanes.len() {
            let lane = &self.lanes[lane_index];
            if lane.queue.is_empty() || !lane.is_open() {
                continue;
            }
            let takes_thread = lane.takes_thread;
            let Some((at, worker)) = self.pick(lane) else { continue };
            let lane = &mut self.lanes[lane_index];
            let (Some(pending), Some(seat)) = (lane.queue.remove(at), self.all.get_mut(&worker)) else {
                continue;
            };
            lane.is_busy = true;
            let is_session_lost = pending.session.as_ref().is_some_and(|session| session.settle(worker));
            seat.threads_in_use += u32::from(takes_thread);
            seat.served += 1;
            self.calls_ever += 1;
            let id = self.next_call;
            self.next_call += 1;
            self.places.insert(address(&pending.call), (seat.worker.id, id));
            let assigned = Assigned {
                worker: Arc::clone(&seat.worker),
                id,
                call: Arc::clone(&pending.call),
                facts: Arc::clone(&pending.facts),
                is_session_lost,
                span: pending.span.clone(),
            };
            seat.calls.insert(id, InFlight { pending, lane: lane_index, told: None, is_abandoned: false });
            return Some(assigned);
        }
        None
    }

    /// The first call of a lane that a worker has room for: its place in the queue, and the worker. A call goes to the worker of
    /// its session; one without goes to the worker that has the fewest calls, and a session that begins to the one that has
    /// the fewest sessions.
    fn pick(&self, lane: &Lane) -> Option<(usize, u64)> {
        let fits = |seat: &&Seat| {
            seat.takes_calls() && (!lane.takes_thread || seat.threads_in_use < self.threads_max)
        };
        let mut is_all_full = false;
        for (at, pending) in lane.queue.iter().enumerate() {
            let home = pending.session.as_ref().map(InSession::place);
            let worker = match home {
                Some(Some(worker)) => self.all.get(&worker).filter(fits).map(|seat| seat.worker.id),
                _ if is_all_full => None,
                Some(None) => {
                    let load = |seat: &&Seat| (self.sessions.count_at(seat.worker.id), seat.calls.len());
                    self.all.values().filter(fits).min_by_key(load).map(|seat| seat.worker.id)
                }
                None => {
                    let seats = self.all.values().filter(fits);
                    seats.min_by_key(|seat| seat.calls.len()).map(|seat| seat.worker.id)
                }
            };
            match (worker, home) {
                (Some(worker), _) => return Some((at, worker)),
                (None, Some(Some(_))) => {}
                (None, _) => is_all_full = true,
            }
        }
        None
    }

    /// A call that a worker has, by its number.
    pub(crate) fn call(&self, worker: u64, id: u64) -> Option<Arc<Call>> {
        Some(Arc::clone(&self.all.get(&worker)?.calls.get(&id)?.pending.call))
    }

    /// The same, with what is fixed about its method.
    pub(crate) fn asked(&self, worker: u64, id: u64) -> Option<(Arc<Call>, Arc<MethodFacts>)> {
        let pending = &self.all.get(&worker)?.calls.get(&id)?.pending;
        Some((Arc::clone(&pending.call), Arc::clone(&pending.facts)))
    }

    /// The place of a call that a worker has.
    pub(crate) fn place(&self, call: &Call) -> Option<(u64, u64)> {
        self.places.get(&address(call)).copied()
    }

    /// The worker that has a call.
    pub(crate) fn worker_of(&self, call: &Call) -> Option<Arc<Worker>> {
        let (worker, _) = self.place(call)?;
        Some(Arc::clone(&self.all.get(&worker)?.worker))
    }

    /// Takes a call out of its worker: it has ended.
    pub(crate) fn finish(&mut self, worker: u64, id: u64) -> Option<InFlight> {
        let seat = self.all.get_mut(&worker)?;
        let ended = seat.calls.remove(&id)?;
        let lane = &mut self.lanes[ended.lane];
        lane.is_busy = false;
        seat.threads_in_use -= u32::from(lane.takes_thread);
        seat.abandoned -= usize::from(ended.is_abandoned);
        if seat.calls.is_empty() {
            seat.idle_since = Instant::now();
        }
        self.places.remove(&address(&ended.pending.call));
        Some(ended)
    }

    /// A worker is gone; what it had.
    pub(crate) fn unseat(&mut self, worker: u64) -> Option<Unseated> {
        let ids: Vec<u64> = self.all.get(&worker)?.calls.keys().copied().collect();
        let calls = ids.into_iter().filter_map(|id| Some(self.finish(worker, id)?.pending)).collect();
        self.sessions.lose(worker);
        let Seat { phase, asked, .. } = self.all.remove(&worker)?;
        Some(Unseated { phase, calls, asked })
    }

    /// Marks a call as told to stop: its worker, when it was first told, and whether that is now.
    pub(crate) fn tell(&mut self, (worker, id): (u64, u64)) -> Option<(Arc<Worker>, Instant, bool)> {
        let seat = self.all.get_mut(&worker)?;
        let call = seat.calls.get_mut(&id)?;
        let is_first = call.told.is_none();
        let told = *call.told.get_or_insert_with(Instant::now);
        Some((Arc::clone(&seat.worker), told, is_first))
    }

    /// Marks a call as given up.
    pub(crate) fn abandon(&mut self, (worker, id): (u64, u64)) {
        let Some(seat) = self.all.get_mut(&worker) else { return };
        if let Some(call) = seat.calls.get_mut(&id)
            && !call.is_abandoned
        {
            call.is_abandoned = true;
            seat.abandoned += 1;
        }
    }
}

impl Seat {
    /// Whether it is to become ready.
    pub(crate) fn is_starting(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Restoring)
    }

    /// Whether new calls may be put here.
    pub(crate) fn takes_calls(&self) -> bool {
        self.phase == Phase::Ready && self.abandoned == 0
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Ready && self.calls.is_empty()
    }
}
