//! Plugin files: what is opened, what is refused, what a misbehaving one costs.

use jackfield::{Config, Error, PluginVersion, RunStatus, StepStatus, Value, json};
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
    // the machine in the header of an ELF file; every value but that of this machine will do
    bench.put_bytes(&changed(&whole, |bytes| bytes[18] ^= 0xff), "e-foreign");
    let source = "tests/fixtures/no_plugin.c";
    compile_c(source, &bench.plugin_file("f-no-plugin"), &[]);
    // the kind of file: 3 is a shared library, 2 a program
    bench.put_bytes(&changed(&whole, |bytes| bytes[16] = 2), "g-program");
    bench.put_bytes(&changed(&whole, stretch), "h-stretched");
    vec![
        ("a-empty", "plugin.empty"),
        ("b-text", "plugin.not_a_plugin"),
        ("c-noise", "plugin.not_a_plugin"),
        ("d-truncated", "plugin.truncated"),
        ("e-foreign", "plugin.wrong_architecture"),
        ("f-no-plugin", "plugin.not_a_plugin"),
        ("g-program", "plugin.not_a_plugin"),
        ("h-stretched", "plugin.truncated"),
    ]
}

fn changed(bytes: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    change(&mut bytes);
    bytes
}

/// Makes every segment that is loaded reach far beyond the end of its file. (ELF, 64 bit, of this machine.)
fn stretch(library: &mut [u8]) {
    let number = |bytes: &[u8], at: usize, len: usize| {
        let mut number = [0; 8];
        number[..len].copy_from_slice(&bytes[at..at + len]);
        usize::try_from(u64::from_le_bytes(number)).expect("it fits")
    };
    let (start, size, count) = (number(library, 32, 8), number(library, 54, 2), number(library, 56, 2));
    for header in (0..count).map(|nth| start + nth * size) {
        let is_loaded = number(library, header, 4) == 1;
        if is_loaded {
            library[header + 32..header + 40].copy_from_slice(&(u64::MAX / 4).to_le_bytes());
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn files_that_are_no_plugins_are_listed_in_one_line_each_and_the_others_work() {
    let bench = Bench::new(&["echo"]);
    let bad = put_bad_files(&bench);
    fs::create_dir(bench.plugin_file("i-directory")).unwrap();
    std::os::unix::fs::symlink("nothing", bench.plugin_file("j-dangling")).unwrap();
    let missing = bench.dir().join("missing.so");
    let with_missing = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--plugin-path", missing.to_str().unwrap()]);
        bench.cli(&all).exits(0)
    };
    let list = with_missing(&["plugin", "list"]);
    let nowhere = [("missing", "plugin.not_found"), ("j-dangling", "plugin.not_found")];
    for (name, code) in bad.iter().chain(&nowhere) {
        let lines = list.stderr.lines().filter(|line| line.contains(&format!("{name}.so")));
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), 1, "{name} in {}", list.stderr);
        assert!(lines[0].contains(&format!("[{code}]")), "{code} in {}", lines[0]);
    }
    assert_eq!(list.stderr.lines().count(), bad.len() + nowhere.len(), "{}", list.stderr);
    assert_eq!(list.stdout.lines().count(), 1, "{}", list.stdout);
    let json = with_missing(&["plugin", "list", "--json"]).json();
    assert_eq!(json["problems"].as_array().unwrap().len(), bad.len() + nowhere.len());
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

/// Plugin files that the host keeps.
fn stored(bench: &Bench) -> usize {
    fn files(folder: &Path) -> usize {
        let Ok(items) = fs::read_dir(folder) else { return 0 };
        let count = |path: &Path| if path.is_dir() { files(path) } else { 1 };
        items.map(|item| count(&item.expect("it can be read").path())).sum()
    }
    files(&bench.data_dir().join("plugins/store"))
}

/// Runs a workflow whose second step misbehaves, and says what became of the step.
fn misbehave(bench: &Bench, method: &str, parameters: &Value) -> (String, String) {
    let document = json!({ "id": "w",
        "steps": [
            { "id": "before", "plugin": "echo", "method": "echo", "parameters": { "n": 1 } },
            { "id": "bad", "plugin": "fault", "method": method, "parameters": parameters },
            { "id": "after", "plugin": "echo", "method": "noop" }
        ],
        "finally": [{ "id": "tidy_up", "plugin": "echo", "method": "noop" }] });
    let finished = bench.run(&document, json!({}));
    assert_eq!(finished.status(), RunStatus::Failed);
    assert_eq!(finished.step_output("before"), json!({ "n": 1 }));
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
fn another_file_of_the_same_version_is_left_out_and_both_are_named() {
    let bench = Bench::new(&[]);
    counter(&bench, "counter", "1.0.0", "[]");
    fs::rename(bench.plugin_file("counter-1.0.0"), bench.plugin_file("a-first")).unwrap();
    counter(&bench, "counter", "1.0.0", "[ ]");
    let list = bench.cli(&["plugin", "list", "--json"]).exits(0).json();
    assert_eq!(list["plugins"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["problems"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["problems"][0]["code"], "plugin.conflict");
    let said = list["problems"][0]["message"].as_str().unwrap();
    for part in ["counter-1.0.0", "a-first", "`counter 1.0.0`"] {
        assert!(said.contains(part), "{part} in {said}");
    }
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
    let step = json!({ "id": "s", "plugin": "needy", "method": "next" });
    let problem = || {
        let list = bench.cli(&["plugin", "list", "--json"]).exits(0).json();
        (list["problems"].clone(), list["plugins"].as_array().map(Vec::len))
    };
    let (missing, plugins) = problem();
    assert_eq!((&missing[0]["code"], plugins), (&json!("plugin.missing_dependency"), Some(0)));
    let said = missing[0]["message"].as_str().unwrap();
    assert!(said.contains("`needy 1.0.0`") && said.contains("`counter ^2`"), "{said}");
    let why = "plugin `needy` 1.0.0 cannot be used: it requires `counter ^2`, ";
    let says_why = |end: &str| {
        let whole = format!("{why}{end}");
        let call = bench.cli(&["plugin", "call", "needy.next"]).exits(2);
        assert!(call.stderr.contains(&whole) && call.stderr.contains("Put a version"), "{}", call.stderr);
        let file = bench.write("needy.json", json!({ "id": "w", "steps": [step] }).to_string());
        let run = bench.cli(&["run", file.to_str().unwrap()]).exits(1);
        assert!(run.stderr.contains(&whole), "{}", run.stderr);
        let info = bench.cli(&["plugin", "info", "needy"]).exits(2);
        assert!(info.stderr.contains(&format!("requires `counter ^2`, {end}")), "{}", info.stderr);
    };
    says_why("which is not there");

    counter(&bench, "counter", "1.0.0", "[]");
    let (conflicting, plugins) = problem();
    assert_eq!(plugins, Some(1));
    assert_eq!((&conflicting[0]["plugin"], &conflicting[0]["version"]), (&json!("needy"), &json!("1.0.0")));
    says_why("and only `counter 1.0.0` is there");
    assert!(conflicting[0]["message"].as_str().unwrap().contains("`counter 1.0.0`"), "{conflicting}");

    counter(&bench, "counter", "2.0.0", "[]");
    assert_eq!(problem(), (json!([]), Some(3)));
    assert_eq!(bench.cli(&["plugin", "call", "needy.next"]).exits(0).json(), "1.0.0:1");
}

#[cfg(target_os = "linux")]
#[test]
fn a_call_of_a_plugin_whose_file_was_refused_says_why() {
    let bench = Bench::new(&[]);
    let mut foreign = fs::read(bundled_plugin("echo")).unwrap();
    foreign[18] ^= 0xff;
    bench.put_bytes(&foreign, "anything");
    let said = |plugin: &str| {
        let faults =
            bench.faults(json!({ "id": "w", "steps": [{ "id": "s", "plugin": plugin, "method": "echo" }] }));
        let fault = faults.the("JF0040");
        (fault.message.clone(), fault.hint.clone())
    };
    let whole = fs::read(bundled_plugin("csv")).unwrap();
    bench.put_bytes(&whole[..whole.len() / 2], "libjackfield_plugin_csv");
    let (message, hint) = said("echo");
    assert!(message.starts_with("plugin `echo` ") && message.contains(" cannot be used: "), "{message}");
    assert!(message.contains("anything.so` is built for"), "{message}");
    assert_eq!(hint, "Use a build of the plugin for this machine.");
    let (message, hint) = said("csv");
    assert_eq!(message, "there is no plugin `csv`");
    assert!(hint.contains("libjackfield_plugin_csv.so` is truncated or damaged"), "{hint}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_plugin_whose_dependency_lacks_something_itself_says_so() {
    let bench = Bench::new(&[]);
    counter(&bench, "first", "1.0.0", r#"[{"name":"second","version":"^1"}]"#);
    counter(&bench, "second", "1.0.0", r#"[{"name":"third","version":"^1"}]"#);
    let faults =
        bench.faults(json!({ "id": "w", "steps": [{ "id": "s", "plugin": "first", "method": "next" }] }));
    let message = &faults.the("JF0040").message;
    assert!(
        message.ends_with("it requires `second ^1`, and `second 1.0.0` cannot be used itself"),
        "{message}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_host_that_looks_again_says_what_changed_and_uses_it() {
    let bench = Bench::new(&[]);
    let names = |plugins: &[PluginVersion]| plugins.iter().map(ToString::to_string).collect::<Vec<_>>();
    let looked = || {
        let changes = bench.host().rescan();
        let problems: Vec<String> = changes.problems.iter().map(|problem| problem.code.clone()).collect();
        ([names(&changes.added), names(&changes.removed), names(&changes.replaced)], problems)
    };
    let document = json!({ "id": "w", "steps": [{ "id": "s", "plugin": "needy", "method": "next" }] });
    counter(&bench, "needy", "1.0.0", r#"[{"name":"counter","version":"^2"}]"#);
    assert!(bench.faults(&document).the("JF0040").message.contains("requires `counter ^2`"));
    assert_eq!(looked(), (Default::default(), vec!["plugin.missing_dependency".to_owned()]));

    counter(&bench, "counter", "2.0.0", "[]");
    let added = ["counter 2.0.0", "needy 1.0.0"].map(str::to_owned).to_vec();
    assert_eq!(looked(), ([added, vec![], vec![]], vec![]));
    let workflow = bench.check(&document);
    assert_eq!(bench.run(&document, json!({})).completed().step_output("s"), "1.0.0:1");
    assert_eq!(looked(), Default::default());

    let other = r#"[{"name":"elsewhere","version":"*","optional":true}]"#;
    counter(&bench, "counter", "2.0.0", other);
    assert_eq!(looked(), ([vec![], vec![], vec!["counter 2.0.0".to_owned()]], vec![]));

    fs::remove_file(bench.plugin_file("counter-2.0.0")).unwrap();
    bench.put_bytes(b"just a text", "text");
    let (changes, problems) = looked();
    assert_eq!(changes, [vec![], ["counter 2.0.0", "needy 1.0.0"].map(str::to_owned).to_vec(), vec![]]);
    assert_eq!(problems, ["plugin.not_a_plugin", "plugin.missing_dependency"]);
    let refused = bench.host().start(&workflow, json!({})).err().unwrap().to_string();
    assert!(refused.contains("`needy 1.0.0` cannot be used: it requires `counter ^2`"), "{refused}");
}

#[test]
fn a_plugin_that_is_only_required_is_loaded_like_a_called_one() {
    let bench = Bench::new(&["echo"]);
    let knows_parameters = || {
        let echo = bench.host().plugins().into_iter().find(|plugin| &*plugin.name == "echo").unwrap();
        !echo.method("sleep").unwrap().parameters.is_null()
    };
    let step = json!({ "id": "s", "type": "log", "message": "hello" });
    let _ = bench.check(json!({ "id": "w", "steps": [step] }));
    assert!(!knows_parameters());
    let _ = bench.check(json!({ "id": "w", "requires": { "echo": "*" }, "steps": [step] }));
    assert!(knows_parameters());
}
