//! The host's side of the border: a plugin's table, instances and calls, without raw pointers. Used by hosts and by the
//! test kit; a plugin's author does not need it.

mod extensions;
mod services;
mod started;

use super::{
    Buffer, JF_ABI_MAJOR, JF_NO_DEADLINE, JF_OK, JF_PANICKED, JF_UNSUPPORTED, JfCall, JfError, JfPlugin,
    JfResult, JfSlice,
};
use crate::abi::link::{HostLink, Promised};
use crate::export::cancel::Waiters;
use crate::{Context, Error};
pub use extensions::{CancelFunction, Canceller};
pub use services::{CallServices, InstanceLog};
use services::{HostSide, ServicesRef};
pub use started::{Done, OwnedCall};
use std::any::Any;
use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;
use std::time::Duration;

/// The table of a plugin that stays loaded for ever.
#[derive(Clone, Copy)]
pub struct Table(&'static JfPlugin);

/// Why something is no table of this ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFault {
    /// There is none.
    Null,
    /// It belongs to another major version of the ABI.
    Abi(u16),
    /// Its size is not that of the frozen table.
    Size(u32),
    /// One of its functions is null.
    NullFunction,
}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("the table is null"),
            Self::Abi(major) => write!(f, "the table is of ABI {major}, not {JF_ABI_MAJOR}"),
            Self::Size(size) => write!(f, "the table has {size} bytes, not {}", size_of::<JfPlugin>()),
            Self::NullFunction => f.write_str("a function of the table is null"),
        }
    }
}

impl std::error::Error for TableFault {}

/// How every table begins, of whatever version.
#[repr(C)]
struct Head {
    struct_size: u32,
    abi_major: u16,
    _abi_minor: u16,
}

/// How a call ends, if not well.
#[derive(Clone, Debug)]
pub enum CallFault {
    /// The plugin says why.
    Failed(Error),
    /// The plugin's code panicked, with this message.
    Panicked(Box<str>),
    /// The plugin does not offer that.
    Unsupported(Box<str>),
    /// The plugin answered with a status that the ABI does not know.
    BadStatus(i32),
}

/// What is said to a plugin about one attempt.
#[derive(Clone, Copy, Debug)]
pub struct CallInfo<'a> {
    /// Place of the method in the manifest.
    pub method_index: u32,
    /// Name of the method.
    pub method: &'a str,
    /// Parameters as JSON.
    pub params: &'a str,
    /// Id of the run.
    pub run_id: &'a str,
    /// Path of the step.
    pub step: &'a str,
    /// `run_id/step`.
    pub idempotency_key: &'a str,
    /// Affinity key; empty if none.
    pub session: &'a str,
    /// W3C trace context; empty if none.
    pub traceparent: &'a str,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Time until the attempt is given up, at its beginning; `None` if it may take for ever.
    pub deadline_left: Option<Duration>,
}

impl Table {
    /// Looks at a table before anything else is done with it.
    ///
    /// # Safety
    /// `table` must be null or point to a table that keeps the rules of ABI 1 and is valid for ever.
    ///
    /// # Errors
    /// If its first fields say that it is something else, or a function is missing.
    pub unsafe fn from_ptr(table: *const JfPlugin) -> Result<Self, TableFault> {
        const HEAD_WORDS: usize = std::mem::offset_of!(JfPlugin, describe) / size_of::<usize>();
        const WORDS: usize = size_of::<JfPlugin>() / size_of::<usize>();
        if table.is_null() {
            return Err(TableFault::Null);
        }
        // SAFETY: not null, and every table begins with these three fields.
        let head = unsafe { table.cast::<Head>().read() };
        if head.abi_major != JF_ABI_MAJOR {
            return Err(TableFault::Abi(head.abi_major));
        }
        if head.struct_size as usize != size_of::<JfPlugin>() {
            return Err(TableFault::Size(head.struct_size));
        }
        // SAFETY: the table has this size; a function pointer in C may be null, which Rust's may not, so they are
        // looked at as words first.
        let words = unsafe { table.cast::<[usize; WORDS]>().read() };
        if words[HEAD_WORDS..].contains(&0) {
            return Err(TableFault::NullFunction);
        }
        // SAFETY: all fields were checked to be fit for the type.
        Ok(Self(unsafe { &*table }))
    }

    pub(crate) const fn of(table: &'static JfPlugin) -> Self {
        Self(table)
    }

    /// The static manifest, as the loaded code has it.
    #[must_use]
    pub fn manifest(&self) -> &'static [u8] {
        // SAFETY: the manifest is constant data of a plugin that stays loaded.
        unsafe { self.0.manifest.bytes() }
    }

    /// The full manifest as JSON.
    ///
    /// # Errors
    /// If the plugin fails or panics.
    pub fn describe(&self) -> Result<Buffer, CallFault> {
        let mut out = JfResult::EMPTY;
        // SAFETY: the function is one of the table, and `out` outlives it.
        let status = unsafe { (self.0.describe)(&raw mut out) };
        outcome(status, out)
    }

    /// Makes an instance. `log` receives lines that belong to no call.
    ///
    /// # Errors
    /// If the plugin does not accept the configuration, or panics.
    pub fn create(&self, config: &str, log: InstanceLog) -> Result<Instance, CallFault> {
        let host = HostSide::new(log);
        let mut raw = std::ptr::null_mut();
        let mut out = JfResult::EMPTY;
        // SAFETY: the function is one of the table; the host's table lives as long as the instance, the rest longer
        // than the function.
        let status = unsafe {
            (self.0.create)(
                host.pointer().as_ptr(),
                JfSlice::new(config.as_bytes()),
                &raw mut raw,
                &raw mut out,
            )
        };
        drop(outcome(status, out)?);
        Ok(Instance { table: *self, raw, _host: host })
    }
}

/// One configured use of a plugin. Ends with its last owner.
pub struct Instance {
    table: Table,
    raw: *mut c_void,
    _host: HostSide,
}

// SAFETY: the ABI demands that instances may be used from any thread, several at once.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Instance {
    /// Performs a method on this thread (kinds inline and blocking).
    ///
    /// # Errors
    /// If the method fails or panics, or is not of these kinds.
    #[inline]
    pub fn call(&self, info: &CallInfo<'_>, services: &dyn CallServices) -> Result<Buffer, CallFault> {
        self.call_with(info, services, None)
    }

    /// The same; the call can be told to stop by `canceller`.
    ///
    /// # Errors
    /// As [`Instance::call`].
    #[inline]
    pub fn call_with(
        &self,
        info: &CallInfo<'_>,
        services: &dyn CallServices,
        canceller: Option<&Canceller>,
    ) -> Result<Buffer, CallFault> {
        let services = ServicesRef::new(services);
        let call = frame(info, NonNull::from(&services));
        let mut out = JfResult::EMPTY;
        if let Some(canceller) = canceller {
            canceller.begin(self.raw, &raw const call);
        }
        // SAFETY: the function is one of the table, the instance is alive, and the rest outlives the function.
        let status = unsafe { (self.table.0.call)(self.raw, &raw const call, &raw mut out) };
        if let Some(canceller) = canceller {
            canceller.end();
        }
        outcome(status, out)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: made by `create` of the same table, and no call is left: each borrows or owns the instance.
        unsafe { (self.table.0.destroy)(self.raw) };
    }
}

/// Lends `body` a context without a plugin around it: for the test kit.
pub(crate) fn with_context<T>(
    info: &CallInfo<'_>,
    services: &dyn CallServices,
    config: &(dyn Any + Send + Sync),
    waiters: &Waiters,
    body: impl FnOnce(&Context) -> T,
) -> T {
    let host = HostSide::new(Box::new(|_, _, _| ()));
    let services = ServicesRef::new(services);
    let call = frame(info, NonNull::from(&services));
    // SAFETY: both outlive the context, which only lives in this function.
    let link = unsafe { HostLink::new(host.pointer(), NonNull::from(&call)) };
    // SAFETY: as above.
    let config = unsafe { Promised::new(config) };
    // SAFETY: as above.
    let waiters = unsafe { Promised::new(waiters) };
    body(&Context::lent(link, config, waiters))
}

#[inline]
fn frame(info: &CallInfo<'_>, services: NonNull<ServicesRef>) -> JfCall {
    JfCall {
        struct_size: size_of::<JfCall>() as u32,
        method_index: info.method_index,
        method: JfSlice::new(info.method.as_bytes()),
        params: JfSlice::new(info.params.as_bytes()),
        run_id: JfSlice::new(info.run_id.as_bytes()),
        step: JfSlice::new(info.step.as_bytes()),
        idempotency_key: JfSlice::new(info.idempotency_key.as_bytes()),
        session: JfSlice::new(info.session.as_bytes()),
        traceparent: JfSlice::new(info.traceparent.as_bytes()),
        deadline_left_ns: nanoseconds(info.deadline_left),
        attempt: info.attempt,
        host_data: services.as_ptr().cast(),
    }
}

/// Time left as the ABI writes it.
#[inline]
fn nanoseconds(left: Option<Duration>) -> u64 {
    // a limit of centuries is one all the same
    left.map_or(JF_NO_DEADLINE, |left| u64::try_from(left.as_nanos()).unwrap_or(JF_NO_DEADLINE - 1))
}

/// Takes over what a function of the plugin left in `out`.
#[inline]
pub(super) fn outcome(status: i32, out: JfResult) -> Result<Buffer, CallFault> {
    // SAFETY: the plugin hands its value over with every answer; untouched it is empty.
    let value = unsafe { Buffer::from_raw(out.value) };
    if status == JF_OK {
        return Ok(value);
    }
    Err(fault(status, out.error))
}

#[cold]
fn fault(status: i32, mut error: JfError) -> CallFault {
    let taken = read_error(&error);
    if let Some(free) = error.free {
        // SAFETY: the plugin handed the error over, and everything in it was copied.
        unsafe { free(&raw mut error) };
    }
    match status {
        JF_PANICKED => CallFault::Panicked(taken.message().into()),
        JF_UNSUPPORTED => CallFault::Unsupported(taken.message().into()),
        super::JF_FAILED => CallFault::Failed(taken),
        other => CallFault::BadStatus(other),
    }
}

fn read_error(error: &JfError) -> Error {
    // SAFETY: the texts of an error are valid until it is freed.
    let kind = String::from_utf8_lossy(unsafe { error.kind.bytes() });
    // SAFETY: as above.
    let message = String::from_utf8_lossy(unsafe { error.message.bytes() });
    // SAFETY: as above.
    let details = unsafe { error.details.text() };
    let kind = if kind.is_empty() { "plugin.error" } else { &kind };
    let read = Error::new(kind, message.into_owned()).retryable(error.retryable != 0);
    match serde_json::from_str::<&serde_json::value::RawValue>(details) {
        Ok(details) => read.details(&details),
        // details that are no JSON would break whoever stores them; the error itself counts more
        Err(_) => read,
    }
}

#[cfg(test)]
mod tests;
