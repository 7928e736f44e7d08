//! Bytes that the other side produced and this side holds.

use super::{JfBuf, JfSlice};
use std::fmt;

/// Owns what a [`JfBuf`] stands for, and gives it back to its producer at the end.
pub struct Buffer(JfBuf);

impl Buffer {
    /// Takes a buffer over.
    ///
    /// # Safety
    /// `raw` must have been handed over by the other side, and nobody else may free it.
    #[must_use]
    pub unsafe fn from_raw(raw: JfBuf) -> Self {
        Self(raw)
    }

    /// Bytes of this side, for hosts that have a result from elsewhere.
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self(super::give::bytes(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let slice = JfSlice { ptr: self.0.ptr, len: self.0.len };
        // SAFETY: the producer keeps the bytes valid and unchanged until they are freed, which only `drop` does.
        unsafe { slice.bytes() }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(free) = self.0.free {
            // SAFETY: this is the one owner, so it is called once; the producer allows it from any thread.
            unsafe { free(&raw mut self.0) };
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.0.len)
    }
}

// SAFETY: the bytes do not change, and the ABI demands that `free` may be called from any thread.
unsafe impl Send for Buffer {}
// SAFETY: a shared buffer is only read.
unsafe impl Sync for Buffer {}
