//! What workers say, and what it means for the calls that they have.

use super::{Pool, State, fail};
use crate::method::{MethodFacts, log};
use crate::worker::asked;
use crate::worker::seats::{InFlight, Pending, Phase};
use crate::worker::talk::Worker;
use crate::worker::ungranted;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::ports::Outcome;
use jackfield_plugin_api::Error;
use jackfield_plugin_api::abi::Buffer;
use jackfield_plugin_api::abi::host::CallFault;
use jackfield_plugin_api::worker::{
    Body, BrokenFrame, FailureBody, Kind, LineBody, LogBody, NO_CALL, PROTOCOL, ProgressBody,
    REFUSED_BY_SANDBOX, Ready, Refusal,
};
use parking_lot::MutexGuard;
use std::sync::Arc;
use std::time::Instant;

impl Pool {
    /// What a worker says. Called by the thread that listens to it.
    ///
    /// # Errors
    /// If it may not say that.
    pub(crate) fn heard(
        &self,
        worker: &Arc<Worker>,
        kind: Kind,
        call: u64,
        body: Vec<u8>,
    ) -> Result<(), BrokenFrame> {
        if kind.is_end() {
            return self.call_ended(worker, kind, call, body);
        }
        if kind.is_telling() {
            return self.told(worker, kind, call, &body);
        }
        match kind {
            Kind::Ready => {
                let ready = Ready::decode(&body)?;
                if ready.protocol != PROTOCOL {
                    return Err(BrokenFrame::Body("it is of another protocol"));
                }
                ungranted::warn(&self.setup.plugin, &ready.unenforced);
                worker.learn(&ready.features);
                self.ready(worker)
            }
            Kind::Refused => {
                self.refused(worker, &Refusal::decode(&body)?);
                Ok(())
            }
            Kind::CallMethod => {
                let asked = self.state.lock().seats.asked(worker.id, call);
                asked::call_method(&self.setup.caller, worker, asked, &body)
            }
            _ => Err(BrokenFrame::Body("only a host says that")),
        }
    }

    fn ready(&self, worker: &Arc<Worker>) -> Result<(), BrokenFrame> {
        let mut state = self.state.lock();
        let Some(seat) = state.seats.all.get_mut(&worker.id) else { return Ok(()) };
        if seat.phase != Phase::Starting {
            return Err(BrokenFrame::Body("it says twice that it is ready"));
        }
        if let Some(inherited) = state.inherited.clone() {
            return self.restore(state, worker, &inherited);
        }
        self.take_in(state, worker.id);
        Ok(())
    }

    /// A worker can be given calls.
    pub(super) fn take_in(&self, mut state: MutexGuard<'_, State>, worker: u64) {
        state.restarts.opened();
        if let Some(seat) = state.seats.all.get_mut(&worker) {
            seat.phase = Phase::Ready;
            seat.idle_since = Instant::now();
        }
        self.retire(&mut state, worker);
        self.move_on(state);
    }

    fn refused(&self, worker: &Worker, refusal: &Refusal) {
        let Refusal { code, reason } = refusal;
        let plugin = &self.setup.plugin;
        let reason = crate::error::refusal_line(code, reason);
        let message = format!("plugin `{plugin}` does not start: {reason} [{code}]");
        let failure = Failure { retryable: false, ..Failure::new(kind::PLUGIN_UNAVAILABLE, message) };
        let failure = match &**code {
            REFUSED_BY_SANDBOX => failure,
            _ => ungranted::explain(&self.setup.hello, failure),
        };
        let mut state = self.state.lock();
        let is_for_nobody = state.trial.is_none() && !state.seats.is_anything_waiting();
        state.end_trial(Err(reason));
        let waiting = state.seats.take_waiting();
        let pause = state.restarts.refused(Instant::now());
        if is_for_nobody {
            // whoever waits says so itself
            tracing::warn!(
                ?pause,
                "{}; without a call it is not tried again before a pause",
                failure.message
            );
        }
        if let Some(seat) = state.seats.all.get_mut(&worker.id) {
            seat.phase = Phase::Leaving;
        }
        self.retire(&mut state, worker.id);
        drop(state);
        fail(waiting, &failure);
    }

    fn call_ended(&self, worker: &Worker, kind: Kind, id: u64, body: Vec<u8>) -> Result<(), BrokenFrame> {
        let mut state = self.state.lock();
        let Some(InFlight { pending, .. }) = state.seats.finish(worker.id, id) else {
            return self.answered(state, worker.id, id, result(kind, body)?);
        };
        state.restarts.in_a_row = 0;
        self.retire(&mut state, worker.id);
        self.move_on(state);
        let Pending { facts, done, .. } = pending;
        let (outcome, broken) = outcome(&facts, kind, body);
        done(outcome.map_err(|failure| {
            if kind == Kind::Failed { ungranted::explain(&self.setup.hello, failure) } else { failure }
        }));
        broken.map_or(Ok(()), Err)
    }

    fn told(&self, worker: &Worker, kind: Kind, id: u64, body: &[u8]) -> Result<(), BrokenFrame> {
        let call = self.state.lock().seats.call(worker.id, id);
        if kind == Kind::Log {
            let LogBody { level, message, fields } = LogBody::decode(body)?;
            worker.note(message);
            match (call, id) {
                (Some(call), _) => log(&call, level, message, fields),
                (None, NO_CALL) => {
                    crate::instances::log_of_instance(&self.setup.plugin, level, message, fields)
                }
                // it has ended, and nobody listens any more
                (None, _) => {}
            }
            return Ok(());
        }
        let Some(call) = call else { return Ok(()) };
        match kind {
            Kind::Progress => {
                let ProgressBody { fraction, message } = ProgressBody::decode(body)?;
                call.beat(Instant::now);
                call.listener.progress(&call, fraction, message);
            }
            Kind::Output => {
                let LineBody { is_stderr, line } = LineBody::decode(body)?;
                worker.note(line);
                call.listener.output_line(&call, is_stderr, line);
            }
            Kind::Heartbeat => call.beat(Instant::now),
            _ => {}
        }
        Ok(())
    }
}

/// What the end of a call means; a body that cannot be read fails the call and ends the conversation.
fn outcome(facts: &MethodFacts, kind: Kind, body: Vec<u8>) -> (Outcome, Option<BrokenFrame>) {
    match result(kind, body) {
        Ok(Ended::Call(result)) => (facts.rules.outcome(result), None),
        Ok(Ended::TooLarge(bytes)) => (Err(facts.rules.too_large(bytes)), None),
        Ok(Ended::NoState) => crashed(facts, BrokenFrame::Body("it is not the end of a call")),
        Err(broken) => crashed(facts, broken),
    }
}

fn crashed(facts: &MethodFacts, broken: BrokenFrame) -> (Outcome, Option<BrokenFrame>) {
    let message = format!("the worker of `{}` sent {broken}", facts.name);
    (Err(Failure::new(kind::PLUGIN_CRASH, message)), Some(broken))
}

fn error(body: &FailureBody<'_>) -> Error {
    let error = Error::new(body.kind, body.message).retryable(body.is_retryable);
    match serde_json::from_str::<&serde_json::value::RawValue>(body.details) {
        Ok(details) => error.details(&details),
        // the error itself counts more than details that are no JSON
        Err(_) => error,
    }
}

pub(super) enum Ended {
    Call(Result<Buffer, CallFault>),
    TooLarge(u64),
    /// The plugin hands no state over, and takes none.
    NoState,
}

fn result(kind: Kind, body: Vec<u8>) -> Result<Ended, BrokenFrame> {
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned().into_boxed_str();
    let fault = match kind {
        Kind::NoState => return Ok(Ended::NoState),
        Kind::Result => return Ok(Ended::Call(Ok(Buffer::from_vec(body)))),
        Kind::TooLarge => {
            let bytes = body.try_into().map_err(|_| BrokenFrame::Body("it is no number"))?;
            return Ok(Ended::TooLarge(u64::from_le_bytes(bytes)));
        }
        Kind::Failed => {
            let FailureBody { is_retryable, kind, message, details } = FailureBody::decode(&body)?;
            CallFault::Failed(error(&FailureBody { is_retryable, kind, message, details }))
        }
        Kind::Panicked => CallFault::Panicked(text(&body)),
        Kind::Unsupported => CallFault::Unsupported(text(&body)),
        Kind::BadStatus => {
            let status = body.try_into().map_err(|_| BrokenFrame::Body("it is no status"))?;
            CallFault::BadStatus(i32::from_le_bytes(status))
        }
        _ => return Err(BrokenFrame::Body("it is not the end of a call")),
    };
    Ok(Ended::Call(Err(fault)))
}
