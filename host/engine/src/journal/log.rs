//! What one run has written and still has to write.

use crate::errands::Errand;
use crate::planted::{Bug, planted};
use jackfield_core::journal::{BlobId, Blobs, Change, RunNo, Standing, StoredRun, encode_batch};
use jackfield_core::run::{CallCommand, Fact, RunState, RunStatus};
use jackfield_core::time::Timestamp;
use std::collections::VecDeque;

/// Facts of a run are written together for good when they have grown to so many bytes.
const TAIL_LEN_MAX: usize = 64 * 1024;

/// The journal of one run, behind the run's lock.
pub(crate) struct RunLog {
    pub(crate) no: RunNo,
    /// What its plan is made from.
    pub(crate) document: BlobId,
    started_at: Timestamp,
    /// Batches so far.
    batches: u64,
    /// Those from number `tail_first` on, which are not in a chunk.
    tail: Vec<u8>,
    tail_first: u64,
    /// Where in the tail the batch begins that has been encoded and not handed in.
    fresh: usize,
    blobs: Blobs,
    /// The last submission.
    pub(crate) position: u64,
    /// The transaction in which the run will be looked at again.
    pub(crate) listed: u64,
    /// What waits for a submission to be durable.
    held: VecDeque<(u64, Held)>,
    /// How many records there were at each submission, and whether the run ended with it.
    marks: VecDeque<Mark>,
    /// Records that are durable.
    pub(crate) public: usize,
    /// The end is durable.
    pub(crate) is_end_durable: bool,
    /// The run has ended and other runs are still to be told to: until then it is kept as one that runs.
    pub(crate) owes: bool,
    /// How many batches there were when the run came to rest, while that is watched.
    pub(crate) rests_since: Option<u64>,
}

/// Something that is done once what led to it lasts.
pub(crate) enum Held {
    Call(CallCommand),
    Errand(Errand),
}

struct Mark {
    position: u64,
    records: usize,
    is_end: bool,
}

/// What became durable.
#[derive(Default)]
pub(crate) struct Released {
    pub(crate) held: Vec<Held>,
    pub(crate) has_ended: bool,
}

impl RunLog {
    pub(crate) fn new(no: RunNo, document: BlobId, started_at: Timestamp) -> Self {
        Self {
            no,
            document,
            started_at,
            batches: 0,
            tail: Vec::new(),
            tail_first: 0,
            fresh: 0,
            blobs: Blobs::new(),
            position: 0,
            listed: 0,
            held: VecDeque::new(),
            marks: VecDeque::new(),
            public: 0,
            is_end_durable: false,
            owes: false,
            rests_since: None,
        }
    }

    /// That of a run which has been restored.
    pub(crate) fn restored(stored: &StoredRun, started_at: Timestamp, state: &RunState) -> Self {
        let (no, document, batches) = (stored.row.no, stored.row.document, stored.batches);
        Self {
            batches,
            tail_first: batches,
            public: state.record_count(),
            is_end_durable: state.is_over(),
            ..Self::new(no, document, started_at)
        }
    }

    /// What stood outside of chunks when the run was restored is part of the tail again.
    pub(crate) fn set_tail(&mut self, first: u64, bytes: Vec<u8>) {
        self.tail_first = first;
        self.fresh = bytes.len();
        self.tail = bytes;
    }

    /// Notes facts that are about to be applied.
    pub(crate) fn note(&mut self, at: Timestamp, facts: &[Fact]) {
        if planted(Bug::TimerNotWritten) && matches!(facts, [Fact::Timer(_)]) {
            return;
        }
        encode_batch(self.started_at, at, facts, &mut self.tail, &mut self.blobs);
        self.batches += 1;
    }

    /// The facts noted last brought the state machine down: they are not to be written.
    pub(crate) fn take_back(&mut self) {
        self.tail.truncate(self.fresh);
        self.blobs.clear();
        self.batches -= 1;
    }

    /// What has to be written of what was noted since the last time.
    pub(crate) fn changes(&mut self, state: &RunState, now: Timestamp, into: &mut Vec<Change>) {
        let run = self.no;
        into.extend(self.blobs.drain(..).map(|(id, value)| Change::Blob { run, id, value }));
        let is_over = state.is_over();
        if is_over || self.tail.len() > TAIL_LEN_MAX {
            self.chunk(into);
        } else if self.tail.len() > self.fresh {
            into.push(Change::Facts { run, first: self.batches - 1, bytes: self.tail[self.fresh..].into() });
        }
        self.fresh = self.tail.len();
        if is_over && !self.owes {
            into.push(Change::Standing { run, standing: Box::new(ended(state, now)) });
        }
    }

    /// All that stands in no chunk becomes one.
    pub(crate) fn chunk(&mut self, into: &mut Vec<Change>) {
        if self.tail.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.tail).into_boxed_slice();
        into.push(Change::Chunk { run: self.no, first: self.tail_first, end: self.batches, bytes });
        self.tail_first = self.batches;
        self.fresh = 0;
    }

    /// Something was handed in at `position`, when there were so many records.
    pub(crate) fn mark(&mut self, position: u64, records: usize, is_end: bool) {
        self.position = position;
        self.marks.push_back(Mark { position, records, is_end });
    }

    /// Lets something wait for the last submission.
    pub(crate) fn hold(&mut self, held: Held) {
        self.held.push_back((self.position, held));
    }

    /// Everything up to `durable` is durable: what may go on; calls only if they can be made.
    pub(crate) fn release(&mut self, durable: u64, may_call: bool) -> Released {
        let mut released = Released::default();
        while may_call && self.held.front().is_some_and(|(position, _)| *position <= durable) {
            released.held.extend(self.held.pop_front().map(|(_, held)| held));
        }
        if planted(Bug::HeldCallForgotten) && released.held.len() > 1 {
            released.held.pop();
        }
        while let Some(mark) = self.marks.front().filter(|mark| mark.position <= durable) {
            self.public = mark.records;
            released.has_ended |= mark.is_end;
            self.marks.pop_front();
        }
        self.is_end_durable |= released.has_ended;
        released
    }

    /// Whether everything has been written that there is to write.
    pub(crate) fn is_settled(&self) -> bool {
        self.marks.is_empty() && self.held.is_empty()
    }

    /// Batches so far.
    pub(crate) const fn batches(&self) -> u64 {
        self.batches
    }
}

/// Where a run stands that has ended.
pub(crate) fn ended(state: &RunState, now: Timestamp) -> Standing {
    Standing {
        status: state.status(),
        ended_at: Some(now),
        due_at: None,
        reason: state.error().map(|failure| failure.message.into()),
        custom_status: state.custom_status().map(|status| status.as_str().to_owned()),
    }
}

/// Where a run stands that leaves memory.
pub(crate) fn resting(state: &RunState, due_at: Option<Timestamp>) -> Standing {
    let listens = !state.plan().listens.is_empty();
    let status = match state.status() {
        // what is sent to all runs is to reach it: it is to be in memory from the next start of the engine on
        RunStatus::Waiting if listens => RunStatus::Running,
        // it keeps others waiting, who are to know of it
        RunStatus::Waiting if state.start_values().key.is_some() => RunStatus::Running,
        // its next generation is to begin at the next start
        RunStatus::Continued => RunStatus::Running,
        other => other,
    };
    let leaves_memory = match state.status() {
        RunStatus::Waiting => state.start_values().key.is_none(),
        RunStatus::Paused => true,
        RunStatus::Continued => false,
        _ => !listens,
    };
    Standing {
        status,
        ended_at: None,
        due_at: due_at.filter(|_| leaves_memory && state.status() != RunStatus::Running),
        reason: state.queued_for().map(|why| format!("waits for {why}")),
        custom_status: state.custom_status().map(|status| status.as_str().to_owned()),
    }
}
