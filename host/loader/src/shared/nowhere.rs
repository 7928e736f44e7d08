//! Systems without memory that is shared by a file without a name: everything goes through the socket.

use super::ring::Direction;
use std::convert::Infallible;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

pub(crate) struct Control {
    pub(crate) tail: AtomicU32,
    pub(crate) head: AtomicU32,
    pub(crate) reader_sleeps: AtomicU32,
    pub(crate) writer_sleeps: AtomicU32,
    pub(crate) bytes_bell: AtomicU32,
    pub(crate) room_bell: AtomicU32,
}

/// There is none.
pub struct Memory(Infallible);

impl Memory {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn create() -> io::Result<(Arc<Self>, OwnedFd)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn control(&self, _: Direction) -> &Control {
        match self.0 {}
    }

    pub(crate) fn write(&self, _: Direction, _: usize, _: &[u8]) {
        match self.0 {}
    }

    pub(crate) fn read(&self, _: Direction, _: usize, _: &mut Vec<u8>, _: usize) {
        match self.0 {}
    }

    pub(crate) fn sleep(&self, _: &AtomicU32, _: u32, _: Option<Duration>) {
        match self.0 {}
    }

    pub(crate) fn wake(&self, _: &AtomicU32) {
        match self.0 {}
    }
}

/// Nothing to do here.
pub fn keep_freed_memory() {}

/// There is none.
pub struct Bell(Infallible);

impl Bell {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// There is none.
    ///
    /// # Errors
    /// Never.
    pub fn ring(&self) -> io::Result<()> {
        match self.0 {}
    }

    /// There is none.
    pub fn hush(&self) {
        match self.0 {}
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }
}

pub(crate) fn send_with(_: &UnixStream, _: &[u8], _: [BorrowedFd<'_>; 2]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Reads the first bytes of a conversation.
///
/// # Errors
/// If the conversation ends before that.
pub fn receive_hello_head(
    mut socket: &UnixStream,
    head: &mut [u8],
) -> io::Result<Option<(Arc<Memory>, Bell)>> {
    socket.read_exact(head)?;
    Ok(None)
}
