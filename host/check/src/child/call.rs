//! One call, made as a host makes it, and told to stop when it takes too long.

use super::watch::{Doer, Over};
use crate::job::{End, Method, RESULT_BYTES_MAX};
use jackfield_plugin_api::abi::host::{
    CallFault, CallInfo, CallServices, CancelFunction, Canceller, Instance, OwnedCall,
};
use jackfield_plugin_api::abi::{Answer, Buffer};
use jackfield_plugin_api::manifest::MethodKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How patient the caller is.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) cancel_after: Duration,
    pub(crate) grace: Duration,
}

/// What a method sees of its host. What it says is heard and forgotten.
struct Services {
    method: Method,
    params: String,
    cancelled: AtomicBool,
    canceller: Option<Arc<Canceller>>,
    deadline: Instant,
}

impl CallServices for Services {
    fn log(&self, _: u32, _: &str, _: &str) {}
    fn progress(&self, _: f64, _: &str) {}
    fn output_line(&self, _: bool, _: &str) {}
    fn heartbeat(&self, _: &str) {}

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn deadline_left(&self) -> Option<Duration> {
        Some(self.deadline.saturating_duration_since(Instant::now()))
    }

    // there are no other plugins here
    fn call_method(&self, _: &str, _: &str, _: &str, answer: Answer) -> Result<(), Answer> {
        Err(answer)
    }
}

impl OwnedCall for Services {
    fn info(&self) -> CallInfo<'_> {
        CallInfo {
            method_index: self.method.index,
            method: &self.method.name,
            params: &self.params,
            run_id: "check",
            step: "call",
            idempotency_key: "check/call",
            session: "",
            traceparent: "",
            attempt: 1,
            deadline_left: self.deadline_left(),
        }
    }
}

/// A call as it is to be made.
#[derive(Clone)]
pub(crate) struct Calling {
    pub(crate) instance: Arc<Instance>,
    pub(crate) method: Method,
    /// What tells a call to stop besides its flag, if the plugin has such a function.
    pub(crate) cancel: Option<CancelFunction>,
    pub(crate) patience: Patience,
}

impl Calling {
    /// Makes the call on the thread of `doer`; `None` if it has not ended within the grace after it was told to stop.
    pub(crate) fn make(&self, doer: &Doer, params: &str) -> Result<Option<End>, Over> {
        let services = self.services(params);
        let (calling, own) = (self.clone(), Arc::clone(&services));
        let ended = doer.begin(move || calling.run(own));
        let Patience { cancel_after, grace } = self.patience;
        if let Ok(end) = ended.recv_timeout(cancel_after) {
            return end.map(Some);
        }
        services.cancelled.store(true, Ordering::SeqCst);
        if let Some(canceller) = services.canceller.clone() {
            // it may hang like everything of a plugin; without a thread for it the flag has to do
            let _ = std::thread::Builder::new().name("cancel".into()).spawn(move || canceller.cancel());
        }
        ended.recv_timeout(grace).ok().transpose()
    }

    /// Makes the call on this thread, however long it takes.
    pub(crate) fn make_here(&self, params: &str) -> Result<End, Over> {
        let services = self.services(params);
        self.run(services)
    }

    fn services(&self, params: &str) -> Arc<Services> {
        Arc::new(Services {
            method: self.method.clone(),
            params: params.to_owned(),
            cancelled: AtomicBool::new(false),
            canceller: self.cancel.map(|function| Arc::new(Canceller::new(function))),
            deadline: Instant::now() + self.patience.cancel_after,
        })
    }

    fn run(&self, services: Arc<Services>) -> Result<End, Over> {
        if self.method.kind == MethodKind::Async {
            let ended = self.start(services);
            // a plugin that drops the completion without calling it never ends
            return ended.recv().map_err(|_| Over);
        }
        Ok(end(self.instance.call_with(&services.info(), &*services, services.canceller.as_deref())))
    }

    fn start(&self, services: Arc<Services>) -> Receiver<End> {
        let (tx, rx) = channel();
        // whoever waits may have given up
        let canceller = services.canceller.clone();
        self.instance.start(services, canceller, Box::new(move |result| drop(tx.send(end(result)))));
        rx
    }
}

/// How a function of the table ended, as it is told.
pub(crate) fn end(result: Result<Buffer, CallFault>) -> End {
    match result {
        Ok(buffer) if buffer.as_bytes().len() > RESULT_BYTES_MAX => End::Long(buffer.as_bytes().len()),
        Ok(buffer) => match std::str::from_utf8(buffer.as_bytes()) {
            Ok(text) => End::Text(text.to_owned()),
            Err(_) => End::NoText(buffer.as_bytes().len()),
        },
        Err(fault) => of_fault(fault),
    }
}

pub(crate) fn of_fault(fault: CallFault) -> End {
    match fault {
        CallFault::Failed(error) => {
            End::Failed { kind: error.kind().to_owned(), message: error.message().to_owned() }
        }
        CallFault::Panicked(message) => End::Panicked(message.into()),
        CallFault::Unsupported(message) => End::Unsupported(message.into()),
        CallFault::BadStatus(status) => End::BadStatus(status),
    }
}
