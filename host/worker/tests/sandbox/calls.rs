//! System calls for which no safe function exists. They are made to see them refused.
#![expect(unsafe_code, reason = "raw system calls")]

use seccompiler::{SeccompAction, SeccompFilter, apply_filter};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Makes a system call by its number. Arguments are numbers, so that the kernel reads and writes no memory of ours.
pub(crate) fn call(number: i64, arguments: [i64; 5]) -> io::Result<i64> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: the tests pass small numbers and null where the kernel wants an address, which it answers with an error
    let answer = unsafe { libc::syscall(number, a, b, c, d, e) };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// A child process that ends at once.
pub(crate) fn fork() -> io::Result<()> {
    in_child(|| {}).map(drop)
}

/// Runs `work` in a child process, which has one thread however many this one has, and waits for its end.
pub(crate) fn in_child(work: impl FnOnce()) -> io::Result<rustix::process::WaitStatus> {
    // SAFETY: the other threads of this process wait for this one and hold no locks, so the child finds none locked
    let child = unsafe { libc::fork() };
    match child {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let code = i32::from(catch_unwind(AssertUnwindSafe(work)).is_err());
            // SAFETY: `_exit` runs nothing of the parent
            unsafe { libc::_exit(code) }
        }
        child => {
            let pid = rustix::process::Pid::from_raw(child);
            let ended = rustix::process::waitpid(pid, rustix::process::WaitOptions::empty())?;
            Ok(ended.expect("it waits for the child").1)
        }
    }
}

/// Asks for a signal to `pid` whenever something can be read from a socket, and makes that happen.
pub(crate) fn signal_on_input(pid: i32) -> io::Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    for (command, value) in [(libc::F_SETOWN, pid), (libc::F_SETFL, libc::O_ASYNC)] {
        // SAFETY: both commands take a number
        if unsafe { libc::fcntl(ours.as_raw_fd(), command, value) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    io::Write::write_all(&mut &theirs, b"x")
}

/// Lets a system call fail from now on, as a kernel does that lacks it.
pub(crate) fn make_fail(number: i64, errno: i32) {
    let rules = [(number, Vec::new())].into();
    let errno = SeccompAction::Errno(errno.unsigned_abs());
    let target = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, target).unwrap();
    let program: seccompiler::BpfProgram = filter.try_into().unwrap();
    apply_filter(&program).unwrap();
}
