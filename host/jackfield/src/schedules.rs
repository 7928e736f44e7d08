//! Schedules: runs that start by themselves.

use crate::Error;
use crate::diagnostic;
use crate::host::Host;
use jackfield_core::payload::Payload;
use jackfield_core::schedule::Spec;
use jackfield_core::time::Timestamp;
use jackfield_engine::{Backfilled, PlannedStart, ScheduleInfo, ScheduleRequest, Triggered};
use semver::VersionReq;
use std::sync::Arc;

/// The schedules of a host, see [`Host::schedules`]. On a durable engine every change lasts when the method returns.
#[derive(Clone)]
pub struct Schedules {
    host: Host,
}

/// A schedule to be made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewSchedule {
    /// Id of a registered workflow, whose runs it starts.
    pub workflow: String,
    /// What a document would say under `schedule`, as JSON text, such as `{"cron": "0 8 * * MON-FRI"}`.
    pub schedule: String,
    /// Its id, 1 to 128 printable characters without spaces and `@`; that of the workflow if absent.
    pub id: Option<String>,
    /// The range of versions of which the newest is taken each time; any version if absent.
    pub version: Option<VersionReq>,
}

impl NewSchedule {
    /// A schedule for runs of `workflow`, with the workflow's id as its own.
    #[must_use]
    pub fn new(workflow: impl Into<String>, schedule: impl Into<String>) -> Self {
        Self { workflow: workflow.into(), schedule: schedule.into(), id: None, version: None }
    }

    /// With an id of its own.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// With the newest version in `range` each time.
    #[must_use]
    pub fn version(mut self, range: VersionReq) -> Self {
        self.version = Some(range);
        self
    }
}

impl Host {
    /// What starts runs by itself: the schedules in the documents of registered workflows, and those that were made here.
    #[must_use]
    pub fn schedules(&self) -> Schedules {
        Schedules { host: self.clone() }
    }

    /// Looks at the clock now instead of within a minute, for schedules and delayed runs: for an application that knows that the clock was set, or that the
    /// machine slept.
    pub fn clock_changed(&self) {
        self.inner.engine.clock_changed();
    }
}

impl Schedules {
    /// All schedules, by id.
    #[must_use]
    pub fn list(&self) -> Vec<ScheduleInfo> {
        self.host.inner.engine.schedules()
    }

    /// Where one schedule stands.
    ///
    /// # Errors
    /// If there is none of this id.
    pub fn get(&self, id: &str) -> Result<ScheduleInfo, Error> {
        Ok(self.host.inner.engine.schedule(id)?)
    }

    /// Makes a schedule.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong with what is written about it; if the id is taken, the workflow is not
    /// registered, an input that is always the same does not fit it, or its one time has passed.
    pub fn create(&self, new: NewSchedule) -> Result<ScheduleInfo, Error> {
        let keys = self.host.inner.values.keys().cloned().collect();
        let spec = Spec::parse(&new.schedule, Some(&keys)).map_err(|findings| {
            let diagnostics = diagnostic::locate(new.schedule.as_bytes(), &findings);
            Error::invalid_document("schedule", new.schedule.as_str().into(), diagnostics)
        })?;
        let NewSchedule { workflow, id, version, .. } = new;
        let request = ScheduleRequest { id, workflow, version, spec: Arc::new(spec) };
        Ok(self.host.inner.engine.create_schedule(request)?)
    }

    /// Forgets a schedule with the starts that it has to make; its runs go on.
    ///
    /// # Errors
    /// If there is none of this id, or it stands in the document of its workflow and goes with that.
    pub fn remove(&self, id: &str) -> Result<(), Error> {
        Ok(self.host.inner.engine.remove_schedule(id)?)
    }

    /// Lets a schedule start no more runs by itself until it is resumed; starts that wait for another run to end are still
    /// made. Twice is the same as once.
    ///
    /// # Errors
    /// If there is none of this id.
    pub fn pause(&self, id: &str, reason: &str) -> Result<(), Error> {
        Ok(self.host.inner.engine.pause_schedule(id, reason)?)
    }

    /// Lets a paused schedule go on from now: what it would have started meanwhile is not made up for.
    ///
    /// # Errors
    /// If there is none of this id.
    pub fn resume(&self, id: &str) -> Result<(), Error> {
        Ok(self.host.inner.engine.resume_schedule(id)?)
    }

    /// Starts a run now, also of a paused schedule. `overlap` counts: the run may have to wait for another one to end.
    ///
    /// # Errors
    /// If there is none of this id, a run has not ended and the schedule skips starts then, or the run cannot be started.
    pub fn trigger(&self, id: &str) -> Result<Triggered, Error> {
        Ok(self.host.inner.engine.trigger_schedule(id, None)?)
    }

    /// The same for a schedule that waits for an event, as if one with `data` had come.
    ///
    /// # Errors
    /// As [`Schedules::trigger`]; and if the schedule waits for no event.
    pub fn trigger_with(&self, id: &str, data: impl Into<Payload>) -> Result<Triggered, Error> {
        Ok(self.host.inner.engine.trigger_schedule(id, Some(&data.into()))?)
    }

    /// The next starts from now on, at most `count` and at most 1,000, as if the schedule were not paused; none for one that
    /// waits for an event.
    ///
    /// # Errors
    /// If there is none of this id.
    pub fn next(&self, id: &str, count: usize) -> Result<Vec<PlannedStart>, Error> {
        Ok(self.host.inner.engine.next_of_schedule(id, count)?)
    }

    /// Starts the runs that the schedule would have started from `from` to `to`, both included, one after the other, or all at
    /// once where runs may overlap. A time that has a run is left as it is. At most 1,000.
    ///
    /// # Errors
    /// If there is none of this id, it waits for an event, the times are not in order or not past, or there are too many.
    pub fn backfill(&self, id: &str, from: Timestamp, to: Timestamp) -> Result<Vec<Backfilled>, Error> {
        Ok(self.host.inner.engine.backfill_schedule(id, from, to)?)
    }
}

impl std::fmt::Debug for Schedules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}
