//! A run with calls that nobody has taken stands in the queue, or a thread that is at work on it will look again.

use super::{Meeting, explore, lane};
use crate::crew::{Crew, Ready};
use crate::lane::{Lane, Next};
use crate::sync::Mutex;
use loom::sync::Arc;
use loom::thread;
use std::collections::VecDeque;

/// What stands behind the lock of a run: a state machine that counts, and the hand-over.
struct Desk {
    ready: Ready<u32>,
    crew: Crew,
    /// Calls reported so far.
    reported: Vec<u32>,
    /// Call that becomes ready once another one is reported.
    follows: Option<(u32, u32)>,
    /// Calls that are to be reported before the run ends.
    count: usize,
}

struct Run {
    desk: Mutex<Desk>,
    lane: Arc<Lane<()>>,
}

impl Desk {
    /// Outcomes come in; true if the run has ended.
    fn apply(&mut self, outcomes: &mut Vec<u32>) -> bool {
        for call in outcomes.drain(..) {
            assert!(!self.reported.contains(&call), "call {call} was reported twice");
            self.reported.push(call);
            if let Some((_, next)) = self.follows.filter(|(first, _)| *first == call) {
                self.ready.calls.push_back(next, |_| 0);
            }
        }
        self.reported.len() == self.count
    }
}

impl Run {
    fn new(spins: bool, step_ns: u64, ready: &[u32], follows: Option<(u32, u32)>, count: usize) -> Arc<Self> {
        let mut crew = Crew::default();
        crew.pace.step_ns = step_ns;
        let ready = Ready { calls: ready.iter().copied().collect(), is_queued: false };
        let desk = Desk { ready, crew, reported: Vec::new(), follows, count };
        Arc::new(Self { desk: Mutex::new(desk), lane: lane(spins) })
    }

    fn go_on(&self, is_offered: bool, has_ended: bool) {
        if is_offered {
            self.lane.push(());
        }
        if has_ended {
            self.lane.stop();
        }
    }

    /// As `Inner::launch`.
    fn launch(&self) {
        let mut desk = self.desk.lock();
        let Desk { ready, crew, .. } = &mut *desk;
        let is_offered = crew.is_help_wanted(ready, &self.lane);
        drop(desk);
        self.go_on(is_offered, false);
    }

    /// As `Inner::exchange`, by a thread that is not at work on the run: a call becomes ready, as after a timer.
    fn make_ready(&self, call: u32) {
        let mut desk = self.desk.lock();
        let Desk { ready, crew, .. } = &mut *desk;
        ready.calls.push_back(call, |_| 0);
        let is_offered = crew.is_help_wanted(ready, &self.lane);
        drop(desk);
        self.go_on(is_offered, false);
    }

    /// As `Inner::exchange_share`, taking one call at a time.
    fn exchange_share(
        &self,
        outbox: &mut Vec<u32>,
        chunk: &mut VecDeque<u32>,
        is_first: bool,
        is_last: bool,
    ) {
        let mut desk = self.desk.lock();
        if is_first {
            let Desk { ready, crew, .. } = &mut *desk;
            crew.come(ready);
        }
        desk.ready.put_back(chunk, |_| 0);
        let has_ended = !outbox.is_empty() && desk.apply(outbox);
        if !is_last {
            chunk.extend(desk.ready.calls.pop_front());
        }
        let Desk { ready, crew, .. } = &mut *desk;
        if chunk.is_empty() {
            crew.leave();
        }
        let is_offered = crew.is_help_wanted(ready, &self.lane);
        drop(desk);
        self.go_on(is_offered, has_ended);
    }

    /// As `Inner::relieve`: another thread hands back what a worker holds.
    fn relieve(&self, chunk: &mut VecDeque<u32>) {
        let mut desk = self.desk.lock();
        desk.ready.put_back(chunk, |_| 0);
        let is_offered = desk.ready.queue();
        drop(desk);
        self.go_on(is_offered, false);
    }

    /// As `Inner::inline_thread` and `Inner::work`; leaves the run after so many calls.
    fn work(&self, turn: usize, body: impl Fn(u32)) {
        while let Next::Run(()) = self.lane.next(None) {
            let (mut outbox, mut chunk) = (Vec::new(), VecDeque::new());
            self.exchange_share(&mut outbox, &mut chunk, true, false);
            let mut made = 0;
            while let Some(call) = chunk.pop_front() {
                body(call);
                outbox.push(call);
                made += 1;
                let is_last = made >= turn;
                self.exchange_share(&mut outbox, &mut chunk, false, is_last);
            }
        }
    }
}

/// Two threads work, a third makes a call ready at any time. All calls are reported once and all threads end.
fn all_calls_are_made(spins: bool, step_ns: u64, turn: usize) {
    explore(2, move || {
        let run = Run::new(spins, step_ns, &[0], Some((0, 1)), 3);
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let run = run.clone();
                thread::spawn(move || run.work(turn, |_| ()))
            })
            .collect();
        run.launch();
        run.make_ready(2);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(run.desk.lock().reported.len(), 3);
        assert_eq!(run.desk.lock().crew.workers, 0);
    });
}

/// Steps that pay for a second thread, that do not, and that have lain long enough to wake one.
const PACES: [u64; 3] = [1_000, 100, 50_000];

#[test]
fn a_call_made_ready_while_a_worker_leaves_is_taken() {
    for step_ns in PACES {
        all_calls_are_made(false, step_ns, usize::MAX);
    }
}

#[test]
fn a_call_made_ready_while_a_worker_that_spins_leaves_is_taken() {
    for step_ns in PACES {
        all_calls_are_made(true, step_ns, usize::MAX);
    }
}

#[test]
fn what_a_worker_leaves_behind_when_its_turn_is_over_is_taken() {
    for step_ns in PACES {
        all_calls_are_made(false, step_ns, 1);
    }
}

/// A thread is stuck in a call and holds another one, which the watchdog hands back while it is.
#[test]
fn what_a_stuck_worker_holds_is_made_by_another() {
    for step_ns in PACES {
        explore(2, move || {
            let run = Run::new(false, step_ns, &[0], None, 2);
            let (begun, both) = (Arc::new(Meeting::new(2)), Arc::new(Meeting::new(2)));
            let workers: Vec<_> = (0..2)
                .map(|_| {
                    let (run, begun, both) = (run.clone(), begun.clone(), both.clone());
                    let body = move |call| {
                        if call == 0 {
                            begun.meet();
                        }
                        both.meet();
                    };
                    thread::spawn(move || run.work(usize::MAX, body))
                })
                .collect();
            run.launch();
            begun.meet();
            run.relieve(&mut VecDeque::from([1]));
            workers.into_iter().for_each(|worker| worker.join().unwrap());
        });
    }
}
