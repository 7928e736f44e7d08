//! Hands results and errors of this side over to the other one, without copying them.

use super::{JF_FAILED, JF_OK, JfBuf, JfError, JfResult, JfSlice};
use crate::Error;
use std::ffi::c_void;
use std::mem::ManuallyDrop;

/// Ends a call well: hands `bytes` over through `out`, which is empty, and answers the status.
#[inline]
pub(crate) fn success(bytes: Vec<u8>, out: &mut JfResult) -> i32 {
    if bytes.capacity() > 0 {
        out.value = self::bytes(bytes);
    }
    JF_OK
}

/// Ends a call badly: hands `error` over through `out`, and answers the status.
#[cold]
pub(crate) fn failure(error: Error, out: &mut JfResult) -> i32 {
    out.error = self::error(error);
    JF_FAILED
}

/// Hands `bytes` over; nothing is copied, an empty vector needs no freeing.
pub(crate) fn bytes(bytes: Vec<u8>) -> JfBuf {
    if bytes.capacity() == 0 {
        return JfBuf::EMPTY;
    }
    let bytes = ManuallyDrop::new(bytes);
    JfBuf {
        ptr: bytes.as_ptr(),
        len: bytes.len(),
        free: Some(free_bytes),
        owner: std::ptr::without_provenance_mut::<c_void>(bytes.capacity()),
    }
}

unsafe extern "C" fn free_bytes(buf: *mut JfBuf) {
    // SAFETY: the receiver passes the buffer that `bytes` made.
    let taken = unsafe { buf.replace(JfBuf::EMPTY) };
    if taken.free.is_some() {
        // SAFETY: pointer, length and capacity are those of the vector that `bytes` took apart, and this happens once.
        drop(unsafe { Vec::from_raw_parts(taken.ptr.cast_mut(), taken.len, taken.owner.addr()) });
    }
}

/// Hands `error` over.
pub(crate) fn error(error: Error) -> JfError {
    let error = Box::new(error);
    JfError {
        kind: JfSlice::new(error.kind().as_bytes()),
        message: JfSlice::new(error.message().as_bytes()),
        details: JfSlice::new(error.details_json().as_bytes()),
        retryable: u32::from(error.is_retryable()),
        free: Some(free_error),
        owner: Box::into_raw(error).cast(),
    }
}

unsafe extern "C" fn free_error(error: *mut JfError) {
    // SAFETY: the receiver passes the error that `error` made.
    let taken = unsafe { error.replace(JfError::EMPTY) };
    if taken.free.is_some() {
        // SAFETY: the owner is the box that `error` took apart, and this happens once.
        drop(unsafe { Box::from_raw(taken.owner.cast::<Error>()) });
    }
}
