//! Sessions, users, modes, capacity, upkeep.

use super::{is_alive, lab, wait, wait_until};
use jackfield::{Value, json};
use std::time::{Duration, Instant};

#[test]
fn variables_and_imports_stay_between_calls_of_a_session() {
    let lab = lab!("");
    lab.exec("import math\nx = [1]");
    lab.exec("x.append(math.floor(2.5))");
    assert_eq!(lab.exec("x")["result"], json!([1, 2]));
}

#[test]
fn sessions_see_nothing_of_each_other() {
    let lab = lab!("mode = 'multi_user'");
    lab.environment("default");
    let exec = |user: &str, code: &str| lab.ok("exec", json!({ "user": user, "code": code }));
    let env = json!({ "user": "ann", "env": { "OWN": "ann's" } });
    lab.ok("session_open", env);
    exec(
        "ann",
        "import os, sys, types\nsecret = 1\nsys.modules['planted'] = types.ModuleType('planted')\nos.environ['SET'] = '1'\nos.mkdir('d')\nos.chdir('d')\nprint('of ann')",
    );
    let probe = "import os, sys\n['secret' in globals(), 'planted' in sys.modules, 'SET' in os.environ, 'OWN' in os.environ, os.getcwd()]";
    let (ann, bob) = (exec("ann", probe), exec("bob", probe));
    assert_eq!(
        ann["result"].as_array().expect("a list")[..4],
        [true, true, true, true].map(Value::from),
        "{ann}"
    );
    assert_eq!(
        bob["result"].as_array().expect("a list")[..4],
        [false, false, false, false].map(Value::from),
        "{bob}"
    );
    assert_ne!(ann["result"][4], bob["result"][4]);
    assert_eq!(bob["stdout"], "");
}

#[test]
fn a_session_runs_the_interpreter_of_its_environment() {
    let lab = lab!("");
    let environment = lab.environment("own");
    let done = lab.ok("exec", json!({ "environment": "own", "code": "import sys\n[sys.prefix, sys.executable, sys.base_prefix != sys.prefix]" }));
    assert_eq!(done["result"], json!([environment["path"], environment["python"], true]), "{done}");
    assert_eq!(lab.ok("session_list", json!({}))["sessions"], json!([]), "it was for one call");
}

#[test]
fn in_single_user_mode_another_environment_means_another_session_and_the_old_one_is_kept_or_closed() {
    let lab = lab!("");
    lab.environment("a");
    lab.environment("b");
    let first = lab.exec("x = 1\nx")["session"].clone();
    let used = lab.ok("env_use", json!({ "environment": "a" }));
    assert_eq!((&used["old_session"], &used["is_old_open"]), (&first, &json!(true)));
    let second = lab.exec("'x' in globals()");
    assert_eq!((&second["result"], &second["environment"]), (&json!(false), &json!("a")));
    assert_ne!(second["session"], first);
    assert_eq!(lab.exec_in(first.as_str().expect("an id"), "x")["result"], 1);
    let used = lab.ok("env_use", json!({ "environment": "b", "old": "close" }));
    assert_eq!(used["is_old_open"], false);
    let gone = lab.fails("exec", json!({ "session": second["session"], "code": "1" }));
    assert_eq!(&*gone.kind, "python.no_session");
    assert!(gone.message.contains("another environment"), "{}", gone.message);
}

#[test]
fn a_user_has_one_session_until_it_is_closed() {
    let lab = lab!("mode = 'multi_user'\nsessions_max = 20");
    lab.environment("default");
    let opened: Vec<_> = (0..8).map(|_| lab.start("session_open", json!({ "user": "ann" }))).collect();
    let opened: Vec<Value> = opened.iter().map(|run| wait(run).expect("it is opened")).collect();
    assert!(
        opened.iter().all(|it| it["session"] == opened[0]["session"] && it["pid"] == opened[0]["pid"]),
        "{opened:?}"
    );
    assert_eq!(opened.iter().filter(|it| it["created"] == true).count(), 1);
    lab.ok("exec", json!({ "user": "ann", "code": "x = 1" }));
    lab.ok("session_close", json!({ "user": "ann" }));
    let fresh = lab.ok("session_open", json!({ "user": "ann" }));
    assert_eq!(fresh["created"], true);
    assert_ne!(fresh["session"], opened[0]["session"]);
    assert_eq!(lab.ok("exec", json!({ "user": "ann", "code": "'x' in globals()" }))["result"], false);
    let nobody = lab.fails("session_close", json!({ "user": "eve" }));
    assert_eq!(&*nobody.kind, "python.no_session");
}

#[test]
fn beyond_the_limit_of_sessions_a_call_waits_and_a_place_comes_back_on_close_and_on_crash() {
    let lab = lab!("sessions_max = 1\nacquire_timeout_ms = 50");
    lab.environment("default");
    lab.ok("session_open", json!({ "session": "a" }));
    let refused = lab.fails("session_open", json!({ "session": "b" }));
    assert_eq!(&*refused.kind, "python.at_capacity");
    assert!(refused.message.contains("at capacity"), "{}", refused.message);
    let waiting = lab.start("session_open", json!({ "session": "b", "acquire_timeout_ms": 60_000 }));
    wait_until("it waits", || lab.ok("session_list", json!({}))["sessions"][1]["state"] == "busy");
    lab.ok("session_close", json!({ "session": "a" }));
    wait(&waiting).expect("the place came back");
    let waiting = lab.start("session_open", json!({ "session": "c", "acquire_timeout_ms": 60_000 }));
    wait_until("it waits", || lab.ok("session_list", json!({}))["sessions"][1]["state"] == "busy");
    assert_eq!(lab.exec_in("b", "import os\nos._exit(1)")["outcome"], "died");
    wait(&waiting).expect("the place came back");
    assert_eq!(lab.ok("diagnostics", json!({ "discover": false }))["active_sessions"], 1);
}

#[test]
fn an_idle_session_is_closed_and_an_old_one_too_but_none_that_executes() {
    let lab = lab!("idle_timeout_ms = 200");
    lab.exec("x = 1");
    let done = lab.exec("import time\ntime.sleep(0.6)\nx");
    assert_eq!(done["result"], 1, "it was not idle: {done}");
    let session = done["session"].clone();
    wait_until("it is closed", || lab.ok("session_list", json!({}))["sessions"] == json!([]));
    let gone = lab.fails("exec", json!({ "session": session, "code": "1" }));
    assert!(gone.message.contains("nothing was asked of it"), "{}", gone.message);
    assert_eq!(lab.exec("'x' in globals()")["result"], false, "a new one takes its place");
    let lab = lab!("max_age_ms = 300\nidle_timeout_ms = 0");
    let done = lab.exec("import time\ntime.sleep(0.6)\n1");
    assert_eq!(done["result"], 1);
    wait_until("it is closed", || lab.ok("session_list", json!({}))["sessions"] == json!([]));
}

#[test]
fn users_get_the_environment_with_the_fewest_sessions_and_never_the_administrators() {
    let lab = lab!("mode = 'multi_user'");
    for name in ["admin", "one", "two"] {
        lab.environment(name);
    }
    let open = |user: &str| lab.ok("session_open", json!({ "user": user }))["environment"].clone();
    let mut given = [open("a"), open("b"), open("c"), open("d")];
    given.sort_by_key(ToString::to_string);
    assert_eq!(given, ["one", "one", "two", "two"].map(Value::from));
}

#[test]
fn the_name_of_a_user_is_never_code() {
    let lab = lab!("mode = 'multi_user'");
    lab.environment("default");
    let name = "x'\"\n__import__('os')._exit(3)\n\"\"\"; ../..\\ \u{0}";
    let done = lab.ok("exec", json!({ "user": name, "code": "40 + 2" }));
    assert_eq!((&done["result"], &done["outcome"]), (&json!(42), &json!("completed")));
    assert_eq!(lab.ok("session_list", json!({}))["sessions"][0]["user"], name);
    let dir = done["session"].as_str().expect("an id");
    assert!(!dir.contains('/'), "{dir}");
}

#[test]
fn an_interpreter_that_does_not_start_says_why() {
    let lab = lab!("");
    let environment = lab.environment("broken");
    let python = environment["python"].as_str().expect("a path");
    std::fs::remove_file(python).expect("it is there");
    let missing = lab.fails("exec", json!({ "environment": "broken", "code": "1" }));
    assert_eq!(&*missing.kind, "python.start");
    std::fs::write(python, "#!/bin/sh\necho 'no such thing' >&2\nexit 3\n").expect("it is ours");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(python, mode).expect("it is ours");
    let failed = lab.fails("exec", json!({ "environment": "broken", "code": "1" }));
    assert_eq!(&*failed.kind, "python.start");
    assert!(failed.message.contains("no such thing"), "{}", failed.message);
    std::fs::remove_dir_all(environment["path"].as_str().expect("a path")).expect("it is ours");
    let deleted = lab.fails("exec", json!({ "environment": "broken", "code": "1" }));
    assert_eq!(&*deleted.kind, "python.no_environment");
}

#[test]
fn the_limits_of_a_session_end_it_alone() {
    let lab = lab!("");
    lab.environment("default");
    let limits = json!({ "memory_bytes": 300 << 20, "cpu_seconds": 1 });
    lab.ok("session_open", json!({ "session": "small", "limits": limits }));
    lab.ok("session_open", json!({ "session": "other" }));
    let memory = lab.exec_in("small", "x = 1\nb = bytearray(1 << 30)");
    assert_eq!(memory["error"]["type"], "MemoryError", "{memory}");
    assert_eq!(lab.exec_in("small", "x")["result"], 1, "the session survives what Python can report");
    let time = lab.exec_in("small", "while True: pass");
    assert_eq!(time["outcome"], "died", "{time}");
    assert_eq!(lab.exec_in("other", "len(bytearray(1 << 29))")["result"], 1 << 29);
}

#[test]
fn diagnostics_have_the_agreed_keys_and_tell_of_each_session() {
    let lab = lab!("");
    lab.exec("1");
    let told = lab.ok("diagnostics", json!({}));
    let keys = [
        "is_initialized",
        "mode",
        "admin_environment",
        "current_environment",
        "total_environments",
        "total_sessions",
        "active_sessions",
        "available_python_installations",
    ];
    for key in keys {
        assert!(told.get(key).is_some(), "{key}: {told}");
    }
    assert_eq!((&told["is_initialized"], &told["total_sessions"]), (&json!(true), &json!(1)));
    assert_ne!(told["available_python_installations"], json!([]));
    let session = &told["sessions"][0];
    assert!(is_alive(session["pid"].as_u64().expect("a number")));
    assert!(session["rss_bytes"].as_u64().is_some_and(|it| it > 1 << 20), "{session}");
    assert_eq!((&session["executions"], &session["state"]), (&json!(1), &json!("idle")));
    assert!(
        session["last_activity_ms"].as_u64().is_some_and(|it| it > 0) && session["environment"] == "default"
    );
}

#[test]
fn maintenance_says_what_it_removed_and_the_second_time_removes_nothing() {
    let lab = lab!("keep_files_ms = 0");
    let kept = lab.environment("kept");
    let envs = std::path::Path::new(kept["path"].as_str().expect("a path"))
        .parent()
        .expect("it lies somewhere")
        .to_owned();
    std::fs::create_dir_all(envs.join("half/bin")).expect("it is new");
    let done = lab.ok("exec", json!({ "environment": "kept", "code": "open('a', 'w').write('x')" }));
    let file = done["files"][0]["path"].as_str().expect("a path");
    assert!(std::path::Path::new(file).is_file(), "what was made outlives its session");
    let first = lab.ok("maintain", json!({}));
    assert_eq!(first["removed_environments"], json!(["half"]), "{first}");
    assert_eq!(first["removed_files"].as_array().map(Vec::len), Some(1), "{first}");
    let second = lab.ok("maintain", json!({}));
    let nothing =
        json!({ "removed_environments": [], "closed_sessions": [], "removed_files": [], "cache": null });
    assert_eq!(second, nothing);
    assert!(envs.join("kept").is_dir() && !envs.join("half").exists());
}

#[test]
fn a_session_from_the_spare_interpreters_is_there_at_once_and_of_its_environment() {
    let lab = lab!("prewarm = 1");
    for name in ["a", "b"] {
        lab.environment(name);
    }
    let cold = Instant::now();
    lab.ok("session_open", json!({ "session": "cold", "environment": "a" }));
    let cold = cold.elapsed();
    let spare = || lab.ok("diagnostics", json!({ "discover": false }))["spare_interpreters"] == 1;
    let mut warm = Vec::new();
    for number in 0..5 {
        wait_until("a spare is ready", spare);
        let started = Instant::now();
        let opened = lab.ok("session_open", json!({ "session": format!("w{number}"), "environment": "a" }));
        warm.push(started.elapsed());
        assert_eq!(opened["prewarmed"], true, "{opened}");
    }
    warm.sort();
    assert!(warm[2] * 3 < cold, "{warm:?}, {cold:?}");
    let code = "import sys\nsys.prefix";
    let opened = lab.ok("session_open", json!({ "session": "other", "environment": "b" }));
    assert_eq!(opened["prewarmed"], false, "one of another environment is not taken");
    let (a, b) = (lab.exec_in("w0", code), lab.exec_in("other", code));
    assert!(
        a["result"].as_str().is_some_and(|it| it.ends_with("/a"))
            && b["result"].as_str().is_some_and(|it| it.ends_with("/b"))
    );
}

#[test]
fn the_mode_is_not_switched_over_code_that_runs_unless_it_is_waited_for() {
    let lab = lab!("");
    lab.environment("default");
    lab.exec("x = 1");
    let gate = lab.bench.dir().join("gate");
    let code = format!(
        "import os, time\nwhile not os.path.exists({:?}):\n    time.sleep(0.002)\nx",
        gate.display().to_string()
    );
    let running = lab.start("exec", json!({ "code": code }));
    wait_until("the code runs", || lab.ok("session_list", json!({}))["sessions"][0]["state"] == "busy");
    let refused = lab.fails("mode_switch", json!({ "mode": "multi_user" }));
    assert_eq!(&*refused.kind, "python.mode_busy");
    assert!(refused.message.contains("s1"), "{}", refused.message);
    let switching = lab.start("mode_switch", json!({ "mode": "multi_user", "wait_ms": 60_000 }));
    std::thread::sleep(Duration::from_millis(50));
    assert!(switching.wait(Some(Duration::ZERO)).is_none(), "it waits");
    std::fs::write(&gate, "").expect("it is ours");
    assert_eq!(wait(&running).expect("it was not ended")["result"], 1);
    let switched = wait(&switching).expect("it is switched");
    assert_eq!((&switched["mode"], &switched["closed_sessions"]), (&json!("multi_user"), &json!(["s1"])));
    let refused = lab.fails("env_use", json!({ "environment": "default" }));
    assert_eq!(&*refused.kind, "python.mode");
    lab.ok("exec", json!({ "user": "ann", "code": "1" }));
    assert_eq!(
        lab.ok("mode_switch", json!({ "mode": "single_user" }))["closed_sessions"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(&*lab.fails("exec", json!({ "user": "ann", "code": "1" })).kind, "python.mode");
}
