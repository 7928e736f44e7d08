//! A program and all that it starts, ended together.
//!
//! On Unix it is a process group whose first member is a *watcher*: a shell that waits for the end of a pipe from this
//! process, and then kills the group, itself included. The program is started into that group. So
//!
//! - nothing outlives this process, whichever way that ends, `SIGKILL` included: the system closes the pipe. There is no moment
//!   between the start of the program and its being watched;
//! - the number of the group belongs to it until the watcher is reaped, which is done last. A signal never goes to strangers;
//! - whatever the program leaves behind in the group when it ends is ended as well.
//!
//! A process that leaves its group on purpose (`setsid`) is out of reach. On Windows it is a job object that the system ends
//! together with its last handle.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{Group, Leader, interrupt};
#[cfg(windows)]
pub(crate) use windows::{Group, Leader, interrupt};
