//! One call that is made many times, on the thread that wants its result and without a run around it.

use crate::Error;
use jackfield_core::catalog::MethodKind;
use jackfield_core::payload::Payload;
use jackfield_core::ports::{Call, Method, Methods, StepAddress};
use std::sync::Arc;

/// A call of an `inline` method, or of a method in a worker, that is ready to be made; see [`Host::prepare_call`](crate::Host::prepare_call).
/// What the method logs while it runs is dropped.
pub struct PreparedCall {
    method: Arc<dyn Method>,
    call: Call,
    runs_in_worker: bool,
}

impl PreparedCall {
    pub(crate) fn new(
        methods: &dyn Methods,
        plugin: &str,
        method: &str,
        parameters: Payload,
    ) -> Result<Self, Error> {
        let catalog = methods.catalog();
        let newest = catalog
            .versions(plugin)
            .first()
            .ok_or_else(|| Error::setup(format!("there is no plugin `{plugin}`")))?;
        let described = newest
            .method(method)
            .ok_or_else(|| Error::setup(format!("plugin `{plugin}` has no method `{method}`")))?;
        if described.kind != MethodKind::Inline {
            return Err(Error::setup(format!(
                "method `{plugin}.{method}` is not inline, and only the engine calls those that are not; start a run"
            )));
        }
        let method = methods
            .bind(plugin, &newest.version, method, None)
            .map_err(|failure| Error::Failed(Box::new(failure)))?;
        // whatever it is in the plugin, a method in a worker answers by a completion
        let runs_in_worker = method.kind() == MethodKind::Async;
        Ok(Self { method, call: call(parameters), runs_in_worker })
    }

    /// What the method was given.
    #[must_use]
    pub fn parameters(&self) -> &Payload {
        &self.call.parameters
    }

    /// Whether the method runs in a process of its own.
    #[must_use]
    pub fn runs_in_worker(&self) -> bool {
        self.runs_in_worker
    }

    /// Makes the call and returns its result; of a method in a worker it waits for that.
    ///
    /// # Errors
    /// [`Error::Failed`] with what the method failed with.
    pub fn call(&self) -> Result<Payload, Error> {
        let outcome = if self.runs_in_worker {
            self.method.call_and_wait(Arc::new(call(self.call.parameters.clone())))
        } else {
            self.method.call(&self.call)
        };
        outcome.map_err(|failure| Error::Failed(Box::new(failure)))
    }
}

/// A call outside of any run.
fn call(parameters: Payload) -> Call {
    Call::new(parameters, StepAddress::new("prepared", "call"))
}
