//! One seed: some runs, one thing after the other, faults in between, then peace until everything has ended.

use super::documents;
use super::judge::{Judge, Told};
use super::world::{Death, World};
use crate::perform::panic_text;
use crate::planted::Bug;
use crate::{Engine, StartRequest};
use jackfield_core::payload::Payload;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

/// Runs that a seed starts, at most.
const RUNS_MAX: u64 = 5;
/// Faults that every seed has, at least.
const FAULTS_MIN: u32 = 3;
/// Things that are done, at least.
const STEPS_MIN: u64 = 60;
/// Far more than any seed needs in peace.
const PEACE_MAX: u32 = 20_000;

/// What a seed came to.
#[derive(Debug)]
pub(super) struct Played {
    /// What was wrong, if anything was.
    pub(super) fault: Option<String>,
    /// Things that were done before peace.
    pub(super) steps: u32,
    /// What went wrong meanwhile, by its name.
    pub(super) faults: BTreeMap<&'static str, u32>,
    /// One line for everything that happened.
    pub(super) trace: Vec<String>,
}

pub(super) struct Play<'a> {
    pub(super) world: &'a Rc<World>,
    pub(super) judge: Judge,
    started: u64,
    /// Numbers that were sent to runs.
    pub(super) sent: u64,
}

/// Plays a seed, on an engine with this defect.
pub(super) fn play(seed: u64, bug: Option<Bug>) -> Played {
    World::within(seed, bug, |world| {
        let mut play = Play { world, judge: Judge::default(), started: 0, sent: 0 };
        let played = catch_unwind(AssertUnwindSafe(|| play.all()));
        if let Err(panic) = played {
            world.accuse(format!("panicked: {}", panic_text(&*panic)));
        }
        Played {
            fault: world.fault.take(),
            steps: world.steps.get(),
            faults: world.faults.take(),
            trace: world.trace.take(),
        }
    })
}

impl Play<'_> {
    pub(super) fn engine(&self) -> Engine {
        Engine { inner: self.world.inner() }
    }

    fn is_fine(&self) -> bool {
        self.world.fault.borrow().is_none()
    }

    fn all(&mut self) {
        self.world.boot();
        let budget = STEPS_MIN + self.world.below(60);
        let faults = |play: &Self| play.world.faults.borrow().values().sum::<u32>();
        while self.is_fine() && (u64::from(self.world.steps.get()) < budget || faults(self) < FAULTS_MIN) {
            self.step(Self::act);
        }
        self.world.is_calm.set(true);
        self.world.cut.set(None);
        self.world.full_for.set(0);
        for _ in 0..PEACE_MAX {
            if !self.is_fine() || self.judge.is_all_over() && !self.goes_on() {
                break;
            }
            self.step(Self::act_in_peace);
        }
        if self.is_fine() && !self.judge.is_all_over() {
            let open = self.judge.runs.iter().filter(|(_, told)| told.ended.is_none());
            let open: Vec<_> = open.map(|(id, told)| format!("{id} {}", told.workflow.id)).collect();
            self.world.accuse(format!("these never end: {open:?}"));
        }
        if self.is_fine() {
            self.judge.compare_ends(self.world);
        }
    }

    /// Does something; a death on the way is followed by a new process.
    fn step(&mut self, act: impl FnOnce(&mut Self) -> bool) {
        let acted = catch_unwind(AssertUnwindSafe(|| act(self)));
        match acted {
            Ok(true) => self.world.steps.set(self.world.steps.get() + 1),
            Ok(false) => {}
            Err(panic) if panic.is::<Death>() => {}
            Err(panic) => self.world.accuse(format!("panicked: {}", panic_text(&*panic))),
        }
        if self.world.is_dead.get() {
            self.restart("died at a write");
        }
        self.judge.look(self.world);
    }

    /// The process ends here; another one begins.
    pub(super) fn restart(&mut self, how: &'static str) -> bool {
        self.world.count(how);
        if !self.world.is_dead.get() {
            self.judge.look(self.world);
        }
        self.world.crash();
        self.judge.compare(self.world);
        self.judge.read(self.world);
        self.world.boot();
        true
    }

    /// One thing that a thread, somebody outside or bad luck does.
    fn act(&mut self) -> bool {
        let world = self.world;
        match world.below(100) {
            0..18 => world.write(),
            18..30 => world.inline(),
            30..38 => world.blocking(),
            38..46 => world.errand(),
            46..51 => world.chore(),
            51..66 => self.answer(),
            66..69 => self.answer_late(),
            69..76 => world.timer(),
            76..80 => world.is_plugin_missing.get() && self.bring_plugin() || self.wait(),
            80..87 => self.start(),
            87..91 => self.send(),
            _ => self.fault(),
        }
    }

    /// Whether a thread has something to do.
    fn goes_on(&self) -> bool {
        let world = self.world;
        world.write()
            || world.errand()
            || world.chore()
            || world.inline()
            || world.blocking()
            || world.timer()
    }

    /// What is left to do when nothing goes wrong any more.
    fn act_in_peace(&mut self) -> bool {
        if self.bring_plugin() || self.goes_on() || self.answer() || self.answer_late() {
            return true;
        }
        let open: Vec<String> = {
            let is_open = |(_, told): &(&String, &Told)| told.is_started && told.ended.is_none();
            self.judge.runs.iter().filter(is_open).map(|(run_id, _)| run_id.clone()).collect()
        };
        for run_id in &open {
            // asking the engine would bring it back into memory each time
            if self.world.on_disk(run_id).is_some_and(|restored| restored.state.is_paused()) {
                return self.engine().resume(run_id).is_ok();
            }
        }
        // a run that takes messages gets some more than it needs
        let has_enough = |told: &Told| told.sent.len() > 12;
        let wants = self.judge.runs.values().any(|told| {
            let takes = told.workflow.event.is_some() || told.workflow.queue.is_some();
            takes && told.is_started && told.ended.is_none() && !has_enough(told)
        });
        if wants && self.send() {
            return true;
        }
        self.wait()
    }

    fn start(&mut self) -> bool {
        if self.started == RUNS_MAX {
            return false;
        }
        self.started += 1;
        let run_id = format!("r{}", self.started);
        let startable: Vec<_> = documents::all().iter().filter(|workflow| !workflow.is_child).collect();
        let workflow = startable[self.world.below(startable.len() as u64) as usize];
        self.world.note(|| format!("start {run_id} {}", workflow.id));
        self.judge.runs.insert(run_id.clone(), Told::new(workflow));
        let request = StartRequest {
            run_id: Some(run_id.clone()),
            document: Some(workflow.document.clone()),
            delay: (self.world.below(4) == 0).then(|| Duration::from_millis(self.world.below(1_000))),
            ..StartRequest::new(workflow.plan.clone(), Payload::parse("{}").expect("it is JSON"))
        };
        let started = self.engine().start(request);
        if self.world.is_dead.get() {
            return true;
        }
        match (started, self.judge.runs.get_mut(&run_id)) {
            (Ok(_), Some(told)) => told.is_started = true,
            (Err(error), _) if self.world.is_plugin_missing.get() => {
                self.world.note(|| format!("refused: {error}"));
                self.judge.runs.remove(&run_id);
            }
            (Err(error), _) => self.world.accuse(format!("{run_id} does not start: {error}")),
            (Ok(_), None) => {}
        }
        true
    }
}
