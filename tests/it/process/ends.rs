//! How programs end: in time, by their deadline, cancelled, with their host. Nothing of theirs is left.

use super::{bench, call, is_alive, kind, one_step, pid_in, wait_until, with_grandchild};
use jackfield::{CancelMode, Payload, RunStatus, json};
use jackfield_tests::in_time;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn at_its_deadline_the_whole_group_is_asked_to_end() {
    // the program has to have begun by its deadline
    in_time(asked_to_end);
}

fn asked_to_end() {
    let bench = bench();
    let argv = json!([with_grandchild("")]);
    let late = call(
        &bench,
        "run",
        json!({ "argv": argv, "shell": true, "cwd": bench.dir(), "timeout_ms": 1_000, "grace_ms": 20_000 }),
    );
    assert_eq!(kind(&late), "process.timeout");
    let failure = late.expect_err("it is refused");
    assert!(failure.message.contains("ended by SIGTERM"), "{failure:?}");
    assert_eq!(failure.details.value()["signal"], "SIGTERM");
    for file in ["child", "grandchild"] {
        let pid = pid_in(&bench, file);
        wait_until(file, || !is_alive(pid));
    }
}

#[test]
fn a_group_that_does_not_end_is_killed_after_the_grace() {
    // the program has to have begun by its deadline
    in_time(killed_after_the_grace);
}

fn killed_after_the_grace() {
    let bench = bench();
    let argv = json!([with_grandchild("trap '' TERM;")]);
    let late = call(
        &bench,
        "run",
        json!({ "argv": argv, "shell": true, "cwd": bench.dir(), "timeout_ms": 1_000, "grace_ms": 100 }),
    );
    let failure = late.expect_err("it is refused");
    assert!(
        &*failure.kind == "process.timeout" && failure.message.contains("ended by SIGKILL"),
        "{failure:?}"
    );
    assert_eq!(failure.details.value()["signal"], "SIGKILL");
    for file in ["child", "grandchild"] {
        let pid = pid_in(&bench, file);
        wait_until(file, || !is_alive(pid));
    }
}

#[test]
fn what_a_program_leaves_running_ends_with_it() {
    let bench = bench();
    let argv = json!(["sleep 600 & echo $! > left; echo done"]);
    let ended = call(&bench, "run", json!({ "argv": argv, "shell": true, "cwd": bench.dir() })).unwrap();
    assert_eq!(ended["stdout"], "done\n");
    let pid = pid_in(&bench, "left");
    wait_until("it ends", || !is_alive(pid));
}

#[test]
fn the_signal_of_somebody_else_is_named() {
    let bench = bench();
    let failed =
        call(&bench, "run", json!({ "argv": ["echo last words >&2; kill -SEGV $$"], "shell": true }));
    assert_eq!(kind(&failed), "process.signal");
    let failure = failed.unwrap_err();
    assert!(failure.message.contains("SIGSEGV") && failure.message.contains("last words"), "{failure:?}");
}

#[test]
fn a_cancelled_program_is_gone_with_its_group() {
    let bench = bench();
    for method in ["run", "stream"] {
        let parameters = json!({ "argv": [with_grandchild("")], "shell": true, "cwd": bench.dir() });
        let run = bench.host().start_call("process", method, Payload::from(parameters)).unwrap();
        let pids = [pid_in(&bench, "child"), pid_in(&bench, "grandchild")];
        assert!(pids.iter().all(|pid| is_alive(*pid)));
        run.cancel(CancelMode::Graceful, "enough");
        assert_eq!(run.wait(Some(super::PATIENCE)).unwrap().status, RunStatus::Cancelled);
        wait_until("both end", || !pids.iter().any(|pid| is_alive(*pid)));
        for file in ["child", "grandchild"] {
            std::fs::remove_file(bench.dir().join(file)).unwrap();
        }
    }
}

/// Cancelled at moments that differ by fractions of what a start takes, none is left.
#[test]
fn a_cancellation_during_the_start_leaves_nothing() {
    let bench = bench();
    let mark = format!("600.{}", std::process::id());
    for delay in 0..40 {
        let parameters = json!({ "argv": ["sleep", mark] });
        let run = bench.host().start_call("process", "run", Payload::from(parameters)).unwrap();
        std::thread::sleep(Duration::from_micros(delay * 150));
        run.cancel(CancelMode::Kill, "at once");
        assert_eq!(run.wait(Some(super::PATIENCE)).unwrap().status, RunStatus::Cancelled);
    }
    wait_until("nobody sleeps", || with_argument(&mark).is_empty());
}

/// The processes that have `word` among their arguments.
fn with_argument(word: &str) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("processes can be listed");
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let has_it = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    };
    pids.filter(has_it).collect()
}

#[test]
fn a_host_that_is_killed_leaves_no_orphan() {
    killed_host_leaves_no_orphan("[isolation]\ndefault = 'in_process'\n");
}

/// The same where the plugin has a process of its own between the host and the programs.
#[test]
fn a_killed_host_leaves_no_orphan_of_a_worker() {
    killed_host_leaves_no_orphan(
        "[plugins.process]\nisolation = 'worker'\nsandbox = 'off'\ngrant = { env = ['PATH'] }\n",
    );
}

/// A sandbox refuses groups of processes. The error says so, and nothing is started that could not be ended.
#[test]
fn in_a_sandbox_nothing_is_started() {
    let bench = bench();
    let config = "[plugins.process]\nisolation = 'worker'\nsandbox = 'best_effort'\ngrant = { exec = true, fs = { read = ['/'] } }\n";
    bench.write("jackfield.toml", config);
    let parameters = json!({ "argv": ["touch", bench.dir().join("trace")] });
    let call = ["plugin", "call", "process.run", "--params", &parameters.to_string()];
    let refused = bench.cli(&call).exits(1).stderr;
    assert!(refused.contains("process.no_group") && refused.contains("sandbox"), "{refused}");
    assert!(!bench.dir().join("trace").exists());
}

fn killed_host_leaves_no_orphan(config: &str) {
    for method in ["run", "stream"] {
        let bench = bench();
        bench.write("jackfield.toml", config);
        let parameters =
            json!({ "argv": [with_grandchild("trap '' TERM HUP INT;")], "shell": true, "cwd": bench.dir() });
        bench.write("long.json", one_step(method, parameters).to_string());
        let mut command = bench.command(&["run", "long.json"]);
        let mut host = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it works");
        let pids = [pid_in(&bench, "child"), pid_in(&bench, "grandchild")];
        assert!(pids.iter().all(|pid| is_alive(*pid)));
        host.kill().expect("it works");
        host.wait().expect("it works");
        wait_until("both end", || !pids.iter().any(|pid| is_alive(*pid)));
    }
}
