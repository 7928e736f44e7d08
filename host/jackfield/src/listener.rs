//! What methods say while they run goes to `tracing`, unless the host is built with a listener of its own.

use jackfield_core::ports::LogLevel;
use jackfield_engine::RunListener;
use tracing::{debug, trace};

/// Passes on output lines at debug and progress at trace. Log lines are in the engine's own spans already.
#[derive(Debug, Default)]
pub struct TracingListener;

impl RunListener for TracingListener {
    fn log(&self, _: &str, _: &str, _: LogLevel, _: &str, _: &str) {}

    fn progress(&self, run_id: &str, step: &str, fraction: f64, message: &str) {
        trace!(run_id, step, fraction, "{message}");
    }

    fn output_line(&self, run_id: &str, step: &str, is_stderr: bool, line: &str) {
        debug!(run_id, step, is_stderr, "{line}");
    }
}
