//! `jackfield bench` as a user starts it: one object with its fields for every shape, and what it refuses. The figures
//! themselves are nobody's promise.

use jackfield::{Value, json};
use jackfield_tests::{Bench, CliOutput, compile_c};

/// Fields of every object.
const FIELDS: [&str; 13] = [
    "shape",
    "steps",
    "output",
    "engine",
    "history",
    "threads",
    "runs",
    "concurrency",
    "body_ns",
    "ns_per_step",
    "steps_per_s",
    "efficiency",
    "repeats",
];

fn measured(bench: &Bench, options: &str) -> Value {
    output(bench, options).json()
}

fn output(bench: &Bench, options: &str) -> CliOutput {
    let line = format!("bench --json --steps 200 --repeats 1 {options}");
    bench.cli(&line.split_whitespace().collect::<Vec<_>>()).exits(0)
}

/// The names of the fields that not every object has.
fn further(object: &Value) -> Vec<&str> {
    let object = object.as_object().expect("the result is an object");
    for field in FIELDS {
        assert!(object.contains_key(field), "no `{field}` in {object:?}");
    }
    object.keys().map(String::as_str).filter(|field| !FIELDS.contains(field)).collect()
}

fn is_positive(value: &Value) -> bool {
    value.as_f64().is_some_and(|it| it > 0.0)
}

#[test]
fn without_history_a_run_does_the_same_work_and_takes_less_memory() {
    let bench = Bench::new(&["echo"]);
    let measure = |history| measured(&bench, &format!("--shape chain --output 200b --history {history}"));
    let (full, none) = (measure("full"), measure("none"));
    assert_eq!((&full["history"], &none["history"]), (&json!("full"), &json!("none")));
    if let (Some(full), Some(none)) = (full["bytes_per_step"].as_f64(), none["bytes_per_step"].as_f64()) {
        assert!(none < full / 2.0, "{none} B of {full} B a step");
    }
}

#[test]
fn every_shape_prints_one_object_with_its_fields() {
    let bench = Bench::new(&["echo"]);
    // the C library of GNU/Linux counts memory, others do not
    let is_counted = cfg!(all(target_os = "linux", target_env = "gnu"));
    let bytes: &[&str] = if is_counted { &["bytes_per_step"] } else { &[] };
    for shape in ["chain", "fan", "layered", "wave", "tree", "stencil"] {
        let output = output(&bench, &format!("--shape {shape} --threads 1"));
        let object = output.json();
        // a machine that is busy with other things may have no METG, and then that is said
        let has_metg = shape == "stencil" && !output.stderr.contains("there is no METG");
        let metg: &[&str] = if has_metg { &["metg_us"] } else { &[] };
        let own: Vec<&str> = bytes.iter().chain(metg).copied().collect();
        assert_eq!(further(&object), own, "{output:?}");
        assert_eq!((&object["shape"], &object["steps"]), (&json!(shape), &json!(200)));
        assert_eq!((&object["engine"], &object["history"]), (&json!("memory"), &json!("full")));
        assert_eq!((&object["threads"], &object["output"]), (&json!(1), &json!("empty")));
        assert_eq!(
            (&object["runs"], &object["concurrency"], &object["repeats"]),
            (&json!(1), &json!(1), &json!(1))
        );
        assert_eq!((&object["body_ns"], &object["efficiency"]), (&json!(0), &Value::Null));
        assert!(is_positive(&object["ns_per_step"]) && is_positive(&object["steps_per_s"]), "{object}");
    }
}

#[test]
fn calls_and_definitions_are_measured_without_a_run() {
    let bench = Bench::new(&["echo"]);
    let calls = measured(&bench, "--shape calls");
    assert_eq!((further(&calls), &calls["threads"]), (vec!["calls"], &json!(1)));
    let sizes = calls["calls"].as_array().unwrap();
    assert_eq!(sizes.iter().map(|it| it["bytes"].clone()).collect::<Vec<_>>(), [200, 65_536, 1_048_576]);
    assert!(sizes.iter().all(|it| is_positive(&it["ns"]) && is_positive(&it["direct_ns"])), "{calls}");
    assert_eq!(calls["ns_per_step"], sizes[0]["ns"]);
    let definition = measured(&bench, "--shape definition");
    assert!(further(&definition).is_empty() && is_positive(&definition["ns_per_step"]), "{definition}");
}

#[test]
fn bodies_outputs_and_runs_at_a_time_are_measured_and_checked() {
    let bench = Bench::new(&["echo"]);
    let object =
        measured(&bench, "--body 10us --output 200b --runs 6 --concurrency 3 --threads 1 --width 20");
    assert_eq!((&object["body_ns"], &object["output"]), (&json!(10_000), &json!("200b")));
    assert_eq!((&object["runs"], &object["concurrency"]), (&json!(6), &json!(3)));
    assert!(object["ns_per_step"].as_f64().unwrap() >= 10_000.0, "{object}");
    let efficiency = object["efficiency"].as_f64().unwrap();
    assert!(efficiency > 0.0, "{object}");
    let latency = |name: &str| object["latency_us"][name].as_f64().unwrap();
    assert!(latency("p50") >= 2_000.0 && latency("p50") <= latency("p99"), "{object}");
    let large = measured(&bench, "--shape chain --output 64k");
    assert_eq!(large["output"], "64k");
}

/// Of a journal, with options of its own.
fn durable(bench: &Bench, options: &str) -> Value {
    let line = format!("bench --json --engine sqlite --repeats 1 {options}");
    let object = bench.cli(&line.split_whitespace().collect::<Vec<_>>()).exits(0).json();
    assert_eq!((&object["engine"], &object["repeats"]), (&json!("sqlite"), &json!(1)));
    assert!(is_positive(&object["ns_per_step"]), "{object}");
    object
}

#[test]
fn runs_that_wait_are_set_up_and_released() {
    let bench = Bench::new(&["echo"]);
    let object = durable(&bench, "--shape waiting --runs 30 --steps 2 --concurrency 4 --idle 100ms");
    let told: &[&str] = match cfg!(target_os = "linux") {
        true => &["idle_cpu_percent", "released_s", "resident_bytes", "resident_per_run", "set_up_s"],
        false => &["released_s", "set_up_s"],
    };
    let mut own = further(&object);
    own.sort_unstable();
    assert_eq!(own, told, "{object}");
    assert!(is_positive(&object["set_up_s"]) && is_positive(&object["released_s"]), "{object}");
    assert_eq!(
        (&object["runs"], &object["concurrency"], &object["steps"]),
        (&json!(30), &json!(4), &json!(2))
    );
    // they wait in memory, too, and without a while in which nothing happens no processor time is told of it
    let memory = measured(&bench, "--shape waiting --runs 5");
    assert!(is_positive(&memory["set_up_s"]) && memory.get("idle_cpu_percent").is_none(), "{memory}");
}

#[test]
fn a_journal_with_open_runs_is_opened_again() {
    let object = durable(&Bench::new(&["echo"]), "--shape restart --runs 30 --steps 3");
    assert_eq!(further(&object), ["restart_s", "recovery_s"]);
    assert!(is_positive(&object["restart_s"]) && is_positive(&object["recovery_s"]), "{object}");
    assert_eq!((&object["runs"], &object["concurrency"]), (&json!(30), &json!(30)));
}

#[test]
fn pages_of_the_list_are_asked_for_in_every_way() {
    let object = durable(&Bench::new(&["echo"]), "--shape list --runs 120");
    assert_eq!(further(&object), ["pages"]);
    let pages = object["pages"].as_array().unwrap();
    let lines = pages.iter().map(|page| (page["pick"].as_str().unwrap(), page["lines"].as_u64().unwrap()));
    let wanted = [
        ("newest", 50),
        ("newest, file opened anew", 50),
        ("behind half of all", 50),
        ("completed", 50),
        ("failed", 0),
        ("of the workflow", 50),
    ];
    assert_eq!(lines.take(wanted.len()).collect::<Vec<_>>(), wanted);
    assert_eq!(pages.len(), 8);
    assert!(pages.iter().all(|page| is_positive(&page["ms"]) && is_positive(&page["ms_max"])), "{object}");
}

#[test]
fn steps_are_measured_in_runs_of_every_length() {
    let object = durable(&Bench::new(&["echo"]), "--shape growth --steps 120 --concurrency 4");
    assert_eq!(further(&object), ["growth"]);
    let growth = object["growth"].as_array().unwrap();
    let sizes = growth
        .iter()
        .map(|it| [&it["concurrency"], &it["steps"], &it["runs"]].map(|it| it.as_u64().unwrap()));
    let wanted = [[1, 10, 100], [1, 100, 10], [1, 120, 9], [4, 10, 100], [4, 30, 34]];
    assert_eq!(sizes.collect::<Vec<_>>(), wanted);
    assert!(growth.iter().all(|it| is_positive(&it["ns_per_step"])), "{object}");
    assert_eq!(object["ns_per_step"], growth[2]["ns_per_step"]);
}

#[test]
fn a_server_is_measured_by_clients_of_another_process() {
    let object = durable(
        &Bench::new(&["echo"]),
        "--shape service --runs 60 --concurrency 4 --streams 5 --slow 1 --steps 2",
    );
    let told: &[&str] = match cfg!(target_os = "linux") {
        true => &[
            "idle_bytes",
            "idle_cpu_percent",
            "latency_us",
            "pages",
            "resident_bytes",
            "start_us",
            "starts_per_s",
            "streams",
        ],
        false => &["latency_us", "pages", "start_us", "starts_per_s", "streams"],
    };
    let mut own = further(&object);
    own.sort_unstable();
    assert_eq!(own, told, "{object}");
    assert!(is_positive(&object["starts_per_s"]) && is_positive(&object["start_us"]["p99"]), "{object}");
    let streams = &object["streams"];
    assert_eq!((&streams["clients"], &streams["slow"]), (&json!(5), &json!(1)));
    // the run says something of each call
    for followed in ["alone", "beside"] {
        assert!(streams[followed]["records"].as_u64().is_some_and(|count| count > 15), "{object}");
    }
    assert_eq!(object["pages"][0]["lines"], 50);
}

#[test]
fn people_get_a_table_with_the_range() {
    let bench = Bench::new(&["echo"]);
    let text = bench.cli(&["bench", "--steps", "1000", "--repeats", "2", "--body", "1us"]).exits(0).stdout;
    let title = text.lines().next().unwrap();
    assert!(title.starts_with("layered · 1,000 steps · 100 wide · body 1us · output empty"), "{text}");
    for part in ["median", "min", "max", "ns a step", "steps a second", "of bare spin loops", "of the ideal"]
    {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let help = bench.cli(&["bench", "--help"]).exits(0).stdout;
    for figure in [
        "ns_per_step",
        "steps_per_s",
        "bytes_per_step",
        "efficiency",
        "metg_us",
        "latency_us",
        "calls",
        "set_up_s",
        "resident_per_run",
        "idle_cpu_percent",
        "restart_s",
        "recovery_s",
        "pages",
        "growth",
    ] {
        assert!(help.contains(figure), "no {figure} in {help}");
    }
}

#[test]
fn wrong_options_and_a_missing_plugin_exit_with_2_and_say_what_to_do() {
    let bench = Bench::new(&["echo"]);
    for (options, expected) in [
        (vec!["--shape", "star"], "'star'"),
        (vec!["--body", "fast"], "10us"),
        (vec!["--body", "-1us"], "is negative"),
        (vec!["--steps", "0"], "--steps"),
        (vec!["--engine", "paper"], "--engine"),
        (vec!["--shape", "calls", "--engine", "sqlite"], "`--engine sqlite` has no meaning"),
        (vec!["--shape", "chain", "--width", "3"], "`--width` has no meaning for the shape `chain`"),
        (vec!["--shape", "restart"], "say `--engine sqlite`"),
        (vec!["--shape", "waiting", "--body", "1us"], "`--body` has no meaning for the shape `waiting`"),
        (vec!["--concurrency", "3"], "say `--runs 3` or more"),
    ] {
        let line: Vec<&str> = ["bench"].into_iter().chain(options).collect();
        let refused = bench.cli(&line).exits(2);
        assert!(refused.stderr.contains(expected) && refused.stdout.is_empty(), "{expected}: {refused:#?}");
    }
    let refused = Bench::new(&[]).cli(&["bench"]).exits(2);
    assert!(refused.stderr.contains("plugin `echo`, which was not found"), "{}", refused.stderr);
}

#[test]
fn work_that_was_not_done_exits_with_2_and_no_figures() {
    let bench = Bench::new(&[]);
    let defines = [("NAME", "\"echo\""), ("METHOD", "\"noop\""), ("VERSION", "\"1.0.0\"")];
    compile_c("tests/fixtures/counter.c", &bench.plugin_file("wrong-echo"), &defines);
    let line = ["bench", "--shape", "chain", "--steps", "3", "--repeats", "1"];
    let wrong = bench.cli(&line).exits(2);
    assert!(wrong.stdout.is_empty(), "{wrong:?}");
    let expected = "has another output than it should: `\"1.0.0:";
    assert!(
        wrong.stderr.contains("did not do its work") && wrong.stderr.contains(expected),
        "{}",
        wrong.stderr
    );
    // it has no method that makes outputs, so the document is refused, and that is not its user's fault
    let lacking = bench.cli(&["bench", "--output", "200b", "--steps", "3"]).exits(2);
    assert!(
        lacking.stderr.contains("do not fit the benchmark") && lacking.stderr.contains("produce"),
        "{}",
        lacking.stderr
    );
}
