//! What an execution prints: kept up to a limit, and handed on line by line as it comes.

use jackfield_child::{Capped, text};
use jackfield_plugin_api::{Context, Stream};
use serde::Deserialize;

/// Length of a line that is handed on, in bytes; what is longer comes as several.
const LINE_BYTES_MAX: usize = 8 << 10;

/// One of the two outputs.
#[derive(Debug)]
pub(crate) struct Capture {
    stream: Stream,
    kept: Capped,
    line: Vec<u8>,
    /// Bytes of lines that are still handed on; a flood is not.
    to_show: usize,
}

/// What was printed.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    /// The beginning, with a mark behind it if there was more.
    pub(crate) text: String,
    /// All of it, in bytes.
    pub(crate) bytes: u64,
    pub(crate) is_cut: bool,
    /// Whether bytes were replaced that are no UTF-8.
    pub(crate) is_lossy: bool,
}

/// How far code is, as it prints it: `{"progress": 0.4, "message": "epoch 4"}` in a line of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    progress: f64,
    #[serde(default)]
    message: String,
}

fn progress(stream: Stream, line: &[u8]) -> Option<Progress> {
    let may_be = matches!(stream, Stream::Stdout) && line.starts_with(b"{\"progress\":");
    // any other line is a line
    if may_be { serde_json::from_slice(line).ok() } else { None }
}

impl Capture {
    /// Keeps at most `bytes_max`, and hands on as many, unless the output is not to be shown.
    pub(crate) fn new(stream: Stream, bytes_max: usize, is_shown: bool) -> Self {
        let to_show = if is_shown { bytes_max } else { 0 };
        Self { stream, kept: Capped::new(bytes_max), line: Vec::new(), to_show }
    }

    pub(crate) fn add(&mut self, ctx: &Context, bytes: &[u8]) {
        self.kept.add(bytes);
        let mut rest = &bytes[..bytes.len().min(self.to_show)];
        self.to_show -= rest.len();
        while !rest.is_empty() {
            let room = LINE_BYTES_MAX - self.line.len();
            let end = rest.iter().take(room).position(|byte| *byte == b'\n');
            let (part, next) = match end {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None => rest.split_at(room.min(rest.len())),
            };
            self.line.extend_from_slice(part);
            rest = next;
            if end.is_some() || self.line.len() >= LINE_BYTES_MAX {
                self.show(ctx);
            }
        }
    }

    fn show(&mut self, ctx: &Context) {
        match progress(self.stream, &self.line) {
            Some(told) => ctx.progress(told.progress, &told.message),
            None => ctx.output_line(self.stream, &String::from_utf8_lossy(&self.line)),
        }
        self.line.clear();
    }

    pub(crate) fn finish(mut self, ctx: &Context) -> Printed {
        if !self.line.is_empty() {
            self.show(ctx);
        }
        let (mut text, is_lossy) = text(self.kept.bytes());
        if let Some(mark) = self.kept.mark() {
            text.push('\n');
            text.push_str(&mark);
        }
        Printed { text, bytes: self.kept.total(), is_cut: self.kept.is_cut(), is_lossy }
    }
}
