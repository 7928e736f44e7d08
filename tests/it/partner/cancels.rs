//! `jf.cancel/1`: a call is told to stop by a function of its plugin, in Rust and in C.

use super::{EVERYWHERE, Heard, Place, bench_that_tells, config, step, steps};
use jackfield::{CancelMode, Config, RunStatus, Value, json};
use jackfield_tests::{Bench, compile_c};
use std::sync::Arc;

const WAITING: [&str; 3] = ["partner.until_told", "partner.until_told_async", "witness.until_told"];

fn bench(place: Place, heard: &Arc<Heard>) -> Bench {
    let bench = bench_that_tells(place, &["partner"], heard);
    compile_c("tests/fixtures/witness.c", &bench.plugin_file("witness"), &[]);
    bench
}

fn waiting(method: &str, more: Value) -> Value {
    steps(vec![step("a", method, json!({}), more)])
}

#[test]
fn a_call_that_looks_at_nothing_hears_that_it_was_given_up() {
    for place in EVERYWHERE {
        let bench = bench(place, &Arc::default());
        for method in WAITING {
            // more attempts than there are instances: each has to come back before the next is served
            let limits = json!({ "timeout": "50ms", "retry": { "max_attempts": 14, "backoff": "none" } });
            let finished = bench.run(waiting(method, limits), json!({}));
            let error = finished.error();
            assert_eq!((&*error.kind, error.attempts), ("timeout", 14), "{place:?} {method} {error:?}");
        }
    }
}

#[test]
fn a_call_that_looks_at_nothing_hears_that_its_run_was_cancelled() {
    for place in EVERYWHERE {
        let heard = Arc::new(Heard::default());
        let bench = bench(place, &heard);
        for method in WAITING {
            let mut document = waiting(method, json!({ "timeout": 0 }));
            document["finally"] = json!([{ "id": "last", "type": "log", "message": "done" }]);
            let run = bench.start(&document, json!({}));
            heard.wait_for(&format!("{} a waiting", run.run.id()));
            let begun = std::time::Instant::now();
            run.run.cancel(CancelMode::Graceful, "enough");
            // the clean-up begins when the call has come back, at the latest after its grace
            let finished = run.finish();
            assert_eq!(finished.status(), RunStatus::Cancelled, "{place:?} {method}");
            assert!(begun.elapsed() < super::GRACE, "{place:?} {method} took {:?}", begun.elapsed());
        }
    }
}

#[test]
fn a_function_for_cancelling_that_takes_long_holds_back_nothing_else_of_its_worker() {
    for place in [Place::Worker, Place::WorkerBySharedMemory] {
        let heard = Arc::new(Heard::default());
        let bench = {
            let heard = Arc::clone(&heard);
            Bench::with(&[], move |builder| builder.config(config(place, one_thread)).listener(heard))
        };
        compile_c("tests/fixtures/slow_cancel.c", &bench.plugin_file("slow-cancel"), &[]);
        let mut document = waiting("slow-cancel.wait", json!({ "timeout": 0 }));
        document["finally"] = json!([{ "id": "last", "type": "log", "message": "done" }]);
        let run = bench.start(document, json!({}));
        heard.wait_for(&format!("{} a waiting", run.run.id()));
        let begun = std::time::Instant::now();
        run.run.cancel(CancelMode::Graceful, "enough");
        // the one worker, whose one thread for calls waits, takes this one all the same
        let _ = bench.run(waiting("slow-cancel.let", json!({})), json!({})).completed();
        assert_eq!(run.finish().status(), RunStatus::Cancelled, "{place:?}");
        assert!(begun.elapsed() < super::GRACE, "{place:?} took {:?}", begun.elapsed());
    }
}

fn one_thread(config: &mut Config) {
    config.isolation.workers.max = Some(1);
    config.isolation.workers.threads_max = Some(1);
}
