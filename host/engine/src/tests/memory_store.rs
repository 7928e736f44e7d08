//! A store in memory that outlives engines, as a disk outlives processes, and fails when it is told to.

use jackfield_core::journal::{
    BlobId, Change, Continued, Listing, Page, QueuedStart, RateStart, RunNo, RunQuery, Standing, Store,
    StoreError, StoredRow, StoredRun, StoredSchedule, StoredWorkflow, Stretch,
};
use jackfield_core::payload::Payload;
use jackfield_core::run::RunStatus;
use jackfield_core::time::Timestamp;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A schedule and the starts that it has to make.
type KeptSchedule = (Option<StoredSchedule>, BTreeMap<u64, QueuedStart>);

/// What is in it.
#[derive(Clone, Default)]
pub(crate) struct Content {
    runs: BTreeMap<u64, Kept>,
    documents: HashMap<BlobId, Arc<str>>,
    blobs: HashMap<BlobId, Payload>,
    workflows: Vec<StoredWorkflow>,
    /// By run id and number.
    former: BTreeMap<(Arc<str>, u32), Kept>,
    schedules: BTreeMap<Arc<str>, KeptSchedule>,
    rate_starts: Vec<RateStart>,
}

#[derive(Clone)]
struct Kept {
    row: StoredRow,
    standing: Standing,
    /// First batch, the one behind the last, bytes.
    chunks: Vec<(u64, u64, Box<[u8]>)>,
    hot: Vec<(u64, Box<[u8]>)>,
}

#[derive(Default)]
pub(crate) struct MemoryStore {
    content: Mutex<Content>,
    writes: Mutex<Vec<usize>>,
    is_after_crash: bool,
    /// How many writes may still succeed; any number if absent.
    pub(crate) room: Mutex<Option<usize>>,
}

impl MemoryStore {
    /// A store as this one was after its write number `nth`, for those that kept all of them.
    pub(crate) fn holding(content: Content) -> Self {
        Self { content: Mutex::new(content), is_after_crash: true, ..Self::default() }
    }

    pub(crate) fn content(&self) -> Content {
        self.content.lock().clone()
    }

    /// How many changes each write brought.
    pub(crate) fn writes(&self) -> Vec<usize> {
        self.writes.lock().clone()
    }

    pub(crate) fn set_room(&self, room: Option<usize>) {
        *self.room.lock() = room;
    }
}

impl Content {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Begin(row) => self.begin(row),
            Change::Continue(next) => self.go_on(next),
            Change::Document { id, text } => {
                assert_eq!(*id, BlobId::of(text.as_bytes()));
                self.documents.insert(*id, text.clone());
            }
            Change::Blob { id, value, .. } => {
                self.blobs.insert(*id, value.clone());
            }
            Change::Facts { run, first, bytes } => {
                let kept = self.kept(*run);
                let next = kept.hot.last().map_or_else(|| kept.chunked(), |(first, _)| first + 1);
                assert_eq!(*first, next, "facts of {run:?} out of order");
                kept.hot.push((*first, bytes.clone()));
            }
            Change::Chunk { run, first, end, bytes } => {
                let kept = self.kept(*run);
                assert_eq!(*first, kept.chunked(), "chunks of {run:?} out of order");
                kept.chunks.push((*first, *end, bytes.clone()));
                kept.hot.retain(|(first, _)| first >= end);
            }
            Change::Standing { run, standing } => self.kept(*run).standing = (**standing).clone(),
            Change::Delete(run) => {
                let run = self.runs.remove(&run.0);
                run.into_iter().for_each(|run| self.former.retain(|(id, _), _| *id != run.row.run_id));
            }
            Change::Workflow(workflow) => self.workflows.push((**workflow).clone()),
            Change::Unregister { id, version } => self
                .workflows
                .retain(|known| known.id != *id || version.as_ref().is_some_and(|it| *it != known.version)),
            Change::Schedule(schedule) => {
                self.schedules.entry(schedule.id.clone()).or_default().0 = Some((**schedule).clone());
            }
            Change::RemoveSchedule(id) => drop(self.schedules.remove(id)),
            Change::QueueStart { schedule, start } => {
                let queue = &mut self.schedules.get_mut(schedule).expect("the schedule is known").1;
                assert!(queue.insert(start.no, (**start).clone()).is_none(), "{start:?} is queued twice");
            }
            Change::RateStart(start) => {
                self.rate_starts.retain(|it| it.until > start.at);
                self.rate_starts.push(start.clone());
            }
            Change::UnqueueStart { schedule, no } => {
                self.schedules.get_mut(schedule).into_iter().for_each(|kept| drop(kept.1.remove(no)));
            }
        }
    }

    fn begin(&mut self, row: &StoredRow) {
        let standing = Standing {
            status: RunStatus::Running,
            ended_at: None,
            due_at: None,
            reason: None,
            custom_status: None,
        };
        assert!(self.runs.last_key_value().is_none_or(|(last, _)| *last < row.no.0), "out of order");
        let is_new = self.runs.values().all(|kept| kept.row.run_id != row.run_id);
        assert!(is_new, "run `{}` begins twice", row.run_id);
        let kept = Kept { row: row.clone(), standing, chunks: Vec::new(), hot: Vec::new() };
        assert!(self.runs.insert(row.no.0, kept).is_none(), "{:?} is taken", row.no);
    }

    fn go_on(&mut self, next: &Continued) {
        let mut old = self.runs.remove(&next.former.0).expect("what goes on is there");
        assert!(old.hot.is_empty(), "not all facts of {:?} are in chunks", next.former);
        let id = old.row.run_id.clone();
        assert_eq!(id, next.row.run_id);
        old.standing.status = RunStatus::Continued;
        old.standing.ended_at = Some(next.ended_at);
        assert!(self.former.insert((id.clone(), next.generation), old).is_none(), "it ended before");
        let oldest = next.generation.saturating_sub(next.keep);
        self.former.retain(|(other, generation), _| *other != id || *generation > oldest);
        self.begin(&next.row);
    }

    fn kept(&mut self, run: RunNo) -> &mut Kept {
        self.runs.get_mut(&run.0).unwrap_or_else(|| panic!("{run:?} is unknown"))
    }
}

/// Pieces in a stretch: so few that most runs have several.
const PIECES_MAX: usize = 3;

impl Kept {
    fn chunked(&self) -> u64 {
        self.chunks.last().map_or(0, |(_, end, _)| *end)
    }

    /// All pieces, each with the number behind its last batch.
    fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let chunks = self.chunks.iter().map(|(_, end, bytes)| (*end, &**bytes));
        chunks.chain(self.hot.iter().map(|(first, bytes)| (first + 1, &**bytes)))
    }

    fn stretch(&self, from: u64) -> Stretch {
        let first = self.pieces().map(|(end, _)| end).take_while(|end| *end <= from).last().unwrap_or(0);
        let behind = self.pieces().filter(|(end, _)| *end > from);
        Stretch { first, pieces: behind.take(PIECES_MAX).map(|(_, bytes)| bytes.into()).collect() }
    }

    fn stored(&self) -> StoredRun {
        StoredRun {
            row: self.row.clone(),
            standing: self.standing.clone(),
            pieces: self.stretch(0).pieces,
            batches: self.chunked() + self.hot.len() as u64,
            chunked: self.chunked(),
        }
    }

    fn line(&self) -> Listing {
        let StoredRow { no, run_id, workflow, version, started_at, .. } = &self.row;
        Listing {
            no: *no,
            run_id: run_id.to_string(),
            workflow: workflow.clone(),
            version: version.clone(),
            started_at: *started_at,
            standing: self.standing.clone(),
        }
    }
}

impl Store for MemoryStore {
    fn was_left_unclean(&self) -> bool {
        self.is_after_crash
    }

    fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        if let Some(room) = &mut *self.room.lock() {
            *room = room.checked_sub(1).ok_or_else(|| StoreError::Full("memory".into()))?;
        }
        let mut content = self.content.lock();
        changes.iter().for_each(|change| content.apply(change));
        self.writes.lock().push(changes.len());
        Ok(())
    }

    fn last_run(&self) -> Result<RunNo, StoreError> {
        Ok(RunNo(self.content.lock().runs.last_key_value().map_or(0, |(no, _)| *no)))
    }

    fn unfinished(&self) -> Result<Vec<StoredRun>, StoreError> {
        let content = self.content.lock();
        let goes_on = |kept: &&Kept| {
            let is_awake = matches!(kept.standing.status, RunStatus::Running | RunStatus::Queued)
                && kept.standing.due_at.is_none();
            let is_held_up = kept.standing.status == RunStatus::Waiting && kept.standing.reason.is_some();
            !kept.standing.status.is_terminal() && (is_awake || is_held_up || !kept.hot.is_empty())
        };
        Ok(content.runs.values().filter(goes_on).map(Kept::stored).collect())
    }

    fn load(&self, run_id: &str) -> Result<Option<StoredRun>, StoreError> {
        let content = self.content.lock();
        Ok(content.runs.values().find(|kept| *kept.row.run_id == *run_id).map(Kept::stored))
    }

    fn former(&self, run_id: &str, generation: u32) -> Result<Option<StoredRun>, StoreError> {
        Ok(self.content.lock().former.get(&(run_id.into(), generation)).map(Kept::stored))
    }

    fn stretch(&self, run: RunNo, from: u64) -> Result<Stretch, StoreError> {
        let content = self.content.lock();
        let kept = content.runs.get(&run.0);
        let kept = kept.or_else(|| content.former.values().find(|kept| kept.row.no == run));
        Ok(kept.map_or_else(Stretch::default, |kept| kept.stretch(from)))
    }

    fn find(&self, run_id: &str) -> Result<Option<Listing>, StoreError> {
        let content = self.content.lock();
        Ok(content.runs.values().find(|kept| *kept.row.run_id == *run_id).map(Kept::line))
    }

    fn list(&self, query: &RunQuery) -> Result<Page, StoreError> {
        let content = self.content.lock();
        let runs = content.runs.values().rev().map(Kept::line);
        let before = |line: &Listing| query.before.is_none_or(|before| line.no < before);
        let stands =
            |line: &Listing| query.statuses.is_empty() || query.statuses.contains(&line.standing.status);
        let runs: Vec<_> = runs.filter(before).filter(stands).take(query.limit).collect();
        let next = runs.last().filter(|_| runs.len() == query.limit).map(|line| line.no);
        Ok(Page { runs, next })
    }

    fn due(&self, until: Timestamp, limit: usize) -> Result<(Vec<String>, Option<Timestamp>), StoreError> {
        let content = self.content.lock();
        let mut due: Vec<_> = content
            .runs
            .values()
            .filter(|kept| !kept.standing.status.is_terminal())
            .filter_map(|kept| Some((kept.standing.due_at?, kept.row.run_id.to_string())))
            .collect();
        due.sort();
        let count = due.iter().take_while(|(at, _)| *at <= until).count().min(limit);
        let next = due.get(count).map(|(at, _)| *at);
        Ok((due.into_iter().take(count).map(|(_, id)| id).collect(), next))
    }

    fn document(&self, id: BlobId) -> Result<Option<Arc<str>>, StoreError> {
        Ok(self.content.lock().documents.get(&id).cloned())
    }

    fn blob(&self, id: BlobId) -> Result<Option<Payload>, StoreError> {
        Ok(self.content.lock().blobs.get(&id).cloned())
    }

    fn workflows(&self) -> Result<Vec<StoredWorkflow>, StoreError> {
        Ok(self.content.lock().workflows.clone())
    }

    fn rate_starts(&self) -> Result<Vec<RateStart>, StoreError> {
        let mut starts = self.content.lock().rate_starts.clone();
        starts.sort();
        Ok(starts)
    }

    fn schedules(&self) -> Result<Vec<(StoredSchedule, Vec<QueuedStart>)>, StoreError> {
        let content = self.content.lock();
        let kept = content.schedules.values().cloned();
        Ok(kept.filter_map(|(schedule, queue)| Some((schedule?, queue.into_values().collect()))).collect())
    }
}
