//! Plugin files: what is opened, what is refused, what a misbehaving one costs.

use jackfield::{Config, Error, RunStatus, StepStatus, Value, json};
use jackfield_tests::{Bench, bundled_plugin, compile_c};
use std::fs;
use std::path::Path;

/// The plugin `counter`, or another name, in a version, with requirements.
fn counter(bench: &Bench, name: &str, version: &str, requires: &str) {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\\\""));
    let defines = [("NAME", quoted(name)), ("VERSION", quoted(version)), ("REQUIRES", quoted(requires))];
    let defines = defines.each_ref().map(|(name, value)| (*name, value.as_str()));
    compile_c("tests/fixtures/counter.c", &bench.plugin_file(&format!("{name}-{version}")), &defines);
}

fn next(id: &str, range: &str) -> Value {
    json!({ "id": id, "plugin": "counter", "method": "next", "plugin_version": range })
}

/// Noise that is the same every time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 11_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| byte()).collect()
}

/// Every kind of file that is no plugin, and the code of its refusal.
fn put_bad_files(bench: &Bench) -> Vec<(&'static str, &'static str)> {
    let whole = fs::read(bundled_plugin("echo")).expect("it was built");
    bench.put_bytes(b"", "a-empty");
    bench.put_bytes(b"just a text", "b-text");
    bench.put_bytes(&noise(10_000), "c-noise");
    bench.put_bytes(&whole[..whole.len() / 2], "d-truncated");
    let mut foreign = whole;
    // the machine in the header of an ELF file; every value but that of this machine will do
    foreign[18] ^= 0xff;
    bench.put_bytes(&foreign, "e-foreign");
    let source = "tests/fixtures/no_plugin.c";
    compile_c(source, &bench.plugin_file("f-no-plugin"), &[]);
    vec![
        ("a-empty", "plugin.empty"),
        ("b-text", "plugin.not_a_plugin"),
        ("c-noise", "plugin.not_a_plugin"),
        ("d-truncated", "plugin.truncated"),
        ("e-foreign", "plugin.wrong_architecture"),
        ("f-no-plugin", "plugin.not_a_plugin"),
    ]
}

#[cfg(target_os = "linux")]
#[test]
fn files_that_are_no_plugins_are_listed_in_one_line_each_and_the_others_work() {
    let bench = Bench::new(&["echo"]);
    let bad = put_bad_files(&bench);
    fs::create_dir(bench.plugin_file("g-directory")).unwrap();
    let missing = bench.dir().join("missing.so");
    let with_missing = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--plugin-path", missing.to_str().unwrap()]);
        bench.cli(&all).exits(0)
    };
    let list = with_missing(&["plugin", "list"]);
    for (name, code) in bad.iter().chain(&[("missing", "plugin.not_found")]) {
        let lines = list.stderr.lines().filter(|line| line.contains(&format!("{name}.so")));
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), 1, "{name} in {}", list.stderr);
        assert!(lines[0].contains(&format!("[{code}]")), "{code} in {}", lines[0]);
    }
    assert_eq!(list.stderr.lines().count(), bad.len() + 1, "{}", list.stderr);
    assert_eq!(list.stdout.lines().count(), 1, "{}", list.stdout);
    let json = with_missing(&["plugin", "list", "--json"]).json();
    assert_eq!(json["problems"].as_array().unwrap().len(), bad.len() + 1);
    assert_eq!(json["plugins"].as_array().unwrap().len(), 1);
    let call = with_missing(&["plugin", "call", "echo.echo", "--params", "[1]"]);
    assert_eq!(call.json(), json!([1]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_bad_file_named_by_itself_is_an_error_in_one_line_and_exit_code_2() {
    let bench = Bench::new(&[]);
    for (name, _) in put_bad_files(&bench) {
        let file = bench.plugin_file(name);
        let refused = bench.cli(&["plugin", "list", "--plugin-path", file.to_str().unwrap()]).exits(2);
        assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
        assert!(refused.stderr.contains(name), "{}", refused.stderr);
        let Some(Error::Plugin(_)) =
            jackfield::Host::builder().data_dir(bench.data_dir()).plugin_path(&file).build().err()
        else {
            panic!("{name} was taken");
        };
    }
}

#[test]
fn info_on_a_plugin_that_was_refused_names_those_there_are() {
    let bench = Bench::new(&["echo"]);
    bench.put_bytes(b"just a text", "ecco");
    let refused = bench.cli(&["plugin", "info", "ecco"]).exits(2);
    assert!(
        refused.stderr.contains("no plugin `ecco`") && refused.stderr.contains("`echo`"),
        "{}",
        refused.stderr
    );
    assert!(bench.cli(&["plugin", "info", "echo"]).exits(0).stdout.contains("fail_times"));
}

#[test]
fn a_library_cut_at_any_length_is_refused_and_leaves_nothing_behind() {
    let whole = fs::read(bundled_plugin("echo")).unwrap();
    let spread = (1..16).map(|part| whole.len() * part / 16);
    let lengths: Vec<usize> = [1, 4, 16, 63, 64, 4_096]
        .into_iter()
        .chain(spread)
        .chain([whole.len() - 64, whole.len() - 1])
        .collect();
    let bench = Bench::new(&[]);
    for length in &lengths {
        bench.put_bytes(&whole[..*length], &format!("cut-{length}"));
    }
    let problems = bench.host().plugin_problems();
    assert_eq!(problems.len(), lengths.len(), "{problems:#?}");
    for problem in &problems {
        assert!(["plugin.truncated", "plugin.not_a_plugin"].contains(&&*problem.code), "{problem}");
        assert!(!problem.message.contains('\n'), "{problem}");
    }
    assert!(bench.host().plugins().is_empty());
    assert_eq!(stored(&bench), 0);
}

/// Files that the host keeps.
fn stored(bench: &Bench) -> usize {
    fn files(folder: &Path) -> usize {
        let Ok(items) = fs::read_dir(folder) else { return 0 };
        let count = |path: &Path| if path.is_dir() { files(path) } else { 1 };
        items.map(|item| count(&item.expect("it can be read").path())).sum()
    }
    files(&bench.data_dir())
}

/// Runs a workflow whose second step misbehaves, and says what became of the step.
fn misbehave(bench: &Bench, method: &str, parameters: &Value) -> (String, String) {
    let document = json!({ "id": "w",
        "steps": [
            { "id": "before", "plugin": "echo", "method": "echo", "parameters": 1 },
            { "id": "bad", "plugin": "fault", "method": method, "parameters": parameters },
            { "id": "after", "plugin": "echo", "method": "noop" }
        ],
        "finally": [{ "id": "tidy_up", "plugin": "echo", "method": "noop" }] });
    let finished = bench.run(&document, json!({}));
    assert_eq!(finished.status(), RunStatus::Failed);
    assert_eq!(finished.step_output("before"), json!(1));
    assert_eq!(finished.step_status("bad"), StepStatus::Failed);
    assert_eq!(finished.step_status("after"), StepStatus::Cancelled);
    assert_eq!(finished.step_status("tidy_up"), StepStatus::Completed);
    let last = finished.events.last().expect("a run has records");
    assert_eq!(last.event, jackfield::EventKind::RunFailed);
    assert_eq!(&*finished.error().step, "bad");
    assert_eq!(finished.error(), finished.step_error("bad"));
    (finished.error().kind.to_string(), finished.error().message.to_string())
}

#[test]
fn a_misbehaving_method_fails_its_step_with_its_type_and_the_host_lives() {
    let bench = Bench::with(&["echo", "fault"], |builder| {
        let mut config = Config::default();
        config.loader.result_bytes_max = Some(100_000);
        builder.config(config)
    });
    let cases = [
        ("panic", json!({ "message": "boom" }), "plugin.panic", "boom"),
        ("invalid_json", json!({}), "validation", ""),
        ("wrong_schema", json!({}), "validation", ""),
        ("oversize", json!({ "bytes": 100_001 }), "payload.too_large", "100000"),
        ("error", json!({ "type": "disk.full", "message": "no room" }), "disk.full", "no room"),
    ];
    for (method, parameters, kind, part) in &cases {
        let (found, message) = misbehave(&bench, method, parameters);
        assert_eq!(&found, kind, "{method}: {message}");
        assert!(message.contains(part), "{method}: {message}");
        assert!(!message.contains('\n'), "{method}: {message}");
    }
    let fits = json!({ "id": "w", "steps": [
        { "id": "a", "plugin": "fault", "method": "oversize", "parameters": { "bytes": 100_000 } }
    ] });
    assert_eq!(bench.run(&fits, json!({})).completed().output().as_str().map(str::len), Some(99_998));
}

#[test]
fn the_same_file_twice_is_one_plugin() {
    let bench = Bench::new(&["echo"]);
    bench.put_file(bundled_plugin("echo"), "echo-again");
    let list = bench.cli(&["plugin", "list", "--json"]).exits(0).json();
    assert_eq!(list["plugins"].as_array().unwrap().len(), 1);
    assert_eq!(list["problems"], json!([]));
}

#[cfg(target_os = "linux")]
#[test]
fn two_versions_stand_side_by_side_and_ranges_choose() {
    let bench = Bench::new(&["echo"]);
    for version in ["1.0.0", "1.4.0", "2.0.0"] {
        counter(&bench, "counter", version, "[]");
    }
    let steps = [next("a", "^1"), next("b", "^1"), next("c", "*"), next("d", "=1.0.0")];
    let free = bench.run(json!({ "id": "w", "steps": steps }), json!({})).completed();
    let outputs = ["a", "b", "c", "d"].map(|step| free.step_output(step));
    assert_eq!(outputs, ["1.4.0:1", "1.4.0:2", "2.0.0:1", "1.0.0:1"].map(Value::from));
    let narrowed = json!({ "id": "w", "requires": { "counter": "<1.4" }, "steps": [next("a", "*")] });
    assert_eq!(bench.run(&narrowed, json!({})).completed().output(), "1.0.0:2");
    let none = json!({ "id": "w", "requires": { "counter": "<1.4" }, "steps": [next("a", "^2")] });
    let faults = bench.faults(&none);
    assert!(faults.the("JF0042").hint.contains("`1.4.0`"), "{faults}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_plugin_that_lacks_another_is_named_and_works_once_it_is_there() {
    let bench = Bench::new(&[]);
    counter(&bench, "needy", "1.0.0", r#"[{"name":"counter","version":"^2"}]"#);
    let problem = || {
        let list = bench.cli(&["plugin", "list", "--json"]).exits(0).json();
        (list["problems"].clone(), list["plugins"].as_array().map(Vec::len))
    };
    let (missing, plugins) = problem();
    assert_eq!((&missing[0]["code"], plugins), (&json!("plugin.missing_dependency"), Some(0)));
    let said = missing[0]["message"].as_str().unwrap();
    assert!(said.contains("`needy 1.0.0`") && said.contains("`counter ^2`"), "{said}");
    let _ = bench.cli(&["plugin", "call", "needy.next"]).exits(1);

    counter(&bench, "counter", "1.0.0", "[]");
    let (conflicting, plugins) = problem();
    assert_eq!(plugins, Some(1));
    assert!(conflicting[0]["message"].as_str().unwrap().contains("`1.0.0`"), "{conflicting}");

    counter(&bench, "counter", "2.0.0", "[]");
    assert_eq!(problem(), (json!([]), Some(3)));
    assert_eq!(bench.cli(&["plugin", "call", "needy.next"]).exits(0).json(), "1.0.0:1");
}
