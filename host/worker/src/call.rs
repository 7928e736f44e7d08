//! One call, as its method sees it.

use crate::requests::Requests;
use crate::wire::Wire;
use jackfield_plugin_api::Error;
use jackfield_plugin_api::abi::host::{CallFault, CallInfo, CallServices, Canceller, InstanceLog, OwnedCall};
use jackfield_plugin_api::abi::{Answer, Buffer, JF_NO_DEADLINE};
use jackfield_plugin_api::worker::{
    Body, CallBody, FailureBody, Kind, LineBody, LogBody, NO_CALL, ProgressBody, TELLING_BYTES_MAX,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Bytes of one text of what a method says; two fit into a frame.
const TEXT_BYTES_MAX: usize = TELLING_BYTES_MAX as usize / 2 - 64;

/// Bytes of an error's details; the host takes 1 MiB in all.
const DETAILS_BYTES_MAX: usize = 512 << 10;

/// A call that the host has sent.
pub(crate) struct RemoteCall {
    pub(crate) id: u64,
    pub(crate) wire: Arc<Wire>,
    pub(crate) cancelled: Arc<AtomicBool>,
    /// Tells the plugin besides, if it has a function for that.
    pub(crate) canceller: Option<Arc<Canceller>>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) beats: Option<Beats>,
    /// `None` if the host makes no calls of other plugins.
    pub(crate) requests: Option<Arc<Requests>>,
    /// What the host said about it; it could be read when it came.
    pub(crate) body: Vec<u8>,
}

impl RemoteCall {
    /// What is said to the plugin.
    pub(crate) fn describe<'a>(body: &CallBody<'a>) -> CallInfo<'a> {
        CallInfo {
            method_index: body.method_index,
            method: body.method,
            params: body.params,
            run_id: body.run_id(),
            step: body.step(),
            idempotency_key: body.idempotency_key,
            session: body.session,
            traceparent: body.traceparent,
            attempt: body.attempt,
            deadline_left: deadline_left(body.deadline_left_ns),
        }
    }

    /// Tells the host how the call ended.
    pub(crate) fn end(&self, result: Result<Buffer, CallFault>, result_bytes_max: u64) {
        send_end(&self.wire, self.id, result, result_bytes_max);
    }
}

/// Tells the host how what it asked for under the number `id` ended.
pub(crate) fn send_end(wire: &Wire, id: u64, result: Result<Buffer, CallFault>, result_bytes_max: u64) {
    match result {
        Ok(buffer) => {
            let bytes = buffer.as_bytes();
            match bytes.len() as u64 {
                len if len > result_bytes_max => wire.send(Kind::TooLarge, id, &len.to_le_bytes()),
                _ => wire.send(Kind::Result, id, bytes),
            }
        }
        Err(CallFault::Failed(error)) => wire.send_body(Kind::Failed, id, &failure(&error)),
        Err(CallFault::Panicked(message)) => wire.send(Kind::Panicked, id, cut(&message).as_bytes()),
        Err(CallFault::Unsupported(message)) => wire.send(Kind::Unsupported, id, cut(&message).as_bytes()),
        Err(CallFault::BadStatus(status)) => wire.send(Kind::BadStatus, id, &status.to_le_bytes()),
    }
}

pub(crate) fn deadline_left(ns: u64) -> Option<Duration> {
    (ns != JF_NO_DEADLINE).then(|| Duration::from_nanos(ns))
}

fn failure(error: &Error) -> FailureBody<'_> {
    FailureBody {
        is_retryable: error.is_retryable(),
        kind: error.kind(),
        message: cut(error.message()),
        details: Some(error.details_json())
            .filter(|details| details.len() <= DETAILS_BYTES_MAX)
            .unwrap_or(r#"{"details":"too long"}"#),
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

fn send_log(wire: &Wire, call: u64, level: u32, message: &str, fields: &str) {
    // half an object is none
    let fields = if fields.len() <= TEXT_BYTES_MAX { fields } else { r#"{"fields":"too long"}"# };
    wire.send_body(Kind::Log, call, &LogBody { level, message: cut(message), fields });
}

/// The log of an instance: lines that belong to no call.
pub(crate) fn instance_log(wire: &Arc<Wire>) -> InstanceLog {
    let wire = Arc::clone(wire);
    Box::new(move |level, message, fields| send_log(&wire, NO_CALL, level, message, fields))
}

impl CallServices for RemoteCall {
    fn log(&self, level: u32, message: &str, fields: &str) {
        send_log(&self.wire, self.id, level, message, fields);
    }

    fn progress(&self, fraction: f64, message: &str) {
        self.wire.send_body(Kind::Progress, self.id, &ProgressBody { fraction, message: cut(message) });
    }

    fn output_line(&self, is_stderr: bool, line: &str) {
        self.wire.send_body(Kind::Output, self.id, &LineBody { is_stderr, line: cut(line) });
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn deadline_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    fn call_method(&self, plugin: &str, method: &str, params: &str, answer: Answer) -> Result<(), Answer> {
        let Some(requests) = &self.requests else { return Err(answer) };
        requests.ask(&self.wire, self.id, (plugin, method), params, answer);
        Ok(())
    }

    fn heartbeat(&self, details: &str) {
        let Some(beats) = &self.beats else { return };
        if beats.is_due(&self.wire) {
            let details = if details.len() <= TELLING_BYTES_MAX as usize { details } else { "" };
            self.wire.send(Kind::Heartbeat, self.id, details.as_bytes());
        }
    }
}

/// Heartbeats of one call on their way to a host that wants them.
#[derive(Default)]
pub(crate) struct Beats(AtomicU64);

impl Beats {
    /// Whether one is to be sent now: a loop may give thousands where one does.
    fn is_due(&self, wire: &Wire) -> bool {
        let now = wire.age_ms() + 1;
        self.0.swap(now, Ordering::Relaxed) != now
    }
}

impl OwnedCall for RemoteCall {
    fn info(&self) -> CallInfo<'_> {
        match CallBody::decode(&self.body) {
            Ok(body) => Self::describe(&body),
            Err(_) => Self::describe(&NOTHING),
        }
    }
}

/// In place of a body that cannot be read.
const NOTHING: CallBody<'static> = CallBody {
    method_index: u32::MAX,
    attempt: 0,
    deadline_left_ns: 0,
    method: "",
    idempotency_key: "/",
    run_id_bytes: 0,
    session: "",
    traceparent: "",
    params: "",
};
