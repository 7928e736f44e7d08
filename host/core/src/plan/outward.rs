//! Steps that have to do with other runs: waiting for what they send, and sending.

use super::SharedPlan;
use crate::expr::{Expression, Template};
pub use crate::model::{Channel, OnParentClose};
use semver::VersionReq;
use std::sync::Arc;

/// `wait_for_event`.
#[derive(Debug)]
pub struct WaitForEvent {
    /// Name of the event.
    pub event: Arc<str>,
    /// Whether an event is meant; sees it as [`super::Ref::LocalEvent`].
    pub filter: Option<Expression>,
}

/// `receive`.
#[derive(Debug)]
pub struct Receive {
    /// Name of the queue.
    pub queue: Arc<str>,
    /// Messages taken at most; above 1 the output is an array.
    pub max_messages: u32,
}

/// `emit`.
#[derive(Debug)]
pub struct Emit {
    /// An event or a message.
    pub channel: Channel,
    /// Name of the event or the queue.
    pub name: Arc<str>,
    /// Yields the id of the run that it goes to; `None` = every open run whose plan waits for it.
    pub to: Option<Template>,
    /// What goes with it.
    pub data: Option<Template>,
}

/// `continue_as_new`.
#[derive(Debug)]
pub struct ContinueAsNew {
    /// Input of the next generation.
    pub input: Option<Template>,
    /// Range of versions that it may follow; `None` = the same version.
    pub version: Option<VersionReq>,
}

/// What a detached call runs: a workflow of its own, whose one step is the call.
#[derive(Debug)]
pub struct OwnRun {
    /// What it follows.
    pub plan: SharedPlan,
    /// The document of the plan.
    pub document: Arc<str>,
}

/// `workflow`, or a detached call.
#[derive(Debug)]
pub struct ChildRun {
    /// The workflow itself, if it is not one that is registered.
    pub own: Option<Arc<OwnRun>>,
    /// Id of the workflow.
    pub workflow: Arc<str>,
    /// Range of its versions; `None` = the newest.
    pub version: Option<VersionReq>,
    /// Yields the id of the run; `None` = a new one.
    pub run_id: Option<Template>,
    /// Its input.
    pub input: Option<Template>,
    /// The step completes as soon as the run has started.
    pub is_detached: bool,
    /// What becomes of it when this run ends first.
    pub close: OnParentClose,
}
