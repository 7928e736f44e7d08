//! Hosts as embedders use them, with methods of the application only.

use jackfield::{
    AppMethod, Call, CancelMode, Config, Engine, Error, EventKind, Host, HostBuilder, MethodError, Mode,
    Retry, RunFilter, RunOptions, RunStatus, Step, Value, Workflow, json,
};
use serde::Deserialize;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[derive(Deserialize, jackfield::schemars::JsonSchema)]
#[schemars(crate = "jackfield::schemars")]
struct Add {
    a: i64,
    b: i64,
}

fn builder(dir: &tempfile::TempDir) -> HostBuilder {
    Host::builder().data_dir(dir.path()).threads(1).engine(Engine::memory())
}

fn add(_: &Call, p: Add) -> Result<i64, MethodError> {
    Ok(p.a + p.b)
}

fn calculator(dir: &tempfile::TempDir) -> Host {
    builder(dir)
        .app_method(
            "calc",
            "1.0.0",
            AppMethod::inline("add", add).parameters_schema::<Add>().output_schema::<i64>(),
        )
        .build()
        .expect("a host can be built")
}

/// A method that waits until it is told to go on or to stop.
fn waiting() -> AppMethod {
    AppMethod::blocking("wait", |call: &Call, _: Value| -> Result<(), MethodError> {
        while !call.is_cancelled() {
            std::thread::yield_now();
        }
        Err(MethodError::new("stopped", "was told to stop"))
    })
}

#[tokio::test]
async fn a_workflow_in_code_and_one_in_json_run_alike() {
    let dir = tempfile::tempdir().unwrap();
    let host = calculator(&dir);
    let in_code = Workflow::new("sum")
        .version("1.0.0")
        .step(Step::call("s", "calc", "add").param("a", "${input.a}").param("b", 2))
        .output("${steps.s.output}");
    let in_json = r#"{"id":"sum","version":"1.0.0","output":"${steps.s.output}",
        "steps":[{"id":"s","plugin":"calc","method":"add","parameters":{"a":"${input.a}","b":2}}]}"#;
    for workflow in [host.define(&in_code).unwrap(), host.parse(in_json).unwrap()] {
        assert_eq!((workflow.id(), workflow.version().to_string().as_str()), ("sum", "1.0.0"));
        let outcome = host.run(&workflow, json!({ "a": 40 })).await.unwrap();
        assert_eq!(outcome.value::<i64>().unwrap(), 42);
    }
    host.shutdown();
}

#[test]
fn wrong_parameters_are_found_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let host = calculator(&dir);
    let step = Step::call("s", "calc", "add").param("a", "forty").param("b", 2);
    let error = host.define(&Workflow::new("w").step(step)).unwrap_err();
    let codes: Vec<String> =
        error.invalid().unwrap().diagnostics.iter().map(|it| it.code.to_string()).collect();
    assert_eq!(codes, ["JF0043"]);
}

#[tokio::test]
async fn a_failing_run_is_an_outcome_with_its_error() {
    let dir = tempfile::tempdir().unwrap();
    let refuse = |_: Value| Err::<(), _>(MethodError::new("order.rejected", "no"));
    let host = builder(&dir).method("shop", "1.0.0", "refuse", refuse).build().unwrap();
    let workflow = host.define(&Workflow::new("w").step(Step::call("ask", "shop", "refuse"))).unwrap();
    let outcome = host.run(&workflow, json!({})).await.unwrap();
    assert_eq!(outcome.status, RunStatus::Failed);
    let error = outcome.error.as_ref().unwrap();
    assert_eq!((&*error.kind, &*error.message, &*error.step), ("order.rejected", "no", "ask"));
    assert_eq!(outcome.value::<Value>().unwrap_err().to_string(), "order.rejected: no");
}

#[tokio::test]
async fn records_come_as_a_stream_that_ends_with_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let seen = calls.clone();
    let flaky = AppMethod::blocking("flaky", move |call: &Call, _: Value| {
        seen.fetch_add(1, Ordering::SeqCst);
        if call.attempt < 3 { Err(MethodError::new("busy", "later")) } else { Ok(call.attempt) }
    });
    let host = builder(&dir).app_method("app", "1.0.0", flaky).build().unwrap();
    let step = Step::call("s", "app", "flaky").retry(Retry::attempts(3).delay(Duration::from_millis(1)));
    let run = host.start(&host.define(&Workflow::new("w").step(step)).unwrap(), json!({})).unwrap();
    let mut records = run.records();
    let mut kinds = Vec::new();
    while let Some(record) = poll_fn(|cx| jackfield::Stream::poll_next(Pin::new(&mut records), cx)).await {
        assert_eq!(record.seq, kinds.len() as u64);
        kinds.push(record.event);
    }
    use EventKind::{AttemptFailed, RunCompleted, RunStarted, StepCompleted};
    assert_eq!(kinds, [RunStarted, AttemptFailed, AttemptFailed, StepCompleted, RunCompleted]);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert!(records.next().await.is_none());
}

#[tokio::test]
async fn an_asynchronous_method_answers_without_holding_a_thread() {
    let dir = tempfile::tempdir().unwrap();
    let later = AppMethod::asynchronous("later", |call: Arc<Call>, n: u64| async move {
        tokio::task::yield_now().await;
        Ok::<_, MethodError>(json!({ "n": n, "step": call.step() }))
    });
    let host = builder(&dir).app_method("app", "1.0.0", later).build().unwrap();
    let answer = host.call("app", "later", json!(7)).await.unwrap();
    assert_eq!(answer.as_str(), r#"{"n":7,"step":"call"}"#);
}

#[test]
fn an_asynchronous_method_works_without_a_runtime_of_the_application() {
    let dir = tempfile::tempdir().unwrap();
    let later = AppMethod::asynchronous("later", |_, (): ()| async { Ok::<_, MethodError>("done") });
    let host = builder(&dir).app_method("app", "1.0.0", later).build().unwrap();
    let run = host.start_call("app", "later", json!(null)).unwrap();
    assert_eq!(run.wait(None).unwrap().output.as_str(), "\"done\"");
}

#[tokio::test]
async fn a_single_call_takes_parameters_as_they_are_and_fails_with_what_the_method_said() {
    let dir = tempfile::tempdir().unwrap();
    let echo = AppMethod::inline("echo", |_: &Call, value: Value| Ok::<_, MethodError>(value));
    let host = builder(&dir).app_method("app", "1.0.0", echo).build().unwrap();
    let odd = json!({ "text": "${nothing} $${x}", "n": [1, null] });
    assert_eq!(host.call("app", "echo", odd.clone()).await.unwrap().value(), &odd);
    assert!(matches!(host.call("app", "ecko", json!({})).await.unwrap_err(), Error::Invalid(_)));
    let host = calculator(&dir);
    let Error::Failed(failure) = host.call("calc", "add", json!({ "a": 1 })).await.unwrap_err() else {
        panic!("not a failure of the call");
    };
    assert_eq!(&*failure.kind, "validation");
}

#[test]
fn a_run_is_cancelled_by_its_id_and_an_unknown_one_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let host = builder(&dir).app_method("app", "1.0.0", waiting()).build().unwrap();
    let workflow =
        host.define(&Workflow::new("w").step(Step::call("s", "app", "wait").no_timeout())).unwrap();
    let run = host.start_with(&workflow, json!({}), RunOptions::id("r1")).unwrap();
    assert_eq!(run.id(), "r1");
    assert_eq!(host.list(&RunFilter::default()).len(), 1);
    assert!(host.start_with(&workflow, json!({}), RunOptions::id("r1")).is_err());
    host.cancel("r1", CancelMode::Graceful, "enough").unwrap();
    assert_eq!(run.wait(Some(Duration::from_secs(10))).unwrap().status, RunStatus::Cancelled);
    assert_eq!(host.cancel("r2", CancelMode::Kill, "x").unwrap_err().to_string(), "no run `r2`");
    host.forget("r1").unwrap();
    assert!(host.get("r1").is_err());
}

#[test]
fn a_run_can_stop_after_a_step() {
    let dir = tempfile::tempdir().unwrap();
    let host = calculator(&dir);
    let step = |id| Step::call(id, "calc", "add").param("a", 1).param("b", 1);
    let workflow = host.define(&Workflow::new("w").step(step("first")).step(step("second"))).unwrap();
    let run = host.start_with(&workflow, json!({}), RunOptions::default().until("first")).unwrap();
    let status = run.wait(Some(Duration::from_secs(10))).unwrap().status;
    let report = run.report(10);
    assert_eq!(status, RunStatus::Completed);
    assert_eq!(report.steps["first"].status.as_str(), "completed");
    assert_eq!(report.steps["second"].status.as_str(), "cancelled");
    assert_eq!(run.step_output("first").unwrap().as_str(), "2");
}

#[test]
fn two_hosts_in_one_process_share_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let host = |answer: &'static str| {
        let say = move |_: Value| Ok::<_, MethodError>(answer);
        builder(&dir).method("app", "1.0.0", "say", say).build().unwrap()
    };
    let (one, two) = (host("one"), host("two"));
    let workflow = Workflow::new("w").step(Step::call("s", "app", "say"));
    let checked = one.define(&workflow).unwrap();
    one.register(&checked).unwrap();
    assert!(two.workflow("w", None).is_err());
    for (host, answer) in [(&one, "\"one\""), (&two, "\"two\"")] {
        let run = host.start_with(&host.define(&workflow).unwrap(), json!({}), RunOptions::id("r")).unwrap();
        assert_eq!(run.wait(None).unwrap().output.as_str(), answer);
    }
    one.shutdown();
    one.shutdown();
    assert!(one.start(&checked, json!({})).is_err());
    assert!(two.start(&two.define(&workflow).unwrap(), json!({})).is_ok());
}

#[test]
fn registered_workflows_are_found_by_id_and_range() {
    let dir = tempfile::tempdir().unwrap();
    let host = calculator(&dir);
    let version = |version: &str| {
        let step = Step::call("s", "calc", "add").param("a", 1).param("b", 1);
        host.define(&Workflow::new("w").version(version).step(step)).unwrap()
    };
    for number in ["1.0.0", "1.2.0", "2.0.0"] {
        host.register(&version(number)).unwrap();
    }
    let range = "^1".parse().unwrap();
    assert_eq!(host.workflow("w", Some(&range)).unwrap().version().to_string(), "1.2.0");
    assert_eq!(host.workflow("w", None).unwrap().version().to_string(), "2.0.0");
    assert_eq!(host.workflows().len(), 3);
    let other = Workflow::new("w").version("1.0.0").mode(Mode::Parallel);
    let step = Step::call("s", "calc", "add").param("a", 1).param("b", 1);
    assert!(host.register(&host.define(&other.step(step)).unwrap()).is_err());
    host.unregister("w", Some(&"2.0.0".parse().unwrap())).unwrap();
    assert_eq!(host.workflow("w", None).unwrap().version().to_string(), "1.2.0");
    assert!(host.unregister("nothing", None).is_err());
}

#[tokio::test]
async fn expressions_see_the_configuration_and_secrets() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "s3cret-value\n").unwrap();
    let file = dir.path().join("jackfield.toml");
    std::fs::write(&file, "secrets_dir = '.'\n[config]\nregion = 'eu'\n").unwrap();
    let length = |text: String| Ok::<_, MethodError>(text.len());
    let host = builder(&dir).config_file(&file).method("app", "1.0.0", "length", length).build().unwrap();
    let workflow = Workflow::new("w")
        .step(Step::call("s", "app", "length").params("${secret('token')}"))
        .output(json!({ "length": "${steps.s.output}", "region": "${config.region}" }));
    let outcome = host.run(&host.define(&workflow).unwrap(), json!({})).await.unwrap();
    assert_eq!(outcome.output.value(), &json!({ "length": 12, "region": "eu" }));
    let typo = Workflow::new("w").step(Step::log("s", "${config.regoin}"));
    assert!(host.define(&typo).is_err());
}

#[test]
fn the_first_fault_of_a_builder_is_reported_by_build() {
    let dir = tempfile::tempdir().unwrap();
    let method = |_: Value| Ok::<_, MethodError>(());
    let error = builder(&dir).method("app", "one", "m", method).build().err().unwrap();
    assert!(error.to_string().starts_with("version `one`"), "{error}");
    let error = builder(&dir).config_file("/nowhere.toml").build().err().unwrap();
    assert_eq!(error.to_string(), "cannot read `/nowhere.toml`");
    let empty = builder(&dir).config(Config::default()).build().unwrap();
    assert!(empty.plugins().is_empty() && empty.plugin("x").unwrap().is_empty());
}

#[test]
fn a_file_that_is_no_plugin_is_a_problem_in_a_directory_and_an_error_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(format!("bad.{}", std::env::consts::DLL_EXTENSION));
    std::fs::write(&file, "no library").unwrap();
    let host = builder(&dir).plugin_path(dir.path()).build().unwrap();
    let problems = host.plugin_problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].code.starts_with("plugin."), "{}", problems[0]);
    assert!(matches!(builder(&dir).plugin_path(&file).build().err().unwrap(), Error::Plugin(_)));
}

#[test]
fn a_drawing_without_plugins_takes_those_that_are_only_required_for_granted() {
    let document =
        r#"{"id":"w","requires":{"ghost":"^1"},"steps":[{"id":"s","type":"log","message":"hello"}]}"#;
    let (_, diagnostics) = jackfield::sketch("w.json", document, jackfield::Dialect::Json).unwrap();
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
}

#[test]
fn a_prepared_call_is_made_as_often_as_wanted_without_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let count = move |_: &Call, start: u32| {
        if start == 0 {
            return Err(MethodError::new("app.zero", "nothing to start from"));
        }
        Ok(start + counted.fetch_add(1, Ordering::SeqCst))
    };
    let nap = |_: &Call, _: Value| Ok::<_, MethodError>(());
    let host = builder(&dir)
        .app_method("app", "1.0.0", AppMethod::inline("count", count))
        .app_method("app", "1.0.0", AppMethod::blocking("nap", nap))
        .build()
        .unwrap();
    let call = host.prepare_call("app", "count", json!(10)).unwrap();
    assert_eq!(call.parameters().value(), &json!(10));
    assert_eq!((0..3).map(|_| call.call().unwrap().value().clone()).collect::<Vec<_>>(), [10, 11, 12]);
    assert_eq!((calls.load(Ordering::SeqCst), host.list(&RunFilter::default()).len()), (3, 0));
    let failed = host.prepare_call("app", "count", json!(0)).unwrap().call().unwrap_err();
    assert_eq!(failed.to_string(), "app.zero: nothing to start from");
    for (plugin, method, expected) in [
        ("ap", "count", "there is no plugin `ap`"),
        ("app", "cuont", "plugin `app` has no method `cuont`"),
        ("app", "nap", "method `app.nap` is not inline"),
    ] {
        let error = host.prepare_call(plugin, method, json!({})).err().unwrap().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
