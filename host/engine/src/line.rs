//! So many runs may be under way, others wait in line. Who is next says the rule of all lines, see [`jackfield_core::line`].

use crate::run::RunCell;
use jackfield_core::line::{Ranked, Spot, Turns};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};

#[derive(Default)]
pub(crate) struct RunLine {
    /// Ids of the runs under way.
    pub(crate) under_way: BTreeSet<Arc<str>>,
    waiting: Ranked<Waiting>,
    spots: HashMap<Arc<str>, Spot>,
    turns: Turns,
    /// Numbers the runs in the order of their coming.
    came: i64,
}

struct Waiting {
    run_id: Arc<str>,
    /// Not there until the run is known to the engine.
    run: Weak<RunCell>,
    limit: usize,
}

impl RunLine {
    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.waiting.is_empty()
    }

    pub(crate) fn is_anybody_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Ids of those that wait, the highest priority first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Arc<str>> {
        self.waiting.iter().map(|waiting| &waiting.run_id)
    }

    /// Whether a run that comes now need not wait.
    pub(crate) fn has_room(&self, limit: usize) -> bool {
        self.waiting.is_empty() && self.under_way.len() < limit
    }

    /// Whether a run of this id is under way or waits.
    pub(crate) fn knows(&self, run_id: &str) -> bool {
        self.under_way.contains(run_id) || self.spots.contains_key(run_id)
    }

    /// A run waits from now on; one that does already keeps its place.
    pub(crate) fn wait(&mut self, run_id: &Arc<str>, run: Weak<RunCell>, priority: u8, limit: usize) {
        if self.spots.contains_key(run_id) {
            return;
        }
        self.came += 1;
        let spot = Spot::new(priority, self.came);
        self.spots.insert(run_id.clone(), spot);
        self.waiting.insert(spot, Waiting { run_id: run_id.clone(), run, limit });
    }

    /// A run that waits is known to the engine now.
    pub(crate) fn make_known(&mut self, run: &Arc<RunCell>) {
        let spot = self.spots.get(&run.id);
        if let Some(waiting) = spot.and_then(|spot| self.waiting.get_mut(*spot)) {
            waiting.run = Arc::downgrade(run);
        }
    }

    /// A run is neither under way nor waiting any more.
    pub(crate) fn leave(&mut self, run_id: &str) {
        self.under_way.remove(run_id);
        if let Some(spot) = self.spots.remove(run_id) {
            self.waiting.remove(spot);
        }
    }

    /// The runs that may begin now; they are under way from here on.
    pub(crate) fn admit(&mut self) -> Vec<Arc<RunCell>> {
        let mut admitted = Vec::new();
        while let Some((spot, run)) = self.next() {
            self.turns.given();
            self.waiting.remove(spot);
            self.spots.remove(&run.id);
            self.under_way.insert(run.id.clone());
            admitted.push(run);
        }
        admitted
    }

    /// The one who is next, if there is room for it and it is known.
    fn next(&self) -> Option<(Spot, Arc<RunCell>)> {
        let spot = self.waiting.next(self.turns.is_oldest())?;
        let waiting = self.waiting.get(spot)?;
        let has_room = self.under_way.len() < waiting.limit;
        has_room.then(|| waiting.run.upgrade()).flatten().map(|run| (spot, run))
    }
}
