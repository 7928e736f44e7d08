//! The program `uv`, which makes environments and installs packages.

use crate::config::Config;
use jackfield_child::{Capped, Child, Exit, Program, StartError, read_lines};
use jackfield_plugin_api::prelude::*;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often a call that waits for `uv` looks whether it is cancelled.
const POLL: Duration = Duration::from_millis(25);
/// How long `uv` may take to clean up when it is told to end.
const GRACE: Duration = Duration::from_millis(500);
/// Largest answer of `uv`, in bytes.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// Length of a line of its messages that is kept, in bytes.
const LINE_BYTES_MAX: usize = 8 << 10;
/// What is kept of its messages, in bytes.
const MESSAGES_BYTES_MAX: usize = 64 << 10;
const INSTALL_HINT: &str = "install it (`pip install uv`, or https://docs.astral.sh/uv), or say where it is by `uv` in the configuration of `python`";

/// How to run it.
#[derive(Clone, Debug)]
pub(crate) struct Uv {
    program: PathBuf,
    index_url: Option<String>,
    python_mirror: Option<String>,
    is_offline: bool,
    /// A directory without a project, so that none is found by chance.
    dir: PathBuf,
}

/// One use of it.
pub(crate) struct Job<'a> {
    pub(crate) arguments: Vec<OsString>,
    pub(crate) ctx: &'a Context,
    pub(crate) timeout: Duration,
    pub(crate) is_offline: bool,
    /// Whether its messages are handed on as lines of output.
    pub(crate) is_shown: bool,
}

/// What it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: Exit,
}

/// Arguments for [`Job`].
pub(crate) fn arguments<const N: usize>(list: [&dyn AsRef<std::ffi::OsStr>; N]) -> Vec<OsString> {
    list.iter().map(|it| it.as_ref().to_owned()).collect()
}

impl Uv {
    pub(crate) fn of(config: &Config, dir: &Path) -> Self {
        Self {
            program: config.uv.clone().unwrap_or_else(|| "uv".into()),
            index_url: config.index_url.clone(),
            python_mirror: config.python_mirror.clone(),
            is_offline: config.offline,
            dir: dir.to_owned(),
        }
    }

    /// Runs it to its end, and takes what it says whether it failed or not.
    ///
    /// # Errors
    /// `python.no_uv`, `python.uv_timeout`, `cancelled`.
    pub(crate) fn try_run(&self, job: Job<'_>) -> Result<Said, Error> {
        let shown = shown(&job.arguments);
        let started = Instant::now();
        let limit = job.ctx.deadline().map_or(job.timeout, |left| left.min(job.timeout));
        let (child, streams) =
            Child::start(&self.program(&job), |_| ()).map_err(|error| self.not_started(&error))?;
        let (tx, lines) = mpsc::sync_channel::<String>(1_024);
        let (answer_tx, answer_rx) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut answer = Capped::new(ANSWER_BYTES_MAX);
            if let Some(output) = streams.output {
                // a broken pipe ends the answer, as its end does
                let _ = read_lines(output, 0, |bytes| answer.add(bytes), |_| ());
            }
            let _ = answer_tx.send(answer);
        });
        std::thread::spawn(move || {
            if let Some(errors) = streams.errors {
                // nobody listens any more, or nothing comes any more
                let _ = read_lines(errors, LINE_BYTES_MAX, |_| (), |line| drop(tx.send(line.text)));
            }
        });
        let mut messages = Capped::new(MESSAGES_BYTES_MAX);
        let mut phase = 0.0;
        loop {
            match lines.recv_timeout(POLL) {
                Ok(line) => {
                    messages.add(line.as_bytes());
                    messages.add(b"\n");
                    if job.is_shown {
                        report(job.ctx, &line, &mut phase);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if job.ctx.is_cancelled() {
                let _ = child.stop(GRACE);
                return Err(Error::cancelled());
            }
            if started.elapsed() >= limit {
                let _ = child.stop(GRACE);
                let stderr = String::from_utf8_lossy(messages.bytes()).into_owned();
                return Err(timed_out(&shown, limit, &stderr));
            }
        }
        let exit = child.wait(Duration::MAX).unwrap_or(Exit { code: None, signal: None });
        let answer = answer_rx.recv().unwrap_or_else(|_| Capped::new(0));
        Ok(Said {
            stdout: String::from_utf8_lossy(answer.bytes()).into_owned(),
            stderr: String::from_utf8_lossy(messages.bytes()).into_owned(),
            exit,
        })
    }

    /// Runs it; whatever it fails with is an error that quotes it.
    ///
    /// # Errors
    /// As [`Uv::try_run`], and `python.not_found`, `python.no_network`, `python.offline`, `python.resolve`, `python.uv`.
    pub(crate) fn run(&self, job: Job<'_>) -> Result<Said, Error> {
        let shown = shown(&job.arguments);
        let said = self.try_run(job)?;
        if said.exit.is_success() { Ok(said) } else { Err(failed(&shown, &said)) }
    }

    /// Its version, such as `0.9.2`.
    ///
    /// # Errors
    /// As [`Uv::run`].
    pub(crate) fn version(&self, ctx: &Context) -> Result<String, Error> {
        let said = self.run(Job {
            arguments: arguments([&"--version"]),
            ctx,
            timeout: Duration::from_secs(10),
            is_offline: true,
            is_shown: false,
        })?;
        Ok(said.stdout.split_whitespace().nth(1).unwrap_or_default().to_owned())
    }

    fn program(&self, job: &Job<'_>) -> Program {
        let mut program = Program::new(&self.program).arguments(job.arguments.iter().cloned());
        program.cwd = Some(self.dir.clone());
        let environment = &mut program.environment;
        // what belongs to whoever started the host is not meant for these environments
        for name in [
            "VIRTUAL_ENV",
            "CONDA_PREFIX",
            "PYTHONHOME",
            "PYTHONPATH",
            "UV_PROJECT_ENVIRONMENT",
            "JACKFIELD_TOKEN",
        ] {
            environment.remove.push(name.into());
        }
        let mut set = |name: &str, value: &str| environment.set.push((name.into(), value.into()));
        set("NO_COLOR", "1");
        set("UV_NO_PROGRESS", "1");
        set("UV_PYTHON_DOWNLOADS", "manual");
        if self.is_offline || job.is_offline {
            set("UV_OFFLINE", "1");
        }
        if let Some(url) = &self.index_url {
            set("UV_DEFAULT_INDEX", url);
        }
        if let Some(mirror) = &self.python_mirror {
            set("UV_PYTHON_INSTALL_MIRROR", mirror);
        }
        program
    }

    fn not_started(&self, error: &StartError) -> Error {
        match error {
            StartError::NotFound { .. } | StartError::NotExecutable { .. } => {
                let message = format!(
                    "the program `uv` is needed and cannot be used: {error}. To get it, {INSTALL_HINT}"
                );
                Error::new("python.no_uv", message).permanent()
            }
            other => other.of("python"),
        }
    }
}

fn shown(arguments: &[OsString]) -> String {
    let words: Vec<_> = arguments.iter().take(2).map(|it| it.to_string_lossy()).collect();
    format!("uv {}", words.join(" "))
}

/// Hands a message on; `uv` says when a phase is over, which is all the progress that it tells without a terminal.
fn report(ctx: &Context, line: &str, phase: &mut f64) {
    ctx.output_line(Stream::Stderr, line);
    let reached = [("Resolved ", 0.2), ("Downloading ", 0.3), ("Prepared ", 0.8), ("Installed ", 0.95)];
    if let Some((_, fraction)) = reached.iter().find(|(start, _)| line.trim_start().starts_with(start)) {
        *phase = phase.max(*fraction);
        ctx.progress(*phase, line.trim());
    }
}

fn timed_out(shown: &str, limit: Duration, stderr: &str) -> Error {
    let network = if is_about_network(stderr) { "; it could not reach the package index" } else { "" };
    let message = format!("`{shown}` was not done within {} ms and was ended{network}", limit.as_millis());
    Error::new("python.uv_timeout", message).details(&serde_json::json!({ "stderr": stderr }))
}

fn is_about_network(stderr: &str) -> bool {
    let signs = [
        "dns error",
        "failed to lookup address",
        "Connection refused",
        "error sending request",
        "timed out",
        "Network is unreachable",
    ];
    signs.iter().any(|sign| stderr.contains(sign))
}

/// What `uv` failed with, by what it says. Its words change from version to version; whatever is not recognised is
/// `python.uv`, and all of it is quoted in any case.
pub(crate) fn failed(shown: &str, said: &Said) -> Error {
    let stderr = said.stderr.trim();
    let (kind, hint, is_retryable) = if stderr.contains("network connectivity is disabled")
        || stderr.contains("Network connectivity is disabled")
        || stderr.contains("network was disabled")
    {
        ("python.offline", "it is not in the cache, and `offline` allows nothing else", false)
    } else if is_about_network(stderr) {
        (
            "python.no_network",
            "the package index cannot be reached; `offline: true` uses the cache alone",
            true,
        )
    } else if stderr.contains("not found in the package registry")
        || stderr.contains("not found in the cache")
    {
        ("python.not_found", "look at the spelling of the package", false)
    } else if stderr.contains("No solution found") {
        ("python.resolve", "the requirements exclude each other or this version of Python", false)
    } else {
        ("python.uv", "", false)
    };
    let separator = if hint.is_empty() { "" } else { "; " };
    let message = format!("`{shown}` ended with {}{separator}{hint}:\n{stderr}", said.exit);
    Error::new(kind, message).retryable(is_retryable).details(&serde_json::json!({
        "exit_code": said.exit.code,
        "signal": said.exit.signal,
        "stderr": stderr,
    }))
}
