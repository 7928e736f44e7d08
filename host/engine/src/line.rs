//! So many runs may be under way, others wait in line.
//!
//! The next one is the one of the highest priority, among equals the one that came first; every eighth place goes to the one
//! that has waited longest, so that a low priority makes progress, too.

use crate::run::RunCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Weak};

/// One place in so many goes to the run that has waited longest.
const OLDEST_EVERY: u32 = 8;

#[derive(Default)]
pub(crate) struct Line {
    /// Ids of the runs under way.
    pub(crate) under_way: BTreeSet<Arc<str>>,
    /// By the order of their coming.
    waiting: BTreeMap<u64, Waiting>,
    /// The highest priority first, then by the order of their coming.
    by_priority: BTreeSet<(u8, u64)>,
    came_as: HashMap<Arc<str>, u64>,
    /// Numbers the runs in the order of their coming.
    came: u64,
    /// Places given since the run that had waited longest got one.
    since_oldest: u32,
}

struct Waiting {
    run_id: Arc<str>,
    /// Not there until the run is known to the engine.
    run: Weak<RunCell>,
    priority: u8,
    limit: usize,
}

impl Line {
    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.waiting.is_empty()
    }

    pub(crate) fn is_anybody_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Ids of those that wait, in the order of their coming.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Arc<str>> {
        self.waiting.values().map(|waiting| &waiting.run_id)
    }

    /// Whether a run that comes now need not wait.
    pub(crate) fn has_room(&self, limit: usize) -> bool {
        self.waiting.is_empty() && self.under_way.len() < limit
    }

    /// Whether a run of this id is under way or waits.
    pub(crate) fn knows(&self, run_id: &str) -> bool {
        self.under_way.contains(run_id) || self.came_as.contains_key(run_id)
    }

    /// A run waits from now on; one that does already keeps its place.
    pub(crate) fn wait(&mut self, run_id: &Arc<str>, run: Weak<RunCell>, priority: u8, limit: usize) {
        if self.came_as.contains_key(run_id) {
            return;
        }
        self.came += 1;
        self.came_as.insert(run_id.clone(), self.came);
        self.by_priority.insert((9 - priority.min(9), self.came));
        self.waiting.insert(self.came, Waiting { run_id: run_id.clone(), run, priority, limit });
    }

    /// A run that waits is known to the engine now.
    pub(crate) fn make_known(&mut self, run: &Arc<RunCell>) {
        let nth = self.came_as.get(&run.id);
        if let Some(waiting) = nth.and_then(|nth| self.waiting.get_mut(nth)) {
            waiting.run = Arc::downgrade(run);
        }
    }

    /// A run is neither under way nor waiting any more.
    pub(crate) fn leave(&mut self, run_id: &str) {
        self.under_way.remove(run_id);
        if let Some(nth) = self.came_as.get(run_id).copied() {
            self.remove(nth);
        }
    }

    /// The runs that may begin now; they are under way from here on.
    pub(crate) fn admit(&mut self) -> Vec<Arc<RunCell>> {
        let mut admitted = Vec::new();
        while let Some(waiting) = self.next().and_then(|nth| self.remove(nth)) {
            if let Some(run) = waiting.run.upgrade() {
                self.under_way.insert(waiting.run_id);
                admitted.push(run);
            }
        }
        admitted
    }

    /// The one who is next, if there is room for it.
    fn next(&mut self) -> Option<u64> {
        let is_oldest = self.since_oldest + 1 >= OLDEST_EVERY;
        let nth = match is_oldest {
            true => *self.waiting.first_key_value()?.0,
            false => self.by_priority.first()?.1,
        };
        let waiting = self.waiting.get(&nth)?;
        if self.under_way.len() >= waiting.limit || waiting.run.strong_count() == 0 {
            return None;
        }
        self.since_oldest = if is_oldest { 0 } else { self.since_oldest + 1 };
        Some(nth)
    }

    fn remove(&mut self, nth: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&nth)?;
        self.by_priority.remove(&(9 - waiting.priority.min(9), nth));
        self.came_as.remove(&waiting.run_id);
        Some(waiting)
    }
}
