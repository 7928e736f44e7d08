//! Where attempts wait that need a place in a pool of this host or their turn within a rate limit, over all runs.
//!
//! Whoever needs the same stands in the same line, behind one door. A door is open when all that it takes is there at once, so
//! nobody holds a place while waiting for something else. Whenever something becomes free, the first of those that stand
//! behind an open door of it goes in, by priority and then by coming; lines behind other doors are not looked at.
//! This is the innermost lock: nothing else is locked while it is held.

use crate::planted::{Bug, planted};
use jackfield_core::line::{Ranked, Spot, Turns};
use jackfield_core::model::duration;
use jackfield_core::run::{CallKey, Needs, Rate};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pools, windows and those that wait; `R` is what they want to be told by.
pub(crate) struct Doors<R> {
    pools: BTreeMap<Arc<str>, Pool>,
    windows: BTreeMap<Arc<str>, Window>,
    /// The lines that somebody stands in.
    lines: BTreeMap<Arc<Needs>, Ranked<(R, CallKey)>>,
    came: i64,
}

/// Places for attempts at a time.
#[derive(Default)]
struct Pool {
    /// `None` if this host does not have the pool.
    limit: Option<u32>,
    taken: u32,
    turns: Turns,
    doors: BTreeSet<Arc<Needs>>,
}

/// What is known of the attempts that one key counts.
#[derive(Default)]
struct Window {
    /// When the latest began, oldest first; as many as the highest count asks for, as long as the longest window.
    begun: VecDeque<Instant>,
    keep: (Duration, u32),
    /// Those that may begin and have not.
    let_in: u32,
    turns: Turns,
    doors: BTreeSet<Arc<Needs>>,
    /// When it is to be looked at again.
    due: Option<Instant>,
}

/// Somebody may begin: all that the attempt needs is taken for it.
#[derive(Debug)]
pub(crate) struct Grant<R> {
    pub(crate) to: R,
    pub(crate) key: CallKey,
    pub(crate) spot: Spot,
    pub(crate) needs: Arc<Needs>,
}

/// Those who may begin now, and windows that are to be looked at later.
#[derive(Debug)]
pub(crate) struct Opened<R> {
    pub(crate) grants: Vec<Grant<R>>,
    pub(crate) looks: Vec<(Arc<str>, Instant)>,
}

/// What became free.
#[derive(Clone, Copy)]
enum What<'a> {
    Pool(&'a str),
    Window(&'a str),
}

impl<R> Doors<R> {
    /// Those of a host that has these pools.
    pub(crate) fn new(pools: &BTreeMap<Box<str>, u32>) -> Self {
        let pool = |limit: u32| Pool { limit: Some(limit), ..Pool::default() };
        Self {
            pools: pools.iter().map(|(name, limit)| (Arc::from(&**name), pool(*limit))).collect(),
            windows: BTreeMap::new(),
            lines: BTreeMap::new(),
            came: 0,
        }
    }

    /// Somebody comes. Whether it may begin at once is among what comes out.
    pub(crate) fn stand(
        &mut self,
        (to, key): (R, CallKey),
        needs: &Arc<Needs>,
        priority: u8,
        now: Instant,
    ) -> (Spot, Opened<R>) {
        let spot = Spot::new(priority, self.came);
        self.came += 1;
        self.lines.entry(needs.clone()).or_default().insert(spot, (to, key));
        if let Some(name) = &needs.pool {
            self.pools.entry(name.clone()).or_default().doors.insert(needs.clone());
        }
        if let Some(rate) = &needs.rate {
            let window = self.windows.entry(rate.key.clone()).or_default();
            window.keep = (window.keep.0.max(rate.per), window.keep.1.max(rate.count));
            window.doors.insert(needs.clone());
        }
        (spot, self.settle(needs, now))
    }

    /// Somebody does not want to begin any more.
    pub(crate) fn give_up(&mut self, needs: &Arc<Needs>, spot: Spot) {
        if let Some(line) = self.lines.get_mut(needs) {
            line.remove(spot);
            self.close_if_empty(needs);
        }
    }

    /// An attempt that may begin does.
    pub(crate) fn begin(&mut self, needs: &Needs, now: Instant) -> Opened<R> {
        let mut looks = Vec::new();
        if let Some(rate) = &needs.rate {
            let window = self.windows.entry(rate.key.clone()).or_default();
            window.let_in = window.let_in.saturating_sub(1);
            window.note(now);
            looks.extend(self.look(&rate.key, now));
        }
        Opened { grants: Vec::new(), looks }
    }

    /// An attempt began at `at`, before this engine did.
    pub(crate) fn remember(
        &mut self,
        key: &Arc<str>,
        keep: Duration,
        at: Instant,
        now: Instant,
    ) -> Opened<R> {
        let window = self.windows.entry(key.clone()).or_default();
        window.keep.0 = window.keep.0.max(keep);
        let behind = window.begun.partition_point(|earlier| *earlier <= at);
        window.begun.insert(behind, at);
        Opened { grants: Vec::new(), looks: self.look(key, now).into_iter().collect() }
    }

    /// An attempt gives back what it took: it has ended, or will not begin after all.
    pub(crate) fn leave(&mut self, needs: &Needs, has_begun: bool, now: Instant) -> Opened<R> {
        if let Some(pool) = needs.pool.as_ref().and_then(|name| self.pools.get_mut(name)) {
            pool.taken = pool.taken.saturating_sub(1);
        }
        let window = needs.rate.as_ref().and_then(|rate| self.windows.get_mut(&rate.key));
        if let Some(window) = window.filter(|_| !has_begun) {
            window.let_in = window.let_in.saturating_sub(1);
        }
        self.settle(needs, now)
    }

    /// A window is looked at again.
    pub(crate) fn is_due(&mut self, key: &str, now: Instant) -> Opened<R> {
        if let Some(window) = self.windows.get_mut(key) {
            window.due = None;
        }
        let mut opened = Opened { grants: Vec::new(), looks: Vec::new() };
        self.let_in(What::Window(key), now, &mut opened);
        if let Some(key) = self.windows.get_key_value(key).map(|(key, _)| key.clone()) {
            opened.looks.extend(self.look(&key, now));
        }
        opened
    }

    /// The longest window of a key.
    pub(crate) fn longest(&self, key: &str) -> Duration {
        self.windows.get(key).map_or(Duration::ZERO, |window| window.keep.0)
    }

    /// What somebody who needs this waits for, for people.
    pub(crate) fn why(&self, needs: &Needs, now: Instant) -> String {
        let pool = needs.pool.as_ref().filter(|name| !self.has_place(name));
        let rate = needs.rate.as_ref().filter(|rate| self.free_at(rate, now) != Some(now));
        let place = |name: &Arc<str>| match self.pools.get(name).and_then(|pool| pool.limit) {
            None => format!("a place in pool `{name}`, which this host does not have"),
            Some(limit) => format!("a place in pool `{name}` (limit {limit})"),
        };
        let turn = |rate: &Rate| {
            let Rate { key, per, count } = rate;
            format!("its turn: of `{key}` at most {count} begin within {}", duration::display(*per))
        };
        let reasons: Vec<_> = pool.map(place).into_iter().chain(rate.map(turn)).collect();
        match reasons.is_empty() {
            true => "waits for its turn".to_owned(),
            false => format!("waits for {}", reasons.join(", and for ")),
        }
    }

    fn has_place(&self, pool: &str) -> bool {
        let beyond = u32::from(planted(Bug::OnePlaceTooMany));
        self.pools.get(pool).is_some_and(|pool| pool.limit.is_some_and(|limit| pool.taken < limit + beyond))
    }

    /// When one more may begin; `None` if that depends on what becomes of those that may.
    fn free_at(&self, rate: &Rate, now: Instant) -> Option<Instant> {
        let Some(window) = self.windows.get(&rate.key) else { return Some(now) };
        let room = rate.count.saturating_sub(window.let_in) as usize;
        if room == 0 {
            return None;
        }
        let Some(in_the_way) = window.begun.len().checked_sub(room) else { return Some(now) };
        // centuries from now it is all the same
        let free = window.begun[in_the_way].checked_add(rate.per)?;
        Some(free.max(now))
    }

    fn is_open(&self, needs: &Needs, now: Instant) -> bool {
        needs.pool.as_ref().is_none_or(|name| self.has_place(name))
            && needs.rate.as_ref().is_none_or(|rate| self.free_at(rate, now) == Some(now))
    }

    /// Lets in whoever may begin, of those that need something of what `needs` names.
    fn settle(&mut self, needs: &Needs, now: Instant) -> Opened<R> {
        let mut opened = Opened { grants: Vec::new(), looks: Vec::new() };
        if let Some(rate) = &needs.rate {
            self.let_in(What::Window(&rate.key), now, &mut opened);
        }
        if let Some(name) = &needs.pool {
            self.let_in(What::Pool(name), now, &mut opened);
        }
        if let Some(rate) = &needs.rate {
            opened.looks.extend(self.look(&rate.key, now));
        }
        opened
    }

    fn let_in(&mut self, what: What<'_>, now: Instant, opened: &mut Opened<R>) {
        while let Some((needs, spot)) = self.next(what, now) {
            let taken = self.lines.get_mut(&needs).and_then(|line| line.remove(spot));
            self.close_if_empty(&needs);
            if let Some(pool) = needs.pool.as_ref().and_then(|name| self.pools.get_mut(name)) {
                pool.taken += 1;
            }
            if let Some(window) = needs.rate.as_ref().and_then(|rate| self.windows.get_mut(&rate.key)) {
                window.let_in += 1;
            }
            let turns = match what {
                What::Pool(name) => self.pools.get_mut(name).map(|pool| &mut pool.turns),
                What::Window(key) => self.windows.get_mut(key).map(|window| &mut window.turns),
            };
            turns.into_iter().for_each(Turns::given);
            opened.grants.extend(taken.map(|(to, key)| Grant { to, key, spot, needs }));
        }
    }

    /// Who is next of those that stand behind open doors of `what`.
    fn next(&self, what: What<'_>, now: Instant) -> Option<(Arc<Needs>, Spot)> {
        let (doors, turns) = match what {
            What::Pool(name) => self.pools.get(name).map(|pool| (&pool.doors, pool.turns))?,
            What::Window(key) => self.windows.get(key).map(|window| (&window.doors, window.turns))?,
        };
        let is_oldest = turns.is_oldest();
        let open = doors.iter().filter(|needs| self.is_open(needs, now));
        let firsts = open.filter_map(|needs| Some((needs, self.lines.get(needs)?.next(is_oldest)?)));
        let (needs, spot) = firsts.min_by_key(|(_, spot)| spot.order(is_oldest))?;
        Some((needs.clone(), spot))
    }

    fn close_if_empty(&mut self, needs: &Arc<Needs>) {
        if self.lines.get(needs).is_some_and(|line| !line.is_empty()) {
            return;
        }
        self.lines.remove(needs);
        if let Some(name) = &needs.pool
            && let Some(pool) = self.pools.get_mut(name)
        {
            pool.doors.remove(needs);
            if pool.limit.is_none() && pool.doors.is_empty() {
                self.pools.remove(name);
            }
        }
        if let Some(window) = needs.rate.as_ref().and_then(|rate| self.windows.get_mut(&rate.key)) {
            window.doors.remove(needs);
        }
    }

    /// When a window is to be looked at, if that is not arranged already: when the next one may begin, or when all of it has
    /// passed and it can be forgotten, which is done here.
    fn look(&mut self, key: &Arc<str>, now: Instant) -> Option<(Arc<str>, Instant)> {
        let window = self.windows.get(key)?;
        let rates = window.doors.iter().filter_map(|needs| needs.rate.as_ref());
        let next = rates.filter_map(|rate| self.free_at(rate, now)).filter(|at| *at > now).min();
        let passed = window.begun.back().and_then(|last| last.checked_add(window.keep.0));
        let is_idle = window.doors.is_empty() && window.let_in == 0;
        if is_idle && passed.is_none_or(|at| at <= now) {
            self.windows.remove(key);
            return None;
        }
        let due = next.or(passed.filter(|at| *at > now))?;
        if window.due.is_some_and(|earlier| earlier <= due) {
            return None;
        }
        self.windows.get_mut(key)?.due = Some(due);
        Some((key.clone(), due))
    }

    /// Whether nobody waits, nobody has a place and nothing is remembered.
    #[cfg(test)]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.lines.is_empty()
            && self.pools.values().all(|pool| pool.taken == 0 && pool.doors.is_empty())
            && self.windows.values().all(|window| window.let_in == 0 && window.doors.is_empty())
    }
}

impl Window {
    /// One has begun; those that are of no interest any more are forgotten.
    fn note(&mut self, at: Instant) {
        self.begun.push_back(at);
        let (per, count) = self.keep;
        while self.begun.len() > count as usize
            || self.begun.front().is_some_and(|first| at.saturating_duration_since(*first) >= per)
        {
            self.begun.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
