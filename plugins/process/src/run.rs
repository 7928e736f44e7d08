//! `run`.

use crate::exit::{Circumstances, ExitCodes, LINES_QUOTED, Meaning};
use crate::input::Stdin;
use crate::job::{Finished, Job};
use crate::masked::Mask;
use crate::program::{length, named, parameters};
use jackfield_child::{Capped, Tail, text};
use jackfield_plugin_api::prelude::*;
use serde_json::{Value, json};

parameters! {
    /// A program to run to its end.
    Run {
        /// What it reads.
        stdin: Option<Stdin>,
        /// Limit in milliseconds; none if absent. Then the whole group of processes is asked to end, and killed after `grace_ms`.
        timeout_ms: Option<u64>,
        /// How long the program may take to end when it is asked to, in milliseconds. Keep it below the host's own patience with
        /// cancelled calls (2 s).
        #[serde(default = "grace_ms")]
        grace_ms: u64,
        /// What its exit codes mean.
        #[serde(default)]
        exit_codes: ExitCodes,
        /// What its standard output becomes.
        #[serde(default)]
        stdout: Format,
        /// Bytes kept of standard output and of standard error, each.
        #[serde(default = "max_output_bytes")]
        #[schemars(range(max = 67_108_864))]
        max_output_bytes: u32,
    }
}

/// What an output becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// One text.
    #[default]
    Text,
    /// A list of lines without their ends.
    Lines,
    /// The value that it is the JSON text of.
    Json,
}

/// A program that has ended well.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Ended {
    /// What its exit code means.
    outcome: Meaning,
    /// Its exit code.
    code: Option<i32>,
    /// Its standard output, as `stdout` asks for it. If it was cut, the text or the list ends with a mark that gives the number of
    /// all bytes.
    stdout: Value,
    /// Bytes of its standard output, kept or not.
    stdout_bytes: u64,
    /// Its standard error, likewise as text.
    stderr: String,
    /// Bytes of its standard error, kept or not.
    stderr_bytes: u64,
    /// Whether something was left out of either.
    is_cut: bool,
    /// Whether bytes that are no UTF-8 were replaced by U+FFFD in either.
    is_lossy: bool,
    /// How long it ran, in milliseconds.
    duration_ms: f64,
}

pub(crate) fn grace_ms() -> u64 {
    1_500
}

fn max_output_bytes() -> u32 {
    1 << 20
}

pub(crate) fn run(ctx: &Context, p: Run) -> Result<Ended, Error> {
    p.exit_codes.check()?;
    let (mask, mut tail) = (named!(p).mask(), Tail::new(LINES_QUOTED));
    let kept = usize::try_from(p.max_output_bytes).unwrap_or(usize::MAX);
    let timeout = p.timeout_ms.map(length);
    let job = Job {
        named: named!(p),
        stdin: p.stdin.clone(),
        timeout,
        grace: length(p.grace_ms),
        kept: [kept; 2],
        is_live: false,
    };
    let finished = job.run(ctx, |stream, line| {
        let text = mask.over(line.text);
        tail.add(&text);
        ctx.output_line(stream, &text);
        Ok(())
    })?;
    let around = Circumstances { program: named!(p).shown(), stderr: tail.lines(), mask: &mask };
    if let (Some(told), Some(timeout)) = (finished.told, timeout) {
        return Err(around.timeout(timeout, told, finished.exit));
    }
    let outcome = p.exit_codes.judge(finished.exit, &around)?;
    shape(&p, outcome, &finished, &mask)
}

fn shape(p: &Run, outcome: Meaning, finished: &Finished, mask: &Mask) -> Result<Ended, Error> {
    let (printed, is_lossy) = text(finished.stdout.bytes());
    let printed = mask.over(printed);
    let (errors, is_lossy_too) = text(finished.stderr.bytes());
    let is_json = p.stdout == Format::Json && outcome == Meaning::Ok;
    let stdout = match p.stdout {
        Format::Json if is_json => parsed(p, &printed, &finished.stdout)?,
        Format::Lines => lines(&printed, &finished.stdout),
        Format::Text | Format::Json => Value::String(marked(printed, &finished.stdout)),
    };
    Ok(Ended {
        outcome,
        code: finished.exit.code,
        stdout,
        stdout_bytes: finished.stdout.total(),
        stderr: marked(mask.over(errors), &finished.stderr),
        stderr_bytes: finished.stderr.total(),
        is_cut: finished.stdout.is_cut() || finished.stderr.is_cut(),
        is_lossy: is_lossy || is_lossy_too,
        duration_ms: finished.took.as_secs_f64() * 1e3,
    })
}

fn marked(mut printed: String, whole: &Capped) -> String {
    if let Some(mark) = whole.mark() {
        if !printed.is_empty() && !printed.ends_with('\n') {
            printed.push('\n');
        }
        printed.push_str(&mark);
    }
    printed
}

fn lines(printed: &str, whole: &Capped) -> Value {
    let lines = printed.lines().map(str::to_owned);
    Value::Array(lines.chain(whole.mark()).map(Value::String).collect())
}

fn parsed(p: &Run, printed: &str, whole: &Capped) -> Result<Value, Error> {
    let program = named!(p).shown();
    if whole.is_cut() {
        let (total, max) = (whole.total(), p.max_output_bytes);
        let message = format!(
            "{program} printed {total} bytes, of which `max_output_bytes` keeps {max}; no JSON text can be cut"
        );
        let details = json!({ "bytes": total, "max_output_bytes": max });
        return Err(Error::new("process.output_too_large", message).permanent().details(&details));
    }
    serde_json::from_str(printed).map_err(|error| {
        let message = format!("{program} printed no JSON text: {error}");
        let beginning: String = printed.chars().take(200).collect();
        let details = json!({ "stdout": beginning });
        Error::new("process.invalid_json", message).permanent().details(&details)
    })
}
