//! Calls of other plugins' methods: the completion that the host is given, on both sides.

use super::host::{CallFault, outcome};
use super::{JF_OK, JfCompletion, JfResult, give};
use crate::Error;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Receives what a call of another plugin's method came to, once, from any thread.
pub type Answer = Box<dyn FnOnce(Result<Vec<u8>, Error>) + Send>;

/// The completion that leads to `answer`.
pub(super) fn completion(answer: Answer) -> JfCompletion {
    JfCompletion { user_data: Box::into_raw(Box::new(answer)).cast(), done: answered }
}

/// Takes an answer back that nobody is going to give.
///
/// # Safety
/// The completion is one of [`completion`], and was not and will not be called.
pub(super) unsafe fn take_back(completion: JfCompletion) {
    // SAFETY: promised by the caller.
    drop(unsafe { Box::from_raw(completion.user_data.cast::<Answer>()) });
}

unsafe extern "C" fn answered(user_data: *mut c_void, status: i32, result: *mut JfResult) {
    // SAFETY: a completion is called once, with the pointer that `completion` made.
    let answer = unsafe { Box::from_raw(user_data.cast::<Answer>()) };
    // SAFETY: the host passes a result, whose contents it hands over.
    let result = unsafe { result.replace(JfResult::EMPTY) };
    let answered = match outcome(status, result) {
        Ok(value) => Ok(value.as_bytes().to_vec()),
        Err(CallFault::Failed(error)) => Err(error),
        Err(CallFault::Panicked(message)) => Err(Error::new("plugin.panic", message)),
        Err(CallFault::Unsupported(message)) => Err(Error::other(message).permanent()),
        Err(CallFault::BadStatus(status)) => Err(Error::other(format!("the host answered {status}"))),
    };
    // a panic of the plugin's own code must not reach the host; it was reported by the panic hook
    let _ = catch_unwind(AssertUnwindSafe(|| answer(answered)));
}

/// A plugin's completion in the hands of the host.
struct Completion(JfCompletion);

// SAFETY: the ABI lets completions be called from any thread.
unsafe impl Send for Completion {}

impl Completion {
    fn complete(self, answered: Result<Vec<u8>, Error>) {
        let mut result = JfResult::EMPTY;
        let status = match answered {
            Ok(bytes) => give::success(bytes, &mut result),
            Err(error) => give::failure(error, &mut result),
        };
        debug_assert!(status == JF_OK || result.value.len == 0, "a failure has no value");
        // SAFETY: called once, for it is consumed, with a result whose contents are handed over.
        unsafe { (self.0.done)(self.0.user_data, status, &raw mut result) };
    }
}

/// What leads to the plugin's `completion`.
pub(super) fn answer_of(completion: JfCompletion) -> Answer {
    let completion = Completion(completion);
    Box::new(move |answered| completion.complete(answered))
}
