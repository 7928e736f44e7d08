//! Seeds: a short row of them, a long one, one by its number, and those that find the planted defects.

use super::play::{Played, play};
use crate::planted::Bug;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const BUGS: [Bug; 16] = [
    Bug::EffectBeforeCause,
    Bug::EndBeforeItLasts,
    Bug::RecordsBeforeTheyLast,
    Bug::WriteErrorIgnored,
    Bug::HeldCallForgotten,
    Bug::AnsweredAgain,
    Bug::CancelledAgain,
    Bug::TimersForgotten,
    Bug::SleeperForgotten,
    Bug::ChildNotKnownAgain,
    Bug::TimerNotWritten,
    Bug::ReadTooEarly,
    Bug::ErrandBeforeCause,
    Bug::HeldUpForgotten,
    Bug::OnePlaceTooMany,
    Bug::RatesForgotten,
];

/// A defect is to be found by one of so many seeds.
const SEEDS_TO_FIND: u64 = 2_000;

#[track_caller]
fn must_be_fine(seed: u64, played: &Played) {
    let Some(fault) = &played.fault else { return };
    let last = played.trace.len().saturating_sub(60);
    panic!(
        "seed {seed}: {fault}\n{}\nagain: JACKFIELD_SEED={seed} cargo test -p jackfield-engine --lib one_seed",
        played.trace[last..].join("\n")
    );
}

/// Plays seeds on two threads; faults by name and how many seeds had each, and the steps of all.
fn play_all(seeds: std::ops::Range<u64>) -> (BTreeMap<&'static str, u64>, u64) {
    let next = AtomicU64::new(seeds.start);
    let total = Mutex::new((BTreeMap::new(), 0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let played = play(seed, None);
                    must_be_fine(seed, &played);
                    assert!(played.steps >= 50, "seed {seed}: {} steps only", played.steps);
                    let faults: u32 = played.faults.values().sum();
                    assert!(faults >= 3, "seed {seed}: {:?} only", played.faults);
                    let mut total = total.lock().unwrap();
                    total.1 += u64::from(played.steps);
                    played.faults.keys().for_each(|name| *total.0.entry(*name).or_default() += 1);
                }
            });
        }
    });
    total.into_inner().unwrap()
}

#[test]
fn some_hundred_seeds_come_out_right() {
    let (faults, _) = play_all(0..300);
    for name in KINDS {
        assert!(faults.contains_key(name), "no seed had the fault `{name}`: {faults:?}");
    }
}

/// Every kind of fault.
const KINDS: &[&str] = &[
    "answer late",
    "answer lost",
    "cancelled",
    "clock set back",
    "clock set forward",
    "crash",
    "died at a write",
    "disk full",
    "killed",
    "paused or resumed",
    "restart without plugin",
    "worker died",
    "worker died in a call",
];

#[test]
#[ignore = "slow: 10,000 seeds, a minute or two"]
fn ten_thousand_seeds_come_out_right() {
    let (faults, steps) = play_all(0..10_000);
    println!("{steps} steps; seeds with each fault: {faults:#?}");
}

#[test]
fn one_seed() {
    let Ok(seed) = std::env::var("JACKFIELD_SEED") else { return };
    let seed = seed.parse().expect("JACKFIELD_SEED is a number");
    let played = play(seed, None);
    println!("{}\n{:?}", played.trace.join("\n"), played.faults);
    must_be_fine(seed, &played);
}

#[test]
fn the_same_seed_is_the_same_play() {
    for seed in 0..20 {
        let (one, other) = (play(seed, None), play(seed, None));
        let differ = one.trace.iter().zip(&other.trace).position(|(one, other)| one != other);
        assert_eq!(differ, None, "seed {seed}: {:?}", differ.map(|at| (&one.trace[at], &other.trace[at])));
        assert_eq!(one.trace.len(), other.trace.len(), "seed {seed}");
    }
}

#[test]
fn planted_defects_are_found() {
    for bug in BUGS {
        let found = (0..SEEDS_TO_FIND).find_map(|seed| Some((seed, play(seed, Some(bug)).fault?)));
        let (seed, fault) = found.unwrap_or_else(|| panic!("no seed below {SEEDS_TO_FIND} finds {bug:?}"));
        println!("{bug:?}: seed {seed}: {fault}");
        assert!(play(seed, None).fault.is_none(), "seed {seed} is at fault without {bug:?}, too");
    }
}
