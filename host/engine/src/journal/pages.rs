//! The batches of a stored run in order, read a stretch at a time.

use super::replay::Source;
use jackfield_core::journal::{Batch, Batches, Damage, RunNo, StoredRun};
use jackfield_core::time::Timestamp;

/// Where a run is read from.
pub(super) struct Pages<'a> {
    run: RunNo,
    started_at: Timestamp,
    source: Source<'a>,
    /// The batch to come.
    next: u64,
    /// Where the batches end that have to be there; if absent, as many as there are.
    end: Option<u64>,
}

impl<'a> Pages<'a> {
    /// The batches from number `next` on, as many as there are, of a run that began at `started_at`.
    pub(super) fn behind(next: u64, run: RunNo, started_at: Timestamp, source: Source<'a>) -> Self {
        Self { run, started_at, source, next, end: None }
    }

    /// All batches of `stored`.
    pub(super) fn of(stored: &StoredRun, started_at: Timestamp, source: Source<'a>) -> Self {
        Self { run: stored.row.no, started_at, source, next: 0, end: Some(stored.batches) }
    }

    /// The number of the batch to come.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Hands the batches to `take` until it does not want more, or until there are no more. `first` are the pieces from the
    /// batch to come on, as far as they are there already; `piece` sees every piece before its batches, with the number of
    /// the first of them that is of interest.
    pub(super) fn each(
        &mut self,
        first: &[Box<[u8]>],
        piece: &mut dyn FnMut(u64, &[u8]),
        take: &mut dyn FnMut(Batch) -> Result<bool, Damage>,
    ) -> Result<(), Damage> {
        if !self.pieces(self.next, first, piece, take)? {
            return Ok(());
        }
        let unreadable = |why| Damage::Unreadable { at: 0, why };
        while self.end.is_none_or(|end| self.next < end) {
            let Some(store) = self.source.store else { break };
            let stretch =
                store.stretch(self.run, self.next).map_err(|error| unreadable(error.to_string()))?;
            let before = self.next;
            if !self.pieces(stretch.first, &stretch.pieces, piece, take)? {
                return Ok(());
            }
            if self.next == before {
                break;
            }
        }
        match self.end.filter(|end| self.next < *end) {
            Some(end) => Err(unreadable(format!("{} batches instead of {end}", self.next))),
            None => Ok(()),
        }
    }

    /// Whether more is wanted. The first batch of the pieces has number `at`.
    fn pieces(
        &mut self,
        mut at: u64,
        pieces: &[Box<[u8]>],
        piece: &mut dyn FnMut(u64, &[u8]),
        take: &mut dyn FnMut(Batch) -> Result<bool, Damage>,
    ) -> Result<bool, Damage> {
        for bytes in pieces {
            piece(self.next, bytes);
            for batch in Batches::new(bytes, self.started_at, self.source.blob) {
                let batch = batch?;
                let number = at;
                at += 1;
                // it was there before, or came when this had begun already
                if number < self.next || self.end.is_some_and(|end| number >= end) {
                    continue;
                }
                if number > self.next {
                    let why = format!("batch {} is missing", self.next);
                    return Err(Damage::Unreadable { at: 0, why });
                }
                self.next = at;
                if !take(batch)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
