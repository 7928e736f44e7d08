//! Those that wait for a place, and in which order they get one: the highest priority first, among equals who came first,
//! and every eighth place to who has waited longest, so that a low priority makes progress, too.

use std::collections::{BTreeMap, VecDeque};

/// The highest priority.
pub const PRIORITY_MAX: u8 = 9;
/// One place in so many goes to who has waited longest.
const OLDEST_EVERY: u32 = 8;

/// Where somebody stands; the least is next, unless it is the turn of who has waited longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The highest priority is 0.
    rank: u8,
    /// In the order of coming.
    nth: i64,
}

impl Spot {
    /// That of the one who came as number `nth`; priorities above 9 count as 9.
    #[must_use]
    pub fn new(priority: u8, nth: i64) -> Self {
        Self { rank: PRIORITY_MAX - priority.min(PRIORITY_MAX), nth }
    }

    /// What places are given by: the least is next. `is_oldest` if it is the turn of who has waited longest.
    #[must_use]
    pub fn order(self, is_oldest: bool) -> (u8, i64) {
        if is_oldest { (0, self.nth) } else { (self.rank, self.nth) }
    }
}

/// Whose turn it is: one in eight is that of who has waited longest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turns {
    since_oldest: u32,
}

impl Turns {
    /// Whether the next place goes to who has waited longest.
    #[must_use]
    pub fn is_oldest(self) -> bool {
        self.since_oldest + 1 >= OLDEST_EVERY
    }

    /// A place has been given by the rule.
    pub fn given(&mut self) {
        self.since_oldest = if self.is_oldest() { 0 } else { self.since_oldest + 1 };
    }
}

/// Those that wait, by their spots. Whoever comes, leaves or is next costs as much as a look into an ordered map.
#[derive(Clone, Debug)]
pub struct Ranked<T> {
    waiting: BTreeMap<Spot, T>,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new() }
    }
}

impl<T> Ranked<T> {
    /// Somebody takes a spot that nobody has.
    pub fn insert(&mut self, spot: Spot, it: T) {
        self.waiting.insert(spot, it);
    }

    /// Who stands there leaves.
    pub fn remove(&mut self, spot: Spot) -> Option<T> {
        self.waiting.remove(&spot)
    }

    /// Who stands there.
    #[must_use]
    pub fn get(&self, spot: Spot) -> Option<&T> {
        self.waiting.get(&spot)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, spot: Spot) -> Option<&mut T> {
        self.waiting.get_mut(&spot)
    }

    /// All of them, the highest priority first, then in the order of coming.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.waiting.values()
    }

    /// Who is next: by priority, or the one that has waited longest.
    #[must_use]
    pub fn next(&self, is_oldest: bool) -> Option<Spot> {
        if !is_oldest {
            return self.waiting.first_key_value().map(|(spot, _)| *spot);
        }
        let first_of = |rank| {
            let from = Spot { rank, nth: i64::MIN };
            self.waiting.range(from..).next().map(|(spot, _)| *spot)
        };
        (0..=PRIORITY_MAX).filter_map(first_of).min_by_key(|spot| spot.nth)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// A line in which all are equal, or in which priorities count.
#[derive(Clone, Debug)]
pub enum Line<T> {
    /// Who came first is next.
    InOrder(VecDeque<T>),
    /// By priority.
    Ranked(Box<RankedLine<T>>),
}

/// A line in which priorities count.
#[derive(Clone, Debug)]
pub struct RankedLine<T> {
    waiting: Ranked<(u8, T)>,
    turns: Turns,
    /// The next number behind all, and before all.
    behind: i64,
    before: i64,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self::InOrder(VecDeque::new())
    }
}

/// In the order in which they come, without priorities.
impl<T> FromIterator<T> for Line<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut line = Self::default();
        all.into_iter().for_each(|it| line.push_back(it, |_| 0));
        line
    }
}

impl<T> Line<T> {
    /// A line in which priorities count, if `is_ranked`.
    #[must_use]
    pub fn new(is_ranked: bool) -> Self {
        if !is_ranked {
            return Self::default();
        }
        let (waiting, turns) = (Ranked::default(), Turns::default());
        Self::Ranked(Box::new(RankedLine { waiting, turns, behind: 0, before: -1 }))
    }

    /// Whether nobody waits.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::InOrder(line) => line.len(),
            Self::Ranked(line) => line.waiting.len(),
        }
    }

    /// Somebody comes; `priority` is asked for only where it counts.
    #[inline]
    pub fn push_back(&mut self, it: T, priority: impl FnOnce(&T) -> u8) {
        match self {
            Self::InOrder(line) => line.push_back(it),
            Self::Ranked(line) => {
                let priority = priority(&it);
                line.waiting.insert(Spot::new(priority, line.behind), (priority, it));
                line.behind += 1;
            }
        }
    }

    /// Somebody comes back and stands before all of the same priority.
    pub fn push_front(&mut self, it: T, priority: impl FnOnce(&T) -> u8) {
        match self {
            Self::InOrder(line) => line.push_front(it),
            Self::Ranked(line) => {
                let priority = priority(&it);
                line.waiting.insert(Spot::new(priority, line.before), (priority, it));
                line.before -= 1;
            }
        }
    }

    /// Takes who is next.
    #[inline]
    pub fn pop_front(&mut self) -> Option<T> {
        match self {
            Self::InOrder(line) => line.pop_front(),
            Self::Ranked(line) => {
                let spot = line.waiting.next(line.turns.is_oldest())?;
                line.turns.given();
                line.waiting.remove(spot).map(|(_, it)| it)
            }
        }
    }

    /// Takes all, in the order of their priorities.
    pub fn take_all(&mut self) -> VecDeque<T> {
        match self {
            Self::InOrder(line) => std::mem::take(line),
            Self::Ranked(line) => {
                let waiting = std::mem::take(&mut line.waiting.waiting);
                waiting.into_values().map(|(_, it)| it).collect()
            }
        }
    }

    /// Nobody waits any more.
    pub fn clear(&mut self) {
        self.take_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(priorities: &[u8]) -> Line<(u8, usize)> {
        let mut line = Line::new(true);
        priorities.iter().enumerate().for_each(|(nth, it)| line.push_back((*it, nth), |it| it.0));
        line
    }

    #[test]
    fn the_highest_priority_is_next_and_among_equals_who_came_first() {
        let mut line = ranked(&[5, 9, 0, 9, 5]);
        let order: Vec<_> = std::iter::from_fn(|| line.pop_front()).map(|it| it.1).collect();
        assert_eq!(order, [1, 3, 0, 4, 2]);
        let mut plain = Line::new(false);
        [3, 1, 2].into_iter().for_each(|it| plain.push_back(it, |_| unreachable!("nobody asks for it")));
        assert_eq!(plain.take_all(), [3, 1, 2]);
    }

    #[test]
    fn every_eighth_place_goes_to_who_has_waited_longest() {
        let mut line = ranked(&[0]);
        (0..20).for_each(|nth| line.push_back((9, nth + 1), |it| it.0));
        let order: Vec<_> = std::iter::from_fn(|| line.pop_front()).map(|it| it.1).collect();
        assert_eq!(order[..9], [1, 2, 3, 4, 5, 6, 7, 0, 8]);
    }

    #[test]
    fn who_comes_back_stands_before_its_equals_and_behind_higher_ones() {
        let mut line = ranked(&[5, 9]);
        line.push_front((5, 7), |it| it.0);
        line.push_front((5, 8), |it| it.0);
        let order: Vec<_> = std::iter::from_fn(|| line.pop_front()).map(|it| it.1).collect();
        assert_eq!(order, [1, 8, 7, 0]);
    }
}
