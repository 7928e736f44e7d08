//! `stream`.

use crate::exit::{Circumstances, ExitCodes, LINES_QUOTED, Meaning};
use crate::input::Stdin;
use crate::job::Job;
use crate::log::{Log, Written};
use crate::program::{length, named, parameters};
use crate::run::grace_ms;
use jackfield_child::{Line, Tail};
use jackfield_plugin_api::prelude::*;

parameters! {
    /// A program whose lines are handed on while it runs.
    Stream {
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
        /// Whether a line of standard output such as `{"progress": 0.4, "message": "frame 40"}` says how far it is, and is no
        /// output.
        #[serde(default = "yes")]
        progress: bool,
        /// A file that all lines are written to as well.
        log: Option<Log>,
        /// Lines of standard output that the result holds: the last ones.
        #[serde(default = "last_lines")]
        #[schemars(range(max = 10_000))]
        last_lines: u16,
    }
}

fn yes() -> bool {
    true
}

fn last_lines() -> u16 {
    20
}

/// A program that has ended well.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Ended {
    /// What its exit code means.
    outcome: Meaning,
    /// Its exit code.
    code: Option<i32>,
    /// Lines of standard output, without reports of progress.
    stdout_lines: u64,
    /// Lines of standard error.
    stderr_lines: u64,
    /// The last lines of standard output.
    last_lines: Vec<String>,
    /// Whether bytes that are no UTF-8 were replaced by U+FFFD in some line.
    is_lossy: bool,
    /// How long it ran, in milliseconds.
    duration_ms: f64,
}

/// A report of progress.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    progress: f64,
    #[serde(default)]
    message: String,
}

/// What has been heard of a program.
struct Heard<'a> {
    ctx: &'a Context,
    reads_progress: bool,
    log: Option<Written>,
    /// Lines of standard output and of standard error.
    counts: [u64; 2],
    last: Tail,
    errors: Tail,
    is_lossy: bool,
}

pub(crate) fn stream(ctx: &Context, p: Stream) -> Result<Ended, Error> {
    p.exit_codes.check()?;
    let mask = named!(p).mask();
    let timeout = p.timeout_ms.map(length);
    let mut heard = Heard {
        ctx,
        reads_progress: p.progress,
        log: p.log.as_ref().map(Log::open).transpose()?,
        counts: [0; 2],
        last: Tail::new(usize::from(p.last_lines)),
        errors: Tail::new(LINES_QUOTED),
        is_lossy: false,
    };
    let job = Job {
        named: named!(p),
        stdin: p.stdin.clone(),
        timeout,
        grace: length(p.grace_ms),
        kept: [0; 2],
        is_live: true,
    };
    let finished =
        job.run(ctx, |from, line| heard.take(from, Line { text: mask.over(line.text), ..line }))?;
    let around = Circumstances { program: named!(p).shown(), stderr: heard.errors.lines(), mask: &mask };
    if let (Some(told), Some(timeout)) = (finished.told, timeout) {
        return Err(around.timeout(timeout, told, finished.exit));
    }
    let outcome = p.exit_codes.judge(finished.exit, &around)?;
    let [stdout_lines, stderr_lines] = heard.counts;
    Ok(Ended {
        outcome,
        code: finished.exit.code,
        stdout_lines,
        stderr_lines,
        last_lines: heard.last.lines(),
        is_lossy: heard.is_lossy,
        duration_ms: finished.took.as_secs_f64() * 1e3,
    })
}

impl Heard<'_> {
    fn take(&mut self, from: jackfield_plugin_api::Stream, line: Line) -> Result<(), Error> {
        let is_stdout = matches!(from, jackfield_plugin_api::Stream::Stdout);
        if is_stdout
            && self.reads_progress
            && let Some(report) = progress(&line.text)
        {
            self.ctx.progress(report.progress, &report.message);
            return Ok(());
        }
        // a program that prints is alive
        self.ctx.heartbeat();
        self.is_lossy |= line.is_lossy;
        let text = match line.bytes_cut {
            0 => line.text,
            cut => format!("{} [{cut} more bytes]", line.text),
        };
        self.ctx.output_line(from, &text);
        if let Some(log) = &mut self.log {
            log.line(&text)?;
        }
        self.counts[usize::from(!is_stdout)] += 1;
        if is_stdout {
            self.last.add(&text)
        } else {
            self.errors.add(&text)
        }
        Ok(())
    }
}

/// What the line reports, if that is what it is for.
fn progress(line: &str) -> Option<Progress> {
    let line = line.trim();
    // most lines are no JSON
    if !line.starts_with('{') || !line.contains("\"progress\"") {
        return None;
    }
    serde_json::from_str(line).ok()
}
