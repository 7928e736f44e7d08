//! Durable runs that have forgotten most of what happened in them.

use super::kit::Kit;
use super::lab::{Lab, PATIENCE};
use super::memory_store::MemoryStore;
use crate::{Config, RunHandle};
use jackfield_core::run::{Event, RunStatus};
use std::sync::Arc;

/// An engine that keeps few records, and its store.
fn forgetful() -> (Lab, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::default());
    (Lab::durable(Config { records_kept: 4, ..Config::default() }, &store), store)
}

/// `count` steps that answer with their numbers.
fn steps(count: usize) -> String {
    let step = |n| format!(r#"{{"id":"s{n}",@value,"parameters":{{"value":{n}}}}}"#);
    (0..count).map(step).collect::<Vec<_>>().join(",")
}

fn seqs(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

/// What the run still has in memory, and what there was.
fn records(run: &RunHandle) -> (usize, usize) {
    let shared = run.run.shared.lock();
    (shared.state.history().len(), shared.state.record_count())
}

#[test]
fn a_long_run_has_few_records_in_memory_and_all_can_be_read() {
    let (lab, store) = forgetful();
    let document = format!(r#"{{"id":"w","mode":"parallel","steps":[{}]}}"#, steps(10_500));
    let ended = lab.run_with(&document, "null");
    let run = lab.engine.get(&ended.run_id).unwrap();
    let (kept, all) = records(&run);
    assert!(kept < 8 && all > 10_500, "{kept} of {all}");
    assert_eq!(seqs(&ended.events), (0..all as u64).collect::<Vec<_>>());
    // in any order, and beyond the end
    for from in [417, 3, 10_400, 0, all as u64 - 1] {
        let page: Vec<_> = (from..all as u64).take(10_000).collect();
        assert_eq!(seqs(&run.events(from)), page, "from {from}");
    }
    assert!(run.events(all as u64).is_empty());
    let few = run.report(2);
    assert_eq!((few.steps.len(), few.steps_omitted), (2, 10_498));
    assert_eq!(few.steps["s1"].output.as_ref().unwrap().as_str(), "1");
    assert_eq!(run.step_output("s7").unwrap().as_str(), "7");
    assert!(run.step_output("nobody").is_none());
    // by another process, which does not read all of it into memory either
    let config = Config { records_kept: 4, ..Config::default() };
    let later = Lab::durable_with(config, &store, Arc::default());
    let again = later.engine.get(&ended.run_id).unwrap();
    assert!(records(&again).0 < 8, "{:?}", records(&again));
    assert_eq!(again.step_output("s7").unwrap().as_str(), "7");
}

#[test]
fn who_reads_along_misses_nothing_while_the_run_forgets() {
    let (lab, _store) = forgetful();
    let document = format!(
        r#"{{"id":"w","steps":[{},{{"id":"last",@gate,"parameters":{{}},"timeout":0}}]}}"#,
        steps(100)
    );
    let run = lab.start(&document, "null");
    let reads = |run: RunHandle| {
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut seen = Vec::new();
            while let more = runtime.block_on(run.next_events(seen.len() as u64))
                && !more.is_empty()
            {
                seen.extend(seqs(&more));
                // slower than the run
                std::thread::yield_now();
            }
            seen
        })
    };
    let early = reads(run.clone());
    super::durable::eventually("all but the last are done", || run.step_output("s99").is_some());
    let late = reads(run.clone());
    let blocking = run.wait_events(0, PATIENCE);
    assert!(seqs(&blocking).iter().copied().eq(0..blocking.len() as u64) && blocking.len() > 100);
    lab.kit.open_gate();
    assert_eq!(run.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    let (_, all) = records(&run);
    for seen in [early.join().unwrap(), late.join().unwrap()] {
        assert_eq!(seen, (0..all as u64).collect::<Vec<_>>());
    }
}

#[test]
fn what_later_steps_read_is_there_however_long_ago_it_was() {
    let filler = steps(40);
    let (lab, _store) = forgetful();
    let document = format!(
        r#"{{"id":"w","mode":"sequential","output":{{"a":"${{steps.a.output}}","body":"${{steps.body.output}}"}},
        "finally":[{{"id":"z",@value,"parameters":{{"value":"${{steps.kept.output}}"}}}}],
        "steps":[
        {{"id":"a",@value,"parameters":{{"value":"A"}}}},
        {{"id":"b",@value,"parameters":{{"value":"B"}}}},
        {{"id":"kept",@value,"parameters":{{"value":"K"}}}},
        {filler},
        {{"id":"nap","type":"wait","duration":50}},
        {{"id":"late",@value,"parameters":{{"value":"${{steps.b.output}}"}}}},
        {{"id":"body","type":"foreach","items":[1,2,3,4,5,6,7,8,9,10],"steps":[
            {{"id":"in",@value,"parameters":{{"value":"${{steps.late.output}}"}}}}]}}]}}"#
    );
    let ended = lab.run_with(&document, "null").completed();
    let expected = serde_json::json!({ "a": "A", "body": vec!["B"; 10] });
    assert_eq!(ended.report.output.value(), &expected);
    assert_eq!(ended.step("z").output.as_ref().unwrap().as_str(), r#""K""#);
}

#[test]
fn a_long_run_that_failed_goes_back_and_on() {
    let (lab, store) = forgetful();
    let document = format!(
        r#"{{"id":"w","steps":[{},{{"id":"bad",@fail,"parameters":{{"good":2,"value":"mended"}}}}]}}"#,
        steps(60)
    );
    let first = lab.run_with(&document, "null");
    assert_eq!(first.status, RunStatus::Failed);
    let again = lab.engine.retry(&first.run_id, None).unwrap();
    assert_eq!(again.wait(Some(PATIENCE)), Some(RunStatus::Completed));
    assert_eq!(again.output().unwrap().as_str(), r#""mended""#);
    assert_eq!(lab.kit.attempts("s3").len(), 1);
    let report = again.report(usize::MAX);
    assert_eq!(report.steps["s3"].output.as_ref().unwrap().as_str(), "3");
    let later =
        Lab::durable_with(Config { records_kept: 4, ..Config::default() }, &store, Arc::new(Kit::default()));
    let read = later.engine.get(&first.run_id).unwrap().report(usize::MAX);
    assert_eq!(serde_json::to_value(&read.steps).unwrap(), serde_json::to_value(&report.steps).unwrap());
}

#[test]
fn a_run_that_is_deleted_has_no_old_records() {
    let (lab, _store) = forgetful();
    let ended = lab.run_with(&format!(r#"{{"id":"w","steps":[{}]}}"#, steps(60)), "null");
    let run = lab.engine.get(&ended.run_id).unwrap();
    lab.engine.delete(&ended.run_id).unwrap();
    assert!(run.events(0).is_empty());
    assert!(run.wait_events(0, PATIENCE).is_empty());
}
