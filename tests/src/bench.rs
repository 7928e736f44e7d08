//! A place to try documents and plugins: a plugin directory, a data directory and a host on them.

use crate::artifacts::{bundled_plugin, scratch_dir, worker_program};
use crate::cli::{self, CliOutput, Limits};
use crate::{Document, Faults, Finished};
use jackfield::diagnostic::Diagnostic;
use jackfield::model::Dialect;
use jackfield::{Config, Host, HostBuilder, Isolation, Run, RunOptions, RunStatus, Value, Workflow};
use std::env::consts::DLL_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

/// How long a test waits for something that ought to happen at once.
const WAIT_MAX: Duration = Duration::from_secs(60);

type Setup = Box<dyn FnOnce(HostBuilder) -> HostBuilder + Send>;

/// Directories of its own, and a host that is built when it is first needed. Both end with it. Plugins run in the process of
/// the host, unless the test says otherwise: most tests are not about where they run, and many make a million calls.
pub struct Bench {
    dir: TempDir,
    host: OnceLock<Host>,
    setup: std::sync::Mutex<Option<Setup>>,
}

impl Bench {
    /// A bench whose plugin directory holds these bundled plugins.
    #[must_use]
    pub fn new(plugins: &[&str]) -> Self {
        Self::with(plugins, |builder| builder)
    }

    /// A bench whose host is put together with `setup`, for methods of the test's own, limits, listeners.
    ///
    /// # Panics
    /// If the directories cannot be made.
    #[must_use]
    pub fn with(plugins: &[&str], setup: impl FnOnce(HostBuilder) -> HostBuilder + Send + 'static) -> Self {
        let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(scratch_dir());
        let dir = dir.expect("the target directory can be written");
        fs::create_dir(dir.path().join("plugins")).expect("the directory is new");
        let setup = std::sync::Mutex::new(Some(Box::new(setup) as Setup));
        let bench = Self { dir, host: OnceLock::new(), setup };
        bench.write("jackfield.toml", "[isolation]\ndefault = \"in_process\"\n");
        for name in plugins {
            bench.put_file(bundled_plugin(name), name);
        }
        bench
    }

    /// The directory that everything of this bench lies in.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The directory that plugins are looked for in.
    #[must_use]
    pub fn plugin_dir(&self) -> PathBuf {
        self.dir.path().join("plugins")
    }

    /// Where the host keeps opened plugin files.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The path of a library called `name` in the plugin directory.
    #[must_use]
    pub fn plugin_file(&self, name: &str) -> PathBuf {
        self.plugin_dir().join(format!("{name}{DLL_SUFFIX}"))
    }

    /// Copies a file into the plugin directory, as a library called `name`.
    ///
    /// # Panics
    /// If it cannot be copied.
    pub fn put_file(&self, file: &Path, name: &str) -> PathBuf {
        let to = self.plugin_file(name);
        fs::copy(file, &to).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        to
    }

    /// Writes a file into the plugin directory, as a library called `name`.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn put_bytes(&self, bytes: &[u8], name: &str) -> PathBuf {
        let to = self.plugin_file(name);
        fs::write(&to, bytes).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
        to
    }

    /// Writes a file, such as a workflow, into the directory of the bench.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let to = self.dir.path().join(name);
        fs::write(&to, text).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
        to
    }

    /// The host. It finds the plugins that are there when this is first called.
    ///
    /// # Panics
    /// If it cannot be built.
    #[must_use]
    pub fn host(&self) -> &Host {
        self.host.get_or_init(|| {
            let setup = self.setup.lock().expect("no setup panics").take();
            let setup = setup.expect("a host is built once");
            let mut config = Config::default();
            config.isolation.default = Some(Isolation::InProcess);
            config.engine.shutdown_grace = Some(Duration::ZERO);
            config.engine.cancel_grace = Some(Duration::from_millis(200));
            let builder = Host::builder().config(config).data_dir(self.data_dir());
            let builder = builder.worker_path(worker_program());
            setup(builder.plugin_path(self.plugin_dir())).build().expect("the host can be built")
        })
    }

    /// Checks a document that is meant to be right.
    ///
    /// # Panics
    /// If it is not; with everything that is wrong with it.
    #[track_caller]
    #[must_use]
    pub fn check(&self, document: impl Into<Document>) -> Workflow {
        match self.host().parse(&document.into().0) {
            Ok(workflow) => workflow,
            Err(error) => match error.invalid() {
                Some(invalid) => panic!("{error}\n{}", Faults(invalid.diagnostics.clone())),
                None => panic!("{error}"),
            },
        }
    }

    /// Starts a run.
    ///
    /// # Panics
    /// If the document is not valid or the input does not fit.
    #[track_caller]
    #[must_use]
    pub fn start(&self, document: impl Into<Document>, input: Value) -> Started {
        self.start_with(document, input, RunOptions::default())
    }

    /// Starts a run with an id of its own, or one that stops early.
    ///
    /// # Panics
    /// As [`Bench::start`].
    #[track_caller]
    #[must_use]
    pub fn start_with(&self, document: impl Into<Document>, input: Value, options: RunOptions) -> Started {
        let workflow = self.check(document);
        match self.host().start_with(&workflow, input, options) {
            Ok(run) => Started { run },
            Err(error) => panic!("{error}"),
        }
    }

    /// Runs a document to its end.
    ///
    /// # Panics
    /// If the document is not valid, the input does not fit, or the run does not end within a minute.
    #[track_caller]
    #[must_use]
    pub fn run(&self, document: impl Into<Document>, input: Value) -> Finished {
        self.start(document, input).finish()
    }

    /// Everything that is wrong with a document, and what is only worth a look.
    ///
    /// # Panics
    /// If it cannot be checked.
    #[track_caller]
    #[must_use]
    pub fn faults(&self, document: impl Into<Document>) -> Faults {
        let found: Result<Vec<Diagnostic>, _> = self.host().validate(&document.into().0, Dialect::Json);
        Faults(found.expect("the plugins that the document names can be opened"))
    }

    /// The command `jackfield` with the directories of this bench, to be given more.
    #[must_use]
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = cli::command(self.dir.path());
        let own = [
            "--plugin-path".into(),
            self.plugin_dir().into_os_string(),
            "--data-dir".into(),
            self.data_dir().into(),
        ];
        // on the side of the command where the test has its own options: paths on both sides are refused
        let is_before =
            arguments.first().is_some_and(|first| first.as_ref().as_encoded_bytes().starts_with(b"-"));
        let (before, behind): (&[std::ffi::OsString], &[std::ffi::OsString]) =
            if is_before { (&own, &[]) } else { (&[], &own) };
        command.args(before).args(arguments).args(behind);
        command
    }

    /// Runs the command `jackfield` to its end.
    #[must_use]
    pub fn cli<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> CliOutput {
        cli::run(self.command(arguments))
    }

    /// Runs the command `jackfield` to its end, or until it has used up what it may; Unix only.
    #[must_use]
    pub fn cli_within<S: AsRef<std::ffi::OsStr>>(&self, limits: Limits, arguments: &[S]) -> CliOutput {
        cli::run(cli::limited(&self.command(arguments), limits))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(host) = self.host.get() {
            host.shutdown();
        }
    }
}

/// A run under way.
#[derive(Clone)]
pub struct Started {
    /// The handle of the facade.
    pub run: Run,
}

impl Started {
    /// Waits for the end.
    ///
    /// # Panics
    /// If it does not come within a minute.
    #[track_caller]
    #[must_use]
    pub fn finish(self) -> Finished {
        self.finish_within(WAIT_MAX)
    }

    /// Waits for the end, at most for `limit`.
    ///
    /// # Panics
    /// If it does not come by then.
    #[track_caller]
    #[must_use]
    pub fn finish_within(self, limit: Duration) -> Finished {
        if self.run.wait(Some(limit)).is_none() {
            panic!("the run goes on after {limit:?}: {:#?}", self.run.report(100));
        }
        Finished::of(&self.run)
    }

    /// Waits until the records say `done`, for tests that act in the middle of a run.
    ///
    /// # Panics
    /// If the run ends before, or it takes more than a minute.
    #[track_caller]
    pub fn wait_for(&self, mut done: impl FnMut(&jackfield::Event) -> bool) {
        let mut next = 0;
        loop {
            let events = self.run.wait_records(next, WAIT_MAX);
            if events.iter().any(&mut done) {
                return;
            }
            match events.last() {
                Some(last) => next = last.seq + 1,
                None => panic!("it never happened: {:#?}", self.run.report(100)),
            }
        }
    }

    /// Where the run stands.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        self.run.status()
    }
}
