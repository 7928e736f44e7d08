//! The plugin's way to its host, for the time of one call.

use super::peer::{self, Answer};
use super::{JF_NO_DEADLINE, JF_OK, JfCall, JfHost, JfSlice};
use std::ops::Deref;
use std::ptr::NonNull;
use std::time::Duration;

/// Something borrowed, its lifetime promised instead of written.
pub(crate) struct Promised<T: ?Sized>(NonNull<T>);

impl<T: ?Sized> Promised<T> {
    /// # Safety
    /// `borrowed` must outlive the result.
    pub(crate) unsafe fn new(borrowed: &T) -> Self {
        Self(NonNull::from(borrowed))
    }
}

impl<T: ?Sized> Deref for Promised<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: valid by the contract of `new`.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: it is a shared borrow.
unsafe impl<T: Sync + ?Sized> Send for Promised<T> {}
// SAFETY: as above.
unsafe impl<T: Sync + ?Sized> Sync for Promised<T> {}

/// The two pointers that a method needs to ask its host for anything.
#[derive(Clone, Copy)]
pub(crate) struct HostLink {
    host: NonNull<JfHost>,
    call: NonNull<JfCall>,
}

impl HostLink {
    /// # Safety
    /// Both must stay valid for as long as this link or a copy of it is used.
    pub(crate) unsafe fn new(host: NonNull<JfHost>, call: NonNull<JfCall>) -> Self {
        Self { host, call }
    }

    fn host(&self) -> &JfHost {
        // SAFETY: valid by the contract of `new`; tables do not change.
        unsafe { self.host.as_ref() }
    }

    fn call(&self) -> &JfCall {
        // SAFETY: valid by the contract of `new`; a call does not change while it lasts.
        unsafe { self.call.as_ref() }
    }

    /// What tells the call from others that last.
    pub(crate) fn address(&self) -> usize {
        self.call.as_ptr().addr()
    }

    pub(crate) fn log(&self, level: u32, message: &str, fields: &str) {
        let (message, fields) = (JfSlice::new(message.as_bytes()), JfSlice::new(fields.as_bytes()));
        // SAFETY: both pointers are valid, and the slices outlive the function. A host without a log is no fault.
        let _ = unsafe { (self.host().log)(self.host.as_ptr(), self.call.as_ptr(), level, message, fields) };
    }

    pub(crate) fn progress(&self, fraction: f64, message: &str) {
        let message = JfSlice::new(message.as_bytes());
        // SAFETY: as in `log`. A host that shows no progress is no fault.
        let _ = unsafe { (self.host().progress)(self.host.as_ptr(), self.call.as_ptr(), fraction, message) };
    }

    pub(crate) fn output_line(&self, stream: u32, line: &str) {
        let line = JfSlice::new(line.as_bytes());
        // SAFETY: as in `log`. A host that shows no output is no fault.
        let _ = unsafe { (self.host().output_line)(self.host.as_ptr(), self.call.as_ptr(), stream, line) };
    }

    pub(crate) fn heartbeat(&self) {
        // SAFETY: as in `log`. A host that asks for no sign of life is no fault.
        let _ = unsafe { (self.host().heartbeat)(self.host.as_ptr(), self.call.as_ptr(), JfSlice::EMPTY) };
    }

    /// Calls a method of another plugin; false, and `answer` is never called, if the host makes no such calls.
    pub(crate) fn call_method(&self, plugin: &str, method: &str, params: &str, answer: Answer) -> bool {
        let slice = |text: &str| JfSlice::new(text.as_bytes());
        let (plugin, method, params) = (slice(plugin), slice(method), slice(params));
        let (host, call, completion) = (self.host.as_ptr(), self.call.as_ptr(), peer::completion(answer));
        // SAFETY: both pointers are valid, and the slices outlive the function; the completion may be called from any thread.
        let status = unsafe { (self.host().call_method)(host, call, plugin, method, params, completion) };
        if status != JF_OK {
            // SAFETY: made above, and a host that answers anything but OK does not call it.
            unsafe { peer::take_back(completion) };
        }
        status == JF_OK
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        // SAFETY: both pointers are valid.
        unsafe { (self.host().is_cancelled)(self.host.as_ptr(), self.call.as_ptr()) != JF_OK }
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        // SAFETY: both pointers are valid.
        let left = unsafe { (self.host().deadline_left_ns)(self.host.as_ptr(), self.call.as_ptr()) };
        duration(left)
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        duration(self.call().deadline_left_ns)
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.call().attempt
    }

    pub(crate) fn run_id(&self) -> &str {
        // SAFETY: the texts of a call are valid for as long as the call.
        unsafe { self.call().run_id.text() }
    }

    pub(crate) fn step(&self) -> &str {
        // SAFETY: as in `run_id`.
        unsafe { self.call().step.text() }
    }

    pub(crate) fn idempotency_key(&self) -> &str {
        // SAFETY: as in `run_id`.
        unsafe { self.call().idempotency_key.text() }
    }

    pub(crate) fn session(&self) -> &str {
        // SAFETY: as in `run_id`.
        unsafe { self.call().session.text() }
    }

    pub(crate) fn traceparent(&self) -> &str {
        // SAFETY: as in `run_id`.
        unsafe { self.call().traceparent.text() }
    }
}

fn duration(left_ns: u64) -> Option<Duration> {
    (left_ns != JF_NO_DEADLINE).then(|| Duration::from_nanos(left_ns))
}

// SAFETY: the host allows its functions to be called from any thread, and a call is only read.
unsafe impl Send for HostLink {}
// SAFETY: as above.
unsafe impl Sync for HostLink {}
