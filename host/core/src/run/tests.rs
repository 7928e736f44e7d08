//! What is not seen from outside; behaviour is tested where documents can be run, see `jackfield-engine`.

use super::record::{CallKey, Command, Fact, InstanceIx};
use super::state::History;
use super::{RunState, Start};
use crate::payload::Payload;
use crate::plan::StepIx;
use crate::time::{Nanos, Timestamp};
use crate::validate::tests::plan;
use std::sync::Arc;

/// A run of `document` of which the first `done` steps have completed, each with its id as output.
fn run(document: &str, done: u32) -> RunState {
    let start = Start {
        run_id: "r".into(),
        input: Payload::null(),
        config: Arc::default(),
        seed: 1,
        host_concurrency: 10,
        until: None,
        history: History::Full,
        parent: None,
        carried: None,
        key: None,
        queued: None,
        delayed_until: None,
    };
    let mut commands: Vec<Command> = Vec::new();
    let mut state = RunState::start(plan(document), start, Timestamp(1), &mut commands);
    for step in (0..done).map(StepIx) {
        let key = CallKey { instance: InstanceIx(0), step, attempt: 1, is_undo: false };
        let outcome = Ok(Payload::string(&state.plan().step(step).id));
        state.apply(Timestamp(2), Fact::Outcome { key, duration: Nanos::ZERO, outcome }, &mut commands);
    }
    state
}

#[test]
fn outputs_that_nothing_can_read_any_more_leave_memory_with_their_records() {
    let call = |id: &str, reads: &str| {
        format!(r#"{{"id":"{id}","plugin":"p","method":"m","parameters":{{"from":"{reads}"}}}}"#)
    };
    let steps = [
        call("a", "nothing"),
        call("b", "${steps.a.output}"),
        call("c", "nothing"),
        call("d", "nothing"),
        call("e", "${steps.c.output}"),
    ];
    let document =
        format!(r#"{{"id":"w","version":"1.0.0","mode":"sequential","steps":[{}]}}"#, steps.join(","));
    let mut state = run(&document, 4);
    let kept = |state: &RunState| -> Vec<_> {
        let instance = state.data.instance(InstanceIx(0)).unwrap();
        instance.nodes.iter().map(|node| node.output.as_str().to_owned()).collect()
    };
    assert_eq!(kept(&state), [r#""a""#, r#""b""#, r#""c""#, r#""d""#, "null"]);
    let records = state.record_count();
    state.forget(records - 1);
    assert_eq!((state.record_count(), state.forgotten(), state.history().len()), (records, records - 1, 1));
    // `e` reads `c` yet, and the run puts out what came last
    assert_eq!(kept(&state), ["null", "null", r#""c""#, r#""d""#, "null"]);
    assert_eq!(state.events(0, 10).len(), 1);
    assert_eq!(state.events(0, 10)[0].seq, records as u64 - 1);
}
