//! Worker processes come when there is work, go when there is none, and never outlive their host.

use super::{bench, bench_with, put_witness, step, steps, wait_until, wait_until_gone, with, workers};
use jackfield::json;
use jackfield_tests::Bench;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::Duration;

fn pid(bench: &Bench) -> u32 {
    let finished = bench.run(steps(vec![step("a", "witness.where")]), json!({})).completed();
    let pid = finished.output()["pid"].as_u64().expect("it is a number");
    u32::try_from(pid).expect("it is small")
}

#[test]
fn a_worker_serves_many_calls_and_ends_when_it_is_idle() {
    let bench = bench_with(&[], |config| config.isolation.workers.idle = Some(Duration::from_millis(500)));
    put_witness(&bench, &[]);
    let first = pid(&bench);
    assert_ne!(first, std::process::id());
    assert_eq!(pid(&bench), first);
    wait_until_gone(&bench);
    assert_ne!(pid(&bench), first);
}

#[test]
fn as_many_workers_as_were_asked_for_stay_without_work() {
    let bench = bench_with(&[], |config| {
        config.isolation.workers.idle = Some(Duration::from_millis(20));
        config.isolation.workers.min = Some(2);
    });
    put_witness(&bench, &[]);
    let first = pid(&bench);
    wait_until("both are there", || workers(bench.dir()).len() == 2);
    std::thread::sleep(Duration::from_millis(100));
    let there = workers(bench.dir());
    assert!(there.len() == 2 && there.contains(&first), "{first} in {there:?}");
}

#[test]
fn workers_of_a_replaced_file_go_with_the_last_run_that_has_it() {
    let bench = bench_with(&[], |config| config.isolation.workers.min = Some(2));
    put_witness(&bench, &[]);
    let run = bench.start(steps(vec![step("a", "witness.until_cancelled")]), json!({}));
    wait_until("both are there", || workers(bench.dir()).len() == 2);
    let old = workers(bench.dir());
    put_witness(&bench, &[("OTHER_CONTENTS", "1"), ("ISOLATION", "\"\\\"isolation\\\":\\\"worker\\\",\"")]);
    assert_eq!(bench.host().rescan().replaced.len(), 1);
    let new = pid(&bench);
    assert!(!old.contains(&new), "{new} in {old:?}");
    assert!(old.iter().all(|pid| workers(bench.dir()).contains(pid)), "a run has it");
    run.run.cancel(jackfield::CancelMode::Graceful, "enough");
    let _ = run.finish();
    wait_until("the old ones are gone", || !workers(bench.dir()).iter().any(|pid| old.contains(pid)));
    wait_until("the new ones stay", || workers(bench.dir()).len() == 2);
}

#[test]
fn a_worker_that_has_served_its_calls_is_replaced() {
    let bench = bench_with(&[], |config| {
        config.isolation.workers.recycle_after = Some(2);
        config.isolation.workers.max = Some(1);
    });
    put_witness(&bench, &[]);
    let pids = [pid(&bench), pid(&bench), pid(&bench), pid(&bench)];
    assert_eq!((pids[0], pids[2]), (pids[1], pids[3]));
    assert_ne!(pids[1], pids[2]);
}

#[test]
fn a_host_that_ends_takes_its_workers_along() {
    for ends_in_order in [true, false] {
        let bench = bench(&["fault"]);
        let run = bench.start(steps(vec![with(step("a", "fault.busy_loop"), "timeout", "60s")]), json!({}));
        wait_until("the loop is under way", || !workers(bench.dir()).is_empty());
        if ends_in_order {
            bench.host().shutdown();
        }
        let dir = bench.dir().to_owned();
        drop((run, bench));
        assert_eq!(workers(&dir), [0_u32; 0], "when it has ended they are gone");
    }
}

/// Time that a process has computed, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    behind_name.split_whitespace().nth(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// The command on a workflow that never ends, once its worker loops.
fn looping_command(bench: &Bench) -> Child {
    bench.write("jackfield.toml", "");
    let file = bench.write("w.json", steps(vec![step("a", "fault.busy_loop")]).to_string());
    let mut command = bench.command(&["run", file.to_str().expect("it is text")]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it was built");
    // the process that is asked what the plugin offers does not compute
    wait_until("the loop is under way", || workers(bench.dir()).into_iter().any(|pid| ticks(pid) >= 5));
    child
}

#[test]
fn a_command_that_is_killed_leaves_no_worker() {
    let bench = bench(&["fault"]);
    let mut child = looping_command(&bench);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until_gone(&bench);
}

#[test]
fn an_interrupt_at_the_terminal_reaches_the_host_and_not_its_workers() {
    let bench = bench(&["fault"]);
    bench.write("jackfield.toml", "[engine]\ncancel_grace = \"100ms\"\n");
    let mut document = steps(vec![step("a", "witness.until_cancelled")]);
    document["finally"] = json!([{ "id": "last", "type": "log", "message": "cleaned up" }]);
    put_witness(&bench, &[]);
    let file = bench.write("w.json", document.to_string());
    let mut command = bench.command(&["run", file.to_str().expect("it is text")]);
    // a terminal interrupts the whole group that it shows
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it was built");
    let mut said = BufReader::new(child.stderr.take().expect("it is a pipe")).lines();
    let heard = said.find(|line| line.as_ref().is_ok_and(|line| line.contains("waiting")));
    assert!(heard.is_some(), "its method tells when it is under way");
    let group = format!("-{}", child.id());
    let sent = std::process::Command::new("kill").args(["-INT", "--", &group]).status();
    assert!(sent.expect("kill is there").success());
    let said = said.map_while(Result::ok).collect::<Vec<_>>().join("\n");
    assert!(said.contains("a: cancelled") && !said.contains("plugin.crash"), "{said}");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{said}");
    wait_until_gone(&bench);
}

#[test]
fn a_crash_in_the_command_is_told_with_the_culprit() {
    let bench = bench(&["fault"]);
    bench.write("jackfield.toml", "");
    let call = bench.cli(&["plugin", "call", "fault.segfault"]).exits(1);
    for part in ["plugin.crash", "SIGSEGV", "about to write to address 8"] {
        assert!(call.stderr.contains(part), "`{part}` in {}", call.stderr);
    }
    wait_until_gone(&bench);
}

#[test]
fn a_worker_started_by_hand_says_what_it_is_for() {
    let bench = bench(&[]);
    let own = bench.cli(&["worker"]).exits(2);
    assert!(own.stderr.contains("started by a host"), "{}", own.stderr);
    let program =
        std::process::Command::new(jackfield_tests::worker_program()).stdin(Stdio::null()).output().unwrap();
    assert_eq!(program.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&program.stderr).contains("started by a host"));
}
