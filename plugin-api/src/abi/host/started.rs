//! Asynchronous calls: everything that the plugin may look at lives until its completion.

use super::services::ServicesRef;
use super::{CallFault, CallInfo, CallServices, Canceller, Instance, frame, outcome};
use crate::abi::{Buffer, JF_OK, JfCall, JfCompletion, JfResult};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

/// An attempt that lives on its own.
pub trait OwnedCall: CallServices {
    /// What is said to the plugin; the same at every call.
    fn info(&self) -> CallInfo<'_>;
}

/// Receives the end of an asynchronous call, on a thread of the plugin.
pub type Done = Box<dyn FnOnce(Result<Buffer, CallFault>) + Send>;

struct Started {
    frame: JfCall,
    services: ServicesRef,
    done: Done,
    canceller: Option<Arc<Canceller>>,
    // below: kept alive until the completion
    _call: Arc<dyn OwnedCall>,
    _instance: Arc<Instance>,
}

impl Started {
    /// The call can be told nothing any more.
    fn end(&self) {
        if let Some(canceller) = &self.canceller {
            canceller.end();
        }
    }
}

impl Instance {
    /// Begins a method (kind async). `done` is called once: by the plugin at the end, or at once if it does not begin.
    /// It can be told to stop by `canceller`.
    pub fn start(self: &Arc<Self>, call: Arc<dyn OwnedCall>, canceller: Option<Arc<Canceller>>, done: Done) {
        let services = ServicesRef::new(&*call);
        let unlinked = frame(&call.info(), NonNull::dangling());
        let (frame, instance) = (unlinked, Arc::clone(self));
        let own = canceller.clone();
        let started = Started { frame, services, done, canceller: own, _call: call, _instance: instance };
        let started = Box::new(started);
        let raw = Box::into_raw(started);
        // SAFETY: the box was just leaked, nobody else knows it yet, and it does not move any more.
        let linked = unsafe { &mut *raw };
        linked.frame.host_data = (&raw mut linked.services).cast();
        let call: *const JfCall = &raw const linked.frame;
        if let Some(canceller) = &canceller {
            canceller.begin(self.raw, call);
        }
        let completion = JfCompletion { user_data: raw.cast(), done: completed };
        // SAFETY: the function is one of the table; instance and call live until the completion.
        let status = unsafe { (self.table.0.start)(self.raw, call, completion) };
        if status != JF_OK {
            // SAFETY: the plugin did not begin, so that it never completes: the box is still this function's.
            let started = unsafe { Box::from_raw(raw) };
            started.end();
            (started.done)(outcome(status, JfResult::EMPTY));
        }
    }
}

unsafe extern "C" fn completed(user_data: *mut c_void, status: i32, result: *mut JfResult) {
    // SAFETY: a completion is called once, with the pointer that `start` made.
    let started = unsafe { Box::from_raw(user_data.cast::<Started>()) };
    started.end();
    // SAFETY: the plugin passes a result, whose contents it hands over.
    let result = unsafe { result.replace(JfResult::EMPTY) };
    // a panic of the host's own code must not reach the plugin; it was reported by the panic hook
    let _ = catch_unwind(AssertUnwindSafe(|| (started.done)(outcome(status, result))));
}
