//! Calls of other plugins' methods, which the host makes: those that have not been answered.

use crate::wire::{Frame, Wire};
use jackfield_plugin_api::Error;
use jackfield_plugin_api::abi::Answer;
use jackfield_plugin_api::worker::{Body, BrokenFrame, FailureBody, Kind, RequestBody};
use parking_lot::Mutex;
use std::collections::HashMap;

#[derive(Default)]
pub(crate) struct Requests(Mutex<State>);

#[derive(Default)]
struct State {
    last: u64,
    open: HashMap<u64, Answer>,
}

impl Requests {
    /// Asks the host for a call on behalf of the call `id`.
    pub(crate) fn ask(
        &self,
        wire: &Wire,
        id: u64,
        (plugin, method): (&str, &str),
        params: &str,
        answer: Answer,
    ) {
        let mut state = self.0.lock();
        state.last += 1;
        let request = state.last;
        state.open.insert(request, answer);
        drop(state);
        wire.send_body(Kind::CallMethod, id, &RequestBody { request, plugin, method, params });
    }

    /// The host answers.
    ///
    /// # Errors
    /// If it cannot be understood.
    pub(crate) fn answered(&self, frame: Frame) -> Result<(), BrokenFrame> {
        let answer = self.0.lock().open.remove(&frame.call);
        let answered = match frame.kind {
            Kind::Answered => Ok(frame.body),
            _ => {
                let FailureBody { is_retryable, kind, message, details } = FailureBody::decode(&frame.body)?;
                let error = Error::new(kind, message).retryable(is_retryable);
                Err(match serde_json::from_str::<&serde_json::value::RawValue>(details) {
                    Ok(details) => error.details(&details),
                    Err(_) => error,
                })
            }
        };
        if let Some(answer) = answer {
            answer(answered);
        }
        Ok(())
    }
}
