//! A method in a worker, as the engines call it.

use super::pool::Pool;
use crate::method::MethodFacts;
use jackfield_core::catalog::MethodKind;
use jackfield_core::ports::{Call, Completion, Method, Outcome};
use std::sync::Arc;

/// A method bound to the pool of its plugin version. Whatever kind it has in the plugin, here it answers by a completion: no
/// thread waits for a worker.
pub(crate) struct WorkerMethod {
    pub(crate) facts: Arc<MethodFacts>,
    pub(crate) pool: Arc<Pool>,
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

    fn released(&self) {}
}
