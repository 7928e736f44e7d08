//! A thread for what may have to wait for the store: no timer is late because of it.

use crate::engine::Inner;
use crate::run::RunCell;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// Something to be done.
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Chore {
    /// A run may leave memory, if it has rested since it had so many batches.
    Rest(Weak<RunCell>, u64),
    /// Runs out of memory have timers that are due.
    Wake,
    /// The engine ends.
    Stop,
}

#[derive(Default)]
pub(crate) struct Keeper {
    chores: Mutex<VecDeque<Chore>>,
    more: Condvar,
}

impl Keeper {
    pub(crate) fn push(&self, chore: Chore) {
        self.chores.lock().push_back(chore);
        self.more.notify_one();
    }

    /// The next one, if there is one.
    #[cfg(test)]
    pub(crate) fn try_next(&self) -> Option<Chore> {
        self.chores.lock().pop_front()
    }

    fn next(&self) -> Chore {
        let mut chores = self.chores.lock();
        loop {
            if let Some(chore) = chores.pop_front() {
                return chore;
            }
            self.more.wait(&mut chores);
        }
    }
}

impl Inner {
    /// Body of the thread.
    pub(crate) fn keeper_thread(self: Arc<Self>) {
        let Some(journal) = &self.journal else { return };
        while self.do_chore(journal.keeper.next()) {}
    }

    /// Does it. False if it was the last.
    pub(crate) fn do_chore(self: &Arc<Self>, chore: Chore) -> bool {
        match chore {
            Chore::Rest(run, since) => {
                run.upgrade().into_iter().for_each(|run| self.rest_is_over(&run, since));
            }
            Chore::Wake => self.wake_sleepers(),
            Chore::Stop => return false,
        }
        true
    }
}
