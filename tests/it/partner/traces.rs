//! W3C trace context: what a run is given reaches the plugins, in a span of each call's own.

use super::{BOTH, bench, step};
use jackfield::{RunOptions, json};
use std::collections::BTreeSet;

const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn each_call_has_a_span_of_its_own_in_the_trace_of_its_run() {
    for isolation in BOTH {
        let bench = bench(isolation, &["partner"]);
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
        assert_eq!(seen.len(), 3, "{isolation:?} {seen:?}");
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
