//! A pool: what waits, who works, and when there are more workers or others.
//!
//! Requests wait in one queue. A worker's thread takes from its front; a worker whose answers come fast may have several requests
//! in its hands, because a program that has to be waited for between two requests spends more time on waiting than on working.
//! Answers come in the order of the requests, so the first that is not answered is the one that a worker is at: if it dies, that
//! one fails, and the others go back to the front of the queue.

use super::worker::{self, Worker};
use super::{Health, QUEUE_MAX, Request};
use crate::program::{Named, length, named};
use jackfield_child::{Input, Program};
use jackfield_plugin_api::Error;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Work that a worker may have in its hands beyond the request that it is at.
const AHEAD: Duration = Duration::from_millis(1);
/// Workers of a pool.
const WORKERS_MAX: usize = 256;
/// Requests that a worker may have in its hands.
const IN_HAND_MAX: usize = 64;

/// What makes a pool: calls with equal ones share it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Spec {
    argv: Vec<String>,
    shell: bool,
    cwd: Option<PathBuf>,
    env: BTreeMap<String, String>,
    secret_env: BTreeMap<String, String>,
    env_remove: Vec<String>,
    env_inherit: Option<Vec<String>>,
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) recycle_after: Option<u64>,
    queue_max: usize,
    pub(super) health: Option<Health>,
}

/// A request on its way.
pub(super) struct Job {
    pub(super) ticket: u64,
    pub(super) frame: Box<[u8]>,
    pub(super) done: oneshot::Sender<Result<Vec<u8>, Error>>,
}

pub(super) struct Pool {
    pub(super) spec: Spec,
    state: Mutex<State>,
    /// There is something to do for a worker's thread.
    work: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    workers: Vec<Arc<Worker>>,
    /// Those of them that have nothing in their hands.
    idle: usize,
    last_ticket: u64,
    last_worker: u64,
    /// Who asked how the pool is before `min` workers were ready.
    asking: Vec<oneshot::Sender<Result<Vec<u8>, Error>>>,
    counts: Counts,
    is_closed: bool,
}

/// What has happened so far.
#[derive(Default)]
struct Counts {
    answered: u64,
    died: u64,
    recycled: u64,
}

/// What a worker's thread is to do next.
pub(super) enum Next {
    /// Send these, which are in the worker's hands now.
    Send(Vec<Box<[u8]>>),
    /// Ask whether it is well.
    Ask,
    /// Let it end: it has served long enough, or is not needed any more.
    Leave,
}

/// How a worker ended.
pub(super) enum End {
    /// When it was told to.
    Recycled,
    /// By itself, perhaps over a request.
    Died,
    /// By itself, before it had done anything.
    Useless(Error),
}

/// If nobody is left to answer, whoever waits is told why.
fn refuse_all(state: &mut State, error: &Error) {
    if !state.workers.is_empty() {
        return;
    }
    let waiting = state.queue.drain(..).map(|job| job.done).chain(state.asking.drain(..));
    for done in waiting {
        // who has gone does not want to know
        let _ = done.send(Err(error.clone()));
    }
}

fn cores() -> usize {
    // asks the system, which takes longer than all else that a request costs
    static CORES: LazyLock<usize> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    *CORES
}

impl Spec {
    pub(super) fn of(p: Request) -> Self {
        Self {
            min: usize::from(p.min),
            max: p.max.map_or_else(|| cores().max(usize::from(p.min)), usize::from),
            argv: p.argv,
            shell: p.shell,
            cwd: p.cwd,
            env: p.env,
            secret_env: p.secret_env,
            env_remove: p.env_remove,
            env_inherit: p.env_inherit,
            recycle_after: p.recycle_after,
            queue_max: p.queue_max.unwrap_or(QUEUE_MAX),
            health: p.health,
        }
    }

    /// Refuses what no worker could be started with.
    pub(super) fn check(&self) -> Result<(), Error> {
        let (min, max) = (self.min, self.max);
        if max == 0 || min > max || max > WORKERS_MAX {
            let message = format!(
                "`max` is {max}, it has to be at least 1 and `min`, {min}, and at most {WORKERS_MAX}"
            );
            return Err(Error::validation(message));
        }
        self.program().map(drop)
    }

    pub(super) fn named(&self) -> Named<'_> {
        named!(self)
    }

    pub(super) fn program(&self) -> Result<Program, Error> {
        self.named().program(Input::Channel)
    }
}

impl Pool {
    /// A pool with its first worker on its way, if it is to have any at once.
    pub(super) fn new(spec: Spec) -> Arc<Self> {
        let pool = Arc::new(Self { spec, state: Mutex::default(), work: Condvar::new() });
        let mut state = pool.lock();
        if pool.spec.min > 0 {
            pool.hire(&mut state);
        }
        drop(state);
        pool
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request into the queue; its number.
    ///
    /// # Errors
    /// `process.queue_full`.
    pub(super) fn ask(
        self: &Arc<Self>,
        frame: Box<[u8]>,
        done: oneshot::Sender<Result<Vec<u8>, Error>>,
    ) -> Result<u64, Error> {
        let mut state = self.lock();
        if state.queue.len() >= self.spec.queue_max && state.idle == 0 && state.workers.len() >= self.spec.max
        {
            let (waiting, workers) = (state.queue.len(), state.workers.len());
            let message = format!(
                "{waiting} requests wait for the {workers} workers of {} already; ask less at a time, or raise `queue_max` or `max`",
                self.spec.named().shown()
            );
            let details = json!({ "queue_max": self.spec.queue_max, "workers": workers });
            return Err(Error::new("process.queue_full", message).details(&details));
        }
        state.last_ticket += 1;
        let ticket = state.last_ticket;
        state.queue.push_back(Job { ticket, frame, done });
        if state.idle > 0 {
            self.work.notify_one();
        }
        if state.queue.len() > state.idle && state.workers.len() < self.spec.max {
            self.hire(&mut state);
        }
        Ok(ticket)
    }

    /// Promises to tell how the pool is, once `min` workers are ready.
    pub(super) fn tell(&self, done: oneshot::Sender<Result<Vec<u8>, Error>>) -> u64 {
        let mut state = self.lock();
        state.asking.push(done);
        self.answer_askers(&mut state);
        0
    }

    fn answer_askers(&self, state: &mut State) {
        if state.workers.iter().filter(|worker| worker.is_ready()).count() < self.spec.min {
            return;
        }
        let pids: Vec<u32> = state.workers.iter().filter_map(|worker| worker.pid()).collect();
        let text = json!({
            "workers": state.workers.len(),
            "idle": state.idle,
            "waiting": state.queue.len(),
            "answered": state.counts.answered,
            "died": state.counts.died,
            "recycled": state.counts.recycled,
            "pids": pids,
        });
        for asker in state.asking.drain(..) {
            // who has gone does not want to know
            let _ = asker.send(Ok(text.to_string().into_bytes()));
        }
    }

    /// The request of this number is not waited for any more. One that a worker is at costs that worker; one behind it is
    /// answered in vain.
    pub(super) fn give_up(&self, ticket: u64) {
        let mut state = self.lock();
        state.asking.retain(|asker| !asker.is_closed());
        state.queue.retain(|job| job.ticket != ticket);
        let at_it = state.workers.iter().find(|worker| worker.is_at(ticket)).cloned();
        drop(state);
        if let Some(worker) = at_it {
            worker.kill();
        }
    }

    /// One more worker.
    fn hire(self: &Arc<Self>, state: &mut State) {
        state.last_worker += 1;
        let worker = Worker::new(state.last_worker);
        state.workers.push(Arc::clone(&worker));
        if let Err(error) = worker::start(Arc::clone(self), worker) {
            state.workers.pop();
            refuse_all(state, &Error::from(error).context("no thread for a worker"));
        }
    }

    /// A worker's program runs. Only then is the next one started that `min` asks for: where one cannot be, none can.
    pub(super) fn has_started(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.workers.len() < self.spec.min && !state.is_closed {
            self.hire(&mut state);
        }
    }

    /// The worker is well, if anybody asked.
    pub(super) fn is_ready(&self) {
        self.answer_askers(&mut self.lock());
    }

    /// The worker could not be started.
    pub(super) fn never_started(&self, worker: &Worker, error: &Error) {
        let mut state = self.lock();
        state.workers.retain(|other| other.number != worker.number);
        refuse_all(&mut state, error);
    }

    /// Waits until there is something for this worker.
    pub(super) fn next(&self, worker: &Worker) -> Next {
        let health = self.spec.health.as_ref();
        let asks_at = health.map(|health| Instant::now() + length(health.every_ms));
        let mut state = self.lock();
        loop {
            let (in_hand, is_worn) = (worker.in_hand(), worker.is_worn(&self.spec));
            if state.is_closed || worker.is_gone() || (is_worn && in_hand == 0) {
                return Next::Leave;
            }
            let frames = self.take(&mut state, worker, in_hand);
            if !frames.is_empty() {
                return Next::Send(frames);
            }
            if in_hand > 0 {
                state = worker.answered.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let left = asks_at.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Next::Ask;
            }
            state.idle += 1;
            state = self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
        }
    }

    /// Takes as many requests as the worker may have, and no more than its share.
    fn take(&self, state: &mut State, worker: &Worker, in_hand: usize) -> Vec<Box<[u8]>> {
        let room = worker.room(AHEAD, IN_HAND_MAX).saturating_sub(in_hand);
        let share = state.queue.len().div_ceil(state.workers.len().max(1));
        let mut room = room.min(share).min(worker.left(&self.spec));
        let mut frames = Vec::new();
        while room > 0 {
            let Some(job) = state.queue.pop_front() else { break };
            // nobody waits for it any more
            if job.done.is_closed() {
                continue;
            }
            frames.push(worker.take(job));
            room -= 1;
        }
        frames
    }

    /// Answers of the worker came: there may be room for more.
    pub(super) fn answered(&self, worker: &Worker, count: u64) {
        let mut state = self.lock();
        state.counts.answered += count;
        // nothing that waits, nothing to be done
        let has_work = !state.queue.is_empty() || worker.is_gone() || worker.is_worn(&self.spec);
        drop(state);
        if has_work || worker.in_hand() == 0 {
            worker.answered.notify_one();
        }
        if worker.is_gone() {
            // nobody knows what its thread waits for
            self.work.notify_all();
        }
    }

    /// The worker has ended. It never began `left`, which were in its hands.
    pub(super) fn lost(self: &Arc<Self>, worker: &Worker, left: VecDeque<Job>, end: End) {
        let mut state = self.lock();
        state.workers.retain(|other| other.number != worker.number);
        for job in left.into_iter().rev() {
            state.queue.push_front(job);
        }
        let mut is_replaced = state.workers.len() < self.spec.min;
        match end {
            End::Recycled => state.counts.recycled += 1,
            End::Died => state.counts.died += 1,
            End::Useless(error) => {
                state.counts.died += 1;
                // the next one may well do the same: each costs a request, so that this comes to an end
                is_replaced = false;
                if let Some(job) = state.queue.pop_front() {
                    let _ = job.done.send(Err(error.clone()));
                }
                for asker in state.asking.drain(..) {
                    let _ = asker.send(Err(error.clone()));
                }
            }
        }
        is_replaced |= state.queue.len() > state.idle;
        if is_replaced && !state.is_closed && state.workers.len() < self.spec.max {
            self.hire(&mut state);
        }
    }

    /// Ends all workers and drops what waits.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let (queue, workers) = (std::mem::take(&mut state.queue), state.workers.clone());
        let asking = std::mem::take(&mut state.asking);
        drop(state);
        self.work.notify_all();
        for worker in workers {
            worker.answered.notify_all();
            worker.kill();
        }
        drop((queue, asking));
    }
}
