//! Process groups with a watcher.

use crate::child::Exit;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Deaf to what the group is asked to do; kills it when its input ends.
const WATCH: &str = "trap '' HUP INT QUIT TERM USR1 USR2; read -r end; kill -KILL 0";

/// A process group, until it is killed.
pub(crate) struct Group {
    id: Pid,
    /// `None` once reaped: then the number may belong to others.
    watcher: Mutex<Option<Child>>,
}

/// The program itself, until it is reaped.
pub(crate) struct Leader {
    child: Child,
    id: Pid,
}

impl Group {
    /// A group of nobody but its watcher.
    pub(crate) fn new() -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCH]).env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let watcher = command.spawn()?;
        let id = pid_of(&watcher)?;
        Ok(Self { id, watcher: Mutex::new(Some(watcher)) })
    }

    /// Starts a program into the group.
    pub(crate) fn spawn(&self, mut command: Command) -> io::Result<Leader> {
        let child = command.process_group(self.id.as_raw_nonzero().get()).spawn()?;
        Ok(Leader { id: pid_of(&child)?, child })
    }

    /// Asks everybody to end (`SIGTERM`); says whether anybody was there to ask.
    pub(crate) fn terminate(&self) -> bool {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        watcher.is_some() && kill_process_group(self.id, Signal::TERM).is_ok()
    }

    /// Ends everybody at once. Harmless the second time.
    pub(crate) fn kill(&self) {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut watcher) = watcher else { return };
        // the watcher is in it, so that there is somebody
        let _ = kill_process_group(self.id, Signal::KILL);
        // a killed process ends, and nobody else waits for it
        let _ = watcher.wait();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Leader {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn streams(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until it has ended, without reaping it: its number stays its own.
    pub(crate) fn wait_for_end(&mut self) {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(self.id), look) {}
    }

    /// Reaps it.
    pub(crate) fn reap(&mut self) -> Exit {
        match self.child.wait() {
            Ok(status) => Exit { code: status.code(), signal: status.signal() },
            Err(_) => Exit { code: None, signal: None },
        }
    }
}

/// Sends `SIGINT` to the program alone. It must not have been reaped.
pub(crate) fn interrupt(id: u32) {
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // it may have ended
        let _ = kill_process(id, Signal::INT);
    }
}

fn pid_of(child: &Child) -> io::Result<Pid> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.ok_or_else(|| io::Error::other("the system gave a process without a number"))
}
