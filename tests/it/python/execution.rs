//! Code in, everything that came of it out.

use super::{cancel, is_alive, lab, wait, wait_until};
use jackfield::json;
use std::time::{Duration, Instant};

#[test]
fn what_code_prints_returns_and_raises_are_fields_of_their_own() {
    let lab = lab!("");
    let done = lab.exec("import sys\nprint('out')\nprint('err', file=sys.stderr)\n{'a': [1, None]}");
    assert_eq!((&done["stdout"], &done["stderr"]), (&json!("out\n"), &json!("err\n")), "{done}");
    assert_eq!((&done["result"], &done["success"]), (&json!({ "a": [1, null] }), &json!(true)));
    assert_eq!((&done["outcome"], &done["error"]), (&json!("completed"), &json!(null)));
    let failed = lab.exec("def f():\n    return 1 / 0\n\nprint('before')\nf()");
    assert_eq!((&failed["success"], &failed["outcome"]), (&json!(false), &json!("exception")));
    assert_eq!(failed["stdout"], "before\n");
    let error = &failed["error"];
    assert_eq!((&error["type"], &error["line"]), (&json!("ZeroDivisionError"), &json!(2)), "{error}");
    assert_eq!(error["message"], "division by zero");
    let traceback = error["traceback"].as_str().expect("a text");
    assert!(traceback.contains("return 1 / 0") && !traceback.contains("jackfield_driver"), "{traceback}");
    let bad = lab.exec("x = 1\nif x\n");
    assert_eq!((&bad["error"]["type"], &bad["error"]["line"]), (&json!("SyntaxError"), &json!(2)), "{bad}");
}

#[test]
fn code_that_fails_fails_the_call_only_if_that_is_asked_for() {
    let lab = lab!("");
    assert_eq!(lab.exec("raise ValueError('no')")["success"], false);
    let failure = lab.fails("exec", json!({ "code": "\nraise ValueError('no')", "check": true }));
    assert_eq!(&*failure.kind, "python.exception");
    assert!(failure.message.contains("ValueError: no in line 2"), "{}", failure.message);
}

#[test]
fn the_last_expression_behind_statements_is_the_result() {
    let lab = lab!("");
    assert_eq!(lab.exec("x = 20\ny = 22\nx + y")["result"], 42);
    assert_eq!(lab.exec("x = 1")["result"], json!(null));
    assert_eq!(lab.exec("")["result"], json!(null));
    assert_eq!(lab.exec("for i in range(3):\n    i")["result"], json!(null));
}

#[test]
fn variables_go_in_and_come_out_as_json_and_what_has_no_json_form_is_described() {
    let lab = lab!("");
    let done = lab.ok(
        "exec",
        json!({ "code": "b = [a, 1]\nc = {1, 2}\nobject", "inputs": { "a": { "x": "ü\u{0}" } }, "outputs": ["b", "c"] }),
    );
    assert_eq!(done["outputs"]["b"], json!([{ "x": "ü\u{0}" }, 1]), "{done}");
    assert_eq!(
        (&done["outputs"]["c"]["type"], &done["outputs"]["c"]["repr"]),
        (&json!("set"), &json!("{1, 2}"))
    );
    assert_eq!((&done["result"]["type"], &done["not_json"]), (&json!("type"), &json!(["result", "c"])));
    assert_eq!(lab.exec("float('nan')")["not_json"], json!(["result"]));
    let missing = lab.ok("exec", json!({ "code": "1", "outputs": ["nothing"] }));
    assert_eq!((&missing["success"], &missing["error"]["type"]), (&json!(false), &json!("NameError")));
    let refused = lab.fails("exec", json!({ "code": "1", "inputs": { "a b": 1 } }));
    assert!(refused.message.contains("`a b`"), "{}", refused.message);
}

#[test]
fn at_the_limit_of_time_code_is_interrupted_and_the_session_keeps_its_variables() {
    let lab = lab!("");
    lab.exec("x = 7");
    let code = "import time\nwhile True:\n    time.sleep(0.01)";
    let done = lab.ok("exec", json!({ "code": code, "timeout_ms": 100 }));
    assert_eq!((&done["outcome"], &done["success"]), (&json!("interrupted"), &json!(false)), "{done}");
    assert_eq!((&done["error"]["type"], &done["error"]["line"]), (&json!("KeyboardInterrupt"), &json!(3)));
    let next = lab.exec("x");
    assert_eq!((&next["result"], &next["state_lost"]), (&json!(7), &json!(null)));
    let failure = lab.fails("exec", json!({ "code": code, "timeout_ms": 50, "check": true }));
    assert_eq!(&*failure.kind, "python.timeout");
}

#[test]
fn code_that_does_not_react_to_the_interrupt_is_killed_with_its_children() {
    let lab = lab!("interrupt_grace_ms = 100");
    let code = "import subprocess, time\nchild = subprocess.Popen(['sleep', '1000'])\nprint(child.pid, flush=True)\n\
                while True:\n    try:\n        time.sleep(1000)\n    except KeyboardInterrupt:\n        pass";
    let done = lab.ok("exec", json!({ "code": code, "timeout_ms": 300 }));
    assert_eq!(
        (&done["outcome"], &done["error"]["type"]),
        (&json!("killed"), &json!("TimeoutError")),
        "{done}"
    );
    let child: u64 = done["stdout"].as_str().expect("a text").trim().parse().expect("a number");
    wait_until("the child of the code is gone", || !is_alive(child));
    let next = lab.exec("'child' in globals()");
    assert_eq!(next["result"], false);
    assert!(next["state_lost"].as_str().expect("it is said").contains("killed"), "{next}");
}

#[test]
fn a_loop_in_c_is_ended_at_the_limit_of_time() {
    let lab = lab!("interrupt_grace_ms = 100");
    // no interrupt gets into it: the loop is in the interpreter's own C, and never looks
    let done = lab.ok(
        "exec",
        json!({ "code": "sum(range(10**13)) if False else max(iter(int, 1))", "timeout_ms": 100 }),
    );
    assert_eq!(done["outcome"], "killed", "{done}");
}

#[test]
fn cancelling_ends_code_that_runs_and_keeps_code_that_waits_from_running() {
    let lab = lab!("");
    lab.exec("x = 1");
    let running =
        lab.start("exec", json!({ "code": "import time\nprint('begun', flush=True)\ntime.sleep(1000)" }));
    wait_until("the code runs", || lab.lines().contains(&"begun".to_owned()));
    let waiting = lab.start("exec", json!({ "code": "x = 2" }));
    wait_until("the second call waits", || lab.ok("session_list", json!({}))["sessions"][0]["waiting"] == 1);
    cancel(&waiting);
    assert!(waiting.wait(Some(super::WAIT_MAX)).is_some());
    cancel(&running);
    assert!(running.wait(Some(super::WAIT_MAX)).is_some());
    let next = lab.exec("x");
    assert_eq!((&next["result"], &next["state_lost"]), (&json!(1), &json!(null)), "the session goes on");
}

#[test]
fn a_worker_that_dies_fails_its_call_alone_and_the_next_one_is_told_that_the_state_is_gone() {
    let lab = lab!("");
    lab.environment("default");
    for session in ["a", "b"] {
        lab.ok("session_open", json!({ "session": session }));
        lab.exec_in(session, "x = 1");
    }
    let deaths = [
        (
            "import os, signal\nprint('last words', flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)",
            "signal",
            11,
        ),
        ("import os\nos._exit(7)", "exit_code", 7),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "signal", 9),
    ];
    for (code, field, number) in deaths {
        let died = lab.exec_in("a", code);
        assert_eq!((&died["outcome"], &died["success"]), (&json!("died"), &json!(false)), "{died}");
        assert_eq!(died[field], number);
        let message = died["error"]["message"].as_str().expect("a text");
        assert!(message.contains("worker died") && message.contains(&number.to_string()), "{message}");
        let next = lab.exec_in("a", "'x' in globals()");
        assert_eq!(next["result"], false);
        assert!(next["state_lost"].as_str().expect("it is said").contains("died"), "{next}");
        assert_eq!(lab.exec_in("a", "1")["state_lost"], json!(null), "it is said once");
    }
    assert_eq!(lab.exec_in("b", "x")["result"], 1, "others go on");
}

#[test]
fn standard_input_is_empty_and_whoever_prints_to_the_descriptors_does_not_break_the_conversation() {
    let lab = lab!("");
    let done = lab.exec("import sys\nsys.stdin.read()");
    assert_eq!(done["result"], "");
    assert_eq!(lab.exec("input()")["error"]["type"], "EOFError");
    let code = "import ctypes, os, subprocess\nprint('a')\nctypes.CDLL(None).puts(b'from C')\nctypes.CDLL(None).fflush(None)\n\
                os.write(1, b'\\x00\\x00\\x00\\x04null')\nsubprocess.run(['echo', 'from a child'])\nos.write(2, b'raw')\nprint('z')\n5";
    let done = lab.exec(code);
    assert_eq!(done["stdout"], "a\nfrom C\n\u{0}\u{0}\u{0}\u{4}nullfrom a child\nz\n", "{done}");
    assert_eq!((&done["stderr"], &done["result"]), (&json!("raw"), &json!(5)));
    // whatever descriptor the code finds, 0 to 2 are not the conversation
    assert_eq!(lab.exec("import os\nos.close(0); os.close(1); os.close(2)\n6")["result"], 6);
    assert_eq!(lab.exec("print('again')")["stdout"], "again\n");
}

#[test]
fn output_beyond_the_limit_is_cut_with_a_mark_and_counted() {
    let lab = lab!("output_bytes_max = 1000");
    let done = lab.exec("print('x' * 4999)\nprint('y', end='')");
    assert_eq!((&done["stdout_bytes"], &done["is_cut"]), (&json!(5001), &json!(true)));
    let stdout = done["stdout"].as_str().expect("a text");
    assert!(stdout.starts_with(&"x".repeat(1000)) && stdout.contains("1000 of 5001 bytes"), "{stdout}");
    let whole = lab.exec("print('x' * 10)");
    assert_eq!((&whole["stdout_bytes"], &whole["is_cut"]), (&json!(11), &json!(false)));
}

#[test]
fn a_gigabyte_of_output_leaves_the_memory_of_the_host_flat() {
    let lab = lab!("");
    lab.exec("1");
    let before = resident_bytes();
    let code = "import os\nblock = b'x' * (1 << 20)\nfor _ in range(1024):\n    os.write(1, block)\n    \n";
    let code = code.replace("os.write(1, block)", "sys_written = 0\n    while sys_written < len(block):\n        sys_written += os.write(1, block[sys_written:])");
    let done = lab.exec(&code);
    assert_eq!(done["stdout_bytes"], 1_u64 << 30, "{}", done["error"]);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[test]
fn a_batch_stops_at_an_error_or_goes_on_and_tells_of_each_item() {
    let lab = lab!("");
    let items = json!([{ "code": "x = 20" }, { "code": "1 / 0" }, { "code": "x + 1" }]);
    let stopped = lab.ok("exec_batch", json!({ "items": items }));
    assert_eq!(
        (&stopped["success"], &stopped["failed"], &stopped["left_out"]),
        (&json!(false), &json!(1), &json!(1))
    );
    assert_eq!(stopped["items"].as_array().expect("a list").len(), 2);
    let whole = lab.ok("exec_batch", json!({ "items": items, "stop_on_error": false }));
    assert_eq!((&whole["failed"], &whole["left_out"]), (&json!(1), &json!(0)));
    assert_eq!(whole["items"][1]["error"]["type"], "ZeroDivisionError");
    assert_eq!(whole["items"][2]["result"], 21, "statements of items before count");
    let failure = lab.fails("exec_batch", json!({ "items": items, "check": true }));
    assert_eq!(&*failure.kind, "python.exception");
    assert!(failure.message.contains("item 1"), "{}", failure.message);
}

#[test]
fn a_script_has_its_file_arguments_directory_and_imports() {
    let lab = lab!("");
    let dir = lab.bench.dir().join("scripts");
    std::fs::create_dir_all(dir.join("tool/parts")).expect("it is new");
    let put = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("it is ours");
    put("beside.py", "word = 'beside'\n");
    put(
        "main.py",
        "import os, sys, beside\nif __name__ == '__main__':\n    print(os.path.basename(__file__), sys.argv[1:], os.getcwd(), beside.word)\n\
         answer = given * 2\n",
    );
    let p = json!({
        "path": dir.join("main.py"), "arguments": ["--year", "2026 \"x\""], "cwd": dir, "inputs": { "given": 21 }, "outputs": ["answer"],
    });
    let done = lab.ok("run_script", p);
    let expected = format!("main.py ['--year', '2026 \"x\"'] {} beside\n", dir.display());
    assert_eq!((&done["stdout"], &done["outputs"]["answer"]), (&json!(expected), &json!(42)), "{done}");
    for name in ["tool/__init__.py", "tool/parts/__init__.py"] {
        put(name, "");
    }
    put("tool/words.py", "word = 'relative'\n");
    put("tool/parts/run.py", "from ..words import word\nprint(word)\nraise SystemExit(3)\n");
    let p = json!({ "path": dir.join("tool/parts/run.py"), "package": "tool.parts" });
    let done = lab.ok("run_script", p);
    assert_eq!((&done["stdout"], &done["exit_code"]), (&json!("relative\n"), &json!(3)), "{done}");
    assert_eq!(done["success"], false);
    let failed = lab.ok("run_script", json!({ "path": dir.join("main.py") }));
    assert_eq!(
        (&failed["error"]["type"], &failed["error"]["line"]),
        (&json!("NameError"), &json!(4)),
        "{failed}"
    );
    let missing = lab.fails("run_script", json!({ "path": dir.join("none.py") }));
    assert_eq!(&*missing.kind, "python.no_script");
    assert_eq!(lab.exec("'answer' in globals()")["result"], false, "a script has its own variables");
}

#[test]
fn calls_of_one_session_queue_in_their_order_and_not_too_many_of_them() {
    let lab = lab!("queue_max = 3");
    lab.exec("seen = []");
    let first = lab.start("exec", json!({ "code": "import time\nprint('begun', flush=True)\nopen('go')\n" }));
    wait(&first).expect("it fails at once, which is no failure of the call");
    let gate = lab.bench.dir().join("gate");
    let code = format!(
        "import os, time\nwhile not os.path.exists({:?}):\n    time.sleep(0.002)",
        gate.display().to_string()
    );
    let running = lab.start("exec", json!({ "code": code }));
    wait_until("the code runs", || lab.ok("session_list", json!({}))["sessions"][0]["state"] == "busy");
    let mut waiting = Vec::new();
    for number in 0..3 {
        waiting.push(lab.start("exec", json!({ "code": format!("seen.append({number})") })));
        let length = number + 1;
        wait_until("it waits", || lab.ok("session_list", json!({}))["sessions"][0]["waiting"] == length);
    }
    let refused = lab.fails("exec", json!({ "code": "seen.append('too many')" }));
    assert_eq!(&*refused.kind, "python.queue_full");
    std::fs::write(&gate, "").expect("it is ours");
    wait(&running).expect("it ends");
    for run in &waiting {
        wait(run).expect("it ends");
    }
    assert_eq!(lab.exec("seen")["result"], json!([0, 1, 2]));
}

#[test]
fn a_line_reaches_the_watcher_within_a_tenth_of_a_second_of_its_flush() {
    let lab = lab!("");
    lab.exec("1");
    let code = "import time\nfor i in range(5):\n    print('line', i, time.time(), flush=True)\n    time.sleep(0.15)";
    let run = lab.start("exec", json!({ "code": code }));
    let started = Instant::now();
    let now = std::time::SystemTime::now();
    wait(&run).expect("it ends");
    let lines = lab.heard.lines.lock().expect("nobody panics with it").clone();
    let mut delays: Vec<Duration> = Vec::new();
    for (line, at) in lines.iter().filter(|(line, _)| line.starts_with("line")) {
        let printed: f64 = line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a time");
        let base = now.duration_since(std::time::UNIX_EPOCH).expect("it is later").as_secs_f64();
        let since = Duration::from_secs_f64((printed - base).max(0.0));
        delays.push(at.saturating_duration_since(started + since));
    }
    delays.sort();
    assert_eq!(delays.len(), 5);
    assert!(delays[2] < Duration::from_millis(100), "{delays:?}");
}

#[test]
fn unicode_nul_and_bytes_that_are_none_survive_with_a_mark() {
    let lab = lab!("");
    let done = lab.exec("import os\nprint('grün \\U0001f600 \\0')\nos.write(1, b'\\xff!')\n'\\0ü'");
    assert_eq!(done["stdout"], "grün \u{1f600} \u{0}\n\u{fffd}!", "{done}");
    assert_eq!((&done["is_lossy"], &done["result"]), (&json!(true), &json!("\u{0}ü")));
    assert_eq!(lab.exec("print('ü')")["is_lossy"], false);
    let half = lab.exec("print('\\ud800x')\n'\\ud800'");
    assert_eq!((&half["success"], &half["not_json"]), (&json!(true), &json!(["result"])), "{half}");
    assert_eq!(lab.exec("raise ValueError('\\ud800')")["error"]["message"], "?");
}

#[test]
fn what_an_earlier_call_left_behind_does_not_print_into_a_later_one() {
    let lab = lab!("");
    let code = "import gc, threading, time, subprocess\nclass Late:\n    def __init__(self): self.me = self\n    def __del__(self): print('finalizer')\n\
                Late()\ndef work():\n    while True:\n        print('thread')\n        threading.Thread(target=print, args=('grandchild',)).start()\n        time.sleep(0.005)\n\
                threading.Thread(target=work, daemon=True).start()\n\
                child = subprocess.Popen(['sh', '-c', 'while :; do echo child; sleep 0.01; done'])\ngc.disable()";
    let first = lab.exec(code);
    assert!(first["stdout"].as_str().expect("a text").contains("finalizer"), "{first}");
    lab.exec("time.sleep(0.1)");
    let next = lab.exec("gc.collect()\nprint('own')\ntime.sleep(0.2)\nprint('own')");
    assert_eq!(next["stdout"], "own\nown\n", "{next}");
    assert_ne!(next["stray_chars"], 0, "the thread went on");
    let own = lab.exec("t = threading.Thread(target=print, args=('mine',))\nt.start()\nt.join()");
    assert_eq!(own["stdout"], "mine\n", "a thread of the call itself is heard");
    assert_eq!(lab.exec("child.poll()")["result"], json!(null), "nobody was hurt");
}

#[test]
fn files_and_figures_of_code_are_named() {
    let lab = lab!("");
    let code = "open('table.csv', 'w').write('a,b')\nimport os\nos.makedirs('deep')\nopen('deep/x.bin', 'wb').write(b'123')";
    let done = lab.exec(code);
    let files = done["files"].as_array().expect("a list");
    let named: Vec<_> = files.iter().map(|it| (it["bytes"].as_u64(), it["is_new"].as_bool())).collect();
    assert_eq!(named, [(Some(3), Some(true)), (Some(3), Some(true))], "{done}");
    assert!(files.iter().all(|it| std::path::Path::new(it["path"].as_str().expect("a text")).is_file()));
    assert_eq!(lab.exec("open('table.csv').read()")["files"], json!([]));
    assert_eq!(lab.exec("open('table.csv', 'a').write('!')")["files"][0]["is_new"], false);
    // what the plugin does with matplotlib, on a stand-in: the real one is in the slow tests
    let code = "import sys, types\nclass Figure:\n    def savefig(self, path, format): open(path, 'wb').write(b'\\x89PNG')\n\
                m = types.ModuleType('matplotlib.pyplot')\nm.open = [1]\nm.get_fignums = lambda: list(m.open)\nm.figure = lambda n: Figure()\n\
                m.close = lambda what: m.open.clear()\nsys.modules['matplotlib.pyplot'] = m";
    let done = lab.exec(code);
    assert_eq!(done["figures"][0]["bytes"], 4, "{done}");
    assert_eq!(lab.exec("1")["figures"], json!([]), "it is closed");
}
