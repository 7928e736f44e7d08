//! Makes this process one of its own: dead when its host is, and with the conversation where a plugin does not stumble over
//! it. The host has started it in a process group of its own, which nothing leaves once the sandbox is in force.

use crate::WorkerError;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Signal, kill_current_process_group};
use std::fs::File;
use std::os::unix::net::UnixStream;

/// The conversation's descriptor is moved at least as high: below are those that programs count on.
const DESCRIPTOR_MIN: i32 = 200;

/// Takes the conversation from standard input, which is empty from then on.
pub(crate) fn settle() -> Result<UnixStream, WorkerError> {
    let input = std::io::stdin();
    let moved = fcntl_dupfd_cloexec(&input, DESCRIPTOR_MIN).or_else(|_| fcntl_dupfd_cloexec(&input, 3));
    let socket = UnixStream::from(moved.map_err(std::io::Error::from)?);
    if socket.peer_addr().is_err() {
        return Err(WorkerError::NoHost);
    }
    rustix::stdio::dup2_stdin(File::open("/dev/null")?).map_err(std::io::Error::from)?;
    die_with_host();
    Ok(socket)
}

/// The end of the conversation is what a worker waits for; this is for the case that its threads are in no state to.
#[cfg(target_os = "linux")]
fn die_with_host() {
    // a kernel that refuses it leaves the end of the conversation
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
}

#[cfg(not(target_os = "linux"))]
fn die_with_host() {}

/// Ends this process at once, and what the plugin has started in it.
pub(crate) fn die() -> ! {
    let _ = kill_current_process_group(Signal::KILL);
    // not reached unless the system refuses to kill
    std::process::abort()
}
