//! Everything that is printed goes through here: results to stdout, the rest to stderr, colour where it belongs,
//! and never through the middle of a progress bar.

use crate::args::{Global, When};
use anstyle::{AnsiColor, Style};
use indicatif::MultiProgress;
use serde::Serialize;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

/// What a piece of text means; the colour follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Warning,
    Hint,
    Dim,
    Strong,
}

/// Prints. Cheap to clone; clones print to the same place.
#[derive(Clone)]
pub(crate) struct Printer {
    inner: Arc<Inner>,
}

struct Inner {
    json: bool,
    quiet: bool,
    color_out: bool,
    color_err: bool,
    live: bool,
    bars: MultiProgress,
}

impl Printer {
    pub(crate) fn new(global: &Global) -> Self {
        let wanted = |terminal: bool| match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && no_color_wish(),
        };
        let stderr_is_terminal = io::stderr().is_terminal();
        let live =
            stderr_is_terminal && !global.quiet && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let inner = Inner {
            json: global.json,
            quiet: global.quiet,
            color_out: wanted(io::stdout().is_terminal()),
            color_err: wanted(stderr_is_terminal),
            live,
            bars: MultiProgress::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether results are to be JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.inner.json
    }

    /// Whether there is a terminal to draw on while things go on.
    pub(crate) fn is_live(&self) -> bool {
        self.inner.live
    }

    /// Whether nothing but results and errors is wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.inner.quiet
    }

    /// Whether log lines may have colour.
    pub(crate) fn has_color(&self) -> bool {
        self.inner.color_err
    }

    /// Where progress bars are drawn.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.inner.bars
    }

    /// A result, as it is.
    pub(crate) fn result(&self, text: &str) -> io::Result<()> {
        self.inner.bars.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()
        })
    }

    /// A result as JSON: indented, with a line break at the end.
    pub(crate) fn result_json(&self, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        self.result(&text)
    }

    /// A line about what is going on.
    pub(crate) fn note(&self, line: &str) {
        if !self.inner.quiet {
            self.to_stderr(format!("{line}\n").as_bytes());
        }
    }

    /// A line about something worth a look.
    pub(crate) fn warning(&self, message: &str) {
        if !self.inner.quiet {
            let word = self.paint(Tone::Warning, "warning");
            self.to_stderr(format!("{word}: {message}\n").as_bytes());
        }
    }

    /// A line about what could not be done.
    pub(crate) fn error(&self, message: &str) {
        let word = self.paint(Tone::Bad, "error");
        self.to_stderr(format!("{word}: {message}\n").as_bytes());
    }

    /// Text for stderr, above the progress bars.
    pub(crate) fn to_stderr(&self, bytes: &[u8]) {
        self.inner.bars.suspend(|| {
            // there is nowhere else to say that stderr is gone
            let _ = io::stderr().lock().write_all(bytes);
        });
    }

    /// `text` as it is to appear on stderr.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        painted(self.inner.color_err, tone, text)
    }

    /// `text` as it is to appear on stdout.
    pub(crate) fn paint_result(&self, tone: Tone, text: &str) -> String {
        painted(self.inner.color_out, tone, text)
    }

    /// Somewhere for log lines.
    pub(crate) fn log_writer(&self) -> LogWriter {
        LogWriter(self.clone())
    }
}

/// Writes log lines to stderr.
pub(crate) struct LogWriter(Printer);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.to_stderr(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn painted(color: bool, tone: Tone, text: &str) -> String {
    if !color {
        return text.to_owned();
    }
    let style = match tone {
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
        Tone::Warning => AnsiColor::Yellow.on_default().bold(),
        Tone::Hint => AnsiColor::Cyan.on_default(),
        Tone::Dim => Style::new().dimmed(),
        Tone::Strong => Style::new().bold(),
    };
    format!("{style}{text}{style:#}")
}

/// Nothing says that colour is unwelcome (<https://no-color.org>).
fn no_color_wish() -> bool {
    let unset = |name: &str| env::var_os(name).is_none_or(|value| value.is_empty());
    unset("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}
