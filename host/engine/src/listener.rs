//! What methods say while they run, on its way to whoever listens to the engine.

use jackfield_core::ports::{Call, CallListener, LogLevel};
use std::sync::Arc;

/// Receives what methods of all runs say. Called from many threads; must not block.
pub trait RunListener: Send + Sync {
    /// A log line; `fields` is a JSON object or `null`.
    fn log(&self, run_id: &str, step: &str, level: LogLevel, message: &str, fields: &str);
    /// Fraction done, 0 to 1, and what is being done.
    fn progress(&self, run_id: &str, step: &str, fraction: f64, message: &str);
    /// A line that the method's work printed.
    fn output_line(&self, run_id: &str, step: &str, is_stderr: bool, line: &str);
}

/// A listener that drops everything.
#[derive(Debug, Default)]
pub struct SilentListener;

impl RunListener for SilentListener {
    fn log(&self, _: &str, _: &str, _: LogLevel, _: &str, _: &str) {}
    fn progress(&self, _: &str, _: &str, _: f64, _: &str) {}
    fn output_line(&self, _: &str, _: &str, _: bool, _: &str) {}
}

/// Adds run and step to what attempts say.
pub(crate) struct Voice(pub(crate) Arc<dyn RunListener>);

impl CallListener for Voice {
    fn log(&self, call: &Call, level: LogLevel, message: &str, fields: &str) {
        crate::spans::method_line(call.run_id(), call.step(), level, message);
        self.0.log(call.run_id(), call.step(), level, message, fields);
    }

    fn progress(&self, call: &Call, fraction: f64, message: &str) {
        self.0.progress(call.run_id(), call.step(), fraction, message);
    }

    fn output_line(&self, call: &Call, is_stderr: bool, line: &str) {
        self.0.output_line(call.run_id(), call.step(), is_stderr, line);
    }
}
