//! What methods say while they run, on its way to whoever listens to the engine.

use jackfield_core::ports::{CallListener, LogLevel, StepAddress};
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

/// Adds run and step to what one attempt says.
pub(crate) struct CallVoice {
    pub(crate) listener: Arc<dyn RunListener>,
    pub(crate) address: StepAddress,
}

impl CallListener for CallVoice {
    fn log(&self, level: LogLevel, message: &str, fields: &str) {
        let (run_id, step) = (self.address.run_id(), self.address.step());
        crate::spans::method_line(run_id, step, level, message);
        self.listener.log(run_id, step, level, message, fields);
    }

    fn progress(&self, fraction: f64, message: &str) {
        self.listener.progress(self.address.run_id(), self.address.step(), fraction, message);
    }

    fn output_line(&self, is_stderr: bool, line: &str) {
        self.listener.output_line(self.address.run_id(), self.address.step(), is_stderr, line);
    }
}
