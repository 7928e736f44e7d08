//! Documents: what is taken, what is refused, and that everything wrong is said at once with its place.

mod big;

use jackfield::{Dialect, Mode, RunStatus, Step, StepStatus, Value, Workflow, json, model};
use jackfield_tests::{Bench, Fault};
use std::time::Duration;

/// One document with seven different things wrong with it.
const SEVEN: &str = r#"{
  "id": "seven",
  "mode": "parallel",
  "output": "${steps.list.output}",
  "steps": [
    { "id": "load", "plugin": "echo", "method": "sleep", "parameters": { "ms": 1 },
      "timout": "5s" },
    { "id": "wait", "plugin": "echo", "method": "sleep",
      "parameters": { "ms": "soon" } },
    { "id": "join", "plugin": "echo", "method": "noop",
      "dependencies": ["laod"] },
    { "id": "first", "plugin": "echo", "method": "echo",
      "parameters": { "from": "${steps.second.output}" } },
    { "id": "second", "plugin": "echo", "method": "noop",
      "dependencies": ["first"] },
    { "id": "maybe", "plugin": "echo", "method": "noop",
      "when": "${input.enabled}" },
    { "id": "list", "plugin": "ecko",
      "method": "list" },
    { "id": "old", "plugin": "echo", "method": "noop",
      "plugin_version": "newest" }
  ]
}"#;

const SEVEN_FAULTS: &[Fault<'static>] = &[
    ("JF0002", "/steps/0/timout", 7),
    ("JF0043", "/steps/1/parameters/ms", 9),
    ("JF0020", "/steps/2/dependencies/0", 11),
    ("JF0021", "/steps/3/parameters", 13),
    ("JF0031", "/steps/5/when", 17),
    ("JF0040", "/steps/6/plugin", 18),
    ("JF0012", "/steps/7/plugin_version", 21),
];

#[test]
fn seven_kinds_of_faults_are_found_in_one_pass_each_at_its_line() {
    let bench = Bench::new(&["echo"]);
    bench.faults(SEVEN).assert_are(SEVEN_FAULTS);
}

#[test]
fn the_command_says_the_same_about_a_file_as_json_and_as_text() {
    let bench = Bench::new(&["echo"]);
    bench.write("seven.json", SEVEN);
    let found = bench.cli(&["validate", "seven.json", "--json"]).exits(1).json();
    assert_eq!(found["valid"], false);
    let list = found["diagnostics"].as_array().expect("a list");
    let places: Vec<(&str, &str, u64)> = list
        .iter()
        .map(|it| {
            (it["code"].as_str().unwrap(), it["pointer"].as_str().unwrap(), it["line"].as_u64().unwrap())
        })
        .collect();
    let expected: Vec<(&str, &str, u64)> =
        SEVEN_FAULTS.iter().map(|(code, pointer, line)| (*code, *pointer, u64::from(*line))).collect();
    assert_eq!(places, expected);
    let text = bench.cli(&["validate", "seven.json"]).exits(1);
    for (code, pointer, line) in SEVEN_FAULTS {
        assert!(text.stderr.contains(&format!("error[{code}]")), "{code} in {}", text.stderr);
        assert!(text.stderr.contains(&format!("seven.json:{line}:")), "{line} in {}", text.stderr);
        assert!(text.stderr.contains(pointer), "{pointer} in {}", text.stderr);
    }
}

#[test]
fn a_faulty_document_runs_nothing() {
    let bench = Bench::new(&["echo", "fs"]);
    let marker = bench.dir().join("marker");
    let write = json!({ "path": marker, "text": "x" });
    let document = json!({ "id": "w", "steps": [
        { "id": "a", "plugin": "fs", "method": "write", "parameters": write },
        { "id": "b", "plugin": "echo", "method": "noop", "timout": 1 }
    ] });
    bench.write("w.json", document.to_string());
    let output = bench.cli(&["run", "w.json"]).exits(1);
    assert!(output.stderr.contains("JF0002"), "{output:?}");
    assert!(!marker.exists());
}

#[test]
fn names_modes_and_timeouts_have_defaults_that_the_document_and_the_builder_replace() {
    let bench = Bench::new(&["echo"]);
    let plain = bench.check(r#"{"id":"w","steps":[{"id":"a","plugin":"echo","method":"noop"}]}"#);
    assert_eq!((plain.id(), plain.name(), plain.version().to_string()), ("w", "w", "0.0.0".to_owned()));
    let step = &plain.plan().steps[0];
    assert_eq!(
        (plain.plan().scopes[0].mode, step.timeout),
        (Mode::Sequential, Some(Duration::from_secs(60)))
    );
    assert_eq!(plain.plan().timeout, None);
    let said = json!({ "id": "w", "name": "My work", "mode": "parallel", "version": "1.2.3",
        "description": "What it does", "timeout": "90s",
        "steps": [{ "id": "a", "plugin": "echo", "method": "noop", "timeout": "5s" }] });
    let built = Workflow::new("w")
        .name("My work")
        .description("What it does")
        .mode(Mode::Parallel)
        .version("1.2.3")
        .timeout(Duration::from_secs(90))
        .step(Step::call("a", "echo", "noop").timeout(Duration::from_secs(5)));
    for workflow in [bench.check(&said), bench.host().define(&built).unwrap()] {
        assert_eq!((workflow.name(), workflow.version().to_string().as_str()), ("My work", "1.2.3"));
        let document: Value = serde_json::from_str(workflow.source()).unwrap();
        assert_eq!(document["description"], "What it does");
        assert_eq!(workflow.plan().timeout, Some(Duration::from_secs(90)));
        let step = &workflow.plan().steps[0];
        assert_eq!(
            (workflow.plan().scopes[0].mode, step.timeout),
            (Mode::Parallel, Some(Duration::from_secs(5)))
        );
    }
}

#[test]
fn empty_ids_no_steps_and_ids_twice_are_found_together() {
    let bench = Bench::new(&["echo"]);
    let document = r#"{
  "id": "",
  "steps": [
    { "id": "a", "plugin": "echo", "method": "noop" },
    { "id": "", "plugin": "echo", "method": "noop" },
    { "id": "a", "plugin": "echo", "method": "noop" },
    { "id": "none", "type": "group",
      "steps": [] },
    { "id": "outer", "type": "group", "steps": [
      { "id": "a", "plugin": "echo", "method": "noop" } ] }
  ]
}"#;
    let faults = bench.faults(document);
    let places: Vec<(&str, u32)> = faults.0.iter().map(|it| (&*it.pointer, it.line)).collect();
    assert_eq!(
        places,
        [
            ("/id", 2),
            ("/steps/1/id", 5),
            ("/steps/2/id", 6),
            ("/steps/3/steps", 8),
            ("/steps/4/steps/0/id", 10)
        ],
        "\n{faults}"
    );
    let twice: Vec<&str> = faults.with_code("JF0007").iter().map(|it| &*it.pointer).collect();
    assert_eq!(twice, ["/steps/2/id", "/steps/4/steps/0/id"]);
}

#[test]
fn steps_as_an_object_are_refused_with_their_place() {
    let bench = Bench::new(&["echo"]);
    let document = r#"{"id":"w","steps":{"a":{"id":"b","plugin":"echo","method":"noop"}}}"#;
    bench.faults(document).assert_are(&[("JF0004", "/steps", 1)]);
}

#[test]
fn a_dependency_on_no_step_names_both_and_the_nearest() {
    let bench = Bench::new(&["echo"]);
    let faults = bench.faults(json!({ "id": "w", "mode": "parallel", "steps": [
        { "id": "download", "plugin": "echo", "method": "noop" },
        { "id": "join", "plugin": "echo", "method": "noop", "dependencies": ["donwload"] }
    ] }));
    let fault = faults.the("JF0020");
    for id in ["`join`", "`donwload`"] {
        assert!(fault.message.contains(id), "{fault:?}");
    }
    assert!(fault.hint.contains("`download`"), "{fault:?}");
}

#[test]
fn cycles_are_named_with_their_path() {
    let bench = Bench::new(&["echo"]);
    let cycle = |steps: &[(&str, &str)], shown: &[&str]| {
        let step = |(id, on): &(&str, &str)| json!({ "id": id, "plugin": "echo", "method": "noop", "dependencies": [on] });
        let steps: Vec<_> = steps.iter().map(step).collect();
        let faults = bench.faults(json!({ "id": "w", "mode": "parallel", "steps": steps }));
        let fault = faults.the("JF0021");
        assert!(shown.iter().any(|path| fault.message.contains(path)), "{fault:?}");
    };
    cycle(&[("a", "a")], &["a"]);
    cycle(&[("a", "b"), ("b", "a")], &["a -> b -> a"]);
    cycle(&[("a", "b"), ("b", "c"), ("c", "a")], &["a -> b -> c -> a"]);
    let reader = json!({ "id": "a", "plugin": "echo", "method": "echo", "parameters": "${steps.b.output}" });
    let steps = json!([reader, { "id": "b", "plugin": "echo", "method": "noop", "dependencies": ["a"] }]);
    let faults = bench.faults(json!({ "id": "w", "mode": "parallel", "steps": steps }));
    let fault = faults.the("JF0021");
    assert!(fault.message.contains("`a -> b -> a`"), "{fault:?}");
    assert!(fault.hint.contains("`a` waits for `b` because it reads it"), "{fault:?}");
}

#[test]
fn ties_are_broken_by_list_order_on_every_run() {
    let bench = Bench::with(&["echo"], |builder| builder.threads(2));
    let ids = ["zeta", "beta", "omega", "alpha", "kappa"];
    let steps = ids.map(|id| json!({ "id": id, "plugin": "echo", "method": "noop" }));
    let document = json!({ "id": "w", "mode": "parallel", "max_concurrency": 1, "steps": steps });
    for _ in 0..20 {
        let finished = bench.run(&document, json!({})).completed();
        assert_eq!(finished.order_of(jackfield::EventKind::StepCompleted), ids);
    }
    let after_one =
        ids.map(|id| json!({ "id": id, "plugin": "echo", "method": "noop", "dependencies": ["first"] }));
    let first = json!({ "id": "first", "plugin": "echo", "method": "noop" });
    let steps: Vec<_> = std::iter::once(first).chain(after_one).collect();
    let document = json!({ "id": "w", "mode": "parallel", "max_concurrency": 1, "steps": steps });
    for _ in 0..20 {
        let finished = bench.run(&document, json!({})).completed();
        assert_eq!(finished.order_of(jackfield::EventKind::StepCompleted)[1..], ids);
    }
}

#[test]
fn formatting_a_document_loses_nothing_and_does_so_once() {
    let bench = Bench::new(&["echo"]);
    let document = json!({ "id": "w", "mode": "parallel", "rollback": "never", "cleanup_timeout": "1m30s",
        "retry_policies": { "patient": { "max_attempts": 5, "delay": "10ms", "backoff": "linear", "jitter": 0.5 } },
        "steps": [
            { "id": "a", "plugin": "echo", "method": "noop", "when": "input.on == true", "retry": "patient",
              "critical": false,
              "compensate": { "plugin": "echo", "method": "echo", "parameters": { "undo": "a" },
                              "timeout": "3s", "max_retries": 2 } },
            { "id": "b", "plugin": "echo", "method": "noop", "dependencies": ["a"], "trigger_rule": "any_failed" }
        ] });
    let file = bench.write("w.json", document.to_string());
    let _ = bench.cli(&["fmt", "w.json"]).exits(0);
    let formatted = std::fs::read_to_string(&file).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&formatted).unwrap(), document);
    assert!(formatted.lines().count() > 10, "{formatted}");
    let workflow = model::parse(formatted.as_bytes(), Dialect::Json).workflow.expect("it is a workflow");
    assert_eq!(serde_json::from_str::<Value>(&model::to_json(&workflow)).unwrap(), document);
    let _ = bench.cli(&["fmt", "--check", "w.json"]).exits(0);
    bench.faults(&formatted).assert_are(&[]);
}

#[test]
fn typos_negative_times_wrong_types_and_unknown_modes_are_refused_with_their_path() {
    let bench = Bench::new(&["echo"]);
    let step = |extra: &str| {
        format!(r#"{{"id":"w","steps":[{{"id":"a","plugin":"echo","method":"noop"{extra}}}]}}"#)
    };
    let cases = [
        (step(r#","critcal":false"#), "JF0002", "/steps/0/critcal"),
        (step(r#","timeout":-5"#), "JF0013", "/steps/0/timeout"),
        (step(r#","timeout":"-5s""#), "JF0013", "/steps/0/timeout"),
        (step(r#","max_retries":-1"#), "JF0005", "/steps/0/max_retries"),
        (step(r#","critical":"no""#), "JF0004", "/steps/0/critical"),
        (step(r#","dependencies":"b""#), "JF0004", "/steps/0/dependencies"),
        (step("").replace(r#""id":"w""#, r#""id":"w","mode":99"#), "JF0005", "/mode"),
        (step("").replace(r#""id":"w""#, r#""id":"w","mode":"serial""#), "JF0005", "/mode"),
    ];
    let typo = step("").replace(r#""id":"w""#, r#""id":"w","mdoe":"parallel""#);
    bench.faults(typo).assert_are(&[("JF0002", "/mdoe", 1)]);
    for (document, code, pointer) in cases {
        bench.faults(&document).assert_are(&[(code, pointer, 1)]);
    }
}

#[test]
fn a_run_on_the_command_line_prints_the_result_document() {
    let bench = Bench::new(&["echo"]);
    let document = json!({ "id": "hello", "steps": [
        { "id": "say", "plugin": "echo", "method": "echo", "parameters": { "to": "${input.name}" } }
    ] });
    let finished = bench.run(&document, json!({ "name": "you" })).completed();
    assert_eq!(finished.output(), &json!({ "to": "you" }));
    bench.write("hello.json", document.to_string());
    let result = bench.cli(&["run", "hello.json", "--json", "--set", "name=me"]).exits(0).json();
    assert_eq!(result["output"], json!({ "to": "me" }));
    assert_eq!(result["status"], RunStatus::Completed.as_str());
    assert_eq!(result["steps"]["say"]["status"], StepStatus::Completed.as_str());
}
