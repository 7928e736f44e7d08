//! Calls, and what limits their attempts over all runs of an engine.

use super::{MethodIx, Plan, Step, StepIx};
use crate::expr::Template;
use std::sync::Arc;
use std::time::Duration;

/// A call.
#[derive(Debug)]
pub struct Call {
    /// What is called.
    pub method: MethodIx,
    /// Its parameters.
    pub parameters: Template,
    /// What few calls have.
    pub options: Option<Box<CallOptions>>,
}

impl Call {
    /// The affinity key, if it has one.
    #[must_use]
    pub fn session(&self) -> Option<&Template> {
        self.options.as_ref()?.session.as_deref()
    }

    /// Whether an attempt that was under way when the host ended is not made again.
    #[must_use]
    pub fn is_at_most_once(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.is_at_most_once)
    }

    /// Longest silence of the method, if there is a limit.
    #[must_use]
    pub fn heartbeat_timeout(&self) -> Option<Duration> {
        self.options.as_ref()?.heartbeat_timeout
    }
}

/// What few calls have.
#[derive(Debug, Default)]
pub struct CallOptions {
    /// Affinity key. Its references stand behind those of the parameters where values are kept for both.
    pub session: Option<Arc<Template>>,
    /// Longest silence of the method.
    pub heartbeat_timeout: Option<Duration>,
    /// The start of each attempt is recorded before it is made, and one that was under way when the host ended is not made
    /// again.
    pub is_at_most_once: bool,
    /// The pool that each attempt needs a place in.
    pub pool: Option<Arc<str>>,
    /// How many attempts may begin in a time. The references of its key stand behind those of the session.
    pub rate_limit: Option<Box<RateLimit>>,
}

/// How many attempts may begin in a time.
#[derive(Debug)]
pub struct RateLimit {
    /// What attempts are counted by, over all runs.
    pub key: Arc<Template>,
    /// Length of the window.
    pub per: Duration,
    /// Attempts that begin within any window at most; at least 1.
    pub count: u32,
}

impl Call {
    /// The pool that each attempt needs a place in, if any.
    #[must_use]
    pub fn pool(&self) -> Option<&Arc<str>> {
        self.options.as_ref()?.pool.as_ref()
    }

    /// How many attempts may begin in a time, if that is limited.
    #[must_use]
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.options.as_ref()?.rate_limit.as_deref()
    }

    /// Whether its attempts may have to wait for others of other runs.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.pool().is_some() || self.rate_limit().is_some()
    }
}

impl Step {
    /// Whether its call or that of its undo is limited over all runs.
    pub(crate) fn is_limited(&self) -> bool {
        let own = matches!(&self.action, super::Action::Call(call) if call.is_limited());
        let undo = self.extras.as_ref().and_then(|extras| extras.compensate.as_ref());
        own || undo.is_some_and(|undo| undo.call.is_limited())
    }
}

impl Plan {
    /// The priority of a step's calls: its own, or that of the step around it, or that of the run.
    #[must_use]
    pub fn priority_of(&self, step: StepIx) -> u8 {
        self.step_priorities.as_ref().map_or(self.priority, |all| all[step.0 as usize])
    }
}
