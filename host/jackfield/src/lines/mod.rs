//! What methods of durable runs say and print, kept beside the journal: one directory a run, in it files of JSON lines, the
//! oldest of which go when there is too much. `files` is how they lie there, `writer` the one thread that writes them.
//!
//! Lines are for people. They are not synced to the disk, and what comes faster than it can be written is left out, which is
//! said in its place. A method is never held up.

mod files;
mod writer;

use crate::Error;
use files::Files;
use jackfield_core::payload::Payload;
use jackfield_core::ports::{Clock, LogLevel};
use jackfield_engine::RunListener;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use writer::Writer;

/// What is kept of a run unless the configuration says otherwise, in bytes.
pub(crate) const BYTES_MAX: u64 = 64 << 20;
/// Lines of an answer, at most.
pub const RUN_LINES_MAX: usize = 10_000;

/// A line of a run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct RunText {
    /// Its number in the run, from 0. Numbers are missing where lines were too many to be kept.
    pub seq: u64,
    /// When it came, RFC 3339.
    pub at: String,
    /// Path of the step, such as `probe[3].fetch`; empty if it is about lines that were left out.
    pub step: String,
    /// Where it came from.
    pub from: TextSource,
    /// Severity of a log line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<LogLevel>,
    /// The line itself.
    pub text: String,
    /// Fields of a log line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Payload>,
}

/// Where a line of a run came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TextSource {
    /// The method wrote it into its log.
    Log,
    /// The method's work printed it.
    Stdout,
    /// The same, to standard error.
    Stderr,
}

/// Which lines of a run are asked for.
#[derive(Clone, Debug, Default)]
pub struct TextQuery {
    /// Number of the first.
    pub from: u64,
    /// Only of this step and what is in it.
    pub step: Option<String>,
    /// So many at most; [`RUN_LINES_MAX`] if 0.
    pub limit: usize,
}

impl TextQuery {
    /// Whether a line of this step is asked for.
    fn wants(&self, step: &str) -> bool {
        self.step.as_deref().is_none_or(|wanted| {
            step.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }
}

/// Lines of a run, in order.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RunTexts {
    /// The lines.
    pub lines: Vec<RunText>,
    /// The number to go on with.
    pub next: u64,
}

/// The lines of all runs of one journal.
pub(crate) struct RunLines {
    files: Files,
    writer: Option<Writer>,
}

impl RunLines {
    /// To be read only. `journal` is the file of the journal.
    pub(crate) fn reader(journal: &std::path::Path) -> Self {
        Self { files: Files::beside(journal), writer: None }
    }

    /// To be written, `bytes_max` of each run; to be read only if that is 0.
    pub(crate) fn writer(
        journal: &std::path::Path,
        bytes_max: u64,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, Error> {
        let files = Files::beside(journal);
        let writer = match bytes_max {
            0 => None,
            _ => Some(Writer::start(files.clone(), bytes_max, clock)?),
        };
        Ok(Arc::new(Self { files, writer }))
    }

    /// Lines that have been said by now.
    pub(crate) fn read(&self, run_id: &str, query: &TextQuery) -> Result<RunTexts, Error> {
        if let Some(writer) = &self.writer {
            writer.settle();
        }
        self.files.read(run_id, query)
    }

    /// A number that is another one once something new of the run has been written, by this host.
    pub(crate) fn written(&self, run_id: &str) -> u64 {
        self.writer.as_ref().map_or(0, |writer| writer.written(run_id))
    }

    /// Deletes what is kept of a run.
    pub(crate) fn forget(&self, run_id: &str) {
        if let Some(writer) = &self.writer {
            writer.forget(run_id);
        } else {
            self.files.forget(run_id);
        }
    }

    /// Writes what has been said, and takes no more.
    pub(crate) fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close();
        }
    }
}

/// Keeps lines, and hands everything on to who listens otherwise.
pub(crate) struct KeepingListener {
    pub(crate) lines: Arc<RunLines>,
    pub(crate) inner: Arc<dyn RunListener>,
}

impl RunListener for KeepingListener {
    fn log(&self, run_id: &str, step: &str, level: LogLevel, message: &str, fields: &str) {
        if let Some(writer) = &self.lines.writer {
            let fields = (!matches!(fields, "" | "null" | "{}")).then_some(fields);
            writer.say(run_id, step, (TextSource::Log, Some(level)), message, fields);
        }
        self.inner.log(run_id, step, level, message, fields);
    }

    fn progress(&self, run_id: &str, step: &str, fraction: f64, message: &str) {
        self.inner.progress(run_id, step, fraction, message);
    }

    fn output_line(&self, run_id: &str, step: &str, is_stderr: bool, line: &str) {
        if let Some(writer) = &self.lines.writer {
            let from = if is_stderr { TextSource::Stderr } else { TextSource::Stdout };
            writer.say(run_id, step, (from, None), line, None);
        }
        self.inner.output_line(run_id, step, is_stderr, line);
    }
}

/// The directory of lines that belongs to a journal.
fn beside(journal: &std::path::Path) -> PathBuf {
    journal.with_extension("lines")
}
