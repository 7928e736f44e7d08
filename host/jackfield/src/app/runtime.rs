//! The tokio runtime on which asynchronous methods of the application run.

use crate::Error;
use tokio::runtime::{Builder, Handle, Runtime};

/// The runtime in which the host is built, else one of its own.
pub(crate) enum AppRuntime {
    /// The caller's: it knows the application's sockets and timers, and outlives the host.
    Borrowed(Handle),
    /// One thread, started because the host was built outside any runtime. `None` once it is being dropped.
    Owned(Option<Runtime>),
}

impl AppRuntime {
    pub(crate) fn new() -> Result<Self, Error> {
        if let Ok(handle) = Handle::try_current() {
            return Ok(Self::Borrowed(handle));
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("jackfield-app")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::setup(format!("cannot start the runtime of asynchronous methods: {error}"))
            })?;
        Ok(Self::Owned(Some(runtime)))
    }

    pub(crate) fn handle(&self) -> Option<Handle> {
        match self {
            Self::Borrowed(handle) => Some(handle.clone()),
            Self::Owned(runtime) => runtime.as_ref().map(|runtime| runtime.handle().clone()),
        }
    }
}

impl Drop for AppRuntime {
    // a runtime that waits for its tasks when dropped would panic inside another runtime
    fn drop(&mut self) {
        if let Self::Owned(runtime) = self
            && let Some(runtime) = runtime.take()
        {
            runtime.shutdown_background();
        }
    }
}
