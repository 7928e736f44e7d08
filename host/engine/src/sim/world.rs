//! What a simulated engine lives in: its disk, its clock, its methods, and those who watch it.

use super::methods::{Open, Source};
use crate::engine::Inner;
use crate::inline::Slot;
use crate::journal::{Journal, Transaction};
use crate::planted::Bug;
use crate::tests::memory_store::MemoryStore;
use crate::tests::random::Dice;
use crate::{Config, Engine, Ports, SilentListener};
use jackfield_core::ports::{Clock, Secrets};
use jackfield_core::time::Timestamp;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When the world begins, in wall time.
const BEGINNING: u64 = 1_800_000_000_000_000_000;

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// Unwinds out of whatever the engine does: its process has ended.
pub(super) struct Death;

/// Where the next write is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Before,
    After,
}

pub(crate) struct World {
    pub(super) bug: Option<Bug>,
    pub(super) dice: RefCell<Dice>,
    /// Begin of the monotonic clock.
    base: Instant,
    elapsed: Cell<Duration>,
    /// The wall clock is so far from the other one.
    skew: Cell<i64>,
    pub(super) engine: RefCell<Option<Engine>>,
    pub(super) store: RefCell<Arc<MemoryStore>>,
    /// What could not be written yet.
    unwritten: RefCell<Option<Transaction>>,
    pub(super) cut: Cell<Option<Cut>>,
    /// Writes that will still fail.
    pub(super) full_for: Cell<u32>,
    /// The process has ended.
    pub(super) is_dead: Cell<bool>,
    pub(super) open: RefCell<Vec<Open>>,
    /// Calls that were given up and answer nevertheless.
    pub(super) late: RefCell<Vec<Open>>,
    /// Calls begun since the engine started: run, step, attempt.
    pub(super) begun: RefCell<BTreeSet<(String, String, u32)>>,
    pub(super) is_plugin_missing: Cell<bool>,
    /// Calls whose end nobody waits for any more: their places are others'.
    pub(super) given_up: RefCell<BTreeSet<(String, String, u32)>>,
    /// When calls began that the one rate limit counts, as far as the engine can know of them.
    pub(super) slow: RefCell<Vec<Instant>>,
    pub(super) faults: RefCell<BTreeMap<&'static str, u32>>,
    pub(super) steps: Cell<u32>,
    pub(super) trace: RefCell<Vec<String>>,
    pub(super) fault: RefCell<Option<String>>,
    pub(super) is_calm: Cell<bool>,
    slot: RefCell<Arc<Slot>>,
}

impl World {
    /// Makes a world the one of this thread until `act` has returned.
    pub(super) fn within<T>(seed: u64, bug: Option<Bug>, act: impl FnOnce(&Rc<Self>) -> T) -> T {
        let world = Rc::new(Self {
            bug,
            dice: RefCell::new(Dice(seed)),
            base: Instant::now(),
            elapsed: Cell::default(),
            skew: Cell::default(),
            engine: RefCell::default(),
            store: RefCell::default(),
            unwritten: RefCell::default(),
            cut: Cell::default(),
            full_for: Cell::default(),
            is_dead: Cell::default(),
            open: RefCell::default(),
            late: RefCell::default(),
            begun: RefCell::default(),
            is_plugin_missing: Cell::default(),
            given_up: RefCell::default(),
            slow: RefCell::default(),
            faults: RefCell::default(),
            steps: Cell::default(),
            trace: RefCell::default(),
            fault: RefCell::default(),
            is_calm: Cell::default(),
            slot: RefCell::default(),
        });
        WORLD.set(Some(world.clone()));
        let done = act(&world);
        world.open.take();
        world.late.take();
        world.unwritten.take();
        world.engine.take();
        WORLD.set(None);
        done
    }

    pub(super) fn current() -> Option<Rc<Self>> {
        WORLD.with_borrow(Clone::clone)
    }

    pub(super) fn below(&self, limit: u64) -> u64 {
        self.dice.borrow_mut().below(limit)
    }

    pub(super) fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn instant(&self) -> Instant {
        self.base + self.elapsed.get()
    }

    pub(super) fn wall(&self) -> Timestamp {
        let elapsed = i64::try_from(self.elapsed.get().as_nanos()).unwrap_or(i64::MAX);
        let at = i128::from(BEGINNING) + i128::from(elapsed) + i128::from(self.skew.get());
        Timestamp(u64::try_from(at).unwrap_or(0))
    }

    /// Time passes.
    pub(super) fn pass(&self, time: Duration) {
        self.elapsed.set(self.elapsed.get() + time);
    }

    /// Time passes until then.
    pub(super) fn pass_until(&self, at: Instant) {
        self.pass(at.saturating_duration_since(self.instant()));
    }

    /// Somebody sets the wall clock.
    pub(super) fn set_clock(&self, by_ms: i64) {
        self.skew.set(self.skew.get() + by_ms * 1_000_000);
    }

    /// Something is wrong; the first thing counts.
    #[track_caller]
    pub(super) fn accuse(&self, what: impl Into<String>) {
        let what = what.into();
        self.fault.borrow_mut().get_or_insert(what);
    }

    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        self.trace.borrow_mut().push(what());
    }

    pub(super) fn count(&self, fault: &'static str) {
        *self.faults.borrow_mut().entry(fault).or_default() += 1;
        self.note(|| format!("FAULT {fault}"));
    }

    pub(super) fn inner(&self) -> Arc<Inner> {
        self.engine.borrow().as_ref().expect("an engine is there while it is driven").inner.clone()
    }

    /// A process begins with what is on the disk.
    pub(super) fn boot(&self) {
        let store = self.store.borrow().clone();
        let config = Config {
            recoveries_max: 0,
            threads: 1,
            blocking_threads_max: 1,
            evict_after: Duration::from_millis(500),
            // few enough that most runs forget something
            records_kept: 6,
            pools: [("narrow".into(), 1)].into(),
            ..Config::default()
        };
        let journal = Journal::new(store).expect("a store in memory can be read");
        let engine = Engine::without_threads(config, ports(), Some(journal));
        let engine = engine.expect("the workflows in the store can be read");
        // nobody is to start a thread
        engine.inner.pool_places.take(1);
        self.slot.take();
        self.begun.borrow_mut().clear();
        self.given_up.borrow_mut().clear();
        self.recall_slow();
        let inner = engine.inner.clone();
        *self.engine.borrow_mut() = Some(engine.clone());
        super::documents::register(&engine);
        inner.recover().expect("a store in memory can be read");
    }

    /// The process ends now; another one begins.
    pub(super) fn crash(&self) {
        let content = self.store.borrow().content();
        self.store.borrow().set_room(Some(0));
        self.open.take();
        self.late.take();
        self.unwritten.take();
        self.engine.take();
        self.cut.set(None);
        self.full_for.set(0);
        self.is_dead.set(false);
        *self.store.borrow_mut() = Arc::new(MemoryStore::holding(content));
    }

    /// What the writing thread does at a time. False if there was nothing to do.
    pub(super) fn write(&self) -> bool {
        let inner = self.inner();
        let Some(journal) = &inner.journal else { return false };
        let waiting = self.unwritten.take();
        let Some(transaction) = waiting.or_else(|| journal.try_next()) else { return false };
        if self.is_dead.get() {
            std::panic::resume_unwind(Box::new(Death));
        }
        let cut = self.cut.take();
        if cut == Some(Cut::Before) {
            self.die();
        }
        let is_full = self.full_for.get() > 0;
        self.store.borrow().set_room(is_full.then_some(0));
        self.full_for.set(self.full_for.get().saturating_sub(1));
        let is_written = journal.try_write(&transaction.changes);
        self.note(|| format!("write {} changes: {is_written}", transaction.changes.len()));
        if !is_written {
            *self.unwritten.borrow_mut() = Some(transaction);
            return true;
        }
        if cut == Some(Cut::After) {
            self.die();
        }
        inner.is_written(journal, &transaction);
        true
    }

    fn die(&self) -> ! {
        self.is_dead.set(true);
        self.store.borrow().set_room(Some(0));
        std::panic::resume_unwind(Box::new(Death));
    }

    /// What an inline thread does at a time.
    pub(super) fn inline(&self) -> bool {
        let inner = self.inner();
        let crate::lane::Next::Run(run) = inner.inline_lane.next(Some(Duration::ZERO)) else { return false };
        let slot = self.slot.borrow().clone();
        let mut call = inner.blank_call(Arc::default());
        inner.inline_turn(&run, &slot, &mut call);
        true
    }

    /// What a thread of the pool does at a time.
    pub(super) fn blocking(&self) -> bool {
        let inner = self.inner();
        let crate::lane::Next::Run(run) = inner.blocking_lane.next(Some(Duration::ZERO)) else {
            return false;
        };
        inner.serve(&run);
        true
    }

    pub(super) fn errand(&self) -> bool {
        let inner = self.inner();
        let Some((run, errand)) = inner.errands.try_next() else { return false };
        if let crate::errands::Errand::StartChild(child) = &errand {
            self.begin_child(&run.id, child.key);
        }
        inner.go_on_errand(&run, errand);
        true
    }

    pub(super) fn chore(&self) -> bool {
        let inner = self.inner();
        let Some(chore) = inner.journal.as_ref().and_then(Journal::try_chore) else { return false };
        self.note(|| format!("chore {chore:?}"));
        inner.do_chore(chore);
        true
    }

    /// A timer that is due fires.
    pub(super) fn timer(&self) -> bool {
        let inner = self.inner();
        let Some(due) = inner.timers.try_next() else { return false };
        self.note(|| format!("{:?} timer {due:?}", self.elapsed.get()));
        inner.is_due(due);
        true
    }
}

struct SimClock;

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        World::current().map_or(Timestamp(BEGINNING), |world| world.wall())
    }
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn get(&self, name: &str) -> Result<Arc<str>, String> {
        Err(format!("no secret `{name}`"))
    }
}

pub(super) fn ports() -> Ports {
    Ports {
        methods: Arc::new(Source),
        secrets: Arc::new(NoSecrets),
        clock: Arc::new(SimClock),
        listener: Arc::new(SilentListener),
        spans: None,
        compile: Some(Arc::new(|text| Ok(super::documents::plan(text)))),
    }
}
