//! Runs asynchronous methods on threads of the plugin's own. Every call is completed exactly once, whatever happens.

use super::entry::panic_error;
use super::method::Answer;
use crate::Error;
use crate::abi::{JF_FAILED, JF_OK, JF_PANICKED, JfCompletion, JfResult, give};
use crate::context::SharedCall;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{self, Poll};
use tokio::runtime::{Builder, Handle, Runtime};

/// Asynchronous methods wait more than they compute, so that few threads serve many calls.
const WORKER_THREADS: usize = 2;

/// A runtime that starts with the first asynchronous call of an instance and ends with the instance.
#[derive(Default)]
pub(super) struct LazyRuntime(OnceLock<Result<Runtime, Error>>);

impl LazyRuntime {
    pub(super) fn get(&self) -> Result<Handle, Error> {
        match self.0.get_or_init(build) {
            Ok(runtime) => Ok(runtime.handle().clone()),
            Err(error) => Err(error.clone()),
        }
    }
}

fn build() -> Result<Runtime, Error> {
    Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .thread_name("jf-plugin")
        .enable_all()
        .build()
        .map_err(|error| Error::from(error).context("the plugin's runtime does not start"))
}

impl Drop for LazyRuntime {
    fn drop(&mut self) {
        // waiting here could dead-lock: the last user of an instance may be a thread of this very runtime
        if let Some(Ok(runtime)) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs `answer` to its end.
pub(super) fn spawn(runtime: &Handle, answer: Answer, completer: Completer) {
    runtime.spawn(async move {
        match Guarded(answer).await {
            Ok(Ok(bytes)) => completer.succeed(bytes),
            Ok(Err(error)) => completer.fail(error),
            Err(panic) => completer.panic(&*panic),
        }
    });
}

/// A future whose panics become values.
struct Guarded(Answer);

impl Future for Guarded {
    type Output = Result<Result<Vec<u8>, Error>, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Completes a call once: when told to, or at the latest when it is dropped.
pub(super) struct Completer {
    completion: Option<JfCompletion>,
    call: Arc<SharedCall>,
}

// SAFETY: the host allows its completion to be called from any thread.
unsafe impl Send for Completer {}

impl Completer {
    pub(super) fn new(completion: JfCompletion, call: Arc<SharedCall>) -> Self {
        Self { completion: Some(completion), call }
    }

    fn succeed(mut self, bytes: Vec<u8>) {
        self.complete(JF_OK, JfResult { value: give::bytes(bytes), ..JfResult::EMPTY });
    }

    pub(super) fn fail(mut self, error: Error) {
        self.complete(JF_FAILED, JfResult { error: give::error(error), ..JfResult::EMPTY });
    }

    pub(super) fn panic(mut self, panic: &(dyn Any + Send)) {
        self.complete(JF_PANICKED, JfResult { error: give::error(panic_error(panic)), ..JfResult::EMPTY });
    }

    fn complete(&mut self, status: i32, mut result: JfResult) {
        let Some(completion) = self.completion.take() else { return };
        self.call.close();
        // SAFETY: taken out above, so this happens once; after `close` nothing uses the call, which ends here.
        unsafe { (completion.done)(completion.user_data, status, &raw mut result) };
    }
}

impl Drop for Completer {
    fn drop(&mut self) {
        if self.completion.is_some() {
            let error = Error::other("the call was dropped before it had ended");
            self.complete(JF_FAILED, JfResult { error: give::error(error), ..JfResult::EMPTY });
        }
    }
}
