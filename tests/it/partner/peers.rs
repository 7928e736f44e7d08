//! Calls between plugins, through the host.

use super::{BOTH, EVERYWHERE, Heard, Place, bench, bench_that_tells, bench_with, step, steps};
use jackfield::{Failure, Isolation, RunStatus, Value, json};
use jackfield_tests::{Bench, compile_c};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The ways to call, of each kind of method.
const RELAYS: [&str; 3] = ["relay", "relay_inline", "relay_async"];

fn call(relay: &str, plugin: &str, method: &str, params: Value, more: Value) -> Value {
    let params = json!({ "plugin": plugin, "method": method, "params": params });
    step("a", &format!("partner.{relay}"), params, more)
}

fn error(bench: &Bench, call: Value) -> Failure {
    bench.run(steps(vec![call]), json!({})).error().clone()
}

#[test]
fn a_method_calls_methods_of_every_kind_of_another_plugin_wherever_either_runs() {
    for (caller, callee) in [BOTH, [BOTH[1], BOTH[0]], [BOTH[0]; 2], [BOTH[1]; 2]].map(|[a, b]| (a, b)) {
        let bench = bench_with(caller, &["partner", "echo"], move |config| {
            config.plugins.entry("echo".into()).or_default().isolation = Some(callee);
        });
        for relay in RELAYS {
            for method in ["echo", "echo_async"] {
                let params = json!({ "n": [1, "two"] });
                let document = steps(vec![call(relay, "echo", method, params.clone(), json!({}))]);
                let finished = bench.run(document, json!({})).completed();
                assert_eq!(finished.output(), &params, "{caller:?} {callee:?} {relay} {method}");
            }
            let slept = call(relay, "echo", "sleep", json!({ "ms": 1 }), json!({}));
            assert_eq!(bench.run(steps(vec![slept]), json!({})).completed().output(), &Value::Null);
        }
    }
}

#[test]
fn the_call_inherits_run_session_deadline_and_trace_and_has_a_key_of_its_own() {
    for place in EVERYWHERE {
        let bench = bench(place, &["partner"]);
        let params = json!({ "plugin": "partner", "method": "whoami", "params": {}, "times": 2 });
        let outer = step("a", "partner.relay", params, json!({ "session": "s", "timeout": "1h" }));
        let finished = bench.run(steps(vec![outer]), json!({})).completed();
        let seen = finished.output();
        assert_eq!(seen["step"], "a>partner.whoami#2", "{place:?} {seen}");
        assert_eq!(seen["key"], json!(format!("{}/a>partner.whoami#2", finished.report.run_id)));
        assert_eq!((&seen["session"], &seen["has_deadline"]), (&json!("s"), &json!(true)));
    }
}

#[test]
fn what_cannot_be_called_says_why() {
    for place in EVERYWHERE {
        let bench = bench(place, &["partner", "echo", "fault", "json"]);
        let cases = [
            ("json", "merge", json!({}), "plugin.call_denied", "its manifest does not name it"),
            ("nobody", "m", json!({}), "plugin.call_denied", "may not call `nobody`"),
            ("gone", "m", json!({}), "plugin.unavailable", "no version that fits `^1`"),
            ("echo", "laod", json!({}), "plugin.unavailable", "has no method `laod`"),
            ("echo", "sleep", json!({ "ms": "soon" }), "validation", "at `/ms`"),
            ("fault", "error", json!({ "type": "a.b", "message": "no" }), "a.b", "no"),
            ("fault", "panic", json!({ "message": "boom" }), "plugin.panic", "boom"),
        ];
        for relay in RELAYS {
            for (plugin, method, params, kind, part) in &cases {
                let failure = error(&bench, call(relay, plugin, method, params.clone(), json!({})));
                let is_it = (&*failure.kind, failure.message.contains(part)) == (*kind, true);
                assert!(is_it, "{place:?} {relay} {plugin}.{method}: {failure:?}");
            }
        }
    }
}

#[test]
fn a_cycle_ends_at_the_depth_limit() {
    for place in EVERYWHERE {
        let bench = bench_with(place, &["partner"], |config| config.loader.call_depth_max = Some(5));
        for relay in RELAYS {
            // each level calls the next, one more than is allowed
            let nest = |depth| {
                (0..depth).fold(
                    json!({ "plugin": "partner", "method": "session", "params": {} }),
                    |inner, _| json!({ "plugin": "partner", "method": relay, "params": inner }),
                )
            };
            let run = |depth| {
                bench.run(
                    steps(vec![step("a", &format!("partner.{relay}"), nest(depth), json!({}))]),
                    json!({}),
                )
            };
            assert_eq!(run(4).completed().output(), "", "{place:?} {relay}");
            let failure = run(5).error().clone();
            assert_eq!(&*failure.kind, "plugin.call_depth", "{place:?} {relay} {failure:?}");
            let part = format!(
                "`partner.session` would be call 6 between plugins in a row, and 5 are allowed: partner.{relay} -> "
            );
            assert!(failure.message.contains(&part), "{}", failure.message);
        }
    }
}

#[test]
fn a_method_that_takes_one_call_at_a_time_cannot_call_itself() {
    for place in EVERYWHERE {
        let bench = bench(place, &["partner"]);
        let inner = json!({ "plugin": "partner", "method": "session", "params": {} });
        let failure =
            error(&bench, call("one_by_one", "partner", "one_by_one", inner, json!({ "timeout": "20s" })));
        assert_eq!(&*failure.kind, "plugin.call_depth", "{place:?} {failure:?}");
    }
}

#[test]
fn the_deadline_of_the_caller_ends_the_call_and_cancels_what_it_called() {
    for place in EVERYWHERE {
        let bench = bench(place, &["partner", "echo"]);
        for relay in RELAYS {
            // there are fewer instances than attempts: each attempt comes back once it is told to stop
            let limits = json!({ "timeout": "60ms", "retry": { "max_attempts": 10, "backoff": "none" } });
            let begun = Instant::now();
            let failure = error(&bench, call(relay, "echo", "sleep", json!({ "ms": 600_000 }), limits));
            assert_eq!((&*failure.kind, failure.attempts), ("timeout", 10), "{place:?} {relay} {failure:?}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{place:?} {relay} {:?}", begun.elapsed());
        }
    }
}

#[test]
fn a_cancelled_run_stops_what_its_calls_have_called() {
    for place in EVERYWHERE {
        let heard = Arc::new(Heard::default());
        let bench = bench_that_tells(place, &["partner", "echo"], &heard);
        for relay in ["relay", "relay_async"] {
            let endless = json!({ "beat_ms": 600_000, "by": "log" });
            let document = steps(vec![call(relay, "partner", "live", endless, json!({ "timeout": 0 }))]);
            let run = bench.start(&document, json!({}));
            heard.wait_for(&format!("{} a>partner.live#1 alive", run.run.id()));
            run.run.cancel(jackfield::CancelMode::Graceful, "enough");
            assert_eq!(run.finish().status(), RunStatus::Cancelled, "{place:?} {relay}");
        }
        // nothing is left that would keep an instance or a worker busy
        let after = call("relay", "echo", "echo", json!({ "n": 1 }), json!({}));
        assert_eq!(bench.run(steps(vec![after]), json!({})).completed().output(), &json!({ "n": 1 }));
    }
}

#[test]
fn a_call_that_nobody_waits_for_ends_with_its_caller() {
    for place in EVERYWHERE {
        let bench = bench(place, &["partner"]);
        let forever = json!({ "beat_ms": 0, "silent_ms": 600_000 });
        for _ in 0..12 {
            let left = call("leave_behind", "partner", "live", forever.clone(), json!({}));
            assert_eq!(bench.run(steps(vec![left]), json!({})).completed().output(), "left", "{place:?}");
        }
        bench.host().shutdown();
    }
}

#[test]
fn a_crash_of_the_other_plugin_is_the_callers_error_and_not_its_end() {
    let bench = bench(Isolation::Worker, &["partner", "fault"]);
    let failure = error(&bench, call("relay", "fault", "abort", json!({}), json!({})));
    assert_eq!(&*failure.kind, "plugin.crash");
    assert!(failure.message.contains("`fault "), "{failure:?}");
    assert_eq!(failure.details.value()["plugin"], "fault", "{failure:?}");
}

#[test]
fn a_sign_of_life_of_the_other_plugin_is_one_of_the_caller() {
    for place in EVERYWHERE {
        let bench = bench(place, &["partner"]);
        let lives = call(
            "relay",
            "partner",
            "live",
            json!({ "beat_ms": 2_000 }),
            json!({ "heartbeat_timeout": "1s" }),
        );
        assert_eq!(bench.run(steps(vec![lives]), json!({})).completed().output(), "lived", "{place:?}");
    }
}

/// A bench with a plugin in C that calls `partner`.
fn bench_with_mirror(place: Place) -> Bench {
    let bench = bench_with(place, &["partner", "echo", "fault"], |config| {
        config.loader.call_depth_max = Some(6);
    });
    compile_c("tests/fixtures/mirror.c", &bench.plugin_file("mirror"), &[]);
    bench
}

#[test]
fn a_plugin_in_c_calls_one_in_rust_and_hands_its_results_and_errors_on() {
    for place in EVERYWHERE {
        let bench = bench_with_mirror(place);
        for method in ["mirror.reflect", "mirror.reflect_async"] {
            let call = |plugin: &str, called: &str, params: Value| {
                let params = json!({ "plugin": plugin, "method": called, "params": params });
                bench.run(steps(vec![step("a", method, params, json!({}))]), json!({}))
            };
            let params = json!({ "n": [1, "two"] });
            assert_eq!(
                call("echo", "echo", params.clone()).completed().output(),
                &params,
                "{place:?} {method}"
            );
            let failed = call("fault", "error", json!({ "type": "a.b", "message": "no" }));
            assert_eq!(
                (&*failed.error().kind, &*failed.error().message),
                ("a.b", "no"),
                "{place:?} {method}"
            );
            let key = call("partner", "whoami", json!({})).completed().output()["step"].clone();
            let relay = method.replace("mirror.reflect", "relay");
            assert_eq!(key, format!("a>partner.{relay}#1>partner.whoami#1"), "{place:?}");
        }
        let stray = step("a", "mirror.stray", json!({ "plugin": "echo" }), json!({}));
        let denied = error(&bench, stray);
        assert_eq!(&*denied.kind, "plugin.call_denied", "{place:?} {denied:?}");
    }
}

#[test]
fn two_plugins_that_call_each_other_end_at_the_depth_limit() {
    for place in EVERYWHERE {
        let bench = bench_with_mirror(place);
        // the plugin in C hands its parameters to `partner.relay`, which calls what they name
        let round = |inner: Value| json!({ "plugin": "mirror", "method": "reflect", "params": inner });
        let last = json!({ "plugin": "partner", "method": "session", "params": {} });
        let run = |rounds| {
            let params = (0..rounds).fold(last.clone(), |inner, _| round(inner));
            bench.run(steps(vec![step("a", "partner.relay", params, json!({}))]), json!({}))
        };
        // each round is two calls, and the one of `session` comes on top
        assert_eq!(run(2).completed().output(), "", "{place:?}");
        let failure = run(3).error().clone();
        assert_eq!(&*failure.kind, "plugin.call_depth", "{place:?} {failure:?}");
        let way = "partner.relay -> mirror.reflect -> partner.relay -> ... -> ";
        assert!(failure.message.contains(way), "{place:?} {failure:?}");
    }
}
