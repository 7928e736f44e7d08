//! Sessions under random code for as long as one likes: nothing may be left, and nothing may grow.
//! `JACKFIELD_SOAK_SECONDS` says how long, 20 if absent.

use super::{TOOLS, lab};
use jackfield::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Users, each with a session.
const USERS: usize = 8;

/// What a user does next, and how it has to end.
const CODES: &[(&str, &str)] = &[
    ("x = globals().get('x', 0) + 1\nx", "completed"),
    ("[i * i for i in range(1000)][-1]", "completed"),
    ("1 / 0", "exception"),
    ("raise SystemExit(3)", "exception"),
    ("def f(): return f()\nf()", "exception"),
    ("print('x' * 3_000_000)", "completed"),
    ("import os\nfor _ in range(200): os.write(1, b'y' * 10_000)", "completed"),
    ("import time\ntime.sleep(1000)", "interrupted"),
    ("while True: pass", "interrupted"),
    ("max(iter(int, 1))", "killed"),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "died"),
    ("import os\nos._exit(3)", "died"),
    ("import subprocess\nsubprocess.Popen(['sleep', '1000'])\nNone", "completed"),
    (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1,), daemon=True).start()",
        "completed",
    ),
    ("open('f', 'w').write('z')", "completed"),
];

/// Descriptors of this process, and its descendants.
fn left() -> (usize, usize) {
    let fds = std::fs::read_dir("/proc/self/fd").expect("Linux has it").count();
    let mut parents = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").expect("Linux has it").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|it| it.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some(parent) =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok())
        else {
            continue;
        };
        parents.insert(pid, parent);
    }
    let is_ours = |mut pid: u32| {
        while let Some(parent) = parents.get(&pid) {
            if *parent == std::process::id() {
                return true;
            }
            pid = *parent;
        }
        false
    };
    (fds, parents.keys().filter(|pid| is_ours(**pid)).count())
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[test]
#[ignore = "slow: sessions under random code; JACKFIELD_SOAK_SECONDS says for how long, and nothing else may run in its process"]
fn random_code_in_eight_sessions_leaves_nothing_behind() {
    if TOOLS.is_err() {
        eprintln!("skipped: there is no uv");
        return;
    }
    let seconds = std::env::var("JACKFIELD_SOAK_SECONDS").ok().and_then(|it| it.parse().ok()).unwrap_or(20);
    let config = "mode = 'multi_user'\ninterrupt_grace_ms = 300\nsessions_max = 8\nprewarm = 2";
    // the first host brings along what every host needs
    {
        let lab = lab!(config);
        lab.environment("default");
        lab.ok("exec", json!({ "user": "first", "code": "1" }));
    }
    let before = left();
    let (executed, memory) = {
        let lab = lab!(config);
        lab.environment("default");
        run_users(&lab, Duration::from_secs(seconds))
    };
    super::wait_until("all that was started is gone", || left().1 <= before.1);
    super::wait_until("all that was opened is closed", || left().0 <= before.0 + 2);
    println!(
        "{executed:?} in {seconds} s; descriptors {} -> {}, processes {} -> {}, memory {} -> {} MiB",
        before.0,
        left().0,
        before.1,
        left().1,
        memory.0 >> 20,
        memory.1 >> 20
    );
    assert!(memory.1 < memory.0 + (64 << 20), "it grew from {} to {} bytes", memory.0, memory.1);
}

/// How often code ended in which way, and memory after a tenth of the time and at the end.
fn run_users(lab: &super::Lab, length: Duration) -> (BTreeMap<String, u64>, (u64, u64)) {
    let started = Instant::now();
    let counts = std::sync::Mutex::new(BTreeMap::new());
    let early = std::sync::Mutex::new(0);
    std::thread::scope(|scope| {
        for user in 0..USERS {
            let (counts, early) = (&counts, &early);
            scope.spawn(move || {
                let mut state = 7 + user as u64;
                while started.elapsed() < length {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let (code, outcome) = CODES[(state >> 33) as usize % CODES.len()];
                    let is_endless = matches!(outcome, "interrupted" | "killed");
                    let limit_ms = if is_endless { 400 } else { 30_000 };
                    let p = json!({ "user": format!("u{user}"), "code": code, "timeout_ms": limit_ms });
                    let done = lab.ok("exec", p);
                    // on a busy machine the interrupt may come too late to be heeded in time
                    let is_right = done["outcome"] == outcome || is_endless && done["outcome"] == "killed";
                    assert!(is_right, "{code}: {done}");
                    let outcome = done["outcome"].as_str().expect("a text").to_owned();
                    *counts.lock().expect("nobody panics with it").entry(outcome).or_default() += 1;
                    if user == 0 && started.elapsed() > length / 10 {
                        let mut early = early.lock().expect("nobody panics with it");
                        if *early == 0 {
                            *early = resident_bytes();
                        }
                    }
                }
            });
        }
    });
    let early = *early.lock().expect("nobody panics with it");
    let counts = counts.lock().expect("nobody panics with it").clone();
    (counts, (early.max(1), resident_bytes()))
}
