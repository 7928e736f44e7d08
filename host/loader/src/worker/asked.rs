//! Calls of other plugins that a method in a worker asks for.

use super::talk::Worker;
use crate::method::MethodFacts;
use crate::peers::Caller;
use jackfield_core::ports::Call;
use jackfield_plugin_api::Error;
use jackfield_plugin_api::worker::{Body, BrokenFrame, FailureBody, Kind, RequestBody};
use std::sync::Arc;

/// Makes the call on behalf of `asked`, which the worker has, and answers the worker.
///
/// # Errors
/// If the request cannot be read.
pub(crate) fn call_method(
    caller: &Arc<Caller>,
    worker: &Arc<Worker>,
    asked: Option<(Arc<Call>, Arc<MethodFacts>)>,
    body: &[u8],
) -> Result<(), BrokenFrame> {
    let RequestBody { request, plugin, method, params } = RequestBody::decode(body)?;
    let Some((call, facts)) = asked else {
        // its thread asks although the call has ended
        answer(worker, request, Err(Error::cancelled()));
        return Ok(());
    };
    let worker = Arc::clone(worker);
    let answer = Box::new(move |answered| answer(&worker, request, answered));
    caller.call_elsewhere(&call, &facts.name, (plugin, method, params), answer);
    Ok(())
}

fn answer(worker: &Worker, request: u64, answered: Result<Vec<u8>, Error>) {
    let sent = match answered {
        Ok(value) => worker.send(Kind::Answered, request, &value, None),
        Err(error) => {
            let mut body = Vec::with_capacity(256);
            let failure = FailureBody {
                is_retryable: error.is_retryable(),
                kind: error.kind(),
                message: error.message(),
                details: error.details_json(),
            };
            failure.encode(&mut body);
            worker.send(Kind::AnswerFailed, request, &body, None)
        }
    };
    // results have a limit far below what a frame takes
    if let Err(too_long) = sent {
        tracing::error!(%too_long, "an answer does not fit into a worker's frame");
    }
}
