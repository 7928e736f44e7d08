//! Hosts that are killed by SIGKILL: every example, before and after every write to its journal. Another process then
//! goes on with the run.

mod case;
mod fate;
mod judge;
mod power;
mod stage;

use self::fate::fate;
use self::stage::Stage;
use jackfield_tests::crash::{Deed, Kill, Moment, Script};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// More writes than any example makes.
const WRITES_MAX: u64 = 1_000;

/// Examples that are over in no time: one that fails and is undone, one that waits.
const QUICK: &[&str] = &["compensate.json", "wait.json"];

/// Kills the host of an example before and after every write; how often it died.
fn kill_at_every_write(stage: &Stage, name: &str) -> usize {
    let expected = stage.reference(name);
    let mut deaths = 0;
    for moment in [Moment::Before, Moment::After] {
        for write in 1..=WRITES_MAX {
            let script = Script { kill: Some(Kill { write, moment }), ..Script::default() };
            let case = stage.play(name, &script);
            case.judge(&expected);
            if !case.has_died() {
                break;
            }
            deaths += 1;
        }
    }
    // what calls nothing is written at once
    assert!(deaths >= 2, "{name}: died {deaths} times only");
    deaths
}

/// Does something with each of these examples, some at a time: they mostly wait.
fn with_each(names: Vec<String>, act: impl Fn(&str) -> usize + Sync) -> usize {
    let names = Mutex::new(names);
    let total = Mutex::new((0, Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(name) = { names.lock().expect("no test panics here").pop() } {
                    // one that goes wrong must not hide the others
                    match catch_unwind(AssertUnwindSafe(|| act(&name))) {
                        Ok(count) => total.lock().expect("no test panics here").0 += count,
                        Err(_) => total.lock().expect("no test panics here").1.push(name),
                    }
                }
            });
        }
    });
    let (count, wrong) = total.into_inner().expect("no test panics here");
    assert!(wrong.is_empty(), "went wrong, as said above: {wrong:?}");
    count
}

/// Lets every call of an example fail once, be made twice, and be the last that its host made; how often.
fn harm_every_step(stage: &Stage, name: &str) -> usize {
    let expected = stage.reference(name);
    let document = stage.document(name);
    let paths: BTreeSet<_> = expected.effects.calls.iter().map(|call| call.path.clone()).collect();
    for path in &paths {
        for deed in [Deed::Repeat, Deed::Kill(Moment::Before), Deed::Kill(Moment::After)] {
            let script = Script { call: Some((path.clone(), deed)), ..Script::default() };
            let case = stage.play(name, &script);
            assert_eq!(case.has_died(), deed != Deed::Repeat, "{}: {path}", case.name);
            case.judge(&expected);
        }
        let script = Script { call: Some((path.clone(), Deed::Fail)), ..Script::default() };
        stage.play(name, &script).judge_failure(&expected, path, &fate(&document, path));
    }
    paths.len()
}

#[test]
fn steps_that_fail_once_run_twice_or_kill_their_host_end_as_their_document_says() {
    let stage = Stage::new();
    let steps = harm_every_step(&stage, "compensate.json");
    assert!(steps >= 5, "{steps}");
}

#[test]
#[ignore = "slow: four times as many processes as the examples have calls, some minutes"]
fn every_step_of_every_example_may_fail_once_run_twice_or_kill_its_host() {
    let stage = Stage::new();
    let steps = with_each(stage.examples(), |name| harm_every_step(&stage, name));
    println!("{steps} steps");
    assert!(steps > 60, "{steps}");
}

#[test]
fn a_loss_of_power_leaves_whole_commits() {
    let stage = Stage::new();
    let losses = power::lose_power(&stage, "compensate.json", 1);
    // a busy machine commits more at a time
    assert!(losses > 20, "{losses}");
}

#[test]
#[ignore = "slow: builds and opens the files of some thousand losses of power"]
fn a_loss_of_power_in_any_example_leaves_whole_commits() {
    let stage = Stage::new();
    let losses = with_each(stage.examples(), |name| power::lose_power(&stage, name, name.len() as u64));
    println!("{losses} losses of power");
    assert!(losses > 500, "{losses}");
}

#[test]
fn a_killed_host_loses_nothing_and_repeats_nothing() {
    let stage = Stage::new();
    let names = QUICK.iter().map(ToString::to_string).collect();
    let deaths = with_each(names, |name| kill_at_every_write(&stage, name));
    assert!(deaths > 10, "{deaths}");
}

#[test]
#[ignore = "slow: kills two processes for every write of every example, some minutes"]
fn a_host_killed_at_any_write_of_any_example_loses_nothing_and_repeats_nothing() {
    let stage = Stage::new();
    let deaths = with_each(stage.examples(), |name| kill_at_every_write(&stage, name));
    println!("{deaths} deaths");
    assert!(deaths > 150, "{deaths}");
}
