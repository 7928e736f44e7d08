//! ABI 1: the frozen C tables, and the safe wrappers around them for both sides. Nothing outside this directory and
//! `export` touches a raw pointer.
#![expect(
    unsafe_code,
    reason = "the border between host and plugin is made of C pointers; this is where they live"
)]

mod buffer;
mod extensions;
pub(crate) mod give;
pub mod host;

pub(crate) mod link;
mod peer;
mod root;
mod tables;

pub use buffer::Buffer;
pub use extensions::{JfCancel, JfState};
pub use peer::Answer;
pub use root::{ROOT_SYMBOL, Root, RootRef};
pub use tables::*;

impl JfSlice {
    /// No bytes.
    pub const EMPTY: Self = Self { ptr: std::ptr::null(), len: 0 };

    /// Borrows `bytes`; the caller keeps them alive for as long as the slice is used.
    #[must_use]
    pub const fn new(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes.
    ///
    /// # Safety
    /// The slice must come from the other side of the border, and its bytes must stay valid for `'a`.
    #[must_use]
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.len == 0 || self.ptr.is_null() {
            return &[];
        }
        // SAFETY: not null, and the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }

    /// The text; empty if it is no UTF-8.
    ///
    /// # Safety
    /// As for [`JfSlice::bytes`].
    #[must_use]
    pub unsafe fn text<'a>(self) -> &'a str {
        // SAFETY: the caller vouches for it.
        let bytes = unsafe { self.bytes() };
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl JfBuf {
    /// No bytes, nothing to free.
    pub const EMPTY: Self = Self { ptr: std::ptr::null(), len: 0, free: None, owner: std::ptr::null_mut() };
}

impl JfError {
    /// No error, nothing to free.
    pub const EMPTY: Self = Self {
        kind: JfSlice::EMPTY,
        message: JfSlice::EMPTY,
        details: JfSlice::EMPTY,
        retryable: 0,
        free: None,
        owner: std::ptr::null_mut(),
    };
}

impl JfResult {
    /// What a caller hands in.
    pub const EMPTY: Self = Self { value: JfBuf::EMPTY, error: JfError::EMPTY };
}

// SAFETY: a table is constant data and pointers to functions that may be called from any thread.
unsafe impl Sync for JfPlugin {}
// SAFETY: as above.
unsafe impl Send for JfPlugin {}
// SAFETY: a table is constant data, functions that may be called from any thread, and the host's own pointer, which
// only those functions use.
unsafe impl Sync for JfHost {}
// SAFETY: as above.
unsafe impl Send for JfHost {}
