//! One closure with what the catalog says about it.

use super::MethodError;
use jackfield_core::catalog::{self, MethodKind};
use jackfield_core::failure::{Failure, kind};
use jackfield_core::payload::Payload;
use jackfield_core::ports::{Call, Outcome};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub(super) enum Body {
    Sync(Box<dyn Fn(&Call) -> Outcome + Send + Sync>),
    Async(Box<dyn Fn(Arc<Call>) -> BoxedOutcome + Send + Sync>),
}

type BoxedOutcome = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A method of the application. Parameters arrive as any type that can be deserialized, the result is any type
/// that can be serialized. Without a schema the parameters are checked only when they are deserialized, in the
/// call; with one, a workflow with wrong parameters is refused before it runs.
pub struct AppMethod {
    description: catalog::Method,
    body: Body,
}

impl AppMethod {
    /// A closure that may block. It runs on the engine's blocking threads.
    pub fn blocking<P, R, E, F>(name: &str, run: F) -> Self
    where
        P: DeserializeOwned,
        R: Serialize,
        E: Into<MethodError>,
        F: Fn(&Call, P) -> Result<R, E> + Send + Sync + 'static,
    {
        Self::synchronous(name, MethodKind::Blocking, run)
    }

    /// A closure that is quick and never waits. It runs on the engine's own threads, so whatever it waits for,
    /// other steps wait for too.
    pub fn inline<P, R, E, F>(name: &str, run: F) -> Self
    where
        P: DeserializeOwned,
        R: Serialize,
        E: Into<MethodError>,
        F: Fn(&Call, P) -> Result<R, E> + Send + Sync + 'static,
    {
        Self::synchronous(name, MethodKind::Inline, run)
    }

    /// A closure that returns a future. It runs on the tokio runtime in which the host was built, or on one of
    /// the host's own if there was none.
    pub fn asynchronous<P, R, E, F, T>(name: &str, run: F) -> Self
    where
        P: DeserializeOwned,
        R: Serialize,
        E: Into<MethodError>,
        F: Fn(Arc<Call>, P) -> T + Send + Sync + 'static,
        T: Future<Output = Result<R, E>> + Send + 'static,
    {
        let body = Box::new(move |call: Arc<Call>| -> BoxedOutcome {
            match parameters(&call) {
                Ok(parameters) => {
                    let future = run(call, parameters);
                    Box::pin(async move { answer(future.await) })
                }
                Err(failure) => Box::pin(std::future::ready(Err(failure))),
            }
        });
        Self { description: description(name, MethodKind::Async), body: Body::Async(body) }
    }

    /// One sentence about it.
    #[must_use]
    pub fn description(mut self, text: &str) -> Self {
        self.description.description = text.into();
        self
    }

    /// It has no side effects, and the same parameters give the same result.
    #[must_use]
    pub fn pure(mut self) -> Self {
        self.description.pure = true;
        self
    }

    /// Time limit of an attempt of steps that name none.
    #[must_use]
    pub fn default_timeout(mut self, limit: Duration) -> Self {
        self.description.default_timeout = Some(limit);
        self
    }

    /// Takes the schema of the parameters from their type.
    #[must_use]
    pub fn parameters_schema<P: JsonSchema>(mut self) -> Self {
        self.description.parameters = Payload::encode(&schemars::schema_for!(P));
        self
    }

    /// Takes the schema of the result from its type.
    #[must_use]
    pub fn output_schema<R: JsonSchema>(mut self) -> Self {
        self.description.output = Payload::encode(&schemars::schema_for!(R));
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.description.name
    }

    pub(super) fn kind(&self) -> MethodKind {
        self.description.kind
    }

    pub(super) fn body(&self) -> &Body {
        &self.body
    }

    pub(super) fn describe(&self) -> catalog::Method {
        self.description.clone()
    }

    fn synchronous<P, R, E, F>(name: &str, kind: MethodKind, run: F) -> Self
    where
        P: DeserializeOwned,
        R: Serialize,
        E: Into<MethodError>,
        F: Fn(&Call, P) -> Result<R, E> + Send + Sync + 'static,
    {
        let body = move |call: &Call| answer(run(call, parameters(call)?));
        Self { description: description(name, kind), body: Body::Sync(Box::new(body)) }
    }
}

fn description(name: &str, kind: MethodKind) -> catalog::Method {
    catalog::Method {
        name: name.into(),
        description: "".into(),
        kind,
        pure: false,
        idempotent: false,
        serial: false,
        default_timeout: None,
        parameters: Payload::null(),
        output: Payload::null(),
    }
}

fn parameters<P: DeserializeOwned>(call: &Call) -> Result<P, Failure> {
    serde_json::from_str(call.parameters.as_str()).map_err(|error| {
        let mut failure =
            Failure::new(kind::VALIDATION, format!("parameters do not fit the method: {error}"));
        failure.retryable = false;
        failure
    })
}

fn answer<R: Serialize, E: Into<MethodError>>(result: Result<R, E>) -> Outcome {
    let value = result.map_err(|error| error.into().into_failure())?;
    let text = serde_json::to_string(&value)
        .map_err(|error| Failure::new(kind::VALIDATION, format!("the result has no JSON form: {error}")))?;
    Ok(Payload::trusted(text))
}
