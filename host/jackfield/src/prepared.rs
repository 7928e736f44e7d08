//! One call that is made many times, on the thread that wants its result and without a run around it.

use crate::Error;
use jackfield_core::catalog::MethodKind;
use jackfield_core::payload::Payload;
use jackfield_core::ports::{Call, Method, Methods, Silent, StepAddress};
use std::sync::Arc;

/// A call of an `inline` method that is ready to be made; see [`Host::prepare_call`](crate::Host::prepare_call).
/// What the method logs while it runs is dropped.
pub struct PreparedCall {
    method: Arc<dyn Method>,
    call: Call,
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
        if method.kind() != MethodKind::Inline {
            return Err(Error::setup(format!(
                "`{plugin}` runs in a worker, and only the engine calls methods there; start a run"
            )));
        }
        let call = Call {
            parameters,
            address: StepAddress::new("prepared", "call"),
            attempt: 1,
            timeout: None,
            deadline: None,
            session: "".into(),
            cancelled: Arc::default(),
            listener: Arc::new(Silent),
        };
        Ok(Self { method, call })
    }

    /// What the method was given.
    #[must_use]
    pub fn parameters(&self) -> &Payload {
        &self.call.parameters
    }

    /// Makes the call and returns its result.
    ///
    /// # Errors
    /// [`Error::Failed`] with what the method failed with.
    pub fn call(&self) -> Result<Payload, Error> {
        self.method.call(&self.call).map_err(|failure| Error::Failed(Box::new(failure)))
    }
}
