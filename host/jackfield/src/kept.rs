//! What is done with kept runs besides starting and stopping them.

use crate::{Error, Host, Run, RunTexts, TextQuery};
use jackfield_core::journal::SavedRun;
use jackfield_core::payload::Payload;
use jackfield_engine::EngineError;

impl Host {
    /// Lines that methods of a durable run have logged and printed, all that had come when this is called. They are kept beside
    /// the journal, the newest 64 MiB of each run unless the configuration says otherwise, and go with the run.
    ///
    /// # Errors
    /// If runs live in memory; if there is no such run; if the lines cannot be read.
    pub fn run_lines(&self, run_id: &str, query: &TextQuery) -> Result<RunTexts, Error> {
        let Some(lines) = &self.inner.lines else { return Err(EngineError::NoJournal.into()) };
        let _there_is_one = self.inner.engine.get(run_id)?;
        lines.read(run_id, query)
    }

    /// A number that stays the same while this host keeps no new line of the run: for those who follow it and would look again and
    /// again. It may change for other reasons.
    #[must_use]
    pub fn lines_mark(&self, run_id: &str) -> u64 {
        self.inner.lines.as_ref().map_or(0, |lines| lines.written(run_id))
    }

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

    /// Makes a new run, `new_id` or one with an id of its own, of what a durable run had done when the step at path `at` began
    /// for the last time, and goes on with it from there: with `input`, if there is one, as far as steps read it from there on.
    /// The other run stays as it is, and may go on. Returns when that is recorded.
    ///
    /// # Errors
    /// If runs live in memory; if there is no such run, or it never began such a step; if what the new run would go on from has
    /// been compensated; if the input does not fit, the id is taken, or a method or a workflow is not here any more.
    pub fn fork(
        &self,
        run_id: &str,
        at: &str,
        input: Option<Payload>,
        new_id: Option<&str>,
    ) -> Result<Run, Error> {
        Ok(Run::new(self.inner.engine.fork(run_id, at, input, new_id.map(str::to_owned))?))
    }

    /// A durable run as it stands as a text, JSON lines with a checksum, which [`Host::import`] reads on another host. It goes on
    /// here, too, unless it has ended or is paused. Former generations of it are left behind, and so are runs that its steps
    /// have started. The text holds all inputs and results.
    ///
    /// # Errors
    /// If runs live in memory; if there is no such run, or it cannot be read.
    pub fn export(&self, run_id: &str) -> Result<String, Error> {
        Ok(self.inner.engine.export(run_id)?.to_text())
    }

    /// Makes a run of what [`Host::export`] wrote, under its own id or `run_id`, and goes on with it if it has not ended: what was
    /// under way is begun again, timers keep their times. Returns when that is recorded.
    ///
    /// # Errors
    /// If the text was not written by `export` or was changed; if the id is taken; if a method that it needs, in just the version
    /// that it began with, or a workflow that it may start is not here; if runs live in memory.
    pub fn import(&self, saved: &str, run_id: Option<&str>) -> Result<Run, Error> {
        let saved = SavedRun::parse(saved).map_err(EngineError::from)?;
        Ok(Run::new(self.inner.engine.import(&saved, run_id.map(str::to_owned))?))
    }
}
