//! A queue of runs that have calls ready for one kind of thread. Runs take turns, so that a wide one starves nobody.

use crate::sync::{AtomicUsize, Condvar, Looks, Mutex, Ordering};
use std::collections::VecDeque;
use std::time::Duration;

struct State<R> {
    runs: VecDeque<R>,
    is_stopped: bool,
}

/// The queue; a run is an `Arc<RunCell>`, or whatever a model makes of it.
pub(crate) struct Lane<R> {
    state: Mutex<State<R>>,
    more: Condvar,
    /// Runs in the queue, to be looked at without the lock.
    len: AtomicUsize,
    /// Threads that look for work without sleeping.
    spinners: AtomicUsize,
    sleepers: AtomicUsize,
    /// How long a thread looks before it sleeps: waking one up costs more than many a step.
    spin: Duration,
}

/// What a thread that asked for work gets.
pub(crate) enum Next<R> {
    Run(R),
    /// Nothing came within the time it was willing to wait.
    Idle,
    Stopped,
}

impl<R> Default for State<R> {
    fn default() -> Self {
        Self { runs: VecDeque::new(), is_stopped: false }
    }
}

impl<R> Default for Lane<R> {
    fn default() -> Self {
        Self::spinning(Duration::ZERO)
    }
}

impl<R> Lane<R> {
    /// A lane whose threads look for work for so long before they sleep.
    pub(crate) fn spinning(spin: Duration) -> Self {
        Self {
            state: Mutex::default(),
            more: Condvar::default(),
            len: AtomicUsize::default(),
            spinners: AtomicUsize::default(),
            sleepers: AtomicUsize::default(),
            spin,
        }
    }

    /// Puts a run at the end of the queue and sees to it that a thread takes it. Returns whether more runs wait
    /// than threads do.
    pub(crate) fn push(&self, run: R) -> bool {
        let mut state = self.state.lock();
        state.runs.push_back(run);
        let len = state.runs.len();
        self.len.store(len, Ordering::SeqCst);
        let spinners = self.spinners.load(Ordering::SeqCst);
        let sleepers = self.sleepers.load(Ordering::SeqCst);
        drop(state);
        // a thread that stops spinning looks once more under the lock before it sleeps
        if len > spinners && sleepers > 0 {
            self.more.notify_one();
        }
        len > spinners + sleepers
    }

    /// Whether runs wait for a thread, as far as this thread has heard.
    pub(crate) fn has_runs(&self) -> bool {
        self.len.load(Ordering::Relaxed) > 0
    }

    /// Whether runs wait for a thread; never out of date, at the price of the lock.
    pub(crate) fn has_runs_now(&self) -> bool {
        !self.state.lock().runs.is_empty()
    }

    /// Whether a thread looks for work, so that giving it some costs next to nothing.
    pub(crate) fn has_spinner(&self) -> bool {
        self.spinners.load(Ordering::Relaxed) > 0
    }

    /// Whether a thread would have to be woken up.
    pub(crate) fn has_sleeper(&self) -> bool {
        self.sleepers.load(Ordering::Relaxed) > 0
    }

    /// Takes the run whose turn it is; waits at most `patience` for one (for ever if `None`).
    pub(crate) fn next(&self, patience: Option<Duration>) -> Next<R> {
        if !self.has_runs() && !self.spin.is_zero() {
            self.look_for_work();
        }
        let mut state = self.state.lock();
        loop {
            if let Some(run) = state.runs.pop_front() {
                self.len.store(state.runs.len(), Ordering::SeqCst);
                return Next::Run(run);
            }
            if state.is_stopped {
                return Next::Stopped;
            }
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            let is_late = match patience {
                None => {
                    self.more.wait(&mut state);
                    false
                }
                Some(patience) => self.more.wait_for(&mut state, patience).timed_out(),
            };
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
            if is_late && state.runs.is_empty() && !state.is_stopped {
                return Next::Idle;
            }
        }
    }

    /// Spins until there is a run or it is time to sleep.
    fn look_for_work(&self) {
        self.spinners.fetch_add(1, Ordering::SeqCst);
        let mut looks = Looks::new(self.spin);
        while !self.has_runs() && looks.is_another_due() {}
        self.spinners.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.more.notify_all();
    }
}
