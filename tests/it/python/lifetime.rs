//! What ends with the host, however that ends.

use super::{TOOLS, is_alive, lab, wait_until};
use jackfield::{Value, json};
use jackfield_tests::Bench;
use std::time::{Duration, Instant};

#[test]
fn a_host_that_shuts_down_ends_all_workers_and_what_they_started() {
    let pids: Vec<u64>;
    let started;
    {
        let lab = lab!("prewarm = 1");
        let code = "import os, subprocess\n[os.getpid(), subprocess.Popen(['sleep', '1000']).pid]";
        let idle = lab.exec(code)["result"].clone();
        let p = json!({ "environment": "default", "code": format!("{code}\nprint(os.getpid(), flush=True)\nimport time\nwhile True: time.sleep(1)") });
        let _busy = lab.start("exec", p);
        wait_until("the code runs", || lab.lines().len() == 1);
        let busy: u64 = lab.lines()[0].parse().expect("a number");
        pids = [idle[0].as_u64(), idle[1].as_u64(), Some(busy)].map(|it| it.expect("a number")).to_vec();
        assert!(pids.iter().all(|pid| is_alive(*pid)));
        started = Instant::now();
    }
    wait_until("all are gone", || !pids.iter().any(|pid| is_alive(*pid)));
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn a_host_that_is_killed_leaves_no_orphan() {
    let Ok(tools) = TOOLS.as_ref() else {
        eprintln!("skipped: there is no uv");
        return;
    };
    let bench = Bench::new(&["python"]);
    let pids = bench.dir().join("pids");
    // nothing but the end of its process group reaches this: the interpreter is in C, its child ignores everything
    let code = format!(
        "import os, subprocess\nchild = subprocess.Popen(['sh', '-c', 'trap \"\" TERM HUP INT; sleep 1000'])\n\
         with open({:?}, 'w') as f: f.write('%d %d\\n' % (os.getpid(), child.pid))\nmax(iter(int, 1))",
        pids.display().to_string()
    );
    let config = format!(
        "[isolation]\ndefault = \"in_process\"\n[plugins.python.config]\ndir = {:?}\nuv = {:?}\npython = {:?}\n",
        bench.dir().join("python"),
        tools.uv,
        tools.python
    );
    bench.write("jackfield.toml", config);
    let parameters = json!({ "code": code, "timeout_ms": 600_000 }).to_string();
    let mut command = bench.command(&["plugin", "call", "python.exec", "--params", &parameters]);
    let host = command.stdout(std::process::Stdio::null()).spawn().expect("the command was built");
    let mut host = super::commands::Killed(host);
    wait_until("the code runs", || std::fs::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n')));
    let text = std::fs::read_to_string(&pids).expect("it was there");
    let all: Vec<u64> = text.split_whitespace().map(|pid| pid.parse().expect("a number")).collect();
    assert!(all.iter().all(|pid| is_alive(*pid)));
    host.0.kill().expect("it runs");
    host.0.wait().expect("it ran");
    wait_until("all are gone", || !all.iter().any(|pid| is_alive(*pid)));
}

#[test]
fn without_uv_the_error_says_what_to_do() {
    let bench = Bench::new(&["python"]);
    let config = format!(
        "[isolation]\ndefault = \"in_process\"\n[plugins.python.config]\ndir = {:?}\nuv = \"/nowhere/uv\"\n",
        bench.dir().join("python")
    );
    bench.write("jackfield.toml", config);
    let output = bench.cli(&["plugin", "call", "python.exec", "--params", "{\"code\": \"1\"}"]);
    assert_ne!(output.code, 0);
    assert!(
        output.stderr.contains("/nowhere/uv") && output.stderr.contains("pip install uv"),
        "{}",
        output.stderr
    );
    let told = bench.cli(&["plugin", "call", "python.diagnostics", "--params", "{}"]).exits(0);
    let told: Value = told.json();
    assert_eq!(told["is_initialized"], false);
}
