//! W3C trace context: what a run is given reaches the plugins, in a span of each call's own.

use super::{BOTH, EVERYWHERE, bench, step, steps};
use jackfield::{RunOptions, Value, json};
use std::collections::BTreeSet;

const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn each_call_has_a_span_of_its_own_in_the_trace_of_its_run() {
    for place in EVERYWHERE {
        let bench = bench(place, &["partner"]);
        let relayed = json!({ "plugin": "partner", "method": "trace", "params": {} });
        let document = json!({ "id": "w", "mode": "parallel", "steps": [
            step("plain", "partner.trace", json!({}), json!({})),
            step("future", "partner.trace_async", json!({}), json!({})),
            step("nested", "partner.relay", relayed, json!({})),
        ] });
        let run = || bench.start_with(&document, json!({}), RunOptions::default().traceparent(GIVEN));
        let finished = run().finish().completed();
        let seen: BTreeSet<String> = ["plain", "future", "nested"]
            .map(|id| finished.step_output(id).as_str().unwrap().to_owned())
            .into();
        assert_eq!(seen.len(), 3, "{place:?} {seen:?}");
        for traceparent in &seen {
            assert_eq!(
                (traceparent.len(), &traceparent[..36], &traceparent[52..]),
                (55, &GIVEN[..36], "-01")
            );
            let span = &traceparent[36..52];
            assert!(span.bytes().all(|byte| byte.is_ascii_hexdigit()) && span != &GIVEN[36..52], "{seen:?}");
        }
        let untraced = bench.run(&document, json!({})).completed();
        assert_eq!(untraced.step_output("plain"), "", "a run that is given nothing has none");
        let again = run().finish().completed();
        assert_ne!(again.step_output("plain"), finished.step_output("plain"), "another run, another span");
    }
}

/// The span of a trace context that belongs to [`GIVEN`].
#[track_caller]
fn span(traceparent: Value) -> String {
    let text = traceparent.as_str().expect("it is a text");
    assert_eq!((text.len(), &text[..36], &text[52..]), (55, &GIVEN[..36], "-01"), "{text}");
    text[36..52].to_owned()
}

#[test]
fn calls_of_a_child_run_belong_to_the_trace_of_its_parent() {
    for place in EVERYWHERE {
        let bench = bench(place, &["partner"]);
        let call = |id: &str| step(id, "partner.trace", json!({}), json!({}));
        let leaf = bench.check(json!({ "id": "leaf", "steps": [call("a")] }));
        bench.host().register(&leaf).expect("it is the first");
        let child = json!({ "id": "below", "type": "workflow", "workflow": "leaf", "input": {} });
        let document = json!({ "id": "w", "steps": [call("above"), child] });
        let options = RunOptions::default().traceparent(GIVEN);
        let finished = bench.start_with(&document, json!({}), options).finish().completed();
        let spans = ["above", "below"].map(|id| span(finished.step_output(id)));
        assert!(spans[0] != spans[1] && !spans.contains(&GIVEN[36..52].to_owned()), "{place:?} {spans:?}");
        let untraced = bench.run(&document, json!({})).completed();
        assert_eq!(untraced.step_output("below"), "", "{place:?}");
    }
}

#[test]
fn a_call_that_is_made_again_after_a_crash_has_the_trace_of_its_run_in_its_new_worker() {
    for place in EVERYWHERE.into_iter().skip(1) {
        let bench = bench(place, &["partner"]);
        let retry = json!({ "retry": { "max_attempts": 2, "backoff": "none" } });
        let document = steps(vec![
            step("crash", "partner.trace", json!({ "crash_at_attempt": 1 }), retry),
            step("later", "partner.trace", json!({}), json!({})),
        ]);
        let options = RunOptions::default().traceparent(GIVEN);
        let finished = bench.start_with(&document, json!({}), options).finish().completed();
        assert_eq!(finished.report.steps["crash"].attempts, 2, "{place:?}");
        assert_ne!(span(finished.step_output("crash")), span(finished.step_output("later")), "{place:?}");
    }
}

#[test]
fn the_command_takes_a_trace_context_and_refuses_what_is_none() {
    let bench = bench(BOTH[0], &["partner"]);
    let file = bench.write(
        "w.json",
        json!({ "id": "w", "steps": [
        step("a", "partner.trace", json!({}), json!({})),
    ] })
        .to_string(),
    );
    let run = |traceparent: &str| {
        let file = file.to_str().unwrap();
        bench.cli(&["run", file, "--json", "--traceparent", traceparent])
    };
    let output = run(GIVEN);
    assert!(output.stdout.contains("00-0af7651916cd43dd8448eb211c80319c-"), "{output:?}");
    let output = run("00-0-0-00");
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stderr.contains("traceparent `00-0-0-00`: its trace id is not 32"), "{output:?}");
}
