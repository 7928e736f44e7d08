//! A method in a worker, as the engines call it.

use super::pool::Pool;
use crate::method::MethodFacts;
use jackfield_core::catalog::MethodKind;
use jackfield_core::ports::{Call, Completion, Method, Outcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A method bound to the pool of its plugin version. Whatever kind it has in the plugin, here it answers by a completion: no
/// thread waits for a worker.
pub(crate) struct WorkerMethod {
    facts: Arc<MethodFacts>,
    pool: Arc<Pool>,
    is_released: AtomicBool,
}

impl WorkerMethod {
    pub(crate) fn new(facts: Arc<MethodFacts>, pool: Arc<Pool>) -> Self {
        pool.bound();
        Self { facts, pool, is_released: AtomicBool::new(false) }
    }
}

impl Drop for WorkerMethod {
    fn drop(&mut self) {
        self.released();
    }
}

impl Method for WorkerMethod {
    fn kind(&self) -> MethodKind {
        MethodKind::Async
    }

    fn call(&self, _: &Call) -> Outcome {
        Err(self.facts.wrong_kind())
    }

    fn start(&self, call: Arc<Call>, done: Completion) {
        let (caller, ended) = (Arc::clone(self.pool.caller()), Arc::clone(&call));
        let done = Box::new(move |outcome| {
            caller.returned(&ended);
            done(outcome);
        });
        self.pool.start(call, Arc::clone(&self.facts), done);
    }

    fn call_and_wait(&self, call: Arc<Call>) -> Outcome {
        let outcome = self.pool.call(Arc::clone(&call), Arc::clone(&self.facts));
        self.pool.caller().returned(&call);
        outcome
    }

    fn cancelled(&self, call: &Call) {
        self.pool.cancel(call);
        self.pool.caller().cancelled(call);
    }

    fn abandoned(&self, call: &Call) {
        self.pool.abandon(call);
        self.pool.caller().abandoned(call);
    }

    // its worker knows when it returns
    fn returned(&self, _: &Call) {}

    fn released(&self) {
        if !self.is_released.swap(true, Ordering::SeqCst) {
            self.pool.unbound();
        }
    }
}
