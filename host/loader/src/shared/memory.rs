//! The memory itself: made, mapped, handed over, copied from and to, slept on.
#![expect(unsafe_code, reason = "mapped memory is reached through its address")]

use super::RING_BYTES;
use super::ring::Direction;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use rustix::thread::futex;
use std::ffi::c_void;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Before the bytes of the rings stand their words, on a page of their own.
const DATA_START: usize = 4096;
const BYTES: usize = DATA_START + 2 * RING_BYTES;

/// A word that shares no cache line with another.
#[repr(C, align(128))]
pub(crate) struct Word(AtomicU32);

impl std::ops::Deref for Word {
    type Target = AtomicU32;

    fn deref(&self) -> &AtomicU32 {
        &self.0
    }
}

/// The words of one ring. Any bits are a value of this type.
#[repr(C)]
pub(crate) struct Control {
    pub(crate) tail: Word,
    pub(crate) head: Word,
    pub(crate) reader_sleeps: Word,
    pub(crate) writer_sleeps: Word,
    pub(crate) bytes_bell: Word,
    pub(crate) room_bell: Word,
}

const _: () = assert!(2 * size_of::<Control>() <= DATA_START);
const _: () = assert!(RING_BYTES.is_power_of_two() && RING_BYTES < 1 << 31);

/// Memory that two processes see.
pub struct Memory {
    address: NonNull<u8>,
}

// SAFETY: the mapping belongs to no thread; what is in it is reached through atomic words and copies only.
unsafe impl Send for Memory {}
// SAFETY: as above: no reference into the bytes is ever made, and the words are atomic.
unsafe impl Sync for Memory {}

impl Memory {
    /// New memory, and the file by which another process reaches it. Neither side can change its size.
    ///
    /// # Errors
    /// If the system has no such files, or no memory.
    pub fn create() -> io::Result<(Arc<Self>, OwnedFd)> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = match memfd_create("jackfield", flags | MemfdFlags::NOEXEC_SEAL) {
            // a kernel before 6.3
            Err(Errno::INVAL) => memfd_create("jackfield", flags)?,
            made => made?,
        };
        ftruncate(&file, BYTES as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok((Arc::new(Self::map(&file)?), file))
    }

    /// The memory behind a file that another process has made.
    ///
    /// # Errors
    /// If it is another kind of file, or the system has no room for it.
    pub fn open(file: &OwnedFd) -> io::Result<Arc<Self>> {
        let is_sealed = fcntl_get_seals(file)?.contains(SealFlags::SHRINK);
        if fstat(file)?.st_size != BYTES as i64 || !is_sealed {
            return Err(io::Error::other("the memory that the host shares has another size than expected"));
        }
        Ok(Arc::new(Self::map(file)?))
    }

    fn map(file: &OwnedFd) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address that the system chooses touches nothing that is in use.
        let address = unsafe { mmap(ptr::null_mut(), BYTES, protection, MapFlags::SHARED, file, 0) }?;
        let address = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { address })
    }

    pub(crate) fn control(&self, direction: Direction) -> &Control {
        let offset = if direction == Direction::ToWorker { 0 } else { size_of::<Control>() };
        // SAFETY: both controls lie within the first page of the mapping (checked at compile time).
        let control = unsafe { self.address.add(offset) }.cast::<Control>();
        // SAFETY: aligned as the page is, mapped as long as `self` lives, and made of atomic words, which any process may
        // write to; any bits are a value.
        unsafe { control.as_ref() }
    }

    /// The bytes of a ring from `at` on; `at` is less than [`RING_BYTES`].
    fn data(&self, direction: Direction, at: usize) -> *mut u8 {
        debug_assert!(at < RING_BYTES);
        let ring = if direction == Direction::ToWorker { 0 } else { RING_BYTES };
        // SAFETY: `at % RING_BYTES` keeps it within the ring, and both rings lie within the mapping.
        unsafe { self.address.add(DATA_START + ring + at % RING_BYTES) }.as_ptr()
    }

    /// Copies `bytes`, not more than a ring has, to a ring from `at` on; what goes beyond its end goes to its start.
    pub(crate) fn write(&self, direction: Direction, at: usize, bytes: &[u8]) {
        assert!(bytes.len() <= RING_BYTES, "a ring holds no more");
        let (first, second) = bytes.split_at(bytes.len().min(RING_BYTES - at % RING_BYTES));
        // SAFETY: `first` ends at the end of the ring at the latest. The other process may write there too; then the bytes
        // are any bytes, and nothing here depends on them.
        unsafe { ptr::copy_nonoverlapping(first.as_ptr(), self.data(direction, at), first.len()) };
        // SAFETY: as above; `second` is shorter than the ring.
        unsafe { ptr::copy_nonoverlapping(second.as_ptr(), self.data(direction, 0), second.len()) };
    }

    /// Appends `len` bytes, not more than a ring has, of a ring from `at` on; behind its end they go on at its start.
    pub(crate) fn read(&self, direction: Direction, at: usize, to: &mut Vec<u8>, len: usize) {
        assert!(len <= RING_BYTES, "a ring holds no more");
        to.reserve(len);
        let first = len.min(RING_BYTES - at % RING_BYTES);
        let room = to.spare_capacity_mut().as_mut_ptr().cast::<u8>();
        // SAFETY: `first` bytes end at the end of the ring at the latest, and there is room for `len` bytes. The other process
        // may write there meanwhile; then they are any bytes, copied once and not looked at before.
        unsafe { ptr::copy_nonoverlapping(self.data(direction, at), room, first) };
        // SAFETY: `first` is at most `len`, for which there is room.
        let rest = unsafe { room.add(first) };
        // SAFETY: as above; `len - first` is less than the ring has.
        unsafe { ptr::copy_nonoverlapping(self.data(direction, 0), rest, len - first) };
        // SAFETY: `len` bytes behind the end have just been written.
        unsafe { to.set_len(to.len() + len) };
    }

    /// Sleeps while `word` is `seen`.
    pub(crate) fn sleep(&self, word: &AtomicU32, seen: u32, patience: Option<Duration>) {
        let patience = patience.map(|patience| futex::Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        });
        // woken, interrupted, too late or changed already: whoever sleeps looks again in each case
        let _ = futex::wait(word, futex::Flags::empty(), seen, patience.as_ref());
    }

    /// Changes `word` and wakes one that sleeps on it.
    pub(crate) fn wake(&self, word: &AtomicU32) {
        word.fetch_add(1, Ordering::SeqCst);
        // that nobody sleeps is no error
        let _ = futex::wake(word, futex::Flags::empty(), 1);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and size, and nothing refers to it any more.
        let unmapped = unsafe { munmap(self.address.as_ptr().cast::<c_void>(), BYTES) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Has this process keep freed memory, up to 16 MiB, instead of giving it back to the system and having every page of it
/// cleared again for the next value: for processes that do nothing but take values in and hand them out.
#[cfg(target_env = "gnu")]
pub fn keep_freed_memory() {
    const KEPT_BYTES: i32 = 16 << 20;
    for setting in [libc::M_TRIM_THRESHOLD, libc::M_MMAP_THRESHOLD] {
        // SAFETY: it sets a number of the allocator's, under its own lock.
        let is_set = unsafe { libc::mallopt(setting, KEPT_BYTES) };
        debug_assert_eq!(is_set, 1);
    }
}

/// Other C libraries have no such setting.
#[cfg(not(target_env = "gnu"))]
pub fn keep_freed_memory() {}

/// What wakes a host that waits for several descriptors.
pub struct Bell(std::fs::File);

impl Bell {
    /// One that nobody has rung.
    ///
    /// # Errors
    /// If the system gives no descriptor.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?.into()))
    }

    /// Rings it.
    ///
    /// # Errors
    /// If the descriptor is none any more.
    pub fn ring(&self) -> io::Result<()> {
        match (&self.0).write(&1_u64.to_ne_bytes()) {
            // rung more often than can be counted is rung
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            rung => rung.map(drop),
        }
    }

    /// Makes it one that nobody has rung.
    pub fn hush(&self) {
        // nobody had rung it if this fails
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends bytes, of which there are few, and descriptors with the first of them.
///
/// # Errors
/// If the socket does not take them all at once.
pub(crate) fn send_with(
    socket: &UnixStream,
    bytes: &[u8],
    descriptors: [BorrowedFd<'_>; 2],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    match sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::empty())? {
        sent if sent == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Reads the first bytes of a conversation, and what the host has sent with them: the memory that it shares and what wakes
/// it, if it shares any. Nothing of the conversation may have been read before.
///
/// # Errors
/// If the conversation ends before that, or the memory cannot be mapped.
pub fn receive_hello_head(socket: &UnixStream, head: &mut [u8]) -> io::Result<Option<(Arc<Memory>, Bell)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(head)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let mut socket = socket;
    socket.read_exact(&mut head[received.bytes..])?;
    match <[OwnedFd; 2]>::try_from(descriptors) {
        Ok([file, bell]) => Ok(Some((Memory::open(&file)?, Bell(bell.into())))),
        Err(_) => Ok(None),
    }
}
