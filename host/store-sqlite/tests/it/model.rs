//! The simplest thing that does what a store does.

use jackfield_core::journal::{
    BlobId, Change, QueuedStart, RateStart, RunNo, RunQuery, Standing, StoredRow, StoredSchedule,
    StoredWorkflow,
};
use jackfield_core::payload::Payload;
use jackfield_core::run::RunStatus;
use jackfield_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) last: RunNo,
    pub(crate) runs: BTreeMap<RunNo, Run>,
    /// By run id and generation.
    pub(crate) former: BTreeMap<(String, u32), Run>,
    pub(crate) documents: BTreeMap<BlobId, String>,
    pub(crate) values: BTreeMap<BlobId, Payload>,
    pub(crate) workflows: BTreeMap<(String, String), StoredWorkflow>,
    pub(crate) schedules: BTreeMap<Arc<str>, (StoredSchedule, BTreeMap<u64, QueuedStart>)>,
    pub(crate) rate_starts: Vec<RateStart>,
}

#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) row: StoredRow,
    pub(crate) standing: Standing,
    /// By number of the first batch.
    pub(crate) loose: BTreeMap<u64, Box<[u8]>>,
    pub(crate) chunks: Vec<Box<[u8]>>,
    pub(crate) chunked: u64,
    pub(crate) blobs: BTreeSet<BlobId>,
}

impl Run {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let pieces = self.chunks.iter().chain(self.loose.values());
        pieces.flat_map(|piece| piece.iter().copied()).collect()
    }
}

impl Model {
    pub(crate) fn write(&mut self, changes: &[Change]) {
        changes.iter().for_each(|change| self.apply(change));
        let runs = self.runs.values().chain(self.former.values());
        let used: BTreeSet<BlobId> = runs.flat_map(|run| run.blobs.clone()).collect();
        self.values.retain(|id, _| used.contains(id));
    }

    fn apply(&mut self, change: &Change) {
        match change.clone() {
            Change::Begin(row) => self.begin(*row),
            Change::Continue(next) => {
                let mut run = self.runs.remove(&next.former).unwrap();
                run.standing = crate::sample::standing(RunStatus::Continued);
                run.standing.ended_at = Some(next.ended_at);
                let id = run.row.run_id.to_string();
                self.former.insert((id.clone(), next.generation), run);
                let kept = next.generation.saturating_sub(next.keep);
                self.former.retain(|(known, generation), _| *known != id || *generation > kept);
                self.begin(next.row);
            }
            Change::Document { id, text } => {
                self.documents.insert(id, text.to_string());
            }
            Change::Blob { run, id, value } => {
                self.values.insert(id, value);
                self.runs.get_mut(&run).unwrap().blobs.insert(id);
            }
            Change::Facts { run, first, bytes } => {
                self.runs.get_mut(&run).unwrap().loose.insert(first, bytes);
            }
            Change::Chunk { run, end, bytes, .. } => {
                let run = self.runs.get_mut(&run).unwrap();
                run.chunks.push(bytes);
                run.chunked = end;
                run.loose.retain(|first, _| *first >= end);
            }
            Change::Standing { run, standing } => self.runs.get_mut(&run).unwrap().standing = *standing,
            Change::Delete(run) => {
                let id = self.runs.remove(&run).unwrap().row.run_id.to_string();
                self.former.retain(|(known, _), _| *known != id);
            }
            Change::Workflow(workflow) => {
                self.workflows.insert((workflow.id.clone(), workflow.version.clone()), *workflow);
            }
            Change::Unregister { id, version } => self
                .workflows
                .retain(|(known, other), _| *known != id || version.as_ref().is_some_and(|v| v != other)),
            Change::Schedule(schedule) => match self.schedules.get_mut(&schedule.id) {
                Some((known, _)) => *known = *schedule,
                None => drop(self.schedules.insert(schedule.id.clone(), (*schedule, BTreeMap::new()))),
            },
            Change::RemoveSchedule(id) => drop(self.schedules.remove(&id)),
            Change::QueueStart { schedule, start } => {
                self.schedules.get_mut(&schedule).unwrap().1.insert(start.no, *start);
            }
            Change::RateStart(start) => {
                self.rate_starts.retain(|known| known.until > start.at);
                self.rate_starts.push(start);
                self.rate_starts.sort();
            }
            Change::UnqueueStart { schedule, no } => {
                self.schedules.get_mut(&schedule).into_iter().for_each(|known| drop(known.1.remove(&no)));
            }
        }
    }

    fn begin(&mut self, row: StoredRow) {
        self.last = row.no;
        let run = Run {
            standing: crate::sample::standing(RunStatus::Running),
            loose: BTreeMap::new(),
            chunks: Vec::new(),
            chunked: 0,
            blobs: BTreeSet::new(),
            row,
        };
        self.runs.insert(run.row.no, run);
    }

    /// The generation that a run is in.
    pub(crate) fn generation(&self, run: RunNo) -> u32 {
        let id = self.runs[&run].row.run_id.to_string();
        let former = self.former.range((id.clone(), 0)..=(id, u32::MAX)).next_back();
        former.map_or(1, |((_, generation), _)| generation + 1)
    }

    pub(crate) fn unfinished(&self) -> Vec<RunNo> {
        let goes_on = |run: &&Run| {
            let status = run.standing.status;
            let is_due_later = run.standing.due_at.is_some();
            let is_active = matches!(status, RunStatus::Queued | RunStatus::Running) && !is_due_later;
            let is_held_up = status == RunStatus::Waiting && run.standing.reason.is_some();
            !status.is_terminal() && (is_active || is_held_up || !run.loose.is_empty())
        };
        self.runs.values().filter(goes_on).map(|run| run.row.no).collect()
    }

    pub(crate) fn list(&self, query: &RunQuery) -> Vec<RunNo> {
        let is_wanted = |run: &&Run| {
            let (row, standing) = (&run.row, &run.standing);
            let has = |text: &String| {
                let texts = [
                    Some(&*row.run_id),
                    Some(row.workflow.as_str()),
                    standing.reason.as_deref(),
                    standing.custom_status.as_deref(),
                ];
                texts.into_iter().flatten().any(|known| known.contains(text.as_str()))
            };
            (query.statuses.is_empty() || query.statuses.contains(&standing.status))
                && query.workflow.as_ref().is_none_or(|workflow| *workflow == row.workflow)
                && query.since.is_none_or(|since| row.started_at >= since)
                && query.before.is_none_or(|before| row.no < before)
                && query.text.as_ref().is_none_or(has)
        };
        self.runs.values().rev().filter(is_wanted).take(query.limit).map(|run| run.row.no).collect()
    }

    pub(crate) fn due(&self, until: Timestamp, limit: usize) -> (Vec<String>, Option<Timestamp>) {
        let mut all: Vec<(Timestamp, RunNo, String)> = self
            .runs
            .values()
            .filter_map(|run| Some((run.standing.due_at?, run.row.no, run.row.run_id.to_string())))
            .collect();
        all.sort();
        let ready = all.iter().take_while(|(due, ..)| *due <= until).count().min(limit);
        let next = all.get(ready).map(|(due, ..)| *due);
        (all.into_iter().take(ready).map(|(.., id)| id).collect(), next)
    }
}
