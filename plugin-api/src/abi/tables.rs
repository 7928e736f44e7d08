//! ABI 1, frozen for ever: two tables of C functions, one of the plugin and one of the host, and what passes between
//! them. Nothing here may grow; later abilities are reached through `get_extension` of either table.
//! `include/jackfield.h` is generated from this file.

use abi_stable::StableAbi;
use std::ffi::{c_char, c_void};

/// The ABI that these tables are.
pub const JF_ABI_MAJOR: u16 = 1;
/// Stays 0 for as long as the tables are frozen.
pub const JF_ABI_MINOR: u16 = 0;

/// It worked.
pub const JF_OK: i32 = 0;
/// It failed; the error says why.
pub const JF_FAILED: i32 = 1;
/// The code panicked and was stopped at the border; the error carries the message.
pub const JF_PANICKED: i32 = 2;
/// This side does not offer that.
pub const JF_UNSUPPORTED: i32 = 3;
/// There is nothing of that name.
pub const JF_NOT_FOUND: i32 = 4;
/// The receiver is full: wait before the next item.
pub const JF_FULL: i32 = 5;

/// Severities of log lines: of interest to people who debug the method.
pub const JF_LOG_TRACE: u32 = 0;
/// Of interest to people who debug the workflow.
pub const JF_LOG_DEBUG: u32 = 1;
/// Normal course of events.
pub const JF_LOG_INFO: u32 = 2;
/// Worth a look.
pub const JF_LOG_WARN: u32 = 3;
/// Something failed.
pub const JF_LOG_ERROR: u32 = 4;

/// The stream of a line that the method's work printed: standard output.
pub const JF_STDOUT: u32 = 1;
/// Standard error.
pub const JF_STDERR: u32 = 2;

/// In place of the nanoseconds left, of a call that may take for ever.
pub const JF_NO_DEADLINE: u64 = u64::MAX;

/// Borrowed bytes. Text is UTF-8 and not terminated. `ptr` may be null if `len` is 0.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct JfSlice {
    /// The first byte.
    pub ptr: *const u8,
    /// How many bytes.
    pub len: usize,
}

/// Bytes handed over. Whoever receives them calls `free` once, if it is not null, when done with them, from any thread.
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct JfBuf {
    /// The first byte; may be null if `len` is 0.
    pub ptr: *const u8,
    /// How many bytes.
    pub len: usize,
    /// Gives the bytes back to their producer; null for constants.
    pub free: Option<unsafe extern "C" fn(buf: *mut JfBuf)>,
    /// The producer's own.
    pub owner: *mut c_void,
}

/// Why something failed. Whoever receives it calls `free` once, if it is not null, from any thread.
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct JfError {
    /// Dotted type, such as `csv.bad_row`; empty stands for `plugin.error`.
    pub kind: JfSlice,
    /// One sentence for people.
    pub message: JfSlice,
    /// Anything more, as JSON; empty stands for `null`.
    pub details: JfSlice,
    /// 1 if trying again may help, 0 if not.
    pub retryable: u32,
    /// Gives the text back to its producer; null for constants.
    pub free: Option<unsafe extern "C" fn(error: *mut JfError)>,
    /// The producer's own.
    pub owner: *mut c_void,
}

/// What a call ends with. The caller hands it in as zeroes; the callee fills `value` if it answers `JF_OK`, and
/// `error` if it answers anything else.
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct JfResult {
    /// The result as JSON; empty stands for `null`.
    pub value: JfBuf,
    /// Why there is none.
    pub error: JfError,
}

/// One attempt of a call. Everything in it stays valid until the method returns or completes, also after the host
/// has given the attempt up.
///
/// `deadline_left_ns` is what was left when the call began; the host's function of that name tells what is left now.
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct JfCall {
    /// Size of this structure in bytes.
    pub struct_size: u32,
    /// Place of the method in the manifest, from 0.
    pub method_index: u32,
    /// Name of the method.
    pub method: JfSlice,
    /// The parameters as JSON.
    pub params: JfSlice,
    /// Id of the run.
    pub run_id: JfSlice,
    /// Path of the step in the run, such as `probe[3].fetch`.
    pub step: JfSlice,
    /// `run_id/step`: the same for all attempts, also after a restart of the host. What a remote service needs to
    /// recognise a repeated request.
    pub idempotency_key: JfSlice,
    /// Affinity key; empty if none.
    pub session: JfSlice,
    /// W3C trace context; empty if none.
    pub traceparent: JfSlice,
    /// Nanoseconds until the attempt is given up, counted from its beginning; `JF_NO_DEADLINE` if it may take for ever.
    pub deadline_left_ns: u64,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The host's own.
    pub host_data: *mut c_void,
}

/// Called exactly once with the end of an asynchronous call, from any thread, perhaps before `start` has returned.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug)]
pub struct JfCompletion {
    /// Handed back to `done` as it is.
    pub user_data: *mut c_void,
    /// Takes over what `result` holds; the structure itself stays the caller's.
    pub done: unsafe extern "C" fn(user_data: *mut c_void, status: i32, result: *mut JfResult),
}

/// What the host offers to a plugin. The table stays valid until the instance is destroyed. Every function may be
/// called from any thread at any time, and none is null: what a host does not offer answers `JF_UNSUPPORTED`.
/// `call` is the attempt on whose behalf it is asked; only `log` takes null, for lines that belong to no call.
#[repr(C)]
#[derive(StableAbi)]
pub struct JfHost {
    /// Size of this structure in bytes.
    pub struct_size: u32,
    /// `JF_ABI_MAJOR`.
    pub abi_major: u16,
    /// `JF_ABI_MINOR`.
    pub abi_minor: u16,
    /// The host's own.
    pub data: *mut c_void,
    /// A log line. `fields` is a JSON object or empty.
    pub log: unsafe extern "C" fn(
        host: *const JfHost,
        call: *const JfCall,
        level: u32,
        message: JfSlice,
        fields: JfSlice,
    ) -> i32,
    /// Fraction done, 0 to 1, and what is being done.
    pub progress: unsafe extern "C" fn(
        host: *const JfHost,
        call: *const JfCall,
        fraction: f64,
        message: JfSlice,
    ) -> i32,
    /// A line that the method's work printed, without its end; `stream` is `JF_STDOUT` or `JF_STDERR`.
    pub output_line:
        unsafe extern "C" fn(host: *const JfHost, call: *const JfCall, stream: u32, line: JfSlice) -> i32,
    /// 1 if the attempt is to stop, 0 if not.
    pub is_cancelled: unsafe extern "C" fn(host: *const JfHost, call: *const JfCall) -> i32,
    /// Nanoseconds until the attempt is given up, 0 if it has been; `JF_NO_DEADLINE` if it may take for ever.
    pub deadline_left_ns: unsafe extern "C" fn(host: *const JfHost, call: *const JfCall) -> u64,
    /// Says that the attempt is alive, with what it wants to find again after a crash (JSON).
    pub heartbeat: unsafe extern "C" fn(host: *const JfHost, call: *const JfCall, details: JfSlice) -> i32,
    /// Sets the custom status of the run (JSON).
    pub set_status: unsafe extern "C" fn(host: *const JfHost, call: *const JfCall, status: JfSlice) -> i32,
    /// Reads a value of the session.
    pub state_get:
        unsafe extern "C" fn(host: *const JfHost, call: *const JfCall, key: JfSlice, out: *mut JfBuf) -> i32,
    /// Writes a value of the session.
    pub state_put:
        unsafe extern "C" fn(host: *const JfHost, call: *const JfCall, key: JfSlice, value: JfSlice) -> i32,
    /// Removes a value of the session.
    pub state_delete: unsafe extern "C" fn(host: *const JfHost, call: *const JfCall, key: JfSlice) -> i32,
    /// Path of an empty directory that is removed after the run.
    pub temp_dir: unsafe extern "C" fn(host: *const JfHost, call: *const JfCall, out: *mut JfBuf) -> i32,
    /// The secret called `name`.
    pub secret:
        unsafe extern "C" fn(host: *const JfHost, call: *const JfCall, name: JfSlice, out: *mut JfBuf) -> i32,
    /// Calls a method of another plugin. `params` is copied before it returns; `completion` is called only if it
    /// answers `JF_OK`.
    pub call_method: unsafe extern "C" fn(
        host: *const JfHost,
        call: *const JfCall,
        plugin: JfSlice,
        method: JfSlice,
        params: JfSlice,
        completion: JfCompletion,
    ) -> i32,
    /// Starts a run of a workflow and writes its id to `run_id`.
    pub start_run: unsafe extern "C" fn(
        host: *const JfHost,
        call: *const JfCall,
        workflow: JfSlice,
        input: JfSlice,
        run_id: *mut JfBuf,
    ) -> i32,
    /// Signals an event to a run.
    pub signal: unsafe extern "C" fn(
        host: *const JfHost,
        call: *const JfCall,
        run_id: JfSlice,
        event: JfSlice,
        data: JfSlice,
    ) -> i32,
    /// Puts a message into a queue of a run.
    pub send: unsafe extern "C" fn(
        host: *const JfHost,
        call: *const JfCall,
        run_id: JfSlice,
        queue: JfSlice,
        message: JfSlice,
    ) -> i32,
    /// Hands out an item of a stream; `JF_FULL` asks to wait before the next one.
    pub emit: unsafe extern "C" fn(host: *const JfHost, call: *const JfCall, item: JfSlice) -> i32,
    /// A table that came later, by its name (such as `jf.stream/1`, terminated by zero); null if there is none.
    pub get_extension: unsafe extern "C" fn(host: *const JfHost, id: *const c_char) -> *const c_void,
}

/// What a plugin is: the one thing it exports, as the data symbol `jf_plugin_v1`. No function is null.
#[repr(C)]
#[derive(StableAbi)]
pub struct JfPlugin {
    /// Size of this structure in bytes.
    pub struct_size: u32,
    /// `JF_ABI_MAJOR`.
    pub abi_major: u16,
    /// `JF_ABI_MINOR`.
    pub abi_minor: u16,
    /// The static manifest: JSON, the same bytes as in the section `.jfmf` (`__DATA,__jfmf` on macOS) of the file.
    pub manifest: JfSlice,
    /// The full manifest: the static one, and the schemas of configuration, parameters and results.
    pub describe: unsafe extern "C" fn(out: *mut JfResult) -> i32,
    /// Makes an instance with a configuration (JSON). May be called several times, with different configurations.
    pub create: unsafe extern "C" fn(
        host: *const JfHost,
        config: JfSlice,
        instance: *mut *mut c_void,
        out: *mut JfResult,
    ) -> i32,
    /// Performs a method (kinds inline and blocking). Called from any thread, several at once unless the manifest
    /// says `serial`.
    pub call: unsafe extern "C" fn(instance: *mut c_void, call: *const JfCall, out: *mut JfResult) -> i32,
    /// Begins a method (kind async). The completion is called if, and only if, the answer is `JF_OK`.
    pub start:
        unsafe extern "C" fn(instance: *mut c_void, call: *const JfCall, completion: JfCompletion) -> i32,
    /// Ends an instance, when all its calls have ended.
    pub destroy: unsafe extern "C" fn(instance: *mut c_void),
    /// A table that came later, by its name (such as `jf.cancel/1`, terminated by zero); null if there is none.
    pub get_extension: unsafe extern "C" fn(id: *const c_char) -> *const c_void,
}
