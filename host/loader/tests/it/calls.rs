//! Calls: what goes in, what comes out, and what a misbehaving plugin costs.

use crate::support::{COUNTERS, Home, Listener, bind, call, call_with, echo, failure, fault, run, start};
use jackfield_core::catalog::MethodKind;
use jackfield_core::payload::Payload;
use jackfield_core::ports::{Call, CallListener, LogLevel, Method, Methods, Silent};
use jackfield_loader::Registry;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

fn with(file: &std::path::Path) -> (Home, Registry) {
    let home = Home::new();
    home.put(file, "plugin");
    let registry = home.registry();
    (home, registry)
}

#[test]
fn results_of_every_size_arrive_as_they_are() {
    let (_home, registry) = with(&echo());
    for len in [0, 10, 1_000, 1_022, 1_023, 100_000] {
        let text = format!("\"{}\"", "y".repeat(len));
        assert_eq!(run(&registry, "echo", "echo", &text).unwrap().as_str(), text);
    }
    assert!(run(&registry, "echo", "noop", "{}").unwrap().is_null());
}

#[test]
fn an_asynchronous_method_completes_once() {
    let (_home, registry) = with(&echo());
    let method = bind(&registry, "echo", "echo_async");
    assert_eq!(start(&method, call("{\"x\":[1,2]}")), Ok(Payload::trusted("{\"x\":[1,2]}")));
    assert_eq!(&*failure(method.call(&call("{}"))).kind, "internal");
}

#[test]
fn a_thousand_asynchronous_calls_at_once_all_complete() {
    let (_home, registry) = with(&echo());
    let method = bind(&registry, "echo", "echo_async");
    let (tx, rx) = mpsc::channel();
    for index in 0..1_000 {
        let tx = tx.clone();
        let call = Arc::new(call_with(&index.to_string(), &format!("step{index}"), Arc::new(Silent)));
        method.start(call, Box::new(move |outcome| tx.send((index, outcome)).unwrap()));
    }
    drop(tx);
    let mut ended: Vec<usize> = rx
        .iter()
        .map(|(index, outcome)| {
            assert_eq!(outcome.unwrap().as_str(), index.to_string());
            index
        })
        .collect();
    ended.sort_unstable();
    assert_eq!(ended, (0..1_000).collect::<Vec<_>>());
}

#[test]
fn a_panic_costs_one_call() {
    let (_home, registry) = with(&fault());
    let panicked = failure(run(&registry, "fault", "panic", "{\"message\":\"boom\"}"));
    assert_eq!(&*panicked.kind, "plugin.panic");
    assert!(panicked.message.contains("boom"), "{}", panicked.message);
    assert_eq!(&*failure(run(&registry, "fault", "error", "{}")).kind, "fault.error");
}

#[test]
fn a_panic_in_a_future_costs_one_call() {
    let (_home, registry) = with(&COUNTERS.two);
    let panicked = failure(start(&bind(&registry, "counter", "panic_async"), call("{}")));
    assert_eq!(&*panicked.kind, "plugin.panic");
    assert!(panicked.message.contains("boom in a future"), "{}", panicked.message);
}

#[test]
fn an_error_keeps_type_message_and_whether_to_retry() {
    let (_home, registry) = with(&fault());
    for retryable in [true, false] {
        let parameters = format!("{{\"type\":\"a.b\",\"message\":\"m\",\"retryable\":{retryable}}}");
        let error = failure(run(&registry, "fault", "error", &parameters));
        assert_eq!((&*error.kind, &*error.message, error.retryable), ("a.b", "m", retryable));
    }
}

#[test]
fn parameters_that_do_not_fit_are_a_validation_error_with_the_path() {
    let (_home, registry) = with(&echo());
    let error = failure(run(&registry, "echo", "sleep", "{\"ms\":\"soon\"}"));
    assert_eq!((&*error.kind, error.retryable), ("validation", false));
    assert!(error.message.contains("`ms`"), "{}", error.message);
    assert_eq!(error.details.value()["path"], "ms");
}

#[test]
fn invalid_json_and_results_outside_the_schema_are_validation_errors() {
    let (_home, registry) = with(&fault());
    for (method, says) in [("invalid_json", "is no JSON"), ("wrong_schema", "does not fit its schema")] {
        let error = failure(run(&registry, "fault", method, "{}"));
        assert_eq!((&*error.kind, error.retryable), ("validation", false));
        assert!(error.message.contains(says), "{}", error.message);
    }
}

#[test]
fn a_result_above_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let home = Home::new();
    home.put(&fault(), "fault");
    let mut config = home.config();
    config.result_bytes_max = 5_000;
    let registry = Registry::open(config).unwrap();
    assert_eq!(run(&registry, "fault", "oversize", "{\"bytes\":5000}").unwrap().len(), 5_000);
    let error = failure(run(&registry, "fault", "oversize", "{\"bytes\":5001}"));
    assert_eq!((&*error.kind, error.retryable), ("payload.too_large", false));
}

#[test]
fn an_empty_result_counts_as_null_where_the_schema_allows_it() {
    let (_home, registry) = with(&COUNTERS.two);
    assert!(run(&registry, "counter", "null_or_number", "{}").unwrap().is_null());
}

#[test]
fn what_a_method_says_reaches_the_listener_and_what_it_asks_is_answered() {
    let (_home, registry) = with(&COUNTERS.two);
    let listener = Arc::new(Listener::default());
    let mut call = call_with("{}", "outer[3].inner", listener.clone());
    (call.attempt, call.deadline) = (4, Some(Instant::now() + Duration::from_secs(60)));
    let answer = bind(&registry, "counter", "speak").call(&call).unwrap();
    assert_eq!(answer.value(), "4 run/outer[3].inner true");
    let said = listener.0.lock().unwrap().clone();
    assert_eq!(said, ["Warn careful {\"rows\":3}", "0.5 half", "stderr=true a line"]);
}

/// What a method that tells key and time limit answers, with a limit of `timeout`.
pub(crate) fn identity(method: &Arc<dyn Method>, timeout: Option<Duration>) -> String {
    let mut call = call_with("{}", "outer[3].inner", Arc::new(Silent));
    call.timeout = timeout;
    call.deadline = timeout.map(|timeout| Instant::now() + timeout);
    let outcome = match method.kind() {
        MethodKind::Async => start(method, call),
        _ => method.call(&call),
    };
    outcome.expect("it works").value().as_str().expect("it is a string").to_owned()
}

#[test]
fn a_method_sees_its_idempotency_key_and_the_time_it_has() {
    let (_home, registry) = with(&COUNTERS.two);
    let (plain, later) =
        (bind(&registry, "counter", "identify"), bind(&registry, "counter", "identify_async"));
    let limit = Duration::from_secs(60);
    // a call that cannot have waited has its whole time, to the nanosecond
    assert_eq!(identity(&plain, Some(limit)), "run/outer[3].inner 60000000000");
    assert_eq!(identity(&plain, None), "run/outer[3].inner for ever");
    assert_eq!(identity(&later, None), "run/outer[3].inner for ever");
    let said = identity(&later, Some(limit));
    let left: u128 = said.strip_prefix("run/outer[3].inner ").unwrap().parse().unwrap();
    assert!(left > 0 && left < limit.as_nanos(), "{said}");
}

#[test]
fn a_plugin_gets_its_configuration_and_refuses_a_wrong_one() {
    let home = Home::new();
    home.put(&COUNTERS.two, "two");
    let mut config = home.config();
    config.plugins.insert("counter".into(), serde_json::json!({ "greeting": "ahoy" }));
    let registry = Registry::open(config.clone()).unwrap();
    assert_eq!(run(&registry, "counter", "configured", "{}"), Ok(Payload::trusted("\"ahoy\"")));

    config.plugins.insert("counter".into(), serde_json::json!({ "greeting": 7 }));
    let registry = Registry::open(config).unwrap();
    let error = failure(run(&registry, "counter", "configured", "{}"));
    assert_eq!(&*error.kind, "plugin.unavailable");
    assert!(error.message.contains("`greeting`"), "{}", error.message);
}

#[test]
fn a_cancelled_call_stops() {
    let (_home, registry) = with(&echo());
    let method = bind(&registry, "echo", "sleep");
    let call = Arc::new(call("{\"ms\":1e9}"));
    let cancelled = Arc::clone(&call.cancelled);
    let sleeper = std::thread::spawn(move || method.call(&call));
    cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(&*failure(sleeper.join().unwrap()).kind, "cancelled");
}

/// Most callers that were inside at once, as the plugin saw it.
fn crowd(outcomes: impl Iterator<Item = jackfield_core::ports::Outcome>) -> u64 {
    let most =
        outcomes.map(|outcome| outcome.expect("the call works").value().as_u64().expect("a count")).max();
    most.expect("there are calls")
}

#[test]
fn a_serial_method_takes_one_call_at_a_time() {
    let (_home, registry) = with(&COUNTERS.one);
    let method = bind(&registry, "counter", "crowd");
    let threads: Vec<_> = (0..6)
        .map(|index| {
            let method = Arc::clone(&method);
            std::thread::spawn(move || method.call(&call_with("{}", &index.to_string(), Arc::new(Silent))))
        })
        .collect();
    assert_eq!(crowd(threads.into_iter().map(|thread| thread.join().unwrap())), 1);
}

#[test]
fn a_serial_asynchronous_method_takes_one_call_at_a_time() {
    let (_home, registry) = with(&COUNTERS.two);
    let method = bind(&registry, "counter", "crowd_async");
    let (tx, rx) = mpsc::channel();
    for index in 0..6 {
        let tx = tx.clone();
        let call = Arc::new(call_with("{}", &index.to_string(), Arc::new(Silent)));
        method.start(call, Box::new(move |outcome| tx.send(outcome).unwrap()));
    }
    drop(tx);
    assert_eq!(crowd(rx.into_iter()), 1);
}

/// Tells when a method has said something.
struct Inside(mpsc::SyncSender<()>);

impl CallListener for Inside {
    fn log(&self, _: &Call, _: LogLevel, _: &str, _: &str) {
        self.0.send(()).expect("the test waits");
    }
    fn progress(&self, _: &Call, _: f64, _: &str) {}
    fn output_line(&self, _: &Call, _: bool, _: &str) {}
}

/// Begins a call that does not heed cancellation, and gives it up when it is inside.
fn give_up(method: &Arc<dyn Method>, step: &str, ms: u64) -> (Arc<Call>, std::thread::JoinHandle<()>) {
    let (tx, rx) = mpsc::sync_channel(1);
    let call = Arc::new(call_with(&format!("{{\"ms\":{ms}}}"), step, Arc::new(Inside(tx))));
    let (inside, worker) = (Arc::clone(&call), Arc::clone(method));
    let thread = std::thread::spawn(move || drop(worker.call(&inside)));
    rx.recv().expect("the method says something");
    method.abandoned(&call);
    (call, thread)
}

#[test]
fn a_given_up_call_sets_its_instance_aside_until_it_returns() {
    let home = Home::new();
    home.put(&fault(), "fault");
    let mut config = home.config();
    config.instances_max = 2;
    let registry = Registry::open(config).unwrap();
    let (hang, error) = (bind(&registry, "fault", "hang"), bind(&registry, "fault", "error"));
    assert_eq!(&*failure(error.call(&call("{}"))).kind, "fault.error");

    let (first, first_thread) = give_up(&hang, "first", 200);
    assert_eq!(&*failure(error.call(&call("{}"))).kind, "fault.error", "a fresh instance serves");
    let (second, second_thread) = give_up(&hang, "second", 200);
    let refused = failure(error.call(&call("{}")));
    assert_eq!((&*refused.kind, refused.retryable), ("plugin.unavailable", true));

    first_thread.join().unwrap();
    hang.returned(&first);
    assert_eq!(&*failure(error.call(&call("{}"))).kind, "fault.error", "the returned one serves again");
    second_thread.join().unwrap();
    hang.returned(&second);
}

#[test]
fn a_method_or_version_that_does_not_exist_is_unavailable() {
    let (_home, registry) = with(&echo());
    let version = registry.catalog().versions("echo")[0].version.clone();
    let missing = registry.bind("echo", &version, "ecko", None).err().unwrap();
    assert!(missing.message.contains("no method `ecko`"), "{}", missing.message);
    let missing = registry.bind("echo", &semver::Version::new(9, 9, 9), "echo", None).err().unwrap();
    assert_eq!(&*missing.kind, "plugin.unavailable");
}
