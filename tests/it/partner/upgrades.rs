//! `jf.state/1`: what a plugin knows goes over to its newer version while the host runs on.

use super::{EVERYWHERE, Place, bench, bench_with, config, step, steps};
use crate::isolation::{wait_until, workers};
use Handover::{
    CrashesAtRestore, CrashesAtSave, HangsAtRestore, HangsAtSave, Large, NoJson, Refuses, TakesOver,
    TakesOverOnce,
};
use jackfield::{Config, Isolation, json};
use jackfield_tests::{Bench, Counter, Handover, compile_program};
use std::time::{Duration, Instant};

/// The places where another process runs the plugin.
const APART: [Place; 2] = [Place::Worker, Place::WorkerBySharedMemory];

/// Puts a version of the plugin `counter` into place.
fn put(bench: &Bench, version: &str, handover: impl Into<Option<Handover>>) {
    put_at(bench, version, "", handover);
}

/// The same for a version that wishes to run somewhere.
fn put_at(bench: &Bench, version: &str, isolation: &str, handover: impl Into<Option<Handover>>) {
    let to = bench.plugin_file(&format!("counter-{version}"));
    let counter = Counter { isolation, ..Counter::new("counter", version) };
    match handover.into() {
        Some(handover) => counter.compile_with_state(&to, handover),
        None => counter.compile(&to),
    }
}

fn take_away(bench: &Bench, version: &str) {
    std::fs::remove_file(bench.plugin_file(&format!("counter-{version}"))).expect("it is there");
}

/// The version that answers, and how often it has been called.
fn next(bench: &Bench) -> String {
    // a worker that has just been killed may be given a call before its end is noticed
    let again = json!({ "retry": { "max_attempts": 3, "backoff": "none" } });
    let document = steps(vec![step("a", "counter.next", json!({}), again)]);
    let finished = bench.run(&document, json!({})).completed();
    finished.output().as_str().expect("it is a text").to_owned()
}

/// Looks again, after which the newest version must have been kept out for this reason.
#[track_caller]
fn keeps_out(bench: &Bench, reason: &str) {
    let changes = bench.host().rescan();
    assert!(changes.added.is_empty() && changes.removed.is_empty(), "{changes:?}");
    let problems = bench.host().plugin_problems();
    let problem = problems.iter().find(|it| it.code == "plugin.state_refused").expect("it is told");
    assert!(problem.message.contains(reason), "`{reason}` in {problem:?}");
}

#[test]
fn the_newer_version_goes_on_where_the_older_one_was() {
    for place in EVERYWHERE {
        let bench = bench(place, &[]);
        put(&bench, "1.0.0", TakesOver);
        assert_eq!([next(&bench), next(&bench)], ["1.0.0:1", "1.0.0:2"], "{place:?}");
        put(&bench, "1.1.0", TakesOver);
        bench.host().rescan();
        assert_eq!([next(&bench), next(&bench)], ["1.1.0:3", "1.1.0:4"], "{place:?}");
        put(&bench, "2.0.0", None);
        bench.host().rescan();
        assert_eq!(next(&bench), "2.0.0:1", "it takes no state over, {place:?}");
        put(&bench, "2.1.0", TakesOver);
        bench.host().rescan();
        assert_eq!(next(&bench), "2.1.0:1", "nobody hands it any, {place:?}");
    }
}

#[test]
fn a_version_that_cannot_use_the_state_is_kept_out_and_the_older_one_goes_on() {
    for place in EVERYWHERE {
        let bench = bench(place, &[]);
        put(&bench, "1.0.0", TakesOver);
        assert_eq!(next(&bench), "1.0.0:1");
        put(&bench, "1.1.0", Refuses);
        take_away(&bench, "1.0.0");
        // however often it is looked at
        for nth in 2..4 {
            keeps_out(&bench, "does not take over the state of version 1.0.0: its count is beyond me");
            assert_eq!(
                next(&bench),
                format!("1.0.0:{nth}"),
                "the older one is still had, without its file, {place:?}"
            );
        }
        put(&bench, "1.2.0", TakesOver);
        bench.host().rescan();
        assert_eq!(
            next(&bench),
            "1.2.0:4",
            "one that can use it takes over from the one that went on, {place:?}"
        );
    }
}

#[test]
fn a_version_that_nobody_has_called_has_nothing_to_hand_over() {
    for place in EVERYWHERE {
        let bench = bench(place, &[]);
        put(&bench, "1.0.0", TakesOver);
        let _ = bench.host();
        put(&bench, "1.1.0", Refuses);
        bench.host().rescan();
        assert_eq!(next(&bench), "1.1.0:1", "{place:?}");
    }
}

#[test]
fn a_state_that_is_too_large_or_no_json_is_not_handed_over() {
    for place in EVERYWHERE {
        let bench = bench_with(place, &[], |config| config.loader.result_bytes_max = Some(50_000));
        for (version, handover, reason) in [
            ("1.0.0", Large, "it has 99998 bytes, more than the 50000 of `result_bytes_max`"),
            ("0.1.0", NoJson, "it is no JSON"),
        ] {
            put(&bench, version, handover);
            bench.host().rescan();
            assert_eq!(next(&bench), format!("{version}:1"), "{place:?}");
            put(&bench, "2.0.0", TakesOver);
            keeps_out(&bench, &format!("the older version does not hand it over: {reason}"));
            assert_eq!(next(&bench), format!("{version}:2"), "{place:?}");
            take_away(&bench, version);
            take_away(&bench, "2.0.0");
            bench.host().rescan();
        }
    }
}

#[test]
fn a_large_state_goes_over_between_workers() {
    for place in APART {
        let bench = bench(place, &[]);
        put(&bench, "1.0.0", Large);
        assert_eq!(next(&bench), "1.0.0:1");
        put(&bench, "1.1.0", TakesOver);
        bench.host().rescan();
        assert_eq!(next(&bench), "1.1.0:2", "{place:?}");
    }
}

#[test]
fn a_worker_that_comes_later_begins_with_the_state_too() {
    for place in APART {
        let bench = bench(place, &[]);
        put(&bench, "1.0.0", TakesOver);
        assert_eq!([next(&bench), next(&bench)], ["1.0.0:1", "1.0.0:2"]);
        put(&bench, "1.1.0", TakesOver);
        take_away(&bench, "1.0.0");
        bench.host().rescan();
        assert_eq!([next(&bench), next(&bench)], ["1.1.0:3", "1.1.0:4"]);
        wait_until("the worker of the older version is gone", || workers(bench.dir()).len() == 1);
        end_workers(&bench);
        assert_eq!(next(&bench), "1.1.0:3", "as it was handed over, {place:?}");
        end_workers(&bench);
        put(&bench, "1.2.0", TakesOver);
        rescan_until_taken(&bench);
        assert_eq!(next(&bench), "1.2.0:3", "that is what the next worker would have begun with, {place:?}");
    }
}

#[test]
fn workers_begin_without_the_state_after_one_could_not_take_it_that_another_had_taken() {
    for place in APART {
        let bench = bench_with(place, &[], |config| {
            // it keeps a file
            let open = Config::parse("[plugins.counter]\nsandbox = 'off'").expect("it is right");
            config.plugins.entry("counter".into()).or_default().sandbox = open.plugins["counter"].sandbox;
        });
        put(&bench, "1.0.0", TakesOver);
        assert_eq!(next(&bench), "1.0.0:1");
        put(&bench, "1.1.0", TakesOverOnce);
        take_away(&bench, "1.0.0");
        bench.host().rescan();
        assert_eq!(next(&bench), "1.1.0:2");
        wait_until("the worker of the older version is gone", || workers(bench.dir()).len() == 1);
        for _ in 0..2 {
            end_workers(&bench);
            assert_eq!(next(&bench), "1.1.0:1", "{place:?}");
        }
    }
}

/// Ends the workers of a bench, as a crash would.
fn end_workers(bench: &Bench) {
    for pid in workers(bench.dir()) {
        let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
        assert!(killed.expect("there is the command `kill`").success());
    }
    wait_until("the workers are gone", || workers(bench.dir()).is_empty());
}

/// Looks until nothing is kept out: the pool may not know yet that a worker is gone, and ask that one.
fn rescan_until_taken(bench: &Bench) {
    wait_until("the newest version is had", || {
        let _ = bench.host().rescan();
        bench.host().plugin_problems().iter().all(|problem| problem.code != "plugin.state_refused")
    });
}

#[test]
fn a_worker_that_dies_while_it_takes_the_state_keeps_its_version_out() {
    for place in APART {
        let bench = bench(place, &[]);
        put(&bench, "1.0.0", TakesOver);
        assert_eq!(next(&bench), "1.0.0:1");
        put(&bench, "1.1.0", CrashesAtRestore);
        let reason = "of version 1.0.0: its worker was ended by signal 6 (SIGABRT)";
        keeps_out(&bench, reason);
        assert_eq!(next(&bench), "1.0.0:2", "{place:?}");
    }
}

#[test]
fn a_worker_that_dies_while_it_hands_its_state_over_takes_it_along() {
    for place in APART {
        let bench = bench(place, &[]);
        put(&bench, "1.0.0", CrashesAtSave);
        assert_eq!(next(&bench), "1.0.0:1");
        put(&bench, "1.1.0", TakesOver);
        keeps_out(
            &bench,
            "the older version does not hand it over: its worker was ended by signal 6 (SIGABRT)",
        );
        assert_eq!(next(&bench), "1.0.0:1", "another worker goes on, {place:?}");
    }
}

#[test]
fn a_worker_that_hangs_does_not_hold_an_upgrade_up() {
    hangs(Place::Worker);
}

#[test]
fn a_worker_by_shared_memory_that_hangs_does_not_hold_an_upgrade_up() {
    hangs(Place::WorkerBySharedMemory);
}

fn hangs(place: Place) {
    const PATIENCE: Duration = Duration::from_secs(4);
    let bench = bench_with(place, &[], |config| {
        config.isolation.workers.start_timeout = Some(PATIENCE);
    });
    put(&bench, "1.0.0", TakesOver);
    assert_eq!(next(&bench), "1.0.0:1");
    put(&bench, "1.1.0", HangsAtRestore);
    keeps_out(&bench, "its worker did not take the state over in time and was ended");
    take_away(&bench, "1.1.0");
    put(&bench, "1.2.0", HangsAtSave);
    bench.host().rescan();
    assert_eq!(next(&bench), "1.2.0:2", "{place:?}");
    put(&bench, "1.3.0", TakesOver);
    keeps_out(&bench, "the older version does not hand it over: it did not answer within 4s");
    assert_eq!(next(&bench), "1.2.0:3", "calls go on beside it, {place:?}");
    let begun = Instant::now();
    keeps_out(&bench, "it has not answered since it was asked before");
    assert!(begun.elapsed() < PATIENCE, "nobody waits again, {place:?}");
    assert_eq!(next(&bench), "1.2.0:4", "{place:?}");
    end_workers(&bench);
    rescan_until_taken(&bench);
    assert_eq!(next(&bench), "1.3.0:2", "what 1.2.0 itself had begun with, {place:?}");
}

#[test]
fn state_goes_over_between_the_process_of_the_host_and_workers() {
    let bench = bench(Place::InProcess, &[]);
    put(&bench, "1.0.0", TakesOver);
    assert_eq!(next(&bench), "1.0.0:1");
    assert_eq!(workers(bench.dir()).len(), 0);
    put_at(&bench, "1.1.0", "worker", TakesOver);
    bench.host().rescan();
    assert_eq!(next(&bench), "1.1.0:2");
    assert_eq!(workers(bench.dir()).len(), 1);
    put(&bench, "1.2.0", TakesOver);
    take_away(&bench, "1.1.0");
    bench.host().rescan();
    assert_eq!(next(&bench), "1.2.0:3");
    wait_until("the worker is gone", || workers(bench.dir()).is_empty());
}

/// The worker program knows nothing of state, and ends when it is asked for it; it plays the version 1.0.0.
#[test]
fn an_older_worker_program_is_neither_asked_for_state_nor_given_any() {
    let bench = Bench::with(&[], |builder| builder.config(config(Isolation::InProcess, |_| ())));
    let program = bench.dir().join("old-worker");
    compile_program("tests/fixtures/old_worker.c", &program);
    let old = Bench::with(&[], move |builder| {
        builder.config(config(Isolation::InProcess, |_| ())).worker_path(program)
    });
    put(&old, "0.9.0", TakesOver);
    assert_eq!(next(&old), "0.9.0:1");
    put_at(&old, "1.0.0", "worker", TakesOver);
    old.host().rescan();
    assert_eq!(next(&old), "old", "1.0.0 begins without");
    put(&old, "1.1.0", TakesOver);
    old.host().rescan();
    assert_eq!(next(&old), "1.1.0:1", "nobody hands it any");
}
