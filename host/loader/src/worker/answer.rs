//! What the frame at the end of a call means.

use crate::method::MethodFacts;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::ports::Outcome;
use jackfield_plugin_api::Error;
use jackfield_plugin_api::abi::Buffer;
use jackfield_plugin_api::abi::host::CallFault;
use jackfield_plugin_api::worker::{Body, BrokenFrame, FailureBody, Kind};

/// What the end of a call means; a body that cannot be read fails the call and ends the conversation.
pub(crate) fn outcome(facts: &MethodFacts, kind: Kind, body: Vec<u8>) -> (Outcome, Option<BrokenFrame>) {
    match result(kind, body) {
        Ok(Ended::Call(result)) => (facts.rules.outcome(result), None),
        Ok(Ended::TooLarge(bytes)) => (Err(facts.rules.too_large(bytes)), None),
        Err(broken) => {
            let message = format!("the worker of `{}` sent {broken}", facts.name);
            (Err(Failure::new(kind::PLUGIN_CRASH, message)), Some(broken))
        }
    }
}

fn error(body: &FailureBody<'_>) -> Error {
    let error = Error::new(body.kind, body.message).retryable(body.is_retryable);
    match serde_json::from_str::<&serde_json::value::RawValue>(body.details) {
        Ok(details) => error.details(&details),
        // the error itself counts more than details that are no JSON
        Err(_) => error,
    }
}

enum Ended {
    Call(Result<Buffer, CallFault>),
    TooLarge(u64),
}

fn result(kind: Kind, body: Vec<u8>) -> Result<Ended, BrokenFrame> {
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned().into_boxed_str();
    let fault = match kind {
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
