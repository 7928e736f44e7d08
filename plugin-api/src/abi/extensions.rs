//! What came after the tables were frozen: tables of their own, each reached by its name through `get_extension` of
//! `JfPlugin`. Once released they do not change either; what differs gets another number.

use super::tables::{JfCall, JfResult, JfSlice};
use std::ffi::c_void;

/// Extension `jf.cancel/1` of a plugin: its host tells a call to stop by a function. A plugin that does not have it looks at
/// `is_cancelled` of its host.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct JfCancel {
    /// Size of this structure in bytes.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// The call is to stop: `is_cancelled` says so from now on. Called at most once for a call, while it lasts, from any
    /// thread, and returns at once: it does not wait for the end of the call, but may complete it. It can come before the method
    /// is ready for it: a method that waits for it asks `is_cancelled` once more when it is.
    pub cancel: unsafe extern "C" fn(instance: *mut c_void, call: *const JfCall),
}

/// Extension `jf.state/1` of a plugin: its state goes over to a newer version of itself while the host runs on. Both versions
/// must have it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct JfState {
    /// Size of this structure in bytes.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Hands the state of an instance over, as JSON, which the instance goes on with: calls that have begun with it end with it.
    pub save: unsafe extern "C" fn(instance: *mut c_void, out: *mut JfResult) -> i32,
    /// Takes over the state of another version, before the first call of the instance. One that it cannot use is an error: the
    /// host goes on with the other version.
    pub restore: unsafe extern "C" fn(instance: *mut c_void, state: JfSlice, out: *mut JfResult) -> i32,
}
