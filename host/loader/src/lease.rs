//! Which plugin files runs need: a method that was bound for a run holds its file until that run has ended.

use crate::store::Hash;
use jackfield_core::catalog::MethodKind;
use jackfield_core::ports::{Call, Completion, Method, Outcome};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Told when the last run that needed some file has ended. Called on a thread of the engine: must return at once.
pub(crate) type IdleHook = Arc<dyn Fn() + Send + Sync>;

/// How often each file is bound.
#[derive(Default)]
pub(crate) struct Leases {
    counts: RwLock<BTreeMap<Hash, Arc<AtomicUsize>>>,
    idle: RwLock<Option<IdleHook>>,
}

impl Leases {
    /// Counts one method more that is bound to the file.
    pub(crate) fn take(self: &Arc<Self>, hash: Hash) -> Lease {
        let known = self.counts.read().get(&hash).cloned();
        let count = known.unwrap_or_else(|| Arc::clone(self.counts.write().entry(hash).or_default()));
        count.fetch_add(1, Ordering::SeqCst);
        Lease { leases: Arc::clone(self), count, is_over: AtomicBool::new(false) }
    }

    /// Methods that are bound to the file for runs that have not ended.
    pub(crate) fn count(&self, hash: Hash) -> usize {
        self.counts.read().get(&hash).map_or(0, |count| count.load(Ordering::SeqCst))
    }

    pub(crate) fn set_idle_hook(&self, hook: IdleHook) {
        *self.idle.write() = Some(hook);
    }
}

/// One bound method in the count; leaves it once.
pub(crate) struct Lease {
    leases: Arc<Leases>,
    count: Arc<AtomicUsize>,
    is_over: AtomicBool,
}

impl Lease {
    fn end(&self) {
        if self.is_over.swap(true, Ordering::SeqCst) {
            return;
        }
        if self.count.fetch_sub(1, Ordering::SeqCst) == 1
            && let Some(hook) = self.leases.idle.read().clone()
        {
            hook();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.end();
    }
}

/// A method that keeps its file counted as needed.
pub(crate) struct Leased<M> {
    method: M,
    lease: Lease,
}

impl<M> Leased<M> {
    pub(crate) fn new(method: M, lease: Lease) -> Self {
        Self { method, lease }
    }
}

impl<M: Method> Method for Leased<M> {
    fn kind(&self) -> MethodKind {
        self.method.kind()
    }

    fn call(&self, call: &Call) -> Outcome {
        self.method.call(call)
    }

    fn start(&self, call: Arc<Call>, done: Completion) {
        self.method.start(call, done);
    }

    fn call_and_wait(&self, call: Arc<Call>) -> Outcome {
        self.method.call_and_wait(call)
    }

    fn cancelled(&self, call: &Call) {
        self.method.cancelled(call);
    }

    fn abandoned(&self, call: &Call) {
        self.method.abandoned(call);
    }

    fn returned(&self, call: &Call) {
        self.method.returned(call);
    }

    fn released(&self) {
        self.method.released();
        self.lease.end();
    }
}
