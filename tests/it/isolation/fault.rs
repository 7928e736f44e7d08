//! Everything that the plugin `fault` can do to its worker: what the host says about it, and that the host and other plugins live
//! on. Through the command, as users see it (cases 28 and 29 of the behaviours: crash, hang, descriptors, protocol, floods).

use super::{bench, bench_with, step, steps, wait_until_gone, with};
use jackfield::{StepStatus, Value, json};
use jackfield_tests::{Bench, Counter, compile_c};
use std::time::Duration;

/// A bench for the command, where all plugins but `echo` run in workers.
fn shop(plugins: &[&str]) -> Bench {
    let bench = bench(plugins);
    bench.write(
        "jackfield.toml",
        "[plugins.echo]\nisolation = \"in_process\"\n[engine]\ncancel_grace = \"300ms\"\n",
    );
    bench
}

/// Runs a workflow in which `fault` does something while two other plugins work beside it and after it; the failure of its step, if it
/// fails.
#[track_caller]
fn beside_others(bench: &Bench, method: &str, parameters: Value) -> Value {
    let bad = with(step("bad", &format!("fault.{method}")), "parameters", parameters);
    let bad = with(with(bad, "critical", false), "timeout", "5s");
    let others = ["echo.noop", "counter.next"];
    let mut all = vec![bad];
    for (number, other) in others.iter().enumerate() {
        all.push(step(&format!("beside{number}"), other));
        let mut after = step(&format!("after{number}"), other);
        after["dependencies"] = json!(["bad"]);
        after["trigger_rule"] = json!("all_settled");
        all.push(after);
    }
    let again = with(step("again", "fault.oversize"), "parameters", json!({ "bytes": 5 }));
    let again = with(with(again, "dependencies", json!(["bad"])), "trigger_rule", "all_settled");
    all.push(again);
    bench.write("w.json", json!({ "id": "w", "mode": "parallel", "steps": all }).to_string());
    let ran = bench.cli(&["run", "w.json", "--json"]).exits(0);
    let result = ran.json();
    for id in ["beside0", "beside1", "after0", "after1", "again"] {
        assert_eq!(status(&result, id), "completed", "{method}: {id} in {result:#}");
    }
    wait_until_gone(bench);
    step_of(&result, "bad")
}

fn step_of(result: &Value, id: &str) -> Value {
    result["steps"][id].clone()
}

fn status(result: &Value, id: &str) -> Value {
    step_of(result, id)["status"].clone()
}

#[test]
fn whatever_it_does_the_command_names_it_and_the_other_plugins_work_on() {
    let bench = shop(&["echo", "fault"]);
    Counter::new("counter", "1.0.0").compile(&bench.plugin_file("counter"));
    let write = |byte: u8| json!({ "from": 3, "bytes": vec![byte; 13] });
    let lie = |lie: &str| json!({ "lie": lie });
    for (method, parameters, kind, words) in [
        ("segfault", json!({}), "plugin.crash", "SIGSEGV"),
        ("close_fds", json!({}), "plugin.crash", "the worker of plugin `fault"),
        ("close_fds", json!({ "from": 3 }), "plugin.crash", "the worker of plugin `fault"),
        ("write_fds", write(0xee), "plugin.crash", "a frame of the unknown kind 238"),
        ("write_fds", write(0x13), "plugin.crash", "was ended because it sent"),
        ("wrong_frames", lie("unknown_kind"), "plugin.crash", "a frame of the unknown kind 250"),
        ("wrong_frames", lie("of_host"), "plugin.crash", "was ended because it sent"),
        ("wrong_frames", lie("too_long"), "plugin.crash", "4294967295 bytes"),
        ("wrong_frames", lie("ready_again"), "plugin.crash", "was ended because it sent"),
        ("wrong_frames", lie("broken_body"), "plugin.crash", "was ended because it sent"),
        ("wrong_frames", lie("half"), "plugin.crash", "the worker of plugin `fault"),
        ("hang", json!({}), "timeout", ""),
        ("allocate", json!({ "bytes": 10_000_000_000_u64 }), "plugin.crash", "SIGABRT"),
        ("fork", json!({}), "fault.fork", "cannot fork"),
    ] {
        let bad = beside_others(&bench, method, parameters);
        assert_eq!(bad["status"], "failed", "{method}: {bad:#}");
        assert_eq!(bad["error"]["type"], kind, "{method}: {bad:#}");
        assert!(bad["error"]["message"].as_str().unwrap().contains(words), "{method}: {bad:#}");
    }
}

#[test]
fn a_result_of_a_call_that_was_never_made_touches_no_other_call() {
    let bench = shop(&["echo", "fault"]);
    Counter::new("counter", "1.0.0").compile(&bench.plugin_file("counter"));
    let told = beside_others(&bench, "wrong_frames", json!({ "lie": "no_such_call" }));
    assert_eq!(told["error"]["type"], "plugin.crash", "{told:#}");
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.contains("it ends a call that it does not have"), "{told:#}");
}

#[test]
fn floods_and_leaks_cost_their_own_step_at_most() {
    let bench = shop(&["echo", "fault"]);
    Counter::new("counter", "1.0.0").compile(&bench.plugin_file("counter"));
    let flooded = beside_others(&bench, "flood_log", json!({ "lines": 50_000, "chars": 200 }));
    assert!(flooded["status"] == "completed" || flooded["error"]["type"] == "timeout", "{flooded:#}");
    let leaked = beside_others(&bench, "leak_thread", json!({ "count": 20 }));
    assert_eq!(leaked["output"], json!({ "count": 20 }), "{leaked:#}");
}

#[test]
fn threads_that_are_left_behind_in_the_host_do_not_hold_up_its_end() {
    let bench =
        bench_with(&["fault"], |config| config.isolation.default = Some(jackfield::Isolation::InProcess));
    let leak = with(step("a", "fault.leak_thread"), "parameters", json!({ "count": 5 }));
    let finished = bench.run(steps(vec![leak]), json!({}));
    assert_eq!(finished.step_status("a"), StepStatus::Completed);
    let begun = std::time::Instant::now();
    bench.host().shutdown();
    assert!(begun.elapsed() < Duration::from_secs(10));
}

/// A frame as it goes over the wire, as a string literal in C, and its length.
fn literal(kind: u8, body: &str) -> (String, String) {
    let mut bytes = u32::try_from(body.len()).expect("bodies are short").to_le_bytes().to_vec();
    bytes.push(kind);
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(body.as_bytes());
    let text: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    (format!("\"{text}\""), bytes.len().to_string())
}

#[test]
fn a_library_that_answers_the_hello_in_place_of_its_worker_is_not_believed() {
    const READY: u8 = 16;
    let manifest = r#"{"manifest":1,"abi":{"min":1,"max":1},"name":"admin","version":"9.0.0","methods":[]}"#;
    for (number, body) in [
        format!(r#"{{"protocol":1,"pid":1,"manifest":{manifest}}}"#),
        r#"{"protocol":99,"pid":1,"manifest":{}}"#.to_owned(),
        r#"{"protocol":1,"pid":1,"manifest":"no manifest"}"#.to_owned(),
        "no JSON".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let bench = shop(&["echo"]);
        let (lie, bytes) = literal(READY, body);
        let defines = [("VERSION", "\"1.0.0\""), ("LIE", &*lie), ("LIE_BYTES", &*bytes)];
        compile_c("tests/fixtures/liar.c", &bench.plugin_file("counter"), &defines);
        let said = bench.cli(&["plugin", "info", "counter"]);
        assert_eq!(said.code, 2, "{number}: {said:#?}");
        assert!(said.stderr.contains("`counter"), "{number}: {said:#?}");
        let called = bench.cli(&["plugin", "call", "counter.next"]);
        assert!(called.code != 0 && called.stdout.is_empty(), "{number}: {called:#?}");
        let fine = bench.cli(&["plugin", "call", "echo.noop"]);
        assert_eq!(fine.code, 0, "{number}: {fine:#?}");
        assert!(!bench.cli(&["plugin", "list"]).exits(0).stdout.contains("admin"));
    }
}

#[test]
fn a_constructor_runs_in_workers_only_and_not_at_all_in_what_is_refused() {
    let bench = shop(&["echo"]);
    let mark = bench.dir().join("mark");
    let plugin = Counter::new("counter", "1.0.0");
    plugin.compile_with_mark(&bench.plugin_file("counter"), &mark);
    let _ = bench.cli(&["plugin", "list"]).exits(0);
    let call = bench.cli(&["plugin", "call", "counter.next"]).exits(0);
    assert_eq!(call.stdout.trim(), "\"1.0.0:1\"");
    // it did run, in a sandbox that let it leave nothing
    assert!(!mark.exists());
    bench.write("jackfield.toml", "[plugins.counter]\ngrant = { fs = { write = ['.'] } }\n");
    let _ = bench.cli(&["plugin", "call", "counter.next"]).exits(0);
    assert!(mark.exists(), "it leaves its mark where that is granted, so that the test can fail");
    std::fs::remove_file(&mark).unwrap();
    bench.write("jackfield.toml", "[trust]\nallow = ['echo']\n[isolation]\ndefault = 'in_process'\n");
    let refused = bench.cli(&["plugin", "call", "counter.next"]);
    assert!(
        refused.code != 0 && refused.stderr.contains("plugin.not_allowed")
            || refused.stderr.contains("allow"),
        "{refused:#?}"
    );
    assert!(!mark.exists());
}
