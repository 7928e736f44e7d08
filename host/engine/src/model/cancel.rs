//! A cancelled call is either begun, and then its thread reports it, or reported as not begun, and then it never
//! is: the state machine goes on to clean up only when nothing of the run is at work any more.
//!
//! The steps of `Inner::hand_over`, `Inner::make`, `Inner::cancel_call` and `Inner::cancel_inline` are written here
//! again, with one run and one slot, in the same order and under the same locks.

use super::{explore, lane};
use crate::crew::{Crew, Ready};
use crate::lane::{Lane, Next};
use crate::sync::{AtomicUsize, Mutex, Ordering};
use loom::sync::Arc;
use loom::thread;
use std::collections::{HashSet, VecDeque};

const RUN: usize = 7;
const NONE: usize = 0;

#[derive(Default)]
struct Shared {
    ready: Ready<u32>,
    crew: Crew,
    dropped: HashSet<u32>,
    reported: Vec<u32>,
    /// Reported as not begun. A call that was made in time, whose outcome waits in the outbox, is none of them.
    unbegun: Vec<u32>,
}

#[derive(Default)]
struct Local {
    epoch: usize,
    chunk: VecDeque<u32>,
    outbox: Vec<u32>,
    current: Option<u32>,
    begun: Vec<u32>,
}

struct Site {
    lane: Arc<Lane<()>>,
    shared: Mutex<Shared>,
    cancel_epoch: AtomicUsize,
    at_work_on: AtomicUsize,
    local: Mutex<Local>,
    /// Number of the call whose body runs, plus one.
    body: AtomicUsize,
}

impl Site {
    fn new(calls: &[u32]) -> Arc<Self> {
        let shared = Shared {
            ready: Ready { calls: calls.iter().copied().collect(), is_queued: true },
            ..Shared::default()
        };
        let lane = lane(false);
        lane.push(());
        Arc::new(Self {
            lane,
            shared: Mutex::new(shared),
            cancel_epoch: AtomicUsize::default(),
            at_work_on: AtomicUsize::default(),
            local: Mutex::default(),
            body: AtomicUsize::default(),
        })
    }

    /// As `Inner::hand_over` and `Inner::exchange_share`.
    fn hand_over(&self, local: &mut Local, is_first: bool) {
        let epoch = self.cancel_epoch.load(Ordering::SeqCst);
        let mut shared = self.shared.lock();
        let Shared { ready, crew, dropped, reported, .. } = &mut *shared;
        if is_first {
            crew.come(ready);
        }
        ready.put_back(&mut local.chunk, |_| 0);
        reported.append(&mut local.outbox);
        while let Some(call) = ready.calls.pop_front() {
            if !dropped.remove(&call) {
                local.chunk.push_back(call);
            }
        }
        if local.chunk.is_empty() {
            crew.workers -= 1;
        }
        drop(shared);
        local.epoch = epoch;
    }

    /// As `Inner::inline_thread`, `Inner::work` and `Inner::make`.
    fn work(&self) {
        while let Next::Run(()) = self.lane.next(None) {
            self.at_work_on.store(RUN, Ordering::SeqCst);
            let mut local = self.local.lock();
            let mut is_first = true;
            loop {
                let is_due =
                    local.chunk.is_empty() || local.epoch != self.cancel_epoch.load(Ordering::SeqCst);
                if is_first || is_due {
                    self.hand_over(&mut local, std::mem::take(&mut is_first));
                    if local.chunk.is_empty() {
                        break;
                    }
                    continue;
                }
                let Some(call) = local.chunk.pop_front() else { continue };
                local.current = Some(call);
                local.begun.push(call);
                drop(local);
                self.body.store(call as usize + 1, Ordering::SeqCst);
                thread::yield_now();
                self.body.store(NONE, Ordering::SeqCst);
                local = self.local.lock();
                local.current = None;
                local.outbox.push(call);
            }
            self.at_work_on.store(NONE, Ordering::SeqCst);
        }
    }

    /// As `Inner::cancel_call`, `Inner::settle_unbegun` and `Inner::cancel_inline`.
    fn cancel(&self, call: u32) {
        {
            let mut shared = self.shared.lock();
            self.cancel_epoch.fetch_add(1, Ordering::SeqCst);
            shared.dropped.insert(call);
        }
        let (mut is_unbegun, mut has_been_begun) = (true, false);
        if self.at_work_on.load(Ordering::SeqCst) == RUN {
            let local = self.local.lock();
            is_unbegun = local.current != Some(call);
            has_been_begun = local.begun.contains(&call);
        }
        let is_in_body = self.body.load(Ordering::SeqCst) == call as usize + 1;
        assert!(!is_unbegun || !is_in_body, "call {call} is reported as not begun while its body runs");
        let mut shared = self.shared.lock();
        // the state machine takes the first report of a call
        if is_unbegun && !shared.reported.contains(&call) {
            shared.reported.push(call);
            if !has_been_begun {
                shared.unbegun.push(call);
            }
        }
    }
}

/// One thread works on the calls while another cancels some of them.
fn cancelled_calls_are_settled(calls: &'static [u32], cancelled: &'static [u32]) {
    explore(3, move || {
        let site = Site::new(calls);
        let worker = {
            let site = site.clone();
            thread::spawn(move || site.work())
        };
        cancelled.iter().for_each(|call| site.cancel(*call));
        site.lane.stop();
        worker.join().unwrap();
        let (shared, local) = (site.shared.lock(), site.local.lock());
        for call in calls {
            assert!(shared.reported.contains(call), "call {call} was not reported");
        }
        for call in &shared.unbegun {
            assert!(
                !local.begun.contains(call),
                "call {call} was begun after it had been reported as not begun"
            );
        }
        assert_eq!(shared.crew.workers, 0);
    });
}

#[test]
fn a_cancelled_call_is_begun_or_reported() {
    cancelled_calls_are_settled(&[0], &[0]);
}

#[test]
fn a_call_cancelled_behind_another_is_begun_or_reported() {
    cancelled_calls_are_settled(&[0, 1], &[1]);
}

#[test]
fn two_calls_cancelled_one_after_the_other_are_begun_or_reported() {
    cancelled_calls_are_settled(&[0, 1], &[1, 0]);
}
