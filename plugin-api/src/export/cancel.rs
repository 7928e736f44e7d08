//! Who wants to hear, apart from the flag, that a call is to stop: callbacks by call.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Callback = Box<dyn FnOnce() + Send>;

/// The callbacks of one instance.
#[derive(Default)]
pub(crate) struct Waiters(Mutex<State>);

#[derive(Default)]
struct State {
    last: u64,
    /// By the address of the call.
    of_calls: HashMap<usize, Vec<(u64, Callback)>>,
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a callback of the call at this address; the number to remove it by.
    pub(crate) fn add(&self, call: usize, callback: Callback) -> u64 {
        let mut state = self.lock();
        state.last += 1;
        let number = state.last;
        state.of_calls.entry(call).or_default().push((number, callback));
        number
    }

    /// Takes a callback back; `None` if it has been called.
    pub(crate) fn remove(&self, call: usize, number: u64) -> Option<Callback> {
        let mut state = self.lock();
        let callbacks = state.of_calls.get_mut(&call)?;
        let at = callbacks.iter().position(|(own, _)| *own == number)?;
        let (_, callback) = callbacks.swap_remove(at);
        if callbacks.is_empty() {
            state.of_calls.remove(&call);
        }
        Some(callback)
    }

    /// The call has ended.
    #[cfg(feature = "async")]
    pub(crate) fn forget(&self, call: usize) {
        let callbacks = self.lock().of_calls.remove(&call);
        // whatever they own ends without the lock
        drop(callbacks);
    }

    /// The call is to stop.
    pub(crate) fn cancel(&self, call: usize) {
        let callbacks = self.lock().of_calls.remove(&call).unwrap_or_default();
        for (_, callback) in callbacks {
            // reported by the panic hook; the others are to hear of it all the same
            let _ = catch_unwind(AssertUnwindSafe(callback));
        }
    }

    /// All calls are to stop.
    pub(crate) fn cancel_all(&self) {
        let calls: Vec<usize> = self.lock().of_calls.keys().copied().collect();
        calls.into_iter().for_each(|call| self.cancel(call));
    }
}
