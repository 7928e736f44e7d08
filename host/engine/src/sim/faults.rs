//! What goes wrong, and what people do meanwhile. Each that happened is counted under its name.

use super::methods::{Open, outcome};
use super::play::Play;
use super::world::Cut;
use crate::error::EngineError;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::payload::Payload;
use jackfield_core::run::CancelMode;
use std::time::Duration;

impl Play<'_> {
    /// Something goes wrong. False if it could not.
    pub(super) fn fault(&mut self) -> bool {
        match self.world.below(14) {
            0 => self.restart("crash"),
            1 | 2 => {
                let cut = if self.world.chance(50) { Cut::Before } else { Cut::After };
                self.world.cut.set(Some(cut));
                true
            }
            3 => self.fill_disk(),
            4 => self.kill_worker(),
            5 => self.lose_answer(),
            6 | 7 => self.delay_answer(),
            8 | 9 => self.set_clock(),
            10 => self.cancel(),
            11 | 12 => self.pause(),
            _ => self.restart_without_plugin(),
        }
    }

    fn fill_disk(&self) -> bool {
        self.world.full_for.set(1 + self.world.below(5) as u32);
        self.world.count("disk full");
        true
    }

    fn take_open(&self) -> Option<Open> {
        let mut open = self.world.open.borrow_mut();
        let len = open.len() as u64;
        (len > 0).then(|| open.remove(self.world.below(len) as usize))
    }

    /// All calls of a worker end with it.
    fn kill_worker(&self) -> bool {
        let mut has_died = false;
        while let Some(open) = self.take_open() {
            has_died = true;
            (open.done)(Err(Failure::new(kind::PLUGIN_CRASH, "the worker died")));
            if self.world.chance(40) {
                break;
            }
        }
        if has_died {
            self.world.count("worker died");
        }
        has_died
    }

    /// Nobody ever answers; the limit of the call ends it.
    fn lose_answer(&self) -> bool {
        let lost = self.take_open();
        if lost.is_some() {
            self.world.count("answer lost");
        }
        lost.is_some()
    }

    /// The answer comes when the call has been given up.
    fn delay_answer(&self) -> bool {
        let Some(open) = self.take_open() else { return false };
        self.world.late.borrow_mut().push(open);
        self.world.count("answer late");
        true
    }

    /// A late answer comes, perhaps after the call was given up and made again.
    pub(super) fn answer_late(&self) -> bool {
        let Some(open) = self.world.late.borrow_mut().pop() else { return false };
        let said = outcome(&open.call);
        (open.done)(said);
        true
    }

    pub(super) fn answer(&self) -> bool {
        let Some(open) = self.take_open() else { return false };
        let said = outcome(&open.call);
        self.world.note(|| format!("answer {}", open.call.address.as_str()));
        (open.done)(said);
        true
    }

    fn set_clock(&self) -> bool {
        let by = i64::try_from(self.world.below(20_000)).unwrap_or(0) - 8_000;
        self.world.set_clock(by);
        self.world.count(if by < 0 { "clock set back" } else { "clock set forward" });
        true
    }

    /// Some run that was told of and has not ended.
    fn some_open_run(&self) -> Option<String> {
        let open = self.judge.runs.iter().filter(|(_, told)| told.is_started && told.ended.is_none());
        let open: Vec<_> = open.map(|(run_id, _)| run_id.clone()).collect();
        let nth = (!open.is_empty()).then(|| self.world.below(open.len() as u64) as usize)?;
        Some(open[nth].clone())
    }

    fn cancel(&mut self) -> bool {
        let Some(run_id) = self.some_open_run() else { return false };
        if self.judge.runs[&run_id].workflow.is_child {
            // what becomes of its parent then is another question
            return false;
        }
        let is_kill = self.world.chance(30);
        self.world.count(if is_kill { "killed" } else { "cancelled" });
        if let Some(told) = self.judge.runs.get_mut(&run_id) {
            told.is_cancelled = true;
        }
        let mode = if is_kill { CancelMode::Kill } else { CancelMode::Graceful };
        let cancelled = self.engine().cancel(&run_id, mode, "the simulation says so");
        self.check_reached(&run_id, &cancelled);
        true
    }

    fn pause(&self) -> bool {
        let Some(run_id) = self.some_open_run() else { return false };
        self.world.count("paused or resumed");
        let engine = self.engine();
        let done = match self.world.chance(50) {
            true => engine.pause(&run_id, "lunch"),
            false => engine.resume(&run_id),
        };
        self.check_reached(&run_id, &done);
        true
    }

    fn restart_without_plugin(&mut self) -> bool {
        self.world.is_plugin_missing.set(true);
        self.restart("restart without plugin")
    }

    /// The plugin is there again.
    pub(super) fn bring_plugin(&self) -> bool {
        if !self.world.is_plugin_missing.replace(false) {
            return false;
        }
        self.world.inner().unblock();
        true
    }

    /// Sends something to a run that waits for it, or will.
    pub(super) fn send(&mut self) -> bool {
        let waits = |(_, told): &(&String, &mut super::judge::Told)| {
            told.is_started
                && told.ended.is_none()
                && (told.workflow.event.is_some() || told.workflow.queue.is_some())
        };
        let mut waiting: Vec<_> = self.judge.runs.iter_mut().filter(waits).collect();
        if waiting.is_empty() {
            return false;
        }
        let nth = self.world.below(waiting.len() as u64) as usize;
        let (run_id, told) = &mut waiting[nth];
        let (run_id, event, queue) = (run_id.clone(), told.workflow.event, told.workflow.queue);
        self.sent += 1;
        let number = self.sent;
        told.sent.push((number, false));
        let data = Payload::trusted(format!("{{\"n\":{number}}}"));
        let engine = self.engine();
        let done = match (event, queue) {
            (Some(event), _) => engine.signal(&run_id, event, data),
            (_, queue) => engine.send(&run_id, queue.unwrap_or_default(), data),
        };
        self.check_reached(&run_id, &done);
        if done.is_ok() && !self.world.is_dead.get() {
            let told = self.judge.runs.get_mut(&run_id);
            told.into_iter().flat_map(|told| told.sent.last_mut()).for_each(|sent| sent.1 = true);
        }
        true
    }

    /// A run that was told of is there.
    fn check_reached(&self, run_id: &str, done: &Result<(), EngineError>) {
        let is_fine = match done {
            Ok(()) | Err(EngineError::RunEnded { .. } | EngineError::RunStopping(_)) => true,
            // what is being written has not been written for long
            Err(EngineError::Journal(_)) => true,
            Err(_) => false,
        };
        if !is_fine && !self.world.is_dead.get() {
            self.world.accuse(format!("{run_id} cannot be reached: {done:?}"));
        }
    }

    /// Time passes until something is due, or a moment.
    pub(super) fn wait(&self) -> bool {
        let first = self.world.inner().timers.first_due();
        // a limit that is days away is not reached while calls are under way
        let is_near = first.is_some_and(|at| at <= self.world.instant() + Duration::from_secs(7_200));
        match first {
            Some(at) if self.world.is_calm.get() || is_near && self.world.chance(70) => {
                self.world.pass_until(at);
            }
            _ => self.world.pass(Duration::from_millis(self.world.below(2_000))),
        }
        first.is_some()
    }
}
