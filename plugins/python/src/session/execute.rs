//! `exec`, `exec_batch`, `run_script`: code in, everything that came of it out.

use super::capture::Printed;
use super::code::Code;
use super::state::Session;
use super::table::{Found, Wanted, enter};
use super::terms::{Bounds, CodeError, End, Ended, Figure, ProducedFile, Reason};
use crate::service::Service;
use indexmap::IndexMap;
use jackfield_plugin_api::prelude::*;
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Code to execute.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Execute {
    /// The code. If its last statement is an expression, its value is the result.
    code: Code,
    /// An open session.
    #[serde(default)]
    session: Option<String>,
    /// A user (multi-user mode), whose session is opened if it is not.
    #[serde(default)]
    user: Option<String>,
    /// An environment, for a session of this call alone. If `session`, `user` and this are absent: in single-user mode the current
    /// session, in multi-user mode a session of this call alone in the environment with the fewest.
    #[serde(default)]
    environment: Option<String>,
    /// Variables to set before.
    #[serde(default)]
    inputs: IndexMap<String, serde_json::Value>,
    /// Names of variables to fetch afterwards.
    #[serde(default)]
    outputs: Vec<String>,
    /// Limit of the code, in milliseconds; that of the configuration if absent.
    #[serde(default)]
    timeout_ms: Option<u64>,
    /// Whether code that fails fails the call as well, with the type `python.exception`, `python.timeout` or `python.died`.
    #[serde(default)]
    check: bool,
    /// Whether lines are handed on while the code runs.
    #[serde(default = "yes")]
    stream: bool,
}

fn yes() -> bool {
    true
}

/// What came of code.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Executed {
    /// The session.
    session: String,
    /// Its environment.
    environment: String,
    /// Whether the code came to its end without an exception.
    success: bool,
    /// How it ended.
    outcome: Outcome,
    /// What it printed; cut with a mark if it is longer than the limit. Bytes that are no UTF-8 are replaced by U+FFFD.
    stdout: String,
    /// What it printed to standard error.
    stderr: String,
    /// Length of all that it printed, in bytes.
    stdout_bytes: u64,
    /// Length of all that it printed to standard error, in bytes.
    stderr_bytes: u64,
    /// Whether something of either is left out.
    is_cut: bool,
    /// Whether bytes of either were replaced.
    is_lossy: bool,
    /// Value of the last expression; `{type, repr, reason}` if it has no JSON form.
    #[schemars(with = "serde_json::Value")]
    result: Box<RawValue>,
    /// The variables that were asked for, as the result.
    #[schemars(with = "IndexMap<String, serde_json::Value>")]
    outputs: IndexMap<String, Box<RawValue>>,
    /// What has no JSON form: `result`, and names of output variables.
    not_json: Vec<String>,
    /// Why it failed.
    error: Option<CodeError>,
    /// What it gave to `sys.exit`.
    exit_code: Option<i32>,
    /// Signal that ended the interpreter.
    signal: Option<i32>,
    /// Files that it made or changed in the session's own directory.
    files: Vec<ProducedFile>,
    /// Figures that it left open in matplotlib.
    figures: Vec<Figure>,
    /// Why the variables of earlier calls were gone when this one began; absent if they were not.
    state_lost: Option<String>,
    /// Characters that threads of earlier calls printed meanwhile; they are in no output.
    stray_chars: u64,
    /// From the limit of time to the interrupt, in milliseconds; absent if there was none.
    interrupted_after_ms: Option<f64>,
    /// How long it took, in milliseconds.
    duration_ms: f64,
}

/// How code ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// By itself.
    Completed,
    /// With an exception, or `sys.exit` with something else than 0.
    Exception,
    /// By an interrupt at the limit of time; the session goes on with its variables.
    Interrupted,
    /// Killed, because it did not react to the interrupt; the variables are gone.
    Killed,
    /// Its interpreter died; the variables are gone.
    Died,
}

/// What is executed, as the driver takes it.
#[derive(Serialize)]
struct Request<'a> {
    op: &'static str,
    id: u64,
    name: String,
    #[serde(flatten)]
    what: What<'a>,
    inputs: &'a IndexMap<String, serde_json::Value>,
    outputs: &'a [String],
    figures: &'a Path,
    files: bool,
    result_max: usize,
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum What<'a> {
    Code {
        code: &'a str,
    },
    Script {
        path: &'a Path,
        argv: &'a [String],
        cwd: Option<&'a Path>,
        package: Option<&'a str>,
        root: Option<PathBuf>,
    },
}

/// One thing to execute in a session.
struct Task<'a> {
    what: What<'a>,
    inputs: &'a IndexMap<String, serde_json::Value>,
    outputs: &'a [String],
    timeout: Duration,
    is_shown: bool,
}

pub(crate) fn execute(ctx: &Context, service: &Service, p: &Execute) -> Result<Executed, Error> {
    let task = Task {
        what: What::Code { code: p.code.text() },
        inputs: &p.inputs,
        outputs: &p.outputs,
        timeout: service.exec_timeout(p.timeout_ms),
        is_shown: p.stream,
    };
    check_variables(&p.inputs, &p.outputs)?;
    let wanted = Wanted {
        session: p.session.as_deref(),
        user: p.user.as_deref(),
        environment: p.environment.as_deref(),
    };
    let executed = in_session(ctx, service, wanted, |found| run(ctx, service, found, &task))?;
    if p.check && !executed.success { Err(as_error(&executed)) } else { Ok(executed) }
}

/// Does something with the session that is meant, and closes it if it was for this call alone.
fn in_session<T>(
    ctx: &Context,
    service: &Service,
    wanted: Wanted<'_>,
    act: impl FnOnce(&Found) -> Result<T, Error>,
) -> Result<T, Error> {
    let found = service.sessions.find(ctx, service, wanted)?;
    let done = act(&found);
    if found.is_for_one_call {
        service.sessions.end(&found.session.id, "it was for one call");
    }
    done
}

fn run(ctx: &Context, service: &Service, found: &Found, task: &Task<'_>) -> Result<Executed, Error> {
    let session = &found.session;
    let (turn, fresh) = enter(ctx, service, found, service.acquire_timeout(None))?;
    let id = session.next_execution();
    let name = match &task.what {
        What::Code { .. } => format!("<cell {id}>"),
        What::Script { path, .. } => path.to_string_lossy().into_owned(),
    };
    let request = Request {
        op: "exec",
        id,
        name,
        what: task.what.clone(),
        inputs: task.inputs,
        outputs: task.outputs,
        figures: &session.files,
        files: session.cwd == session.files,
        result_max: service.settings.result_bytes_max,
    };
    let bounds = Bounds {
        timeout: task.timeout,
        grace: service.settings.interrupt_grace,
        output_bytes_max: service.settings.output_bytes_max,
        is_shown: task.is_shown,
    };
    let started = Instant::now();
    let ended = session.execute(ctx, &serde_json::to_vec(&request)?, bounds, &turn)?;
    let duration = started.elapsed();
    drop(turn);
    let mut executed = finish(session, ended, task.timeout, bounds.grace)?;
    executed.state_lost = fresh.and_then(|it| it.lost);
    executed.duration_ms = duration.as_secs_f64() * 1_000.0;
    Ok(executed)
}

fn finish(session: &Session, ended: Ended, timeout: Duration, grace: Duration) -> Result<Executed, Error> {
    let Ended { end, stdout, stderr, interrupted_after } = ended;
    let mut executed = blank(session, stdout, stderr)?;
    executed.interrupted_after_ms = interrupted_after.map(|it| it.as_secs_f64() * 1_000.0);
    match end {
        End::Answered(_, Some(Reason::Cancelled)) | End::Killed(Reason::Cancelled) => {
            return Err(Error::cancelled());
        }
        End::Answered(answer, interrupted) => {
            let answer = *answer;
            executed.outcome = match (interrupted, &answer.error) {
                (Some(_), _) => Outcome::Interrupted,
                (None, Some(_)) => Outcome::Exception,
                (None, None) => Outcome::Completed,
            };
            executed.error = answer.error;
            if interrupted.is_some() {
                executed.error = Some(after_interrupt(executed.error, timeout));
            }
            executed.success = executed.outcome == Outcome::Completed;
            executed.result = answer.result;
            executed.outputs = answer.outputs;
            executed.not_json = answer.not_json;
            executed.exit_code = answer.exit_code;
            (executed.files, executed.figures) = (answer.files, answer.figures);
            executed.stray_chars = answer.stray_chars;
        }
        End::Killed(Reason::Timeout) => {
            executed.outcome = Outcome::Killed;
            let message = format!(
                "the code took more than {} ms, did not react to the interrupt within {} ms, and was killed with all its processes; the \
                 variables of the session are lost",
                timeout.as_millis(),
                grace.as_millis()
            );
            executed.error = Some(plain_error("TimeoutError", message));
        }
        End::Died(exit) => {
            executed.outcome = Outcome::Died;
            (executed.exit_code, executed.signal) = (exit.code, exit.signal);
            let message = format!("worker died ({exit}); the variables of the session are lost");
            executed.error = Some(plain_error("WorkerDied", message));
        }
    }
    Ok(executed)
}

fn blank(session: &Session, stdout: Printed, stderr: Printed) -> Result<Executed, Error> {
    Ok(Executed {
        session: session.id.clone(),
        environment: session.environment.to_string(),
        success: false,
        outcome: Outcome::Completed,
        stdout_bytes: stdout.bytes,
        stderr_bytes: stderr.bytes,
        is_cut: stdout.is_cut || stderr.is_cut,
        is_lossy: stdout.is_lossy || stderr.is_lossy,
        stdout: stdout.text,
        stderr: stderr.text,
        result: RawValue::from_string("null".into())?,
        outputs: IndexMap::new(),
        not_json: Vec::new(),
        error: None,
        exit_code: None,
        signal: None,
        files: Vec::new(),
        figures: Vec::new(),
        state_lost: None,
        stray_chars: 0,
        interrupted_after_ms: None,
        duration_ms: 0.0,
    })
}

fn plain_error(kind: &str, message: String) -> CodeError {
    CodeError { kind: kind.into(), message, traceback: String::new(), line: None }
}

/// The code may have caught the interrupt, and ended in its own way.
fn after_interrupt(error: Option<CodeError>, timeout: Duration) -> CodeError {
    let message = format!("the code took more than {} ms and was interrupted", timeout.as_millis());
    match error {
        Some(error) if error.kind == "KeyboardInterrupt" => CodeError { message, ..error },
        Some(error) => error,
        None => plain_error("KeyboardInterrupt", message),
    }
}

/// The error that says that it failed, with everything that came of it.
fn as_error(executed: &Executed) -> Error {
    let kind = match executed.outcome {
        Outcome::Completed | Outcome::Exception => "python.exception",
        Outcome::Interrupted | Outcome::Killed => "python.timeout",
        Outcome::Died => "python.died",
    };
    let error = executed.error.as_ref();
    let line = error.and_then(|it| it.line).map_or_else(String::new, |line| format!(" in line {line}"));
    let message = match error {
        Some(error) => format!("{}: {}{line}", error.kind, error.message),
        None => format!("the code exited with {}", executed.exit_code.unwrap_or_default()),
    };
    Error::new(kind, message).retryable(executed.outcome != Outcome::Exception).details(executed)
}

fn check_variables(inputs: &IndexMap<String, serde_json::Value>, outputs: &[String]) -> Result<(), Error> {
    for name in inputs.keys().chain(outputs) {
        let mut chars = name.chars();
        let begins = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
        if !begins || !chars.all(|c| c.is_alphanumeric() || c == '_') {
            let shown = name.escape_debug();
            return Err(Error::validation(format!("`{shown}` cannot be the name of a variable")));
        }
    }
    Ok(())
}

/// Codes to execute one after the other.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// The codes, in one session.
    #[schemars(length(min = 1))]
    items: Vec<BatchItem>,
    /// An open session.
    #[serde(default)]
    session: Option<String>,
    /// A user (multi-user mode), whose session is opened if it is not.
    #[serde(default)]
    user: Option<String>,
    /// An environment, for a session of this call alone.
    #[serde(default)]
    environment: Option<String>,
    /// Whether the rest is left out once an item has failed.
    #[serde(default = "yes")]
    stop_on_error: bool,
    /// Whether an item that fails fails the call as well.
    #[serde(default)]
    check: bool,
    /// Whether lines are handed on while the code runs.
    #[serde(default = "yes")]
    stream: bool,
}

/// One of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchItem {
    /// The code, as in `exec`.
    code: Code,
    /// Variables to set before.
    #[serde(default)]
    inputs: IndexMap<String, serde_json::Value>,
    /// Names of variables to fetch afterwards.
    #[serde(default)]
    outputs: Vec<String>,
    /// Limit of this item, in milliseconds; that of the configuration if absent.
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// What came of a batch.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BatchResult {
    /// Whether all items were executed and none failed.
    success: bool,
    /// What came of each item that was executed, in their order.
    items: Vec<Executed>,
    /// Items that failed.
    failed: usize,
    /// Items that were left out.
    left_out: usize,
}

pub(crate) fn execute_batch(ctx: &Context, service: &Service, p: &Batch) -> Result<BatchResult, Error> {
    for item in &p.items {
        check_variables(&item.inputs, &item.outputs)?;
    }
    let wanted = Wanted {
        session: p.session.as_deref(),
        user: p.user.as_deref(),
        environment: p.environment.as_deref(),
    };
    in_session(ctx, service, wanted, |found| {
        let mut items = Vec::new();
        for (index, item) in p.items.iter().enumerate() {
            let task = Task {
                what: What::Code { code: item.code.text() },
                inputs: &item.inputs,
                outputs: &item.outputs,
                timeout: service.exec_timeout(item.timeout_ms),
                is_shown: p.stream,
            };
            let executed = run(ctx, service, found, &task)?;
            ctx.progress((index + 1) as f64 / p.items.len() as f64, "executing");
            let is_failed = !executed.success;
            if is_failed && p.check {
                return Err(as_error(&executed).context(format!("item {index}")));
            }
            items.push(executed);
            if is_failed && p.stop_on_error {
                break;
            }
        }
        let failed = items.iter().filter(|it| !it.success).count();
        let left_out = p.items.len() - items.len();
        Ok(BatchResult { success: failed + left_out == 0, items, failed, left_out })
    })
}

/// A script to run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunScript {
    /// The file.
    path: PathBuf,
    /// Its arguments: `sys.argv[1:]`.
    #[serde(default)]
    arguments: Vec<String>,
    /// Working directory while it runs; that of the session if absent.
    #[serde(default)]
    cwd: Option<PathBuf>,
    /// The package that it belongs to, such as `tool.parts`, so that its relative imports work; the directory of the outermost
    /// one is found by its name.
    #[serde(default)]
    package: Option<String>,
    /// Variables to set before.
    #[serde(default)]
    inputs: IndexMap<String, serde_json::Value>,
    /// Names of its variables to fetch afterwards.
    #[serde(default)]
    outputs: Vec<String>,
    /// An open session; `session`, `user`, `environment` are as in `exec`.
    #[serde(default)]
    session: Option<String>,
    /// A user (multi-user mode), whose session is opened if it is not.
    #[serde(default)]
    user: Option<String>,
    /// An environment, for a session of this call alone.
    #[serde(default)]
    environment: Option<String>,
    /// Limit, in milliseconds; that of the configuration if absent.
    #[serde(default)]
    timeout_ms: Option<u64>,
    /// Whether a script that fails fails the call as well.
    #[serde(default)]
    check: bool,
    /// Whether lines are handed on while it runs.
    #[serde(default = "yes")]
    stream: bool,
}

pub(crate) fn run_script(ctx: &Context, service: &Service, p: &RunScript) -> Result<Executed, Error> {
    check_variables(&p.inputs, &p.outputs)?;
    let path = std::path::absolute(&p.path)?;
    if !path.is_file() {
        let message = format!("there is no script `{}`", path.display());
        return Err(Error::new("python.no_script", message).permanent());
    }
    let cwd = p.cwd.as_ref().map(std::path::absolute).transpose()?;
    if let Some(cwd) = cwd.as_ref().filter(|it| !it.is_dir()) {
        return Err(Error::validation(format!("`cwd` is `{}`, which is no directory", cwd.display())));
    }
    let root = p.package.as_ref().map(|package| root_of(&path, package)).transpose()?;
    let task = Task {
        what: What::Script {
            path: &path,
            argv: &p.arguments,
            cwd: cwd.as_deref(),
            package: p.package.as_deref(),
            root,
        },
        inputs: &p.inputs,
        outputs: &p.outputs,
        timeout: service.exec_timeout(p.timeout_ms),
        is_shown: p.stream,
    };
    let wanted = Wanted {
        session: p.session.as_deref(),
        user: p.user.as_deref(),
        environment: p.environment.as_deref(),
    };
    let executed = in_session(ctx, service, wanted, |found| run(ctx, service, found, &task))?;
    if p.check && !executed.success { Err(as_error(&executed)) } else { Ok(executed) }
}

/// The directory that the outermost package lies in.
fn root_of(script: &Path, package: &str) -> Result<PathBuf, Error> {
    let mut dir = script.parent();
    for part in package.rsplit('.') {
        let here = dir.filter(|it| it.file_name().is_some_and(|name| name == part));
        let Some(here) = here else {
            let message =
                format!("`{}` does not lie in the package `{}`", script.display(), package.escape_debug());
            return Err(Error::validation(message));
        };
        dir = here.parent();
    }
    dir.map(PathBuf::from)
        .ok_or_else(|| Error::validation(format!("`{}` lies in no directory", script.display())))
}
