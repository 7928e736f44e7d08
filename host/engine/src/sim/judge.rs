//! What has to hold whatever happens: what was told stays true, nothing happens before its cause lasts, nothing that was
//! done is done again, and everything comes to its end.

use super::documents::{self, End, Workflow};
use super::world::World;
use crate::RunHandle;
use crate::journal::{Begin, Restored, Source, replay};
use jackfield_core::journal::{Store, StoredRun, StoredStart};
use jackfield_core::ports::Call;
use jackfield_core::run::{CallKey, Event, EventKind, History, RunState, RunStatus};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the world was told of a run.
pub(super) struct Told {
    pub(super) workflow: &'static Workflow,
    /// Its start was acknowledged.
    pub(super) is_started: bool,
    /// Somebody asked it to end.
    pub(super) is_cancelled: bool,
    /// Where it ended, and with which output.
    pub(super) ended: Option<(RunStatus, String)>,
    /// Its records so far.
    records: Vec<String>,
    /// What was sent to it, and whether that was acknowledged.
    pub(super) sent: Vec<(u64, bool)>,
}

impl Told {
    pub(super) fn new(workflow: &'static Workflow) -> Self {
        Self {
            workflow,
            is_started: false,
            is_cancelled: false,
            ended: None,
            records: Vec::new(),
            sent: Vec::new(),
        }
    }
}

/// Everything that was told, by run.
#[derive(Default)]
pub(super) struct Judge {
    pub(super) runs: BTreeMap<String, Told>,
}

/// Names an attempt.
pub(super) fn name(call: &Call) -> (String, String, u32) {
    (call.run_id().into(), call.step().into(), call.attempt)
}

/// Whether the last part of a path begins like this.
fn is_like(step: &str, prefix: &str) -> bool {
    let own = step.trim_end_matches(".compensate");
    own.rsplit('.').next().is_some_and(|id| id.starts_with(prefix))
}

impl World {
    /// After a restart the engine knows of those beginnings that had reached the disk, by the wall clock.
    pub(super) fn recall_slow(&self) {
        let starts = self.store.borrow().rate_starts().expect("a store in memory can be read");
        let ago = |at| self.instant().checked_sub(self.wall().since(at)).unwrap_or_else(|| self.instant());
        let mut slow: Vec<_> = starts.iter().map(|start| ago(start.at)).collect();
        slow.sort_unstable();
        *self.slow.borrow_mut() = slow;
    }

    /// A call that is limited over all runs begins.
    fn check_limits(&self, call: &Call) {
        let (step, given_up) = (call.step(), self.given_up.borrow());
        let (open, late) = (self.open.borrow(), self.late.borrow());
        let holds = |open: &super::methods::Open| {
            is_like(open.call.step(), "narrow") && !given_up.contains(&name(&open.call))
        };
        if is_like(step, "narrow") && open.iter().chain(&*late).any(holds) {
            self.accuse(format!("{}/{step} begins while another call has the only place", call.run_id()));
        }
        if step.ends_with(".compensate") || !(is_like(step, "slow") || step == "narrow_slow") {
            return;
        }
        let mut slow = self.slow.borrow_mut();
        let now = self.instant();
        slow.push(now);
        let per = std::time::Duration::from_millis(documents::SLOW_PER_MS);
        let before = slow.len().checked_sub(documents::SLOW_COUNT + 1);
        if before.is_some_and(|before| now - slow[before] < per) {
            self.accuse(format!("{}/{step} begins too soon", call.run_id()));
        }
    }

    /// A call begins.
    pub(super) fn begin(&self, call: &Call, is_pure: bool) {
        let (run_id, step, attempt) = (call.run_id(), call.step(), call.attempt);
        self.note(|| format!("call {run_id}/{step} {attempt}"));
        self.check_limits(call);
        if !self.begun.borrow_mut().insert((run_id.into(), step.into(), attempt)) {
            self.accuse(format!("{run_id}/{step}, attempt {attempt}: called twice"));
        }
        if is_pure {
            return;
        }
        let Some(Restored { state, open, .. }) = self.on_disk(run_id) else {
            return self.accuse(format!("{run_id}/{step}: called before its run lasts"));
        };
        let is_it = |key: &&CallKey| key.attempt == attempt && state.call_path(**key) == step;
        match open.calls.keys().find(is_it) {
            None => self.accuse(format!("{run_id}/{step}, attempt {attempt}: the disk does not ask for it")),
            Some(key) if open.cancelled.contains(key) => {
                self.accuse(format!("{run_id}/{step}, attempt {attempt}: it had been told to stop"));
            }
            Some(_) => {}
        }
    }

    /// A child is about to be started.
    pub(super) fn begin_child(&self, parent: &str, key: CallKey) {
        let knows = |run: Restored| run.state.status().is_terminal() || run.open.calls.contains_key(&key);
        if !self.on_disk(parent).is_some_and(knows) {
            self.accuse(format!("{parent} starts a child that the disk does not ask for"));
        }
    }

    /// A run as a restart would find it now.
    pub(super) fn on_disk(&self, run_id: &str) -> Option<Restored> {
        let store = self.store.borrow().clone();
        let stored: StoredRun = store.load(run_id).expect("a store in memory can be read")?;
        let start = StoredStart::parse(&stored.row.start).expect("the engine wrote it");
        let plan = documents::find(&stored.row.workflow).plan.clone();
        let blob = |id| store.blob(id).ok().flatten();
        let source = Source { store: Some(&*store), blob: &blob };
        let begin = Begin { run_id: run_id.into(), start: &start, plan, history: History::Full };
        match replay(begin, &stored, source, usize::MAX) {
            Ok(restored) => Some(restored),
            Err(damage) => {
                self.accuse(format!("{run_id}: {damage}"));
                None
            }
        }
    }
}

/// An event without times, which a restart may change nothing of either.
fn line(event: &Event) -> String {
    serde_json::to_string(event).expect("an event is JSON")
}

/// Where a run stands at its end, and its output.
fn end_of(state: &RunState) -> (RunStatus, String) {
    (state.status(), state.output().map_or_else(String::new, |output| output.as_str().to_owned()))
}

impl Judge {
    /// Hears what the engine tells of its runs at the moment.
    pub(super) fn look(&mut self, world: &World) {
        let inner = world.inner();
        let runs = inner.runs.lock().in_order();
        for run in runs {
            let handle = RunHandle { inner: inner.clone(), run };
            let workflow = documents::find(&handle.run.plan.id);
            let told = self.runs.entry(handle.id().to_string()).or_insert_with(|| Told::new(workflow));
            let more = handle.events(told.records.len() as u64);
            told.records.extend(more.iter().map(line));
            let status = handle.status();
            if !status.is_terminal() {
                continue;
            }
            let output = handle.output().map_or_else(String::new, |output| output.as_str().to_owned());
            match &told.ended {
                None => told.ended = Some((status, output)),
                Some(before) if *before == (status, output.clone()) => {}
                Some(before) => {
                    world.accuse(format!("{}: ended as {before:?}, now {status} {output}", handle.id()));
                }
            }
        }
    }

    /// What the disk has is as good as told: starts and ends that nobody heard of any more.
    pub(super) fn read(&mut self, world: &World) {
        for (run_id, told) in &mut self.runs {
            let Some(Restored { state, .. }) = world.on_disk(run_id) else { continue };
            told.is_started = true;
            if state.status().is_terminal() {
                told.ended = Some(end_of(&state));
                told.records = state.events(0, usize::MAX).iter().map(line).collect();
            }
        }
    }

    /// Compares what was told with the disk.
    pub(super) fn compare(&self, world: &World) {
        for (run_id, told) in &self.runs {
            let must_be = told.is_started || !told.records.is_empty();
            let Some(Restored { state, .. }) = world.on_disk(run_id) else {
                if must_be {
                    world.accuse(format!("{run_id} was told of and is lost"));
                }
                continue;
            };
            let records: Vec<_> = state.events(0, usize::MAX).iter().map(line).collect();
            if !records.starts_with(&told.records) {
                let same = records.iter().zip(&told.records).take_while(|(a, b)| a == b).count();
                let (said, is) = (told.records.get(same), records.get(same));
                world.accuse(format!("{run_id}: record {same} was {said:?}, the disk has {is:?}"));
            }
            if let Some(ended) = &told.ended
                && *ended != end_of(&state)
            {
                world.accuse(format!("{run_id}: ended as {ended:?}, the disk has {:?}", end_of(&state)));
            }
            let received = received(&state);
            for (number, is_acknowledged) in &told.sent {
                let times = received.iter().filter(|it| *it == number).count();
                if times > 1 || *is_acknowledged && times == 0 {
                    world.accuse(format!("{run_id}: {number} was sent once and came {times} times"));
                }
            }
        }
    }

    /// Whether every run that began has come to its end.
    pub(super) fn is_all_over(&self) -> bool {
        self.runs.values().all(|told| told.ended.is_some() || !told.is_started && told.records.is_empty())
    }

    /// Everything is over: compares it with what should have come of it.
    pub(super) fn compare_ends(&self, world: &World) {
        self.compare(world);
        for (run_id, told) in &self.runs {
            let Some(Restored { state, open, .. }) = world.on_disk(run_id) else { continue };
            if !open.calls.is_empty() || !open.timers.is_empty() {
                world.accuse(format!("{run_id}: it is over and something is open"));
            }
            if state.history().len() != told.records.len() {
                let (told, disk) = (told.records.len(), state.history().len());
                world.accuse(format!("{run_id}: {told} records were told, the disk has {disk}"));
            }
            if told.is_cancelled {
                continue;
            }
            if let Err(why) = expect(told, &state) {
                world.accuse(format!("{run_id}, {}: {why}", told.workflow.id));
            }
        }
    }
}

/// What was sent to a run, in the order of its records.
fn received(state: &RunState) -> Vec<u64> {
    let events = state.events(0, usize::MAX);
    let is_sent =
        |event: &&Event| matches!(event.event, EventKind::EventReceived | EventKind::MessageReceived);
    let number = |event: &Event| number_in(event.value.as_ref()?.value());
    events.iter().filter(is_sent).filter_map(number).collect()
}

/// The number that stands under `n`, wherever that is.
fn number_in(value: &Value) -> Option<u64> {
    match value {
        Value::Object(fields) => {
            fields.get("n").and_then(Value::as_u64).or_else(|| fields.values().find_map(number_in))
        }
        _ => None,
    }
}

fn expect(told: &Told, state: &RunState) -> Result<(), String> {
    let (status, output) = end_of(state);
    let output: Value = serde_json::from_str(&output).unwrap_or(Value::Null);
    let error = state.error();
    let is = |wanted| {
        if status == wanted { Ok(()) } else { Err(format!("{status} instead of {wanted}: {error:?}")) }
    };
    match &told.workflow.end {
        // a parent that is cancelled takes it along
        End::Somehow if status == RunStatus::Cancelled => Ok(()),
        End::Somehow => is(RunStatus::Completed),
        End::Completed(wanted) => {
            is(RunStatus::Completed)?;
            if output == *wanted { Ok(()) } else { Err(format!("{output} instead of {wanted}")) }
        }
        End::Received(count) => {
            is(RunStatus::Completed)?;
            let wanted: Vec<_> = received(state).into_iter().take(*count).collect();
            let taken = output.as_array().into_iter().flatten();
            let taken: Vec<_> = taken.filter_map(number_in).collect();
            if taken == wanted { Ok(()) } else { Err(format!("took {taken:?} of {wanted:?}")) }
        }
        End::Failed(kind, undone) => {
            is(RunStatus::Failed)?;
            if error.as_ref().is_none_or(|error| *error.kind != **kind) {
                return Err(format!("failed with {error:?} instead of {kind}"));
            }
            let report = state.report(state.started_at(), usize::MAX);
            let stands = |step: &str| report.steps.get(step).map(|step| step.status);
            let wanted = Some(jackfield_core::run::StepStatus::Compensated);
            match undone.iter().find(|step| stands(step) != wanted) {
                None => Ok(()),
                Some(step) => Err(format!("`{step}` is {:?} and not undone", stands(step))),
            }
        }
    }
}
