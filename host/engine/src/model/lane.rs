//! Every run that is pushed is taken once, whatever the threads that take are about to do.

use super::{Meeting, explore, lane};
use crate::lane::{Lane, Next};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// Takes runs until the lane stops; whoever takes the last one stops it.
fn take_all(lane: &Lane<usize>, taken: &AtomicUsize, count: usize) {
    while let Next::Run(nth) = lane.next(None) {
        let bit = 1 << nth;
        let before = taken.fetch_or(bit, Ordering::SeqCst);
        assert_eq!(before & bit, 0, "run {nth} was taken twice");
        if before | bit == (1 << count) - 1 {
            lane.stop();
        }
    }
}

fn push_all(lane: &Lane<usize>, runs: &[usize]) {
    for run in runs {
        lane.push(*run);
    }
}

/// `takers` threads take what two pushers (one of them the thread that waits for all) push.
fn every_run_is_taken(preemptions_max: usize, spins: bool, takers: usize, pushers: [&'static [usize]; 2]) {
    explore(preemptions_max, move || {
        let count = pushers.iter().map(|runs| runs.len()).sum();
        let (lane, taken) = (lane(spins), Arc::new(AtomicUsize::new(0)));
        let mut threads: Vec<_> = (0..takers)
            .map(|_| {
                let (lane, taken) = (lane.clone(), taken.clone());
                thread::spawn(move || take_all(&lane, &taken, count))
            })
            .collect();
        if !pushers[1].is_empty() {
            let lane = lane.clone();
            threads.push(thread::spawn(move || push_all(&lane, pushers[1])));
        }
        push_all(&lane, pushers[0]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(taken.load(Ordering::SeqCst), (1 << count) - 1);
    });
}

#[test]
fn two_sleepers_take_what_one_thread_pushes() {
    every_run_is_taken(3, false, 2, [&[0, 1], &[]]);
}

#[test]
fn two_sleepers_take_what_two_threads_push() {
    every_run_is_taken(2, false, 2, [&[0], &[1]]);
}

#[test]
fn one_spinner_takes_what_two_threads_push() {
    every_run_is_taken(3, true, 1, [&[0, 1], &[2]]);
}

#[test]
fn two_spinners_take_what_one_thread_pushes() {
    every_run_is_taken(2, true, 2, [&[0, 1], &[]]);
}

#[test]
fn two_spinners_take_what_two_threads_push() {
    every_run_is_taken(2, true, 2, [&[0], &[1]]);
}

/// A run that is left lying while another thread sleeps is a lost wake-up too: the first taker keeps its run until
/// the second is taken.
#[test]
fn a_second_run_does_not_wait_for_the_thread_that_has_the_first() {
    for spins in [false, true] {
        explore(2, move || {
            let (lane, both) = (lane(spins), Arc::new(Meeting::new(2)));
            let takers: Vec<_> = (0..2)
                .map(|_| {
                    let (lane, both) = (lane.clone(), both.clone());
                    thread::spawn(move || {
                        let Next::Run(()) = lane.next(None) else { panic!("nobody stops it") };
                        both.meet();
                    })
                })
                .collect();
            lane.push(());
            lane.push(());
            takers.into_iter().for_each(|taker| taker.join().unwrap());
        });
    }
}

#[test]
fn a_stop_ends_all_threads_and_drops_no_run() {
    for spins in [false, true] {
        explore(3, move || {
            let (lane, taken) = (lane(spins), Arc::new(AtomicUsize::new(0)));
            let takers: Vec<_> = (0..2)
                .map(|_| {
                    let (lane, taken) = (lane.clone(), taken.clone());
                    thread::spawn(move || {
                        while let Next::Run(()) = lane.next(None) {
                            taken.fetch_add(1, Ordering::SeqCst);
                        }
                    })
                })
                .collect();
            lane.push(());
            lane.stop();
            takers.into_iter().for_each(|taker| taker.join().unwrap());
            assert_eq!(taken.load(Ordering::SeqCst), 1);
        });
    }
}
