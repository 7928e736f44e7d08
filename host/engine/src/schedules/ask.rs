//! What callers want of schedules.

use super::fire::{self, Admitted};
use super::{Entry, QUEUE_MAX, own};
use crate::engine::Engine;
use crate::error::{EngineError, InputFault};
use crate::request::is_way;
use jackfield_core::journal::{Cause, Change, StoredSchedule};
use jackfield_core::payload::Payload;
use jackfield_core::schedule::{Overlap, Spec, When};
use jackfield_core::time::{Nanos, Timestamp};
use semver::VersionReq;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Times that are looked ahead at most.
const NEXT_MAX: usize = 1_000;

/// A schedule to be made.
#[derive(Clone, Debug)]
pub struct ScheduleRequest {
    /// Its id, 1 to 128 printable characters without spaces; that of the workflow if absent.
    pub id: Option<String>,
    /// The workflow whose runs it starts, which has to be registered.
    pub workflow: String,
    /// The range of versions of which the newest is taken each time; any version if absent.
    pub version: Option<VersionReq>,
    /// When and how.
    pub spec: Arc<Spec>,
}

/// Where a schedule stands.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ScheduleInfo {
    /// Its id.
    pub id: Arc<str>,
    /// The workflow whose runs it starts.
    pub workflow: Arc<str>,
    /// The range of its versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What was written about it, as JSON.
    pub schedule: Payload,
    /// Whether it stands in the document of its workflow.
    pub in_document: bool,
    /// Why it is paused, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// When it starts the next run; absent if it is paused, waits for an event, or there is no such time any more.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_rfc3339")]
    #[schemars(with = "Option<String>")]
    pub next: Option<Timestamp>,
    /// The run that it started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<Arc<str>>,
    /// Its runs that have not ended, as far as others wait for that.
    pub active: Vec<Arc<str>>,
    /// Starts that it has to make.
    pub queued: usize,
    /// Runs that it has started.
    pub started: u64,
    /// Starts that were left out because a run had not ended.
    pub skipped: u64,
    /// Why its last start failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl ScheduleInfo {
    /// Whether it is an event that starts its runs, and not time.
    #[must_use]
    pub fn waits_for_event(&self) -> bool {
        self.schedule.value().get("on_event").is_some()
    }
}

/// A start to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlannedStart {
    /// The time that the run is for.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// When it starts: later by the jitter.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub due: Timestamp,
}

/// What became of a wish to start a run now.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Triggered {
    /// Id of the run.
    pub run_id: Arc<str>,
    /// It has to wait for another one to end.
    pub is_queued: bool,
}

/// A start that would have been made in the past.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Backfilled {
    /// The time that the run is for.
    #[serde(with = "rfc3339")]
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Id of the run.
    pub run_id: Arc<str>,
    /// There was no such run.
    pub is_new: bool,
}

/// Times as text.
mod rfc3339 {
    use jackfield_core::time::Timestamp;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::borrow::Cow;

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&at.to_rfc3339())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Timestamp::from_rfc3339(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is no point in time")))
    }
}

/// Times as text, if there are any.
mod optional_rfc3339 {
    use jackfield_core::time::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Time(#[serde(with = "super::rfc3339")] Timestamp);

    pub(super) fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::rfc3339::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<Time>::deserialize(deserializer)?.map(|Time(at)| at))
    }
}

impl Entry {
    fn info(&self) -> ScheduleInfo {
        let StoredSchedule { id, workflow, version, is_own, paused, .. } = &self.kept;
        ScheduleInfo {
            id: id.clone(),
            workflow: workflow.clone(),
            version: version.clone(),
            schedule: Payload::trusted(&*self.kept.spec),
            in_document: *is_own,
            paused: paused.clone(),
            next: self.due,
            last_run: self.kept.last_run.clone(),
            active: self.kept.active.clone(),
            queued: self.queue.len(),
            started: self.kept.started,
            skipped: self.kept.skipped,
            error: self.kept.error.clone(),
        }
    }
}

impl Engine {
    /// All schedules, by id.
    #[must_use]
    pub fn schedules(&self) -> Vec<ScheduleInfo> {
        self.inner.schedules.state.lock().all.values().map(Entry::info).collect()
    }

    /// The schedule `id`.
    ///
    /// # Errors
    /// [`EngineError::ScheduleNotFound`]
    pub fn schedule(&self, id: &str) -> Result<ScheduleInfo, EngineError> {
        self.with_schedule(id, |entry| Ok(entry.info()))
    }

    /// Makes a schedule. On a durable engine it lasts when this returns.
    ///
    /// # Errors
    /// [`EngineError::ScheduleExists`], [`EngineError::BadScheduleId`]; if the workflow is not registered, a constant input
    /// does not fit it, or the one time that is meant has passed.
    pub fn create_schedule(&self, request: ScheduleRequest) -> Result<ScheduleInfo, EngineError> {
        let inner = &self.inner;
        inner.check_writable()?;
        let ScheduleRequest { id, workflow, version, spec } = request;
        let id = id.unwrap_or_else(|| workflow.clone());
        check_id(&id)?;
        let registered = inner.workflows.get(&workflow, version.as_ref())?;
        check_input(&registered.plan, &spec)?;
        let now = inner.ports.clock.now();
        if let When::At(at) = spec.when
            && at <= now
        {
            return Err(EngineError::SchedulePast { id, at: at.to_rfc3339() });
        }
        let mut state = inner.schedules.state.lock();
        if state.all.contains_key(&*id) {
            return Err(EngineError::ScheduleExists(id));
        }
        let version = version.map(|range| range.to_string());
        let kept = StoredSchedule { version, ..own::begin(&id, &workflow, &spec, now) };
        let changes = state.insert(kept, spec).map_err(|error| EngineError::Journal(error.to_string()))?;
        let position = inner.keep(changes);
        drop(state);
        inner.wait_kept(position);
        inner.schedules.is_used.store(true, Ordering::Release);
        inner.look_after_schedules()?;
        self.schedule(&id)
    }

    /// Forgets a schedule with the starts that it has to make; its runs go on.
    ///
    /// # Errors
    /// [`EngineError::ScheduleNotFound`]; [`EngineError::ScheduleInDocument`] if it comes and goes with a workflow.
    pub fn remove_schedule(&self, id: &str) -> Result<(), EngineError> {
        self.inner.check_writable()?;
        let mut state = self.inner.schedules.state.lock();
        let entry = state.all.get(id).ok_or_else(|| EngineError::ScheduleNotFound(id.to_owned()))?;
        if entry.kept.is_own {
            return Err(EngineError::ScheduleInDocument(id.to_owned()));
        }
        state.all.remove(id);
        let position = self.inner.keep(vec![Change::RemoveSchedule(id.into())]);
        drop(state);
        self.inner.wait_kept(position);
        Ok(())
    }

    /// Lets a schedule start no more runs by itself until it is resumed; starts that wait for another run to end are still
    /// made. Twice is the same as once.
    ///
    /// # Errors
    /// [`EngineError::ScheduleNotFound`]
    pub fn pause_schedule(&self, id: &str, reason: &str) -> Result<(), EngineError> {
        self.change_schedule(id, |entry, _| {
            entry.kept.paused.get_or_insert_with(|| reason.to_owned());
        })
    }

    /// Lets a paused schedule go on from now: what it would have started meanwhile is not made up for. Nothing happens if it is
    /// not paused.
    ///
    /// # Errors
    /// [`EngineError::ScheduleNotFound`]
    pub fn resume_schedule(&self, id: &str) -> Result<(), EngineError> {
        self.change_schedule(id, |entry, now| {
            if entry.kept.paused.take().is_some() {
                entry.kept.last = entry.kept.last.max(now);
            }
        })?;
        self.inner.schedules.poke();
        Ok(())
    }

    fn change_schedule(
        &self,
        id: &str,
        change: impl FnOnce(&mut Entry, Timestamp),
    ) -> Result<(), EngineError> {
        self.inner.check_writable()?;
        let now = self.inner.ports.clock.now();
        let position = self.with_schedule(id, |entry| {
            change(entry, now);
            entry.plan();
            Ok(self.inner.keep(vec![entry.row()]))
        })?;
        self.inner.wait_kept(position);
        Ok(())
    }

    /// Starts a run of a schedule now, also of one that is paused; `overlap` counts. `data` is what an event would bring, for
    /// schedules that wait for one.
    ///
    /// # Errors
    /// [`EngineError::ScheduleNotFound`], [`EngineError::ScheduleBusy`] if a run has not ended and the schedule skips starts
    /// then, [`EngineError::ScheduleNoData`]; and whatever keeps the run from being started.
    pub fn trigger_schedule(&self, id: &str, data: Option<&Payload>) -> Result<Triggered, EngineError> {
        let inner = &self.inner;
        inner.check_writable()?;
        let now = inner.ports.clock.now();
        let triggered = self.with_schedule(id, |entry| {
            if data.is_some() && entry.spec.when.event().is_none() {
                return Err(EngineError::ScheduleNoData(id.to_owned()));
            }
            let start = fire::for_trigger(entry, now, data);
            let mut changes = Vec::new();
            let admitted = inner.take_in(entry, start.clone(), &mut changes)?;
            changes.push(entry.row());
            if admitted == Admitted::Skipped {
                inner.keep(changes);
                let run = entry.kept.active.first().cloned();
                let run = run.or_else(|| entry.queue.front().map(|queued| queued.run_id.clone()));
                let run = run.unwrap_or_default().to_string();
                return Err(EngineError::ScheduleBusy { id: id.to_owned(), run });
            }
            inner.keep_for_good(changes);
            let is_queued = !entry.may_start() || entry.queue.len() > 1;
            if !is_queued {
                let started = inner.start_scheduled(entry, &start);
                if let Err(error) = &started {
                    entry.kept.error = Some(error.to_string());
                }
                let changes = vec![inner.unqueue(entry, start.no), entry.row()];
                inner.keep_for_good(changes);
                started?;
            }
            Ok(Triggered { run_id: start.run_id, is_queued })
        })?;
        inner.schedules.poke();
        Ok(triggered)
    }

    /// The next starts of a schedule from now on, at most `count` and at most 1,000; as if it were not paused. None for one that
    /// waits for an event.
    ///
    /// # Errors
    /// [`EngineError::ScheduleNotFound`]
    pub fn next_of_schedule(&self, id: &str, count: usize) -> Result<Vec<PlannedStart>, EngineError> {
        let now = self.inner.ports.clock.now();
        self.with_schedule(id, |entry| {
            let Entry { kept, spec, .. } = entry;
            let after = if kept.paused.is_some() { kept.last.max(now) } else { kept.last };
            let next = |at: &Timestamp| spec.next(kept.since, *at);
            let times = std::iter::successors(spec.next(kept.since, after), next);
            let planned = times.map(|at| PlannedStart { at, due: spec.due(&kept.id, at) });
            Ok(planned.filter(|planned| planned.due > now).take(count.min(NEXT_MAX)).collect())
        })
    }

    /// Starts the runs that a schedule would have started from `from` to `to`, both included: each time that has a run is
    /// left as it is. They start one after the other, or all at once where runs may overlap. At most 1,000.
    ///
    /// # Errors
    /// [`EngineError::ScheduleNotFound`]; [`EngineError::BadBackfill`] if the schedule waits for an event, the times are not in
    /// order or not past, or there are too many.
    pub fn backfill_schedule(
        &self,
        id: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Backfilled>, EngineError> {
        let inner = &self.inner;
        inner.check_writable()?;
        let now = inner.ports.clock.now();
        let made = self.with_schedule(id, |entry| {
            let times = times_between(entry, from, to, now)
                .map_err(|why| EngineError::BadBackfill { id: id.to_owned(), why })?;
            let (mut made, mut changes) = (Vec::new(), Vec::new());
            for at in times {
                let start = fire::for_time(entry, at, Cause::Backfill);
                let run_id = start.run_id.clone();
                let is_queued = entry.queue.iter().any(|queued| queued.run_id == run_id);
                let is_new = !is_queued && inner.has_run(&run_id)?.is_none();
                if is_new {
                    inner.push(entry, start, &mut changes)?;
                }
                made.push(Backfilled { at, run_id, is_new });
            }
            inner.keep_for_good(changes);
            inner.start_queued(entry, now);
            Ok(made)
        })?;
        inner.schedules.poke();
        Ok(made)
    }

    /// Looks at the clock now instead of within a minute, for schedules and delayed runs: for a host that knows that the clock was
    /// set or the machine slept.
    pub fn clock_changed(&self) {
        self.inner.look_at_delayed();
        self.inner.schedules.poke();
    }

    fn with_schedule<T>(
        &self,
        id: &str,
        act: impl FnOnce(&mut Entry) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut state = self.inner.schedules.state.lock();
        if self.inner.note_ended(&mut state) {
            self.inner.schedules.poke();
        }
        act(state.all.get_mut(id).ok_or_else(|| EngineError::ScheduleNotFound(id.to_owned()))?)
    }
}

fn check_id(id: &str) -> Result<(), EngineError> {
    let is_fine =
        (1..=128).contains(&id.len()) && !id.chars().any(|c| c.is_control() || c.is_whitespace() || c == '@');
    if is_fine && !is_way(id) {
        Ok(())
    } else {
        Err(EngineError::BadScheduleId(id.chars().take(64).collect()))
    }
}

/// Whether an input that is the same for all runs fits the workflow.
fn check_input(plan: &jackfield_core::plan::Plan, spec: &Spec) -> Result<(), EngineError> {
    let input = match (&spec.input, &spec.when) {
        (Some(input), _) => input.constant().cloned(),
        (None, When::Event(_)) => None,
        (None, _) => Some(Payload::trusted("{}")),
    };
    let Some(input) = input else { return Ok(()) };
    plan.accept_input(input).map(drop).map_err(|faults| {
        let fault = |(pointer, message)| InputFault { pointer, message };
        EngineError::Input(faults.into_iter().map(fault).collect())
    })
}

fn times_between(
    entry: &Entry,
    from: Timestamp,
    to: Timestamp,
    now: Timestamp,
) -> Result<Vec<Timestamp>, String> {
    if from > to {
        return Err("it ends before it begins".to_owned());
    }
    if to > now {
        return Err("it ends in the future".to_owned());
    }
    let when = &entry.spec.when;
    // times before the schedule was made count, too
    let since = match when {
        When::Event(_) => return Err("it waits for an event, so there are no times".to_owned()),
        When::Every(period) => Timestamp(entry.kept.since.0 % Nanos::from(*period).0.max(1)),
        _ => Timestamp(0),
    };
    let room = if entry.spec.overlap == Overlap::Allow { QUEUE_MAX } else { QUEUE_MAX - entry.queue.len() };
    let before = Timestamp(from.0.saturating_sub(1));
    let times = std::iter::successors(when.next(since, before), |at| when.next(since, *at));
    let times: Vec<_> = times.take_while(|at| *at <= to).take(room + 1).collect();
    if times.len() > room {
        return Err(format!(
            "there are more than {room} times in it, which is what there is room for; take a part of it"
        ));
    }
    Ok(times)
}
