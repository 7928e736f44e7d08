//! A run's state, made again from what was written down.

use super::back::{Begin, facts_of, play};
use super::pages::Pages;
use crate::planted::{Bug, planted};
use jackfield_core::failure::{Failure, kind};
use jackfield_core::journal::{Batch, BlobId, Damage, Store, StoredRun};
use jackfield_core::payload::Payload;
use jackfield_core::run::{CallKey, Command, Fact, RunState, TimerId};
use jackfield_core::time::{Nanos, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A run as it was, and what it had asked for and not got.
pub(crate) struct Restored {
    pub(crate) state: RunState,
    pub(crate) open: Outstanding,
    /// The bytes of all batches that stand in no chunk.
    pub(crate) tail: Vec<u8>,
}

/// What a run has asked for and not got.
#[derive(Clone, Default)]
pub(crate) struct Outstanding {
    /// Calls, things to send and runs to start, by the attempt that wants to hear of them.
    pub(crate) calls: HashMap<CallKey, (u64, Command)>,
    /// Runs that were to be cancelled; it does no harm to do so again.
    children: Vec<Command>,
    asked: u64,
    pub(crate) cancelled: HashSet<CallKey>,
    /// Attempts under way that are not made again.
    begun: HashSet<CallKey>,
    pub(crate) timers: BTreeMap<TimerId, Timestamp>,
    /// How often the host has ended out of order with calls of the run under way since one of them ended, or since somebody
    /// resumed the run.
    pub(crate) recoveries: u32,
}

impl Outstanding {
    pub(super) fn answered(&mut self, fact: &Fact) {
        match fact {
            Fact::Outcome { .. } if planted(Bug::AnsweredAgain) => {}
            Fact::Outcome { key, .. } => {
                self.recoveries = 0;
                self.calls.remove(key);
                self.cancelled.remove(key);
                self.begun.remove(key);
            }
            Fact::Began(key) => {
                self.begun.insert(*key);
            }
            Fact::Timer(id) => {
                self.timers.remove(id);
            }
            Fact::Recovered => self.recoveries += 1,
            Fact::Resume => self.recoveries = 0,
            Fact::Admitted
            | Fact::Cancel { .. }
            | Fact::Pause { .. }
            | Fact::Retried(_)
            | Fact::Forked(_)
            | Fact::Sent { .. } => {}
        }
    }

    pub(super) fn note(&mut self, commands: &mut Vec<Command>) {
        for command in commands.drain(..) {
            self.asked += 1;
            match command {
                Command::Call(ref call) => _ = self.calls.insert(call.key, (self.asked, command)),
                Command::Emit(ref emit) => _ = self.calls.insert(emit.key, (self.asked, command)),
                Command::StartChild(ref child) => _ = self.calls.insert(child.key, (self.asked, command)),
                Command::Continue(ref next) => _ = self.calls.insert(next.key, (self.asked, command)),
                Command::CancelChild { .. } => self.children.push(command),
                // a queued run finds its line when it comes back
                Command::StandInLine => {}
                Command::CancelCall(key) => {
                    self.cancelled.insert(key);
                }
                Command::StartTimer { id, at } => {
                    self.timers.insert(id, at);
                }
                Command::CancelTimer(id) => {
                    self.timers.remove(&id);
                }
                Command::Finish => {
                    self.timers.clear();
                    self.calls.clear();
                    self.cancelled.clear();
                    self.begun.clear();
                }
            }
        }
    }

    /// The calls that are about to be made again.
    pub(crate) fn calls_again(&self) -> impl Iterator<Item = CallKey> {
        let calls = self.calls.values().filter_map(|(_, command)| match command {
            Command::Call(call) => Some(call.key),
            _ => None,
        });
        calls.filter(|key| !self.cancelled.contains(key) && !self.begun.contains(key))
    }

    /// What is to be done again, in the order in which it was asked for.
    pub(crate) fn commands(&mut self) -> Vec<Command> {
        let mut calls: Vec<_> = std::mem::take(&mut self.calls).into_iter().collect();
        calls.retain(|(key, _)| !self.cancelled.contains(key) || planted(Bug::CancelledAgain));
        calls.retain(|(key, _)| !self.begun.contains(key));
        calls.sort_by_key(|(_, (nth, _))| *nth);
        let again = calls.into_iter().map(|(_, (_, command))| command);
        again.chain(std::mem::take(&mut self.children)).collect()
    }

    /// What became of the calls under way that are not made again: those that had been told to stop when the host ended,
    /// and those that are made at most once.
    pub(crate) fn stopped(&mut self) -> Vec<Fact> {
        let cancelled = std::mem::take(&mut self.cancelled);
        let begun = std::mem::take(&mut self.begun);
        let begun = begun.into_iter().filter(|key| !cancelled.contains(key)).map(|key| (key, false));
        let mut keys: Vec<_> = begun.chain(cancelled.iter().map(|key| (*key, true))).collect();
        keys.sort_by_key(|(key, _)| (key.instance, key.step, key.attempt));
        let failure = |is_cancelled| match is_cancelled {
            true => Failure::new(kind::CANCELLED, "cancelled; the host ended before it stopped"),
            false => {
                let message = "the host ended during the attempt; whether it had an effect is not known";
                Failure { retryable: false, ..Failure::new(kind::INTERRUPTED, message) }
            }
        };
        let fact = |(key, is_cancelled)| {
            let outcome = Err(Box::new(failure(is_cancelled)));
            Fact::Outcome { key, duration: Nanos::ZERO, outcome }
        };
        keys.into_iter().map(fact).collect()
    }
}

/// Where a run is read from besides its first pieces.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The store that it comes from; not there if the first pieces are all.
    pub(crate) store: Option<&'a dyn Store>,
    /// Finds long values.
    pub(crate) blob: &'a dyn Fn(BlobId) -> Option<Payload>,
}

/// Applies everything that is stored of a run, which keeps at least the newest `keep` records.
pub(crate) fn replay(
    begin: Begin<'_>,
    stored: &StoredRun,
    source: Source<'_>,
    keep: usize,
) -> Result<Restored, Damage> {
    let Begin { run_id, start, plan, history } = begin;
    let begin = start.start(run_id, &plan, history)?;
    let mut commands = Vec::new();
    let mut open = Outstanding::default();
    let mut state = RunState::start(plan.clone(), begin, start.at, &mut commands);
    open.note(&mut commands);
    let mut tail = Vec::new();
    let mut has_gone_back = false;
    let mut apply = |batch: Batch| {
        for fact in batch.facts {
            has_gone_back |= matches!(fact, Fact::Retried(_));
            if has_gone_back {
                // applied below, with all facts at hand
                break;
            }
            open.answered(&fact);
            state.apply(batch.at, fact, &mut commands);
            open.note(&mut commands);
        }
        let count = state.record_count();
        forget(&mut state, count, keep);
        Ok(true)
    };
    let mut keep_tail = |nth, piece: &[u8]| {
        if nth >= stored.chunked {
            tail.extend_from_slice(piece);
        }
    };
    Pages::of(stored, start.at, source).each(&stored.pieces, &mut keep_tail, &mut apply)?;
    if has_gone_back {
        let facts = facts_of(stored, start.at, source)?;
        let run_id = stored.row.run_id.clone();
        (state, open) = play(Begin { run_id, start, plan, history }, &facts, &mut |_| {})?;
    }
    Ok(Restored { state, open, tail })
}

/// Forgets what happened long ago, now and then: of the first `lasting` records, which stand in the journal, at least the
/// newest `keep` stay.
pub(crate) fn forget(state: &mut RunState, lasting: usize, keep: usize) {
    let keep = keep.max(1);
    if lasting.saturating_sub(state.forgotten()) >= keep.saturating_mul(2) {
        state.forget(lasting - keep);
    }
}
