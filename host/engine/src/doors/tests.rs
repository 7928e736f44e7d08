//! Doors without an engine, on times that the tests make up.

use super::*;
use jackfield_core::plan::StepIx;
use jackfield_core::run::InstanceIx;

const SECOND: Duration = Duration::from_secs(1);

struct Hall {
    doors: Doors<u32>,
    now: Instant,
    spots: BTreeMap<u32, (Arc<Needs>, Spot)>,
    /// Who was let in, in order.
    came_in: Vec<u32>,
    looks: Vec<(Arc<str>, Instant)>,
}

fn key(nth: u32) -> CallKey {
    CallKey { instance: InstanceIx(nth), step: StepIx(0), attempt: 1, is_undo: false }
}

fn pool(name: &str) -> Needs {
    Needs { pool: Some(name.into()), rate: None }
}

fn rate(key: &str, per: Duration, count: u32) -> Needs {
    Needs { pool: None, rate: Some(Rate { key: key.into(), per, count }) }
}

impl Hall {
    fn new(pools: &[(&str, u32)]) -> Self {
        let pools = pools.iter().map(|(name, limit)| ((*name).into(), *limit)).collect();
        Self {
            doors: Doors::new(&pools),
            now: Instant::now(),
            spots: BTreeMap::new(),
            came_in: Vec::new(),
            looks: Vec::new(),
        }
    }

    fn take(&mut self, opened: Opened<u32>) {
        self.came_in.extend(opened.grants.iter().map(|grant| grant.to));
        self.looks.extend(opened.looks);
    }

    fn come(&mut self, who: u32, needs: &Needs, priority: u8) {
        let needs = Arc::new(needs.clone());
        let (spot, opened) = self.doors.stand((who, key(who)), &needs, priority, self.now);
        self.spots.insert(who, (needs, spot));
        self.take(opened);
    }

    fn begin(&mut self, who: u32) {
        let opened = self.doors.begin(&self.spots[&who].0.clone(), self.now);
        self.take(opened);
    }

    fn leave(&mut self, who: u32, has_begun: bool) {
        let opened = self.doors.leave(&self.spots[&who].0.clone(), has_begun, self.now);
        self.take(opened);
    }

    /// Time passes, and every window is looked at when that is due.
    fn pass(&mut self, by: Duration) {
        let until = self.now + by;
        while let Some(at) = self.looks.iter().map(|(_, at)| *at).min().filter(|at| *at <= until) {
            let nth = self.looks.iter().position(|(_, due)| *due == at).unwrap();
            let (key, _) = self.looks.remove(nth);
            self.now = at;
            let opened = self.doors.is_due(&key, at);
            self.take(opened);
        }
        self.now = until;
    }

    fn drain(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.came_in)
    }
}

#[test]
fn a_pool_lets_in_as_many_as_it_has_places() {
    let mut hall = Hall::new(&[("gpu", 2)]);
    (1..=4).for_each(|who| hall.come(who, &pool("gpu"), 5));
    assert_eq!(hall.drain(), [1, 2]);
    hall.leave(2, true);
    assert_eq!(hall.drain(), [3]);
    let (needs, spot) = hall.spots[&4].clone();
    hall.doors.give_up(&needs, spot);
    hall.leave(1, true);
    hall.leave(3, false);
    assert!(hall.drain().is_empty());
    assert!(hall.doors.is_at_rest());
}

#[test]
fn the_highest_priority_goes_first_and_every_eighth_place_to_who_came_first() {
    let mut hall = Hall::new(&[("gpu", 1)]);
    hall.come(0, &pool("gpu"), 5);
    hall.come(1, &pool("gpu"), 0);
    (2..12).for_each(|who| hall.come(who, &pool("gpu"), 9));
    for who in 0..9 {
        hall.leave(who, true);
    }
    // the first place is one of the eight
    assert_eq!(hall.drain(), [0, 2, 3, 4, 5, 6, 7, 1, 8, 9]);
}

#[test]
fn who_waits_for_a_pool_that_is_not_there_holds_back_nobody() {
    let mut hall = Hall::new(&[("cpu", 1)]);
    hall.come(1, &pool("gpu"), 9);
    hall.come(2, &pool("cpu"), 0);
    assert_eq!(hall.drain(), [2]);
    let why = hall.doors.why(&hall.spots[&1].0, hall.now);
    assert_eq!(why, "waits for a place in pool `gpu`, which this host does not have");
    hall.come(3, &pool("cpu"), 0);
    let why = hall.doors.why(&hall.spots[&3].0, hall.now);
    assert_eq!(why, "waits for a place in pool `cpu` (limit 1)");
}

#[test]
fn no_window_of_its_length_has_more_beginnings_than_the_count() {
    let mut hall = Hall::new(&[]);
    let needs = rate("mail", SECOND, 2);
    (1..=5).for_each(|who| hall.come(who, &needs, 5));
    assert_eq!(hall.drain(), [1, 2]);
    // who may begin and has not counts as long as it takes
    hall.pass(10 * SECOND);
    assert!(hall.drain().is_empty());
    hall.begin(1);
    hall.pass(SECOND / 2);
    hall.begin(2);
    hall.pass(SECOND / 2 - Duration::from_nanos(1));
    assert!(hall.drain().is_empty());
    hall.pass(Duration::from_nanos(1));
    assert_eq!(hall.drain(), [3]);
    hall.begin(3);
    hall.pass(SECOND / 2);
    assert_eq!(hall.drain(), [4]);
    // one that does not begin after all leaves its turn to the next
    hall.leave(4, false);
    assert_eq!(hall.drain(), [5]);
    hall.begin(5);
    (1..=5).filter(|who| *who != 4).for_each(|who| hall.leave(who, true));
    assert!(hall.doors.is_at_rest());
    assert_eq!(hall.doors.windows.len(), 1);
    hall.pass(2 * SECOND);
    assert_eq!(hall.doors.windows.len(), 0, "a key that nobody uses is forgotten");
}

#[test]
fn steps_that_share_a_key_are_counted_together_each_by_its_own_limit() {
    let mut hall = Hall::new(&[]);
    hall.come(1, &rate("k", SECOND, 3), 5);
    hall.begin(1);
    hall.come(2, &rate("k", 10 * SECOND, 1), 5);
    hall.come(3, &rate("k", SECOND, 3), 5);
    hall.come(4, &rate("other", 10 * SECOND, 1), 5);
    assert_eq!(hall.drain(), [1, 3, 4]);
    hall.begin(3);
    hall.pass(9 * SECOND);
    assert!(hall.drain().is_empty());
    hall.pass(SECOND);
    assert_eq!(hall.drain(), [2]);
}

#[test]
fn who_needs_both_holds_neither_while_it_waits() {
    let mut hall = Hall::new(&[("gpu", 1)]);
    let both = Needs { pool: Some("gpu".into()), ..rate("k", SECOND, 1) };
    hall.come(1, &both, 5);
    hall.begin(1);
    hall.come(2, &both, 5);
    hall.leave(1, true);
    assert_eq!(hall.drain(), [1], "2 waits for its turn");
    hall.come(3, &pool("gpu"), 0);
    assert_eq!(hall.drain(), [3], "and leaves the place to others");
    hall.pass(SECOND);
    hall.come(4, &rate("k", SECOND, 1), 0);
    assert_eq!(hall.drain(), [4], "now it waits for a place, and leaves its turn to others");
    hall.begin(4);
    hall.leave(3, true);
    assert!(hall.drain().is_empty());
    hall.pass(SECOND);
    assert_eq!(hall.drain(), [2]);
}

#[test]
fn what_began_before_counts() {
    let mut hall = Hall::new(&[]);
    let needs = rate("k", 10 * SECOND, 2);
    let now = hall.now + 20 * SECOND;
    hall.now = now;
    for ago in [4, 7] {
        let opened = hall.doors.remember(&"k".into(), 10 * SECOND, now - ago * SECOND, now);
        hall.take(opened);
    }
    hall.come(1, &needs, 5);
    hall.pass(2 * SECOND);
    assert!(hall.drain().is_empty());
    hall.pass(SECOND);
    assert_eq!(hall.drain(), [1]);
}
