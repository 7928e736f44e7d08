//! The ends of workers: expected ones, and crashes, after which the next start waits and of which there may be too many.

use super::{Pool, State, fail};
use crate::config::WorkerLimits;
use crate::worker::crash::{Crash, Killed};
use crate::worker::process::End;
use crate::worker::seats::{Asked, AskedFor, Pending, Phase, Seat, Unseated};
use crate::worker::talk::Worker;
use crate::worker::ungranted;
use jackfield_core::failure::Failure;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The longest pause before a worker is started again.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The longest pause before a worker that nobody waits for is started again where the last ones could not open the plugin.
const REFUSED_PAUSE_MAX: Duration = Duration::from_secs(600);
/// The first pause; the start after the first crash does not wait.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// Crashes and the pauses after them.
#[derive(Default)]
pub(super) struct Restarts {
    /// Within the window, the oldest first.
    crashes: VecDeque<Instant>,
    /// All of them.
    crashes_ever: u64,
    /// Crashes since the last call that ended well.
    pub(super) in_a_row: u32,
    not_before: Option<Instant>,
    /// Workers that nobody waits for are not started before: the last one could not open its plugin.
    not_before_for_nobody: Option<Instant>,
    /// Workers in a row that could not.
    refusals: u32,
}

impl Restarts {
    /// A worker could not open its plugin, or make an instance of it. The next one will not either, unless something changes: how
    /// long none is started that nobody waits for, which is twice as long each time.
    pub(super) fn refused(&mut self, now: Instant) -> Duration {
        let pause = PAUSE_MAX.saturating_mul(1 << self.refusals.min(16)).min(REFUSED_PAUSE_MAX);
        self.refusals = self.refusals.saturating_add(1);
        self.not_before_for_nobody = Some(now + pause);
        pause
    }

    /// A worker has opened its plugin.
    pub(super) fn opened(&mut self) {
        self.refusals = 0;
        self.not_before_for_nobody = None;
    }

    /// Crashes: all, and those within the window.
    pub(super) fn crashes(&self, window: Duration) -> (u64, usize) {
        let now = Instant::now();
        let recent = self.crashes.iter().filter(|at| now.duration_since(**at) < window).count();
        (self.crashes_ever, recent)
    }

    /// When the next worker may be started.
    pub(super) fn next_start(&self, is_waited_for: bool) -> Option<Instant> {
        if is_waited_for { self.not_before } else { self.not_before.max(self.not_before_for_nobody) }
    }
}

impl Pool {
    /// A worker is gone. Called by the thread that listened to it.
    pub(crate) fn ended(&self, worker: &Worker, end: End) {
        let mut state = self.state.lock();
        let Some(Unseated { phase, calls, asked }) = state.seats.unseat(worker.id) else { return };
        let crash = Crash {
            plugin: &self.setup.plugin,
            version: &self.setup.version,
            pid: worker.process.pid,
            killed: worker.killed(),
            end,
            lines: worker.last_lines(),
            calls: calls.len(),
        };
        let is_expected = match crash.killed {
            Some(Killed::HostEnds | Killed::Lingering) => true,
            _ => phase == Phase::Leaving && calls.is_empty(),
        };
        state.worker_gone(phase, &crash);
        let (failure, mut failed) = (ungranted::explain(&self.setup.hello, crash.failure()), calls);
        let mut quarantined = None;
        if !is_expected {
            tracing::warn!(
                plugin = crash.plugin,
                pid = crash.pid,
                calls = crash.calls,
                "a worker {}",
                crash.what()
            );
            let is_alone = !state.seats.all.values().any(Seat::takes_calls);
            if phase == Phase::Starting && is_alone {
                // whoever waits would wait for the next one that does the same
                failed.extend(state.seats.take_waiting());
            }
            // a call that does not return is its step's failure already, and no crash
            if !matches!(crash.killed, Some(Killed::Stuck { .. })) {
                quarantined = self.count_crash(&mut state, &crash);
            }
        }
        self.emptied.notify_all();
        if let Some(Asked { what: AskedFor::Save(answer), .. }) = asked {
            answer.give(Err(format!("its worker {}", crash.what())));
        }
        self.move_on(state);
        let Some((reason, of_waiting, waiting)) = quarantined else { return fail(failed, &failure) };
        // first, so that whoever hears of the crash finds the plugin quarantined
        let (plugin, version) = (&self.setup.plugin, &self.setup.version);
        self.setup.quarantine.add(self.setup.hash, plugin, version, &reason);
        fail(failed, &failure);
        fail(waiting, &of_waiting);
        self.sessions().refuse_waiting(&of_waiting);
    }

    /// Counts a crash; if it was one too many, no worker is started any more.
    fn count_crash(&self, state: &mut State, crash: &Crash<'_>) -> Option<(String, Failure, Vec<Pending>)> {
        let WorkerLimits { crash_budget, crash_window, .. } = self.setup.limits;
        let now = Instant::now();
        let Restarts { crashes, crashes_ever, in_a_row, not_before, .. } = &mut state.restarts;
        *crashes_ever += 1;
        crashes.retain(|at| now.duration_since(*at) < crash_window);
        crashes.push_back(now);
        *in_a_row += 1;
        *not_before = pause(*in_a_row).map(|pause| now + pause);
        if crashes.len() <= crash_budget as usize {
            return None;
        }
        let window = jackfield_core::model::duration::display(crash_window);
        let reason = format!(
            "{} of its workers crashed within {window}; the last one {}",
            crashes.len(),
            crash.what()
        );
        let failure = crate::quarantine::failure(&self.setup.plugin, &self.setup.version, &reason);
        state.closed = Some(failure.clone());
        let waiting = state.seats.take_waiting();
        let workers: Vec<u64> = state.seats.all.keys().copied().collect();
        workers.into_iter().for_each(|worker| self.retire(state, worker));
        Some((reason, failure, waiting))
    }
}

/// How long to wait before the next start, after so many crashes in a row.
fn pause(in_a_row: u32) -> Option<Duration> {
    let doubled = in_a_row.checked_sub(2)?;
    Some(PAUSE_MIN.saturating_mul(1 << doubled.min(16)).min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_that_nobody_waits_for_are_started_less_and_less_often_while_the_plugin_refuses() {
        let (mut restarts, now) = (Restarts::default(), Instant::now());
        let pauses: Vec<u64> = (0..20).map(|_| restarts.refused(now).as_secs()).collect();
        assert_eq!(pauses[..8], [5, 10, 20, 40, 80, 160, 320, 600]);
        assert!(pauses[8..].iter().all(|pause| *pause == 600), "{pauses:?}");
        assert_eq!(restarts.next_start(false), Some(now + REFUSED_PAUSE_MAX));
        assert_eq!(restarts.next_start(true), None, "whoever calls has one at once");
        restarts.opened();
        assert_eq!(restarts.next_start(false), None);
        assert_eq!(restarts.refused(now), PAUSE_MAX);
    }
}
