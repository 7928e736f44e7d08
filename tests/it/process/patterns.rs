//! The six patterns: their examples as they stand in examples/patterns, and the command that recommends them.

use super::wait_until;
use jackfield::{
    Clock, Config, Engine, EventKind, Host, Isolation, RunOptions, RunStatus, StepStatus, Timestamp, Value,
    json,
};
use jackfield_tests::{Bench, SetClock, workspace};
use std::fs;
use std::sync::Arc;

const NAMES: [&str; 6] = ["simple", "long-running", "concurrent", "fire-and-forget", "periodic", "pooled"];

/// A bench with the examples and their data, whose host has a journal.
fn bench() -> Bench {
    with_examples(Bench::with(&["process"], |builder| builder.engine(Engine::durable())))
}

fn with_examples(bench: Bench) -> Bench {
    for dir in ["examples/patterns", "examples/data"] {
        fs::create_dir_all(bench.dir().join(dir)).expect("it works");
        for entry in fs::read_dir(workspace::root().join(dir)).expect("it works") {
            let path = entry.expect("it works").path();
            if path.is_file() {
                fs::copy(&path, bench.dir().join(dir).join(path.file_name().expect("it works")))
                    .expect("it works");
            }
        }
    }
    bench
}

/// The example, with its programs started in the directory of the bench.
fn example(bench: &Bench, name: &str) -> Value {
    let text =
        fs::read_to_string(bench.dir().join(format!("examples/patterns/{name}.json"))).expect("it works");
    let mut document: Value = serde_json::from_str(&text).expect("it works");
    place(&mut document, &bench.dir().to_string_lossy());
    document
}

/// Gives every call a working directory, as the command has by where it is started.
fn place(value: &mut Value, dir: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| place(item, dir)),
        Value::Object(fields) => {
            if let Some(Value::Object(parameters)) = fields.get_mut("parameters") {
                let below = parameters.get("cwd").and_then(Value::as_str).unwrap_or_default();
                parameters.insert("cwd".into(), json!(format!("{dir}/{below}")));
                if let Some(Value::Object(stdin)) = parameters.get_mut("stdin") {
                    stdin["file"] = json!(format!("{dir}/{}", stdin["file"].as_str().expect("it works")));
                }
            }
            fields.values_mut().for_each(|field| place(field, dir));
        }
        _ => {}
    }
}

#[test]
fn simple_makes_what_a_program_printed_a_value() {
    let bench = bench();
    let metadata = example(&bench, "simple")["metadata"].clone();
    let ran = bench.cli(&["run", "examples/patterns/simple.json", "--input", &metadata["input"].to_string()]);
    assert_eq!(ran.exits(0).json(), metadata["output"]);
}

#[test]
fn long_running_tells_how_far_it_is_and_writes_its_log() {
    let bench = bench();
    let log = bench.dir().join("convert.log");
    let input = json!({ "frames": 4, "pause": 0.01, "log": log });
    let finished = bench.start_with(example(&bench, "long-running"), input, RunOptions::id("long")).finish();
    let finished = finished.completed();
    let lines: Vec<String> = (1..=4).map(|frame| format!("frame {frame} of 4")).collect();
    assert_eq!(finished.output(), &json!(lines));
    assert_eq!(fs::read_to_string(log).unwrap(), lines.join("\n") + "\n");
    let kept = bench.host().run_lines("long", &Default::default()).unwrap().lines;
    assert_eq!(kept.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), lines);
}

#[test]
fn concurrent_keeps_limit_and_order_and_goes_on_after_failures_or_not() {
    let bench = bench();
    let mut document = example(&bench, "concurrent");
    // each takes shorter than the one before, tells when it is there, and the second fails
    let script = "mkdir in.$1; echo $(ls -d in.* | wc -l) >> seen; sleep 0.$((5 - $1)); rmdir in.$1; test $1 != 1 || exit 3; echo $1 x";
    let call = &mut document["steps"][0]["steps"][0];
    call["parameters"]["argv"] = json!([script, "${file}"]);
    call["parameters"]["shell"] = json!(true);
    call["parameters"]["cwd"] = json!(bench.dir());
    let input = json!({ "files": ["0", "1", "2", "3", "4"] });
    let kept_going = bench.run(document.clone(), input.clone()).completed();
    assert_eq!(kept_going.output(), &json!({ "sums": ["0", null, "2", "3", "4"], "failed": [1] }));
    let seen = fs::read_to_string(bench.dir().join("seen")).unwrap();
    let at_once: Vec<u32> = seen.lines().map(|line| line.trim().parse().unwrap()).collect();
    assert_eq!((at_once.len(), at_once.iter().max()), (5, Some(&2)), "{at_once:?}");

    document["steps"][0].as_object_mut().unwrap().remove("tolerated_failures");
    let failed = bench.run(document, input);
    assert_eq!(failed.status(), RunStatus::Failed);
    assert_eq!(&*failed.error().kind, "foreach.too_many_failures");
    let began = failed.order_of(EventKind::StepStarted);
    assert!(!began.contains(&"each[4].hash"), "{began:?}");
}

#[test]
fn the_example_of_concurrent_hashes_files() {
    let bench = bench();
    let input = r#"{"files": ["seattle-temps.csv", "none.csv", "sf-temps.csv"]}"#;
    let ran = bench.cli(&["run", "examples/patterns/concurrent.json", "--input", input]).exits(0).json();
    assert!(ran["failed"] == json!([1]) && ran["sums"][0].is_string() && ran["sums"][1].is_null(), "{ran}");
}

#[test]
fn fire_and_forget_gives_an_id_at_once_and_the_result_later() {
    let bench = bench();
    let document = example(&bench, "fire-and-forget");
    let finished = bench.start_with(document, json!({ "pause": 0.2 }), RunOptions::id("start")).finish();
    let finished = finished.completed();
    let id = finished.output()["run_id"].as_str().unwrap().to_owned();
    let run = bench.host().get(&id).unwrap();
    assert!(!run.status().is_terminal(), "nobody waited for it");
    let later = run.wait(Some(super::PATIENCE)).unwrap();
    assert_eq!(later.status, RunStatus::Completed);
    let stdout = &later.output.value()["stdout"];
    assert!(stdout.as_array().unwrap().contains(&json!("frame 3 of 3")), "{stdout}");
}

/// A host on the journal of the bench; the next one can be built when it and all that it gave out are dropped.
fn host(bench: &Bench, clock: &Arc<SetClock>) -> Host {
    let mut config = Config::default();
    config.isolation.default = Some(Isolation::InProcess);
    let builder = Host::builder().config(config).data_dir(bench.data_dir()).plugin_path(bench.plugin_dir());
    builder.engine(Engine::durable()).clock(clock.clone()).build().expect("it works")
}

#[test]
fn periodic_is_due_again_and_again_can_be_switched_off_and_makes_up() {
    let bench = bench();
    let clock = Arc::new(SetClock::at("2026-03-02T10:01:00Z"));
    let first = host(&bench, &clock);
    periodic_while_there(&bench, &first, &clock);
    first.shutdown();
    drop(first);
    // nobody was there when it was due, by more than what counts as late
    clock.put_forward(at("2026-03-02T10:47:00Z").since(clock.now()));
    let again = host(&bench, &clock);
    let made_up = "periodic@2026-03-02T10:45:00Z";
    wait_until("it is made up for", || {
        again.get(made_up).is_ok_and(|run| run.status() == RunStatus::Completed)
    });
    again.shutdown();
}

fn periodic_while_there(bench: &Bench, host: &Host, clock: &SetClock) {
    let mut document = example(bench, "periodic");
    document["steps"][0]["parameters"] = json!({
        "argv": ["printf 'Filesystem\\nused\\n'; while ! test -e go; do sleep 0.01; done"],
        "shell": true, "stdout": "lines", "cwd": bench.dir(),
    });
    host.register(&host.parse(&document.to_string()).expect("it works")).expect("it works");
    let schedules = host.schedules();
    let next: Vec<Timestamp> =
        schedules.next("periodic", 3).expect("it works").iter().map(|start| start.at).collect();
    assert_eq!(next, [5, 10, 15].map(|minute| at(&format!("2026-03-02T10:{minute:02}:00Z"))));

    // due: one run, and none beside it while it goes on
    let forward = |time: &str| {
        clock.put_forward(at(time).since(clock.now()));
        host.clock_changed();
    };
    forward("2026-03-02T10:05:00Z");
    let first = "periodic@2026-03-02T10:05:00Z";
    wait_until("it has begun", || host.get(first).is_ok());
    forward("2026-03-02T10:10:00Z");
    wait_until("the next start is that behind it", || {
        schedules.next("periodic", 1).is_ok_and(|next| next[0].at == at("2026-03-02T10:15:00Z"))
    });
    fs::write(bench.dir().join("go"), "").expect("it works");
    let ended = host.get(first).expect("it works").wait(Some(super::PATIENCE)).expect("it works");
    assert_eq!(ended.output.value(), &json!({ "at": "2026-03-02T10:05:00.000Z", "disk": "used" }));
    assert!(host.get("periodic@2026-03-02T10:10:00Z").is_err(), "it was left out");

    // switched off it starts nothing
    schedules.pause("periodic", "for now").expect("it works");
    forward("2026-03-02T10:30:00Z");
    assert!(host.get("periodic@2026-03-02T10:30:00Z").is_err());
    schedules.resume("periodic").expect("it works");
    forward("2026-03-02T10:35:00Z");
    let run = "periodic@2026-03-02T10:35:00Z";
    wait_until("it runs again", || host.get(run).is_ok_and(|run| run.status() == RunStatus::Completed));
}

fn at(text: &str) -> Timestamp {
    Timestamp::from_rfc3339(text).expect("it works")
}

#[test]
fn pooled_answers_by_workers() {
    let bench = bench();
    let metadata = example(&bench, "pooled")["metadata"].clone();
    let input = metadata["input"].to_string();
    let ran = bench.cli(&["run", "examples/patterns/pooled.json", "--input", &input]).exits(0);
    assert_eq!(ran.json(), metadata["output"]);
    let finished = bench.run(example(&bench, "pooled"), json!({ "words": vec!["abc"; 100] })).completed();
    assert_eq!(finished.output(), &json!(vec!["Cba"; 100]));
    assert_eq!(finished.step_status("each[99].turn"), StepStatus::Completed);
}

#[test]
fn every_pattern_has_a_valid_example() {
    let bench = bench();
    for name in NAMES {
        let file = format!("examples/patterns/{name}.json");
        let checked = bench.cli(&["validate", &file]).exits(0);
        assert!(!(checked.stdout + &checked.stderr).contains("warning"), "{name}");
        let _ = bench.cli(&["fmt", "--check", &file]).exits(0);
    }
}

/// The pattern that decides, and those that are named beside it.
fn recommended(bench: &Bench, options: &str) -> (String, Vec<String>) {
    let words = ["pattern", "recommend", "--json"].into_iter().chain(options.split_whitespace());
    let told = bench.cli(&words.collect::<Vec<_>>()).exits(0).json();
    let beside = told["together_with"].as_array().expect("it works").iter();
    let name = |value: &Value| value["pattern"].as_str().expect("it works").to_owned();
    assert!(told["because"].is_string() && told["uses"].is_string());
    (name(&told), beside.map(name).collect())
}

#[test]
fn the_first_that_fits_is_recommended_and_the_others_are_named_beside_it() {
    let bench = Bench::new(&[]);
    for (options, pattern, beside) in [
        ("", "simple", &[][..]),
        ("--duration 60s --items 1", "simple", &[]),
        ("--duration 61s", "long-running", &[]),
        ("--streaming", "long-running", &[]),
        ("--items 2", "concurrent", &[]),
        ("--no-result", "fire-and-forget", &[]),
        ("--high-frequency", "pooled", &[]),
        ("--recurring", "periodic", &[]),
        ("--duration 2m --items 40", "long-running", &["concurrent"]),
        ("--high-frequency --no-result", "fire-and-forget", &["pooled"]),
        (
            "--recurring --streaming --items 9 --no-result --high-frequency",
            "periodic",
            &["long-running", "concurrent", "fire-and-forget", "pooled"],
        ),
    ] {
        assert_eq!(
            recommended(&bench, options),
            (pattern.into(), beside.iter().map(|it| (*it).to_owned()).collect()),
            "{options}"
        );
    }
    let told = bench.cli(&["pattern", "recommend", "--duration", "120s", "--items", "40"]).exits(0).stdout;
    let documented = fs::read_to_string(workspace::root().join("docs/patterns.md")).unwrap();
    assert!(documented.contains(&told), "{told}");
    assert!(bench.cli(&["pattern", "recommend", "--duration", "long"]).exits(2).stderr.contains("`long`"));
}

#[test]
fn each_pattern_is_explained_with_its_example() {
    let bench = Bench::new(&[]);
    for name in NAMES {
        let told = bench.cli(&["pattern", "explain", name, "--json"]).exits(0).json();
        assert!(
            !told["use_when"].as_array().unwrap().is_empty()
                && !told["benefits"].as_array().unwrap().is_empty()
        );
        let file = workspace::root().join(format!("examples/patterns/{name}.json"));
        let text = fs::read_to_string(file).unwrap();
        assert_eq!(told["example"], serde_json::from_str::<Value>(&text).unwrap(), "{name}");
        let shown = bench.cli(&["pattern", "explain", name]).exits(0).stdout;
        assert!(
            shown.contains("use when") && shown.contains("benefits") && shown.ends_with(&text),
            "{shown}"
        );
    }
    let unknown = bench.cli(&["pattern", "explain", "sipmle"]).exits(2).stderr;
    assert!(unknown.contains("`sipmle`") && unknown.contains("fire-and-forget"), "{unknown}");
}
