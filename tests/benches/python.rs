//! What the plugin `python` costs, beside `python -m venv` and beside an interpreter for each call. Medians, printed; needs `uv`, and
//! the plugin library from `cargo build --release --workspace`.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use jackfield::{Config, Host, Run, Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const EXECUTIONS: usize = 5_000;
const REPEATS: usize = 21;

fn built() -> PathBuf {
    let exe = std::env::current_exe().expect("a running program has a file");
    exe.ancestors().nth(2).expect("benches stand two folders below").to_path_buf()
}

fn python() -> String {
    let output = Command::new("python3").args(["-I", "-c", "import sys; print(sys.executable)"]).output();
    String::from_utf8(output.expect("there is Python").stdout).expect("it is text").trim().to_owned()
}

struct Plugin {
    host: Host,
    _dir: tempfile::TempDir,
}

impl Plugin {
    fn open(config: &str) -> Self {
        let dir = tempfile::tempdir_in(built()).expect("there is room for a folder");
        let plugins = dir.path().join("plugins");
        std::fs::create_dir(&plugins).expect("it is new");
        let library = format!(
            "{}jackfield_plugin_python{}",
            std::env::consts::DLL_PREFIX,
            std::env::consts::DLL_SUFFIX
        );
        std::fs::copy(built().join(&library), plugins.join(&library)).expect("the plugins are built");
        let table = format!(
            "[isolation]\ndefault = \"in_process\"\n[plugins.python.config]\ndir = {:?}\npython = {:?}\n{config}\n",
            dir.path().join("python"),
            python()
        );
        let config = Config::parse(&table).expect("it is right");
        let builder = Host::builder().config(config).plugin_path(plugins).data_dir(dir.path().join("data"));
        Self { host: builder.build().expect("the host can be built"), _dir: dir }
    }

    fn start(&self, method: &str, parameters: Value) -> Run {
        self.host.start_call("python", method, parameters).expect("it can be started")
    }

    fn call(&self, method: &str, parameters: Value) -> Value {
        let run = self.start(method, parameters);
        let outcome = run.wait(None).expect("it ends");
        assert!(outcome.is_completed(), "{:#?}", run.report(3));
        outcome.value().expect("it is JSON")
    }

    fn timed(&self, method: &str, parameters: Value) -> Duration {
        let begun = Instant::now();
        self.call(method, parameters);
        begun.elapsed()
    }
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted[sorted.len() * percent / 100]
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn say(what: &str, found: Duration, target: &str) {
    println!("{what:45} {:10.3} ms   {target}", ms(found));
}

fn main() {
    let plugin = Plugin::open("sessions_max = 100\nidle_timeout_ms = 0\ninterrupt_grace_ms = 20");
    plugin.call("env_create", json!({ "name": "default" }));
    let made = (0..REPEATS).map(|nth| plugin.timed("env_create", json!({ "name": format!("e{nth}") })));
    say("environment without packages", median(made.collect()), "target 50");
    let dir = tempfile::tempdir_in(built()).expect("there is room for a folder");
    let venvs = (0..3).map(|nth| {
        let begun = Instant::now();
        let mut venv = Command::new(python());
        venv.args(["-m", "venv"]).arg(dir.path().join(nth.to_string()));
        assert!(venv.status().expect("it runs").success());
        begun.elapsed()
    });
    say("  beside it: python -m venv", median(venvs.collect()), "");
    let open = |plugin: &Plugin, nth: usize| {
        let id = format!("s{nth}x");
        let took = plugin.timed("session_open", json!({ "session": id, "environment": "default" }));
        plugin.call("session_close", json!({ "session": id }));
        took
    };
    open(&plugin, 0);
    say("cold session", median((0..REPEATS).map(|nth| open(&plugin, nth)).collect()), "target 50");
    executions(&plugin);
    let loop_code = "import time\nwhile True: time.sleep(0.001)";
    let interrupts = (0..REPEATS).map(|_| {
        let done = plugin.call("exec", json!({ "code": loop_code, "timeout_ms": 20 }));
        Duration::from_secs_f64((done["duration_ms"].as_f64().expect("a number") - 20.0).max(0.0) / 1_000.0)
    });
    say("from the limit of time to the end of the code", median(interrupts.collect()), "target 50");
    let deaf = "while True:\n    try:\n        while True: pass\n    except KeyboardInterrupt: pass";
    let replaced = (0..REPEATS).map(|_| {
        let done = plugin.call("exec", json!({ "code": deaf, "timeout_ms": 10 }));
        assert_eq!(done["outcome"], "killed");
        let killing = (done["duration_ms"].as_f64().expect("a number") - 30.0).max(0.0);
        plugin.timed("exec", json!({ "code": "1" })) + Duration::from_secs_f64(killing / 1_000.0)
    });
    say("killed and replaced: to the next result", median(replaced.collect()), "target 100");
    plugin.host.shutdown();
    drop(plugin);
    prewarmed();
}

fn executions(plugin: &Plugin) {
    plugin.call("exec", json!({ "code": "x = 1" }));
    let (mut inner, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..EXECUTIONS {
        let begun = Instant::now();
        let done = plugin.call("exec", json!({ "code": "x + 1" }));
        whole.push(begun.elapsed());
        inner.push(Duration::from_secs_f64(done["duration_ms"].as_f64().expect("a number") / 1_000.0));
    }
    inner.sort();
    whole.sort();
    say("exec, round trip to the interpreter, p50", at(&inner, 50), "target 0.2");
    say("exec, round trip to the interpreter, p99", at(&inner, 99), "target 0.5");
    say("exec, a whole run of one step, p50", at(&whole, 50), "");
    say("exec, a whole run of one step, p99", at(&whole, 99), "");
    let spawned = (0..REPEATS).map(|_| {
        let begun = Instant::now();
        let mut command = Command::new(python());
        command.args(["-I", "-c", "x = 1; print(x + 1)"]).stdin(Stdio::null()).stdout(Stdio::piped());
        assert!(command.output().expect("it runs").status.success());
        begun.elapsed()
    });
    say("  beside it: an interpreter for the call", median(spawned.collect()), "");
}

fn prewarmed() {
    let plugin = Plugin::open("sessions_max = 100\nidle_timeout_ms = 0\nprewarm = 2");
    plugin.call("env_create", json!({ "name": "default" }));
    plugin.call("exec", json!({ "code": "1" }));
    let mut all = Vec::new();
    for nth in 0..REPEATS {
        while plugin.call("diagnostics", json!({ "discover": false }))["spare_interpreters"] != 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let begun = Instant::now();
        let opened = plugin.call("session_open", json!({ "session": format!("w{nth}") }));
        let took = begun.elapsed();
        assert_eq!(opened["prewarmed"], true);
        all.push(took);
        plugin.call("session_close", json!({ "session": format!("w{nth}") }));
    }
    say("session from the spare interpreters", median(all), "target 1");
    plugin.host.shutdown();
}
