//! What is done with kept runs besides starting and stopping them.

use crate::{Error, Host, Run};

impl Host {
    /// Lets a durable run that failed or was cancelled go back and on: to the moment before the failure that ended it, or, with
    /// `from`, to the moment at which the step of that path began for the last time. What had completed by then is kept, and so
    /// are results of calls that were under way; everything else runs again. Returns when that is recorded; the run goes on.
    ///
    /// # Errors
    /// If runs live in memory; if there is no such run, it has not ended or has completed; if a step of another run waited for
    /// it; if `from` is no step that it has begun; if what it would go on from has been compensated since; if other runs have its
    /// concurrency key.
    pub fn retry(&self, run_id: &str, from: Option<&str>) -> Result<Run, Error> {
        Ok(Run::new(self.inner.engine.retry(run_id, from)?))
    }
}
