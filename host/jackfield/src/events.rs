//! Events from outside, for whoever waits for them. Each is a run of one step that emits it: so it is kept, arrives once whenever the
//! process ends, can be looked at afterwards, and two with the same key are one.

use crate::{Error, Host, Run, RunOptions};
use jackfield_core::payload::Payload;
use jackfield_engine::EngineError;
use serde_json::json;

/// Id of the workflow that runs of events follow.
pub const EVENT_WORKFLOW: &str = "published_event";
/// Longest name of an event in bytes.
const NAME_LEN_MAX: usize = 256;
/// Longest key in bytes.
const KEY_LEN_MAX: usize = 200;

impl Host {
    /// Tells an event to every open run whose plan waits for it, and to schedules that do (`on_event`): as a step that emits it
    /// does. Blocks until it has arrived; answers with the run that did it. With the same `key` twice it arrives once, as long as
    /// that run is kept: `event-` and the key is its id. One that could not be delivered is tried again when it comes with its
    /// key once more.
    ///
    /// # Errors
    /// If the name is empty or has more than 256 bytes, or the key more than 200; [`EngineError::RunExists`] if the key was used
    /// for something else; [`Error::Failed`] if a run that waits for it holds too much that no step has taken.
    pub fn publish(&self, event: &str, data: impl Into<Payload>, key: Option<&str>) -> Result<Run, Error> {
        if !(1..=NAME_LEN_MAX).contains(&event.len()) {
            return Err(EngineError::BadName(event.chars().take(64).collect()).into());
        }
        if key.is_some_and(|key| !(1..=KEY_LEN_MAX).contains(&key.len())) {
            return Err(Error::setup(format!("the key of an event has 1 to {KEY_LEN_MAX} bytes")));
        }
        let document = json!({
            "id": EVENT_WORKFLOW,
            "version": "1.0.0",
            "description": "Tells an event that came from outside to all who wait for it.",
            "steps": [{ "id": "tell", "type": "emit", "event": event, "data": "${input}" }],
        });
        let workflow = self.parse(&document.to_string())?;
        let run_id = key.map(|key| format!("event-{key}"));
        let options = RunOptions { run_id, attach: key.is_some(), ..RunOptions::default() };
        let mut run = self.start_with(&workflow, data, options)?;
        // one of the same key may have failed long ago
        if key.is_some() && is_over_in_vain(&run) {
            run = self.retry(run.id(), None)?;
        }
        let outcome = run.wait(None);
        match outcome.and_then(|outcome| outcome.error) {
            None => Ok(run),
            Some(failure) => Err(Error::Failed(Box::new(failure))),
        }
    }
}

fn is_over_in_vain(run: &Run) -> bool {
    let status = run.status();
    status.is_terminal() && status != crate::RunStatus::Completed
}
