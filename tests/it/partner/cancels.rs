//! `jf.cancel/1`: a call is told to stop by a function of its plugin, in Rust and in C.

use super::{BOTH, Heard, bench_that_tells, step, steps};
use jackfield::{CancelMode, Isolation, RunStatus, Value, json};
use jackfield_tests::{Bench, compile_c};
use std::sync::Arc;

const WAITING: [&str; 3] = ["partner.until_told", "partner.until_told_async", "witness.until_told"];

fn bench(isolation: Isolation, heard: &Arc<Heard>) -> Bench {
    let bench = bench_that_tells(isolation, &["partner"], heard);
    compile_c("tests/fixtures/witness.c", &bench.plugin_file("witness"), &[]);
    bench
}

fn waiting(method: &str, more: Value) -> Value {
    steps(vec![step("a", method, json!({}), more)])
}

#[test]
fn a_call_that_looks_at_nothing_hears_that_it_was_given_up() {
    for isolation in BOTH {
        let bench = bench(isolation, &Arc::default());
        for method in WAITING {
            // more attempts than there are instances: each has to come back before the next is served
            let limits = json!({ "timeout": "50ms", "retry": { "max_attempts": 14, "backoff": "none" } });
            let finished = bench.run(waiting(method, limits), json!({}));
            let error = finished.error();
            assert_eq!((&*error.kind, error.attempts), ("timeout", 14), "{isolation:?} {method} {error:?}");
        }
    }
}

#[test]
fn a_call_that_looks_at_nothing_hears_that_its_run_was_cancelled() {
    for isolation in BOTH {
        let heard = Arc::new(Heard::default());
        let bench = bench(isolation, &heard);
        for method in WAITING {
            let mut document = waiting(method, json!({ "timeout": 0 }));
            document["finally"] = json!([{ "id": "last", "type": "log", "message": "done" }]);
            let run = bench.start(&document, json!({}));
            heard.wait_for(&format!("{} a waiting", run.run.id()));
            let begun = std::time::Instant::now();
            run.run.cancel(CancelMode::Graceful, "enough");
            // the clean-up begins when the call has come back, at the latest after its grace
            let finished = run.finish();
            assert_eq!(finished.status(), RunStatus::Cancelled, "{isolation:?} {method}");
            assert!(begun.elapsed() < super::GRACE, "{isolation:?} {method} took {:?}", begun.elapsed());
        }
    }
}
