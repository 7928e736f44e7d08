//! `run`: what is started, what it reads, what becomes of its output, what its exit code means.

use super::{bench, call, kind, one_step};
use jackfield::{RunStatus, Value, json};
use jackfield_tests::{Bench, Limits};
use std::fs;

#[test]
fn arguments_go_to_the_program_and_a_shell_only_when_asked() {
    let bench = bench();
    let argv = json!(["printf", "%s|", "a b", "$HOME", "*", "; echo x"]);
    let plain = call(&bench, "run", json!({ "argv": argv })).unwrap();
    assert_eq!(plain["stdout"], "a b|$HOME|*|; echo x|");
    let script = json!({ "argv": ["echo $((1+2)) \"$1\"", "a b"], "shell": true });
    assert_eq!(call(&bench, "run", script).unwrap()["stdout"], "3 a b\n");
}

#[test]
fn three_reasons_not_to_start_are_three_errors_and_nothing_runs() {
    let bench = bench();
    let plain = bench.write("plain", "#!/bin/sh\necho ran > trace\n");
    let missing = call(&bench, "run", json!({ "argv": ["no-such-program"] }));
    let nowhere = call(&bench, "run", json!({ "argv": ["true"], "cwd": bench.dir().join("none") }));
    let not_allowed = call(&bench, "run", json!({ "argv": [plain], "cwd": bench.dir() }));
    for (failed, expected, word) in [
        (&missing, "process.not_found", "`no-such-program`"),
        (&nowhere, "process.no_directory", "/none`"),
        (&not_allowed, "process.not_executable", "/plain`"),
    ] {
        assert_eq!(kind(failed), expected);
        let failure = failed.as_ref().unwrap_err();
        assert!(failure.message.contains(word) && !failure.retryable, "{failure:?}");
    }
    assert!(!bench.dir().join("trace").exists());
}

#[test]
fn an_exit_code_is_success_a_failure_another_try_or_a_skip() {
    let bench = bench();
    let failed = call(
        &bench,
        "run",
        json!({ "argv": ["echo one; echo two >&2; echo three >&2; exit 9"], "shell": true }),
    );
    assert_eq!(kind(&failed), "process.exit");
    let failure = failed.unwrap_err();
    assert!(failure.message.contains("exit code 9") && failure.message.contains("three"), "{failure:?}");
    assert_eq!(failure.details.value(), &json!({ "code": 9, "stderr": ["two", "three"] }));
    assert!(!failure.retryable);

    let codes = json!({ "ok": [0, 4], "retry": [75], "skip": [3] });
    let ending = |code: i32| json!({ "argv": [format!("exit {code}")], "shell": true, "exit_codes": codes });
    assert_eq!(call(&bench, "run", ending(4)).unwrap()["outcome"], "ok");
    let skipped = call(&bench, "run", ending(3)).unwrap();
    assert_eq!((&skipped["outcome"], &skipped["code"]), (&json!("skip"), &json!(3)));
    assert_eq!(kind(&call(&bench, "run", ending(9))), "process.exit");

    // the first attempt says that it may be tried again, the second succeeds; without that code it is not tried again
    let script = "if [ -e there ]; then echo done; else : > there; exit 75; fi";
    let with = |codes: Value| {
        let _ = fs::remove_file(bench.dir().join("there"));
        let parameters = json!({ "argv": [script], "shell": true, "cwd": bench.dir(), "exit_codes": codes });
        let mut document = one_step("run", parameters);
        document["steps"][0]["retry"] = json!({ "max_attempts": 3, "backoff": "none" });
        bench.run(document, json!({}))
    };
    let retried = with(codes.clone()).completed();
    assert_eq!((retried.step("it").attempts, &retried.step_output("it")["stdout"]), (2, &json!("done\n")));
    let given_up = with(json!({}));
    assert_eq!((given_up.status(), given_up.step("it").attempts), (RunStatus::Failed, 1));
}

#[test]
fn a_skip_can_be_read_by_the_steps_behind() {
    let bench = bench();
    let step = |id: &str, parameters: Value| json!({ "id": id, "plugin": "process", "method": "run", "parameters": parameters });
    let mut behind = step("behind", json!({ "argv": ["true"] }));
    behind["when"] = json!("steps.look.output.outcome == 'ok'");
    let look = step("look", json!({ "argv": ["exit 3"], "shell": true, "exit_codes": { "skip": [3] } }));
    let finished = bench.run(json!({ "id": "skips", "steps": [look, behind] }), json!({})).completed();
    assert_eq!(finished.step_status("behind").to_string(), "skipped");
}

#[test]
fn input_comes_from_a_text_a_value_or_a_file() {
    let bench = bench();
    let file = bench.write("in.txt", "from a file");
    let read = |stdin: Value| {
        call(&bench, "run", json!({ "argv": ["cat"], "stdin": stdin })).unwrap()["stdout"].clone()
    };
    assert_eq!(read(json!({ "text": "ä b\n" })), "ä b\n");
    assert_eq!(read(json!({ "json": { "a": [1, null] } })), r#"{"a":[1,null]}"#);
    assert_eq!(read(json!({ "file": file })), "from a file");
    let none = call(&bench, "run", json!({ "argv": ["cat"] })).unwrap();
    assert_eq!(none["stdout"], "", "nothing to read is an end, not a wait");
    let missing =
        call(&bench, "run", json!({ "argv": ["cat"], "stdin": { "file": bench.dir().join("none") } }));
    assert_eq!(kind(&missing), "process.stdin");
}

#[test]
fn a_program_need_not_read_its_input() {
    let bench = bench();
    let much = "x".repeat(4 << 20);
    for script in ["exec true", "exec <&-; sleep 0.05; echo done", "head -c 1 > /dev/null"] {
        let parameters = json!({ "argv": [script], "shell": true, "stdin": { "text": much } });
        assert_eq!(call(&bench, "run", parameters).unwrap()["code"], 0, "{script}");
    }
}

#[test]
fn output_becomes_text_lines_or_a_value() {
    let bench = bench();
    let printed = |argv: Value, format: &str| call(&bench, "run", json!({ "argv": argv, "stdout": format }));
    assert_eq!(
        printed(json!(["printf", "a\\n\\nb\\r\\n"]), "lines").unwrap()["stdout"],
        json!(["a", "", "b"])
    );
    assert_eq!(
        printed(json!(["echo", "{\"a\": [1, 2.5]}"]), "json").unwrap()["stdout"],
        json!({ "a": [1, 2.5] })
    );
    let wrong = printed(json!(["echo", "{oops"]), "json");
    assert_eq!(kind(&wrong), "process.invalid_json");
    assert!(wrong.unwrap_err().details.as_str().contains("{oops"));
    let lossy = printed(json!(["printf", "a\\377b"]), "text").unwrap();
    assert_eq!((&lossy["stdout"], &lossy["is_lossy"]), (&json!("a\u{fffd}b"), &json!(true)));
}

#[test]
fn output_beyond_the_cap_is_cut_with_a_mark_and_the_total() {
    let bench = bench();
    let argv = json!(["yes abcdefg | head -c 1000"]);
    let cut = |format: &str| {
        call(&bench, "run", json!({ "argv": argv, "shell": true, "stdout": format, "max_output_bytes": 20 }))
    };
    let text = cut("text").unwrap();
    assert_eq!(text["stdout"], "abcdefg\nabcdefg\nabcd\n[output cut: 20 of 1000 bytes]");
    assert_eq!((&text["stdout_bytes"], &text["is_cut"]), (&json!(1000), &json!(true)));
    let lines = cut("lines").unwrap();
    assert_eq!(lines["stdout"], json!(["abcdefg", "abcdefg", "abcd", "[output cut: 20 of 1000 bytes]"]));
    assert_eq!(kind(&cut("json")), "process.output_too_large");
}

/// A gigabyte goes through a process that has much less memory.
#[test]
fn a_gigabyte_of_output_leaves_memory_flat() {
    let bench = bench();
    let argv = json!(["dd if=/dev/zero bs=1M count=1024 2>/dev/null | tr '\\0' x"]);
    bench.write("much.json", one_step("run", json!({ "argv": argv, "shell": true })).to_string());
    let limits = Limits { memory_bytes_max: 900 << 20, processor_seconds_max: 120 };
    let ran = bench.cli_within(limits, &["run", "much.json"]).exits(0).json();
    assert_eq!(ran["stdout_bytes"], 1_u64 << 30);
}

#[test]
fn the_environment_is_added_to_cleared_or_picked() {
    let bench = Bench::new(&["process"]);
    let names = |parameters: Value| {
        let mut all = json!({ "argv": ["/usr/bin/env"], "stdout": "lines" });
        all.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
        let printed = call(&bench, "run", all).unwrap();
        let lines: Vec<String> = serde_json::from_value(printed["stdout"].clone()).unwrap();
        lines
    };
    let added = names(json!({ "env": { "ADDED": "1" } }));
    assert!(added.contains(&"ADDED=1".to_owned()) && added.iter().any(|line| line.starts_with("PATH=")));
    assert!(!names(json!({ "env_remove": ["PATH"] })).iter().any(|line| line.starts_with("PATH=")));
    assert_eq!(names(json!({ "env_inherit": [], "env": { "ONLY": "this" } })), ["ONLY=this"]);
    let picked = names(json!({ "env_inherit": ["PATH"] }));
    assert!(picked.len() == 1 && picked[0].starts_with("PATH="), "{picked:?}");
}

#[test]
fn a_secret_in_the_environment_is_seen_by_the_program_alone() {
    let bench = Bench::new(&["process"]);
    let secret = "s3cr3t-value-4711";
    bench.write("token", secret);
    let config = "[isolation]\ndefault = 'in_process'\n[secrets]\ntoken = { file = 'token' }\n";
    bench.write("jackfield.toml", config);
    // it knows the secret, prints it everywhere and fails; `ps` shows what others could see of it meanwhile
    let script = "test -n \"$TOKEN\" && echo \"have it\"; ps -eo args > ps.txt; echo \"out $TOKEN\"; echo \"err $TOKEN\" >&2; exit 5";
    let parameters = json!({
        "argv": [script], "shell": true, "cwd": bench.dir(), "secret_env": { "TOKEN": "${secret('token')}" },
    });
    bench.write("told.json", one_step("stream", parameters).to_string());
    let ran = bench.cli(&["-vvv", "run", "told.json", "--durable", "--run-id", "told", "--json"]).exits(1);
    let error = &ran.json()["error"];
    assert_eq!((&error["type"], &error["details"]["stderr"]), (&json!("process.exit"), &json!(["err ***"])));
    let seen = fs::read_to_string(bench.dir().join("ps.txt")).unwrap();
    assert!(seen.contains("test -n \"$TOKEN\""), "{seen}");
    let history = bench.cli(&["runs", "history", "told", "--json"]).exits(0).stdout;
    assert!(ran.stderr.contains("have it"), "{}", ran.stderr);
    for (place, text) in [("ps", &seen), ("log", &ran.stderr), ("result", &ran.stdout), ("history", &history)]
    {
        assert!(!text.contains(secret), "{place}: {text}");
    }
    for entry in fs::read_dir(bench.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let holds = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!holds, "{}", path.display());
    }
}
