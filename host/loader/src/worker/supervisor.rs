//! All pools of one host, and what they share.

use super::clock::Clock;
use super::pool::Pool;
use parking_lot::Mutex;
use std::io;
use std::sync::{Arc, Weak};

/// Started with the first pool, so that a host without workers has no thread for them.
#[derive(Default)]
pub(crate) struct Supervisor {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    clock: Option<Arc<Clock>>,
    pools: Vec<Weak<Pool>>,
    is_closed: bool,
}

impl Supervisor {
    /// What pools do things with at their time; `None` once the host has ended.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn clock(&self) -> io::Result<Option<Arc<Clock>>> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Ok(None);
        }
        if state.clock.is_none() {
            state.clock = Some(Clock::start()?);
        }
        Ok(state.clock.clone())
    }

    /// Takes a pool in, to end it with the others.
    pub(crate) fn add(&self, pool: &Arc<Pool>) {
        let mut state = self.state.lock();
        state.pools.retain(|pool| pool.strong_count() > 0);
        state.pools.push(Arc::downgrade(pool));
        if state.is_closed {
            drop(state);
            pool.close();
        }
    }

    /// Ends all workers at once, for good.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let (pools, clock) = (std::mem::take(&mut state.pools), state.clock.take());
        drop(state);
        pools.iter().filter_map(Weak::upgrade).for_each(|pool| pool.close());
        if let Some(clock) = clock {
            clock.stop();
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.close();
    }
}
