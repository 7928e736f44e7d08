//! `plugin check`: what a plugin does wrong is found under its code, and what is right passes.
#![cfg(target_os = "linux")]

use jackfield::{Value, json};
use jackfield_tests::{Bench, CliOutput, Counter, bundled_plugin, compile_c, jackfield_command, workspace};
use std::fs;
use std::path::Path;
use std::process::Command;

fn check(bench: &Bench, file: &Path, arguments: &[&str]) -> CliOutput {
    let file = file.to_str().expect("the path is text");
    bench.cli(&[&["plugin", "check", file, "--json"], arguments].concat())
}

/// The plugin of `wrong.c`, wrong in one way.
fn wrong(bench: &Bench, way: &str, defines: &[(&str, &str)]) -> std::path::PathBuf {
    let file = bench.dir().join(format!("{way}{}.so", defines.len()));
    compile_c("tests/fixtures/wrong.c", &file, &[&[("WRONG", way)], defines].concat());
    file
}

/// The codes that were found, each once.
fn codes(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().expect("there is a list");
    let mut codes: Vec<String> =
        findings.iter().map(|it| it["code"].as_str().expect("it is a text").to_owned()).collect();
    codes.sort();
    codes.dedup();
    codes
}

/// How `wrong.c` is built, the codes that are found, and what one of the messages says.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], &'a str);

const CONFIG: (&str, &str) =
    ("CONFIG", r#"",\"config\":{\"type\":\"object\",\"additionalProperties\":false}""#);

#[track_caller]
fn assert_found(cases: &[Case<'_>]) {
    let bench = Bench::new(&[]);
    for (way, defines, expected, words) in cases {
        let file = wrong(&bench, way, defines);
        let found = check(&bench, &file, &["--calls", "30"]);
        let report = found.json();
        assert_eq!(codes(&report), *expected, "{way}: {report:#}");
        assert_eq!(found.code, i32::from(!expected.is_empty()), "{way}");
        assert!(found.stdout.contains(words), "{way}: `{words}` in {report:#}");
        assert_eq!(report["ok"], expected.is_empty());
    }
}

#[test]
fn a_plugin_that_is_right_passes_with_every_method_called() {
    assert_found(&[("NOTHING", &[], &[], "\"results\": "), ("NOTHING", &[CONFIG], &[], "")]);
}

#[test]
fn what_a_library_does_when_it_is_opened_is_found() {
    assert_found(&[
        ("OPEN_TABLE", &[], &["open"], "plugin.layout_differs"),
        ("OPEN_FILE", &[], &["open.effect"], "made the file `mark`"),
        ("OPEN_THREAD", &[], &["open.effect"], "started a thread"),
        ("OPEN_SIGNAL", &[], &["open.effect"], "changed what becomes of signals"),
        ("OPEN_PRINTS", &[], &["output"], "wrote to standard output: opened"),
    ]);
}

#[test]
fn what_a_plugin_says_of_itself_must_hold_together() {
    let invalid = r#""{\"type\":\"nonsense\"}""#;
    let example = r#""{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":9}},\"required\":[\"n\"],\"additionalProperties\":false,\"examples\":[{\"n\":10}]}""#;
    assert_found(&[
        ("MANIFEST_TABLE", &[], &["manifest"], "is not the one in the section of the file"),
        ("MANIFEST_DESCRIBE", &[("DESCRIPTION", "\"z\"")], &["manifest"], "`description` is"),
        ("SCHEMA_MISSING", &[("OUTPUT_SCHEMA", "\"\"")], &["schema.missing"], "no schema of its result"),
        ("SCHEMA_INVALID", &[("PARAMS", invalid)], &["schema.invalid"], "the schema of the parameters"),
        ("EXAMPLE_INVALID", &[("PARAMS", example)], &["example.invalid"], "10 is greater than"),
        ("EXAMPLE_FAILS", &[], &["example.fails"], "an example fails with `wrong.example`"),
    ]);
}

#[test]
fn parameters_and_configurations_are_taken_and_refused_as_the_schemas_say() {
    assert_found(&[
        ("CONFIG_REFUSED", &[], &["config.refused"], "the configuration {} is refused"),
        ("CONFIG_ACCEPTED", &[CONFIG], &["config.accepted"], "which does not fit its schema"),
        ("PARAMS_ACCEPTED", &[], &["params.accepted"], "accepts what it must not"),
        ("PARAMS_REFUSAL", &[], &["params.refusal"], "`wrong.params` in place of `validation`"),
    ]);
}

#[test]
fn ends_of_calls_that_a_host_cannot_use_are_found() {
    assert_found(&[
        ("RESULT_JSON", &[], &["result.json"], "the result is no JSON"),
        ("RESULT_SCHEMA", &[], &["result.schema"], "7 is not of type"),
        ("RESULT_SIZE", &[], &["result.size"], "73400320 bytes"),
        ("ERROR_TYPE", &[], &["error.type", "example.fails"], "`Not a type`"),
        ("KIND", &[], &["kind"], "cannot be called as `Blocking`"),
        ("STATUS", &[], &["status"], "the status 77"),
    ]);
}

#[test]
fn what_ends_or_holds_the_process_is_found_and_the_tool_goes_on() {
    assert_found(&[
        ("CRASH", &[], &["crash"], "was ended by signal 6 during a call with the parameters {"),
        ("CRASH_SECOND_CALL", &[], &["crash"], "was ended by signal 6"),
        ("CLOSES_DESCRIPTORS", &[], &["crash"], "during a call with the parameters {"),
        ("CANCEL", &[], &["cancel"], "did not return within 2000 ms after it was told to stop"),
        ("HANG", &[], &["hang"], "making an instance did not end within"),
        ("EXIT", &[], &["exit"], "when all was done, the process was ended by signal 6"),
    ]);
}

#[test]
fn what_only_shows_in_many_calls_is_found() {
    assert_found(&[
        ("PURE", &[], &["instance.second", "pure", "threads"], "called once more"),
        ("SECOND_INSTANCE", &[], &["instance.second"], "called on a second instance beside the first"),
        ("THREADS", &[], &["threads"], "called from two threads at once"),
        ("THREADS_LEFT", &[], &["threads.left"], "threads are left after 20 instances have ended"),
        ("DESCRIPTORS_LEFT", &[], &["descriptors.left"], "descriptors are left open after"),
        ("MEMORY", &[], &["memory"], "bytes of each call are not given back"),
        ("OUTPUT", &[], &["output"], "wrote to standard output: a line of a method"),
    ]);
}

#[test]
fn files_that_are_no_plugins_are_findings_and_what_is_not_there_cannot_be_checked() {
    let bench = Bench::new(&[]);
    compile_c("tests/fixtures/no_plugin.c", &bench.dir().join("none.so"), &[]);
    bench.write("text.so", "hello");
    for file in ["none.so", "text.so"] {
        let report = check(&bench, &bench.dir().join(file), &[]).exits(1).json();
        assert_eq!(codes(&report), ["file"], "{report:#}");
        assert!(
            report["findings"][0]["message"].as_str().unwrap().contains("plugin.not_a_plugin"),
            "{report:#}"
        );
    }
    for (plugin, words) in [
        ("nowhere/x.so", "`nowhere/x.so` cannot be read: No such file"),
        ("plugins", "is a directory"),
        ("nobody", "there is no plugin `nobody`"),
    ] {
        let said = bench.cli(&["plugin", "check", plugin]).exits(2).stderr;
        assert!(said.contains(words) && said.lines().count() == 1, "{said}");
    }
    let said = bench.cli(&["plugin", "check", "x.so", "--waive", "nonsense"]).exits(2).stderr;
    assert!(said.contains("`nonsense` is no code of a finding"), "{said}");
}

#[test]
fn waived_findings_stand_in_the_report_with_their_reason_and_do_not_count() {
    let bench = Bench::new(&[]);
    let file = wrong(&bench, "PARAMS_REFUSAL", &[]);
    let file = file.to_str().unwrap();
    let with =
        ["plugin", "check", file, "--calls", "10", "--waive", "params.refusal=older callers rely on it"];
    let said = bench.cli(&[&with[..], &["--waive", "memory"]].concat()).exits(0).stdout;
    assert!(said.contains("waived  params.refusal  m: refuses with `wrong.params`"), "{said}");
    assert!(said.contains("[older callers rely on it]") && said.contains("passed, 1 waived"), "{said}");
    assert!(said.contains("the waiver of `memory` is not needed"), "{said}");
    let said = bench.cli(&["plugin", "check", file, "--calls", "10"]).exits(1).stdout;
    assert!(said.contains("found  params.refusal") && said.contains("1 finding"), "{said}");
}

#[test]
fn waivers_stand_in_a_file_with_their_reasons_and_perhaps_for_one_place_only() {
    let bench = Bench::new(&[]);
    let file = wrong(&bench, "PARAMS_REFUSAL", &[]);
    let with_waivers = |text: &str| {
        let waivers = bench.write("waivers.toml", text);
        let file = file.to_str().unwrap();
        bench.cli(&["plugin", "check", file, "--calls", "10", "--waivers", waivers.to_str().unwrap()])
    };
    let waiver =
        |place: &str| format!("[[waiver]]\ncode = 'params.refusal'\nplace = '{place}'\nreason = 'old'\n");
    let said = with_waivers(&waiver("m")).exits(0).stdout;
    assert!(said.contains("waived  params.refusal  m: ") && said.contains("[old]"), "{said}");
    let said = with_waivers(&waiver("n")).exits(1).stdout;
    assert!(said.contains("the waiver of `params.refusal` in `n` is not needed"), "{said}");
    let said = with_waivers("[[waiver]]\ncode = 'nonsense'\nreason = 'old'").exits(2).stderr;
    assert!(said.contains("waivers.toml`: ") && said.contains("`nonsense` is no code"), "{said}");
    let said = bench.cli(&["plugin", "check", "x.so", "--waivers", "nowhere.toml"]).exits(2).stderr;
    assert!(said.contains("waivers `nowhere.toml` cannot be read"), "{said}");
}

#[test]
fn a_plugin_is_met_in_the_process_of_the_command_when_that_is_asked_for() {
    let bench = Bench::new(&[]);
    let found = |way: &str| check(&bench, &wrong(&bench, way, &[]), &["--calls", "10", "--in-process"]);
    let report = found("NOTHING").exits(0).json();
    assert!(report["methods"][0]["results"].as_u64() > Some(0), "{report:#}");
    assert!(report["notes"].to_string().contains("was met in this process"), "{report:#}");
    assert_eq!(codes(&found("RESULT_JSON").exits(1).json()), ["result.json"]);
    let ended = found("CRASH");
    assert!(ended.code != 1 && ended.stdout.is_empty(), "it goes down with the plugin: {ended:?}");
}

#[test]
fn the_same_seed_gives_the_same_report_and_another_one_another() {
    let bench = Bench::new(&[]);
    let file = wrong(&bench, "PARAMS_ACCEPTED", &[]);
    // the message holds the parameters
    let findings = |seed: &str| {
        let report = check(&bench, &file, &["--calls", "30", "--seed", seed]).exits(1).json();
        assert_eq!(codes(&report), ["params.accepted"]);
        report["findings"].clone()
    };
    let first = findings("5");
    assert_eq!(findings("5"), first);
    assert_ne!(findings("6"), first);
}

#[test]
fn a_plugin_that_misbehaves_in_every_way_is_found_out_in_every_method() {
    let bench = Bench::new(&["fault"]);
    let report = bench.cli(&["plugin", "check", "fault", "--json"]).exits(1).json();
    let findings = report["findings"].as_array().unwrap();
    for (method, code) in [
        ("panic", "panic"),
        ("hang", "cancel"),
        ("busy_loop", "cancel"),
        ("invalid_json", "result.json"),
        ("wrong_schema", "result.schema"),
        ("segfault", "crash"),
        ("abort", "crash"),
        ("exit", "crash"),
        ("stack_overflow", "crash"),
        ("allocate", "crash"),
        ("close_fds", "crash"),
        ("leak_thread", "threads.left"),
        ("write_fds", "output"),
    ] {
        let is_it = |it: &&Value| it["place"] == method && it["code"] == code;
        assert!(findings.iter().any(|it| is_it(&it)), "{method}: {code} in {report:#}");
    }
}

#[test]
fn every_bundled_plugin_but_the_one_that_misbehaves_passes() {
    let bench = Bench::new(&[]);
    for plugin in ["csv", "echo", "fs", "http", "json", "process", "table"] {
        // a call of `pool` does not always come back in the sandbox, where no process group can be made
        let waived: &[&str] = if plugin == "process" { &["--waive", "hang=pool"] } else { &[] };
        let report = check(&bench, bundled_plugin(plugin), waived).exits(0).json();
        let methods = report["methods"].as_array().unwrap();
        let is_called = |it: &Value| it["calls"].as_u64() > Some(50);
        assert!(!methods.is_empty() && methods.iter().all(is_called), "{plugin}: {report:#}");
    }
}

#[test]
fn the_plugin_in_c_of_the_examples_passes() {
    let bench = Bench::new(&[]);
    let file = bench.dir().join("words.so");
    compile_c("examples/c-plugin/words.c", &file, &[]);
    let report = check(&bench, &file, &[]).exits(0).json();
    assert_eq!(report["findings"], json!([]));
}

#[test]
fn a_plugin_that_is_installed_or_found_is_checked_by_its_name() {
    let bench = Bench::new(&["echo"]);
    let report = bench.cli(&["plugin", "check", "echo", "--json", "--calls", "5"]).exits(0).json();
    assert_eq!((&report["plugin"], &report["version"]), (&json!("echo"), &json!("0.1.0")));
    let said = bench.cli(&["plugin", "check", "echo@9.0.0"]).exits(2).stderr;
    assert!(said.contains("plugin `echo` is not there in version `9.0.0`"), "{said}");
    Counter::new("counter", "1.0.0").compile(&bench.plugin_file("counter"));
    let report = bench.cli(&["plugin", "check", "counter", "--json", "--calls", "5"]).exits(1).json();
    assert_eq!(codes(&report), ["schema.missing"], "{report:#}");
}

#[test]
fn methods_reach_nothing_of_the_user_while_they_are_checked() {
    let bench = Bench::new(&[]);
    let precious = bench.dir().join("precious");
    fs::write(&precious, "text").unwrap();
    let victim = format!("\"{}\"", precious.display());
    let file = wrong(&bench, "REACHES", &[("VICTIM", &victim)]);
    let _ = check(&bench, &file, &["--calls", "5"]).exits(0);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "text");
    // without the sandbox it would be gone
    let _ = check(&bench, &file, &["--calls", "5", "--sandbox", "off"]);
    assert!(!precious.exists());
}

#[test]
#[ignore = "builds a crate with its dependencies: half a minute or more"]
fn the_plugin_to_copy_passes() {
    let bench = Bench::new(&[]);
    let target = bench.dir().with_file_name("template-target");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let manifest = workspace::root().join("examples/plugin-template/Cargo.toml");
    cargo.args(["build", "--quiet", "--manifest-path"]).arg(manifest).arg("--target-dir").arg(&target);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = check(&bench, &target.join("debug/libmy_plugin.so"), &[]).exits(0).json();
    assert_eq!(report["methods"].as_array().unwrap().len(), 2, "{report:#}");
}

#[test]
fn whoever_starts_the_hidden_command_by_hand_is_told_what_it_is_for() {
    let output =
        Command::new(jackfield_command()).arg("examine").stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("started by `jackfield plugin check`"));
}

#[test]
fn the_codes_are_documented() {
    let docs = workspace::read("docs/plugins.md");
    let said = Bench::new(&[]).cli(&["plugin", "check", "x", "--waive", "?"]).exits(2).stderr;
    let (_, list) = said.split_once("there are ").expect("it lists them");
    let list = list.split_whitespace().map(|code| code.trim_end_matches(','));
    let codes: Vec<&str> =
        list.take_while(|code| code.chars().all(|c| c.is_ascii_lowercase() || c == '.')).collect();
    assert!(codes.len() >= 30, "{codes:?}");
    for code in codes {
        assert!(docs.contains(&format!("\n| `{code}` | ")), "{code}");
    }
}
