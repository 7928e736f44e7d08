//! One worker process: started, killed, reaped.

use crate::config::WorkerProgram;
use jackfield_plugin_api::worker::Grant;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to end by itself after it has ended the conversation.
const LINGER_MAX: Duration = Duration::from_millis(100);

/// A process that has been started, until it is reaped.
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// `None` once reaped: then the number may belong to another process.
    child: Mutex<Option<Child>>,
}

/// A new process and the ends of what leads to it.
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) socket: UnixStream,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It returned or called `exit`.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// It had closed the conversation without ending, and was killed.
    Silent,
}

/// Starts a worker process with those variables of this process that are granted. It must be done by a thread that lives as long as the process ought to.
pub(crate) fn start(program: &WorkerProgram, grant: &Grant) -> io::Result<Started> {
    let (socket, theirs) = UnixStream::pair()?;
    let mut command = Command::new(&program.path);
    if let Some(name) = &program.name {
        command.arg0(name);
    }
    command.args(&program.arguments);
    command.env_clear().envs(grant.environment(std::env::vars_os()));
    // a group of its own, by which it is ended with all that it starts
    command.process_group(0);
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("a process was started without its streams"));
    };
    let process = Process { pid: child.id(), child: Mutex::new(Some(child)) };
    Ok(Started { process, socket, stdout, stderr })
}

impl Process {
    /// Kills the process and everything in its group. Harmless if it has been reaped.
    pub(crate) fn kill(&self) {
        if let Some(child) = &mut *self.child.lock() {
            kill_group(child);
        }
    }

    /// Waits for the end of a process that has ended the conversation, and reaps it.
    pub(crate) fn reap(&self) -> End {
        let has_ended = self.has_ended_within(LINGER_MAX);
        let Some(mut child) = self.child.lock().take() else { return End::Silent };
        // whether or not it has ended, others may be left in its group; until it is reaped its number is its own
        kill_group(&mut child);
        match child.wait() {
            Ok(status) if has_ended => end(status),
            _ => End::Silent,
        }
    }

    fn has_ended_within(&self, patience: Duration) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return false };
        let until = Instant::now() + patience;
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        loop {
            match waitid(WaitId::Pid(pid), look) {
                Ok(Some(_)) => return true,
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_micros(200)),
                Ok(None) | Err(_) => return false,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.lock().take() {
            kill_group(&mut child);
            // a killed process ends, and nobody else waits for it
            let _ = child.wait();
        }
    }
}

fn kill_group(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // there is no such group if the process ended before it made one
        let _ = kill_process_group(group, Signal::KILL);
    }
    // it has ended already if this fails
    let _ = child.kill();
}

fn end(status: ExitStatus) -> End {
    match (status.signal(), status.code()) {
        (Some(signal), _) => End::Signal(signal),
        (None, Some(code)) => End::Exit(code),
        (None, None) => End::Silent,
    }
}
