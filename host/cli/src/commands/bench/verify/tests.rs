//! Each way in which a run can be wrong, and that it is named.

use super::*;
use crate::args::{OutputSize, Shape};
use jackfield::{AppMethod, Call, Host, MethodError, Value, json};

const WORK: Work = Work { body: Duration::ZERO, output: OutputSize::Empty };

fn event(seq: u64, id: &str, kind: EventKind, attempt: u32) -> Event {
    Event {
        seq,
        at: String::new(),
        step: Some(id.into()),
        event: kind,
        attempt,
        duration_ms: None,
        value: None,
        error: None,
        message: None,
        level: None,
    }
}

fn read(events: &[Event]) -> Result<Vec<u64>> {
    let graph = Graph::new(Shape::Chain, 3, None);
    let mut history = History::new(Expected { graph: &graph, work: WORK, kept: Kept::Full });
    for event in events {
        history.take(event)?;
    }
    history.finish()
}

#[test]
fn a_history_in_order_gives_the_places_of_its_steps() {
    let done = |seq, id: &str| event(seq, id, EventKind::StepCompleted, 1);
    let start = Event { step: None, ..event(0, "", EventKind::RunStarted, 0) };
    assert_eq!(read(&[start, done(1, "s0"), done(4, "s1"), done(5, "s2")]).unwrap(), [1, 4, 5]);
}

#[test]
fn a_history_that_is_wrong_is_refused_by_name() {
    let done = |seq, id: &str| event(seq, id, EventKind::StepCompleted, 1);
    for (events, expected) in [
        (vec![done(1, "s0"), done(2, "s1")], "step `s2` has no record of its completion"),
        (vec![done(1, "s0"), done(2, "s0")], "step `s0` completed twice"),
        (vec![done(1, "s1")], "step `s1` completed before `s0`, which it depends on"),
        (vec![done(1, "s7")], "step `s7` is not in the document"),
        (vec![done(1, "x")], "step `x` is not in the document"),
        (vec![event(1, "s0", EventKind::StepCompleted, 2)], "step `s0` took 2 attempts"),
        (vec![event(1, "s0", EventKind::AttemptFailed, 1)], "step `s0` has a record of AttemptFailed"),
    ] {
        assert_eq!(read(&events).unwrap_err().to_string(), expected);
    }
}

/// Runs a chain of three calls of a `noop` that returns `result`.
fn run(dir: &tempfile::TempDir, result: Value) -> (Host, Run) {
    let noop = move |_: &Call, _: Value| Ok::<_, MethodError>(result.clone());
    let host = Host::builder().data_dir(dir.path()).threads(1);
    let host = host.app_method("echo", "1.0.0", AppMethod::inline("noop", noop)).build().unwrap();
    let text = document::document(&Graph::new(Shape::Chain, 3, None), WORK);
    let run = host.start(&host.parse(&text).unwrap(), json!({})).unwrap();
    assert!(run.wait(None).unwrap().is_completed());
    (host, run)
}

#[test]
fn a_run_is_held_against_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let check = |result: Value, shape, steps, output| {
        let graph = Graph::new(shape, steps, None);
        let (host, run) = run(&dir, result);
        let work = Work { output, ..WORK };
        let checked = Expected { graph: &graph, work, kept: Kept::Full }
            .check(&[run])
            .map_err(|error| format!("{error:#}"));
        host.shutdown();
        checked
    };
    assert_eq!(check(json!(null), Shape::Chain, 3, OutputSize::Empty), Ok(()));
    for (result, steps, output, expected) in [
        (json!(null), 4, OutputSize::Empty, "3 of 3 steps completed, of 4 in the document"),
        (json!(5), 3, OutputSize::Empty, "has another output than it should: `5`"),
        (json!(null), 3, OutputSize::Small, "has another output than it should: `null`"),
    ] {
        let fault = check(result, Shape::Chain, steps, output).unwrap_err();
        assert!(fault.contains("did not do its work") && fault.ends_with(expected), "{fault}");
    }
}
