//! Runs made from what others have written down: saved ones, here or in another place.

use super::Document;
use super::Journal;
use super::activate::standing_of;
use super::back::{Begin, facts_of, play};
use super::log::{ended, resting};
use super::pages::Pages;
use super::replay::Source;
use super::retry::{Course, Told};
use crate::engine::{Engine, Inner};
use crate::error::EngineError;
use crate::handle::RunHandle;
use crate::request::{check_id, fresh_id};
use jackfield_core::journal::{
    BlobId, Blobs, Change, Damage, Pinned, RunNo, SavedError, SavedRun, Standing, StoredRow, StoredRun,
    StoredStart, encode_batch,
};
use jackfield_core::payload::Payload;
use jackfield_core::plan::SharedPlan;
use jackfield_core::run::{Fact, Forked, History, RunState, RunStatus};
use jackfield_core::time::Timestamp;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A run that is about to be written.
struct Copy {
    run_id: Arc<str>,
    plan: SharedPlan,
    /// How it stands once its facts have been applied.
    state: RunState,
    start: StoredStart,
    document: Document,
    methods: Document,
    values: Vec<Payload>,
    batches: u64,
    facts: Vec<u8>,
}

impl Inner {
    fn export(&self, run_id: &str) -> Result<SavedRun, EngineError> {
        let journal = self.journal.as_ref().ok_or(EngineError::NoJournal)?;
        let _one = journal.loading.lock();
        let told = journal.told(run_id)?;
        let state = told.after(u64::MAX)?;
        let standing = &told.stored.standing;
        if standing.status.is_terminal() && !state.is_over() {
            let why = standing.reason.clone().unwrap_or_default();
            return Err(EngineError::Damaged { run: run_id.to_owned(), why });
        }
        let text = |id| journal.store.document(id)?.ok_or_else(|| EngineError::from(Damage::NoBlob(id)));
        let row = &told.stored.row;
        Ok(SavedRun {
            run_id: run_id.to_owned(),
            workflow: row.workflow.clone(),
            version: row.version.clone(),
            status: state.status(),
            document: text(row.document)?,
            methods: text(told.start.methods)?,
            start: row.start.clone(),
            values: journal.values_of(&told.stored, &told.start)?,
            batches: told.stored.batches,
            facts: journal.bytes_of(&told.stored, &told.start)?,
        })
    }

    fn import(self: &Arc<Self>, saved: &SavedRun, run_id: Option<String>) -> Result<Arc<str>, EngineError> {
        let journal = self.journal.as_ref().ok_or(EngineError::NoJournal)?;
        self.check_writable()?;
        let run_id: Arc<str> = run_id.unwrap_or_else(|| saved.run_id.clone()).into();
        check_id(&run_id)?;
        let copy = copy_of(saved, run_id.clone())?;
        if !copy.state.is_over() {
            self.check_children(&copy.plan)?;
            self.bind_methods(&copy.plan)?;
        }
        self.begin_copy(journal, copy)?;
        Ok(run_id)
    }

    fn fork(
        self: &Arc<Self>,
        run_id: &str,
        at: &str,
        input: Option<Payload>,
        new_id: Option<String>,
    ) -> Result<Arc<str>, EngineError> {
        let journal = self.journal.as_ref().ok_or(EngineError::NoJournal)?;
        self.check_writable()?;
        let new_id: Arc<str> = new_id.unwrap_or_else(|| fresh_id().to_string()).into();
        check_id(&new_id)?;
        let told = {
            let _one = journal.loading.lock();
            journal.told(run_id)?
        };
        let input =
            input.map(|input| told.plan.accept_input(input).map_err(EngineError::input)).transpose()?;
        let copy = fork_of(&told, at, input, new_id.clone(), self.ports.clock.now())?;
        let text = |id| journal.store.document(id)?.ok_or_else(|| EngineError::from(Damage::NoBlob(id)));
        let document = Document::new(text(told.stored.row.document)?);
        let methods = Document::new(text(told.start.methods)?);
        self.check_children(&told.plan)?;
        self.bind_methods(&told.plan)?;
        self.begin_copy(journal, Copy { document, methods, ..copy })?;
        Ok(new_id)
    }

    /// Writes a run and goes on with it.
    fn begin_copy(self: &Arc<Self>, journal: &Journal, copy: Copy) -> Result<(), EngineError> {
        let one = journal.loading.lock();
        if self.is_frozen() {
            return Err(EngineError::ShuttingDown);
        }
        if let Some(known) = self.known_run(&copy.run_id) {
            let status = known.shared.lock().status();
            return Err(EngineError::RunExists { id: copy.run_id.to_string(), status });
        }
        journal.settle()?;
        if let Some(known) = journal.store.find(&copy.run_id)? {
            return Err(EngineError::RunExists { id: known.run_id, status: known.standing.status });
        }
        if !copy.state.is_over() {
            self.take_place_again(&copy.state)?;
        }
        let run_id = copy.run_id.clone();
        journal.write_copy(copy);
        let told = journal.told(&run_id)?;
        self.activate(journal, &told.stored, false)?;
        drop(one);
        self.admit_all();
        Ok(())
    }
}

impl Journal {
    /// All batches of a run, as they are stored.
    fn bytes_of(&self, stored: &StoredRun, start: &StoredStart) -> Result<Vec<u8>, EngineError> {
        let mut bytes = Vec::new();
        let any = |_| Some(Payload::null());
        let source = Source { store: Some(&*self.store), blob: &any };
        let mut keep = |_, piece: &[u8]| bytes.extend_from_slice(piece);
        Pages::of(stored, start.at, source).each(&stored.pieces, &mut keep, &mut |_| Ok(true))?;
        Ok(bytes)
    }

    /// The long values that the facts of a run refer to, each once.
    fn values_of(&self, stored: &StoredRun, start: &StoredStart) -> Result<Vec<Payload>, EngineError> {
        let found: RefCell<BTreeMap<BlobId, Payload>> = RefCell::default();
        let blob = |id| {
            let value = self.store.blob(id).ok().flatten()?;
            found.borrow_mut().insert(id, value.clone());
            Some(value)
        };
        facts_of(stored, start.at, Source { store: Some(&*self.store), blob: &blob })?;
        Ok(found.into_inner().into_values().collect())
    }

    fn write_copy(&self, copy: Copy) {
        let Copy { run_id, plan, state, start, document, methods, values, batches, facts } = copy;
        let mut last_run = self.last_run.lock();
        last_run.0 += 1;
        let run = *last_run;
        // whether they are still in the store is not known
        let text = |document: Document| Change::Document { id: document.id, text: document.text };
        let row = StoredRow {
            no: run,
            run_id,
            workflow: plan.id.to_string(),
            version: plan.version.to_string(),
            document: document.id,
            started_at: start.at,
            start: Payload::encode(&start).as_str().to_owned(),
        };
        let mut changes = vec![text(document), text(methods), Change::Begin(Box::new(row))];
        let blob = |value: Payload| Change::Blob { run, id: BlobId::of(value.as_bytes()), value };
        changes.extend(values.into_iter().map(blob));
        if batches > 0 {
            changes.push(Change::Chunk { run, first: 0, end: batches, bytes: facts.into() });
        }
        changes.push(standing_of(run, standing(&state)));
        let position = self.submit(&mut changes, None);
        drop(last_run);
        self.wait(position);
    }
}

/// Where a run stands that is about to go on.
fn standing(state: &RunState) -> Standing {
    if state.is_over() {
        let at = state.history().last().map_or_else(|| state.started_at(), |last| last.at);
        return ended(state, at);
    }
    if state.is_queued() {
        return resting(state, None);
    }
    let custom_status = state.custom_status().map(|status| status.as_str().to_owned());
    Standing { status: RunStatus::Running, ended_at: None, due_at: None, reason: None, custom_status }
}

/// The run that goes on with what `told` had done when its step at `at` began. Its documents are still to be had.
fn fork_of(
    told: &Told,
    at: &str,
    input: Option<Payload>,
    run_id: Arc<str>,
    now: Timestamp,
) -> Result<Copy, EngineError> {
    let (course, ended) = Course::of(told)?;
    let keep = course.begin_of(told, &ended, at)?;
    course.check_undone(told, &told.after(keep)?, keep)?;
    let mut facts = told.facts.clone();
    facts.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
    let mut start = StoredStart { parent: None, ..told.start.clone() };
    // the step begins behind the mark, so that it sees the other input
    let last = facts.pop_if(|(_, fact)| !matches!(fact, Fact::Retried(_) | Fact::Forked(_)));
    match &input {
        Some(_) if last.is_none() && !facts.is_empty() => {
            return Err(EngineError::InputTooLate { id: told.id(), step: at.to_owned() });
        }
        Some(input) if last.is_none() => start.input = input.clone(),
        _ => {}
    }
    if last.is_none() && facts.is_empty() {
        // nothing else has happened by then
        start.at = now;
    }
    let forked = Forked { run_id: told.id().into(), at: at.into(), input };
    facts.push((now, Fact::Forked(Box::new(forked))));
    facts.extend(last.map(|(_, fact)| (now, fact)));
    let begin =
        Begin { run_id: run_id.clone(), start: &start, plan: told.plan.clone(), history: History::None };
    let (state, _) = play(begin, &facts, &mut |_| {}).map_err(|damage| told.damaged(&damage))?;
    let (mut bytes, mut blobs) = (Vec::new(), Blobs::new());
    for (at, fact) in &facts {
        encode_batch(start.at, *at, std::slice::from_ref(fact), &mut bytes, &mut blobs);
    }
    let values: BTreeMap<_, _> = blobs.into_iter().collect();
    let (document, methods) = (Document::new(""), Document::new(""));
    let (plan, batches) = (told.plan.clone(), facts.len() as u64);
    let values = values.into_values().collect();
    Ok(Copy { run_id, plan, state, start, document, methods, values, batches, facts: bytes })
}

/// The run that a saved one is, if it is sound: its facts are applied as if it went on.
fn copy_of(saved: &SavedRun, run_id: Arc<str>) -> Result<Copy, EngineError> {
    let content = |damage: Damage| EngineError::Saved(SavedError::Content(damage));
    // whoever started it is not here
    let start = StoredStart { parent: None, ..StoredStart::parse(&saved.start).map_err(content)? };
    let keys = start.config.keys().cloned().collect();
    let methods = Pinned::parse(&saved.methods).map_err(content)?;
    let plan = methods.plan(&saved.document, keys).map_err(content)?;
    let (document, methods) = (Document::new(saved.document.clone()), Document::new(saved.methods.clone()));
    let row = StoredRow {
        no: RunNo(0),
        run_id: run_id.clone(),
        workflow: String::new(),
        version: String::new(),
        document: document.id,
        started_at: start.at,
        start: String::new(),
    };
    let status = saved.status;
    let standing = Standing { status, ended_at: None, due_at: None, reason: None, custom_status: None };
    let pieces = vec![saved.facts.clone().into()];
    let (batches, chunked) = (saved.batches, saved.batches);
    let stored = StoredRun { row, standing, pieces, batches, chunked };
    let values: HashMap<_, _> =
        saved.values.iter().map(|value| (BlobId::of(value.as_bytes()), value.clone())).collect();
    let source = Source { store: None, blob: &|id| values.get(&id).cloned() };
    let facts = facts_of(&stored, start.at, source).map_err(content)?;
    let begin = Begin { run_id: run_id.clone(), start: &start, plan: plan.clone(), history: History::None };
    let (state, _) = play(begin, &facts, &mut |_| {}).map_err(content)?;
    let values = saved.values.clone();
    Ok(Copy { run_id, plan, state, start, document, methods, values, batches, facts: saved.facts.clone() })
}

impl Engine {
    /// A durable run as it stands, to be taken elsewhere. It goes on here, too, unless it has ended or is paused. Former
    /// generations of it are left behind, and so are runs that its steps have started.
    ///
    /// # Errors
    /// [`EngineError::NoJournal`] if runs live in memory; [`EngineError::RunNotFound`]; others if it cannot be read.
    pub fn export(&self, run_id: &str) -> Result<SavedRun, EngineError> {
        self.inner.export(run_id)
    }

    /// Makes a new run, `new_id` or one with an id of its own, of what a durable run had done when the step at path `at` began
    /// for the last time, and goes on with it from there: with `input`, if there is one, as far as steps read it from there on.
    /// The other run stays as it is, and may go on. Limits of time count anew. Returns when that is recorded.
    ///
    /// # Errors
    /// [`EngineError::NoJournal`] if runs live in memory; [`EngineError::RunNotFound`]; [`EngineError::StepNotBegun`] and
    /// [`EngineError::StepOfCleanup`] if `at` is no step to begin at; [`EngineError::StepUndone`] if what it would go on from has
    /// been compensated; [`EngineError::Input`] and [`EngineError::InputTooLate`]; otherwise as [`Engine::import`].
    pub fn fork(
        &self,
        run_id: &str,
        at: &str,
        input: Option<Payload>,
        new_id: Option<String>,
    ) -> Result<RunHandle, EngineError> {
        let run_id = self.inner.fork(run_id, at, input, new_id)?;
        self.get(&run_id)
    }

    /// Makes a saved run one of this engine, under its own id or another one, and goes on with it if it has not ended: what
    /// was under way is begun again, timers keep their times. Returns when that is recorded.
    ///
    /// # Errors
    /// [`EngineError::Saved`] if it cannot be used; [`EngineError::RunExists`] if its id is taken, [`EngineError::BadRunId`];
    /// [`EngineError::Method`] and [`EngineError::WorkflowNotFound`] if what it needs is not here; [`EngineError::KeyTaken`] if
    /// other runs have its concurrency key.
    pub fn import(&self, saved: &SavedRun, run_id: Option<String>) -> Result<RunHandle, EngineError> {
        let run_id = self.inner.import(saved, run_id)?;
        self.get(&run_id)
    }
}
