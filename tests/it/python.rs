//! The plugin `python`, with real interpreters, real processes and real packages. `docs/python-cases.md` says which behaviour is
//! tested where.

mod commands;
mod environments;
mod execution;
mod lifetime;
mod profiles;
mod sessions;
mod soak;

use jackfield::{CancelMode, Config, Failure, Run, RunListener, Value, json};
use jackfield_tests::Bench;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

/// How long a test waits for something that ought to happen at once.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What the tests need of the machine.
struct Tools {
    uv: PathBuf,
    /// An interpreter, so that `uv` need not look for one each time.
    python: PathBuf,
}

static TOOLS: LazyLock<Result<Tools, String>> = LazyLock::new(|| {
    let uv = find_uv()?;
    let found = output(Command::new(&uv).args(["python", "find", "--system", "--no-project"]))?;
    let python = output(Command::new(found).args(["-I", "-c", "import sys; print(sys.executable)"]))?;
    Ok(Tools { uv, python: python.into() })
});

/// `uv` as the machine has it, or from the package index into the target directory.
fn find_uv() -> Result<PathBuf, String> {
    if output(Command::new("uv").arg("--version")).is_ok() {
        return Ok("uv".into());
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("uv");
    let program = dir.join("bin").join("uv");
    std::fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    // another test process may be here, too
    let lock = File::create(dir.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    if !program.exists() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        output(pip.arg(&dir).arg("uv"))?;
    }
    output(Command::new(&program).arg("--version"))?;
    Ok(program)
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// A host with the plugin and a directory of its own.
struct Lab {
    bench: Bench,
    heard: Arc<Heard>,
    /// Where the plugin keeps everything; removed last.
    _home: tempfile::TempDir,
}

/// Lines and progress of all calls, with the time at which they came.
#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<(String, Instant)>>,
    progress: Mutex<Vec<(f64, String)>>,
}

impl RunListener for Heard {
    fn log(&self, _: &str, _: &str, _: jackfield::LogLevel, _: &str, _: &str) {}

    fn progress(&self, _: &str, _: &str, fraction: f64, message: &str) {
        self.progress.lock().expect("nobody panics with it").push((fraction, message.into()));
    }

    fn output_line(&self, _: &str, _: &str, _: bool, line: &str) {
        self.lines.lock().expect("nobody panics with it").push((line.into(), Instant::now()));
    }
}

/// A lab with this configuration; ends the test, and says why, if the machine lacks what it needs.
macro_rules! lab {
    ($config:expr) => {
        match $crate::python::Lab::new($config) {
            Ok(lab) => lab,
            Err(reason) => {
                eprintln!("skipped: {reason}");
                return;
            }
        }
    };
}
use lab;

/// A lab whose package index answers; otherwise as `lab!`.
macro_rules! lab_with_index {
    ($config:expr) => {{
        if let Err(reason) = $crate::python::index() {
            eprintln!("skipped: there is no package index: {reason}");
            return;
        }
        $crate::python::lab!($config)
    }};
}
use lab_with_index;

/// Whether the small packages of the tests can be had: from the index, or from the cache that an earlier test has filled.
fn index() -> Result<(), String> {
    static INDEX: LazyLock<Result<(), String>> = LazyLock::new(|| {
        let tools = TOOLS.as_ref()?;
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut uv = Command::new(&tools.uv);
        uv.args(["pip", "install", "--quiet", "--python"]).arg(&tools.python).arg("--target").arg(dir.path());
        output(uv.args(["six==1.16.0", "idna==3.7"])).map(drop)
    });
    INDEX.clone()
}

impl Lab {
    fn new(config: &str) -> Result<Self, String> {
        Self::with(&["python"], config)
    }

    /// The same with other plugins beside it.
    fn with(plugins: &[&str], config: &str) -> Result<Self, String> {
        let tools = TOOLS.as_ref().map_err(Clone::clone)?;
        let heard = Arc::new(Heard::default());
        let (listener, config) = (Arc::clone(&heard), config.to_owned());
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        let table = format!(
            "[isolation]\ndefault = \"in_process\"\n[engine]\nfinished_runs_max = 20\nshutdown_grace = \"0s\"\ncancel_grace = \"10s\"\n\
             [plugins.python.config]\ndir = {:?}\nuv = {:?}\npython = {:?}\n{config}\n",
            home.path(),
            tools.uv,
            tools.python
        );
        let bench = Bench::with(plugins, move |builder| {
            builder
                .config(Config::parse(&table).expect("it is right"))
                .listener(listener)
                .blocking_threads(64)
        });
        Ok(Self { bench, heard, _home: home })
    }

    fn start(&self, method: &str, parameters: Value) -> Run {
        self.bench.host().start_call("python", method, parameters).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What a method returns.
    #[track_caller]
    fn ok(&self, method: &str, parameters: Value) -> Value {
        match wait(&self.start(method, parameters)) {
            Ok(value) => value,
            Err(failure) => panic!("{}: {}", failure.kind, failure.message),
        }
    }

    /// What a method fails with.
    #[track_caller]
    fn fails(&self, method: &str, parameters: Value) -> Failure {
        match wait(&self.start(method, parameters)) {
            Ok(value) => panic!("it succeeded: {value}"),
            Err(failure) => failure,
        }
    }

    /// Executes code in the current session.
    #[track_caller]
    fn exec(&self, code: &str) -> Value {
        self.ok("exec", json!({ "code": code }))
    }

    /// Executes code in a session.
    #[track_caller]
    fn exec_in(&self, session: &str, code: &str) -> Value {
        self.ok("exec", json!({ "code": code, "session": session }))
    }

    /// Makes an environment without packages.
    #[track_caller]
    fn environment(&self, name: &str) -> Value {
        self.ok("env_create", json!({ "name": name }))
    }

    fn lines(&self) -> Vec<String> {
        self.heard.lines.lock().expect("nobody panics with it").iter().map(|(line, _)| line.clone()).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.bench.host().shutdown();
    }
}

/// What came of a call.
fn wait(run: &Run) -> Result<Value, Failure> {
    let outcome =
        run.wait(Some(WAIT_MAX)).unwrap_or_else(|| panic!("the call goes on: {:#?}", run.report(10)));
    if outcome.is_completed() {
        return Ok(outcome.value().expect("it is JSON"));
    }
    let report = run.report(10);
    let failed = report.steps.values().find_map(|step| step.error.clone()).or(report.error.clone());
    Err(failed.unwrap_or_else(|| panic!("no error: {report:#?}")))
}

#[track_caller]
fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < WAIT_MAX, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn cancel(run: &Run) {
    run.cancel(CancelMode::Graceful, "the test does");
}

/// Whether a process runs; one that has ended and waits for its parent does not.
fn is_alive(pid: u64) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
        Err(_) => false,
    }
}
