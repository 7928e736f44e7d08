//! The host's table: turns C calls of a plugin into calls of traits. What this host does not offer says so.

use super::nanoseconds;
use crate::abi::peer::{Answer, answer_of};
use crate::abi::{
    JF_ABI_MAJOR, JF_ABI_MINOR, JF_FAILED, JF_OK, JF_STDERR, JF_UNSUPPORTED, JfBuf, JfCall, JfCompletion,
    JfHost, JfSlice,
};
use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::time::Duration;

/// What a method may ask of its host during one attempt. Called from any thread, also after the attempt was given up.
pub trait CallServices: Send + Sync {
    /// A log line; `level` is one of `JF_LOG_*`, `fields` a JSON object or empty.
    fn log(&self, level: u32, message: &str, fields: &str);
    /// Fraction done, and what is being done.
    fn progress(&self, fraction: f64, message: &str);
    /// A line that the work printed.
    fn output_line(&self, is_stderr: bool, line: &str);
    /// Whether the attempt is to stop.
    fn is_cancelled(&self) -> bool;
    /// Time until the attempt is given up; `None` if it may take for ever.
    fn deadline_left(&self) -> Option<Duration>;
    /// A sign of life; `details` is JSON, or empty.
    fn heartbeat(&self, details: &str);
    /// Calls a method of another plugin. `answer` is called once, if it is not handed back, perhaps before this returns.
    ///
    /// # Errors
    /// The answer itself, uncalled, if this host makes no such calls.
    fn call_method(&self, plugin: &str, method: &str, params: &str, answer: Answer) -> Result<(), Answer>;
}

/// Receives log lines that belong to no call: level, message, fields.
pub type InstanceLog = Box<dyn Fn(u32, &str, &str) + Send + Sync>;

/// Services behind a thin pointer, as a C structure can carry it.
pub(super) struct ServicesRef(*const dyn CallServices);

impl ServicesRef {
    /// The result may be used for as long as `services` lives.
    pub(super) fn new(services: &dyn CallServices) -> Self {
        // SAFETY: only the lifetime is forgotten; the plugin may use a call only while it lasts.
        Self(unsafe {
            std::mem::transmute::<*const (dyn CallServices + '_), *const (dyn CallServices + 'static)>(
                services,
            )
        })
    }
}

/// A host's table for one instance, and what it works on.
pub(super) struct HostSide {
    table: NonNull<JfHost>,
    log: NonNull<InstanceLog>,
}

impl HostSide {
    pub(super) fn new(log: InstanceLog) -> Self {
        let log = NonNull::from(Box::leak(Box::new(log)));
        let table = NonNull::from(Box::leak(Box::new(table(log.as_ptr().cast()))));
        Self { table, log }
    }

    pub(super) fn pointer(&self) -> NonNull<JfHost> {
        self.table
    }
}

impl Drop for HostSide {
    fn drop(&mut self) {
        // SAFETY: leaked in `new` and freed only here; the instance that used it ended before.
        drop(unsafe { Box::from_raw(self.table.as_ptr()) });
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(self.log.as_ptr()) });
    }
}

fn table(data: *mut c_void) -> JfHost {
    JfHost {
        struct_size: size_of::<JfHost>() as u32,
        abi_major: JF_ABI_MAJOR,
        abi_minor: JF_ABI_MINOR,
        data,
        log,
        progress,
        output_line,
        is_cancelled,
        deadline_left_ns,
        heartbeat,
        set_status: no_text,
        state_get: no_text_out,
        state_put: no_two_texts,
        state_delete: no_text,
        temp_dir: no_out,
        secret: no_text_out,
        call_method,
        start_run: no_start_run,
        signal: no_three_texts,
        send: no_three_texts,
        emit: no_text,
        get_extension,
    }
}

/// # Safety
/// `call` must be null or a call that has not ended.
unsafe fn services<'a>(call: *const JfCall) -> Option<&'a dyn CallServices> {
    // SAFETY: promised by the caller.
    let call = unsafe { call.as_ref() }?;
    // SAFETY: this host puts a `ServicesRef` into every call, which lives as long as the call.
    let services = unsafe { call.host_data.cast::<ServicesRef>().as_ref() }?;
    // SAFETY: what it points to lives as long as the call.
    unsafe { services.0.as_ref() }
}

/// Runs code of the host's owner; a panic in it must not reach the plugin.
fn shielded(body: impl FnOnce()) -> i32 {
    if catch_unwind(AssertUnwindSafe(body)).is_ok() { JF_OK } else { JF_FAILED }
}

unsafe extern "C" fn log(
    host: *const JfHost,
    call: *const JfCall,
    level: u32,
    message: JfSlice,
    fields: JfSlice,
) -> i32 {
    // SAFETY: the plugin keeps its texts valid during the function.
    let message = String::from_utf8_lossy(unsafe { message.bytes() });
    // SAFETY: as above.
    let fields = unsafe { fields.text() };
    // SAFETY: the plugin passes null or a call that has not ended.
    if let Some(services) = unsafe { services(call) } {
        return shielded(|| services.log(level, &message, fields));
    }
    // SAFETY: the plugin passes the table that it was given.
    let Some(host) = (unsafe { host.as_ref() }) else { return JF_FAILED };
    // SAFETY: `data` of this host's tables is the log, which lives as long as the table.
    let Some(log) = (unsafe { host.data.cast::<InstanceLog>().as_ref() }) else { return JF_FAILED };
    shielded(|| log(level, &message, fields))
}

unsafe extern "C" fn progress(_: *const JfHost, call: *const JfCall, fraction: f64, message: JfSlice) -> i32 {
    // SAFETY: the plugin keeps its texts valid during the function.
    let message = String::from_utf8_lossy(unsafe { message.bytes() });
    // SAFETY: the plugin passes a call that has not ended.
    let Some(services) = (unsafe { services(call) }) else { return JF_FAILED };
    shielded(|| services.progress(fraction, &message))
}

unsafe extern "C" fn output_line(_: *const JfHost, call: *const JfCall, stream: u32, line: JfSlice) -> i32 {
    // SAFETY: the plugin keeps its texts valid during the function.
    let line = String::from_utf8_lossy(unsafe { line.bytes() });
    // SAFETY: the plugin passes a call that has not ended.
    let Some(services) = (unsafe { services(call) }) else { return JF_FAILED };
    shielded(|| services.output_line(stream == JF_STDERR, &line))
}

unsafe extern "C" fn is_cancelled(_: *const JfHost, call: *const JfCall) -> i32 {
    // SAFETY: the plugin passes a call that has not ended.
    let services = unsafe { services(call) };
    i32::from(services.is_some_and(CallServices::is_cancelled))
}

unsafe extern "C" fn deadline_left_ns(_: *const JfHost, call: *const JfCall) -> u64 {
    // SAFETY: the plugin passes a call that has not ended.
    nanoseconds(unsafe { services(call) }.and_then(CallServices::deadline_left))
}

unsafe extern "C" fn heartbeat(_: *const JfHost, call: *const JfCall, details: JfSlice) -> i32 {
    // SAFETY: the plugin keeps its texts valid during the function.
    let details = unsafe { details.text() };
    // SAFETY: the plugin passes a call that has not ended.
    let Some(services) = (unsafe { services(call) }) else { return JF_FAILED };
    shielded(|| services.heartbeat(details))
}

extern "C" fn no_out(_: *const JfHost, _: *const JfCall, _: *mut JfBuf) -> i32 {
    JF_UNSUPPORTED
}

extern "C" fn no_text(_: *const JfHost, _: *const JfCall, _: JfSlice) -> i32 {
    JF_UNSUPPORTED
}

extern "C" fn no_text_out(_: *const JfHost, _: *const JfCall, _: JfSlice, _: *mut JfBuf) -> i32 {
    JF_UNSUPPORTED
}

extern "C" fn no_two_texts(_: *const JfHost, _: *const JfCall, _: JfSlice, _: JfSlice) -> i32 {
    JF_UNSUPPORTED
}

extern "C" fn no_three_texts(_: *const JfHost, _: *const JfCall, _: JfSlice, _: JfSlice, _: JfSlice) -> i32 {
    JF_UNSUPPORTED
}

extern "C" fn no_start_run(_: *const JfHost, _: *const JfCall, _: JfSlice, _: JfSlice, _: *mut JfBuf) -> i32 {
    JF_UNSUPPORTED
}

unsafe extern "C" fn call_method(
    _: *const JfHost,
    call: *const JfCall,
    plugin: JfSlice,
    method: JfSlice,
    params: JfSlice,
    completion: JfCompletion,
) -> i32 {
    // SAFETY: the plugin passes a call that has not ended.
    let Some(services) = (unsafe { services(call) }) else { return JF_FAILED };
    // SAFETY: the plugin keeps its texts valid during the function.
    let (plugin, method) = (unsafe { plugin.text() }, unsafe { method.text() });
    // SAFETY: as above.
    let params = unsafe { params.text() };
    let answer = answer_of(completion);
    let begun = catch_unwind(AssertUnwindSafe(|| services.call_method(plugin, method, params, answer)));
    match begun {
        Ok(Ok(())) => JF_OK,
        // dropped uncalled: the plugin hears of it by the status
        Ok(Err(_unused)) => JF_UNSUPPORTED,
        Err(_) => JF_FAILED,
    }
}

extern "C" fn get_extension(_: *const JfHost, _: *const c_char) -> *const c_void {
    std::ptr::null()
}
