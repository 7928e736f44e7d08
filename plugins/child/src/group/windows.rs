//! Job objects. Nothing here asks a program to end: there is no signal for it, so it is ended at once.

use crate::child::Exit;
use process_wrap::std::{ChildWrapper, CommandWrap, CommandWrapper, JobObject};
use std::io;
use std::os::windows::io::AsRawHandle;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use win32job::{ExtendedLimitInfo, Job};

/// A job object, until it is closed.
pub(crate) struct Group {
    job: Mutex<Option<Arc<Job>>>,
}

/// The program itself.
pub(crate) struct Leader {
    child: Box<dyn ChildWrapper>,
}

/// Puts a program that has not begun to run into the job that ends with this process.
#[derive(Debug)]
struct EndsWithUs(Arc<Job>);

impl CommandWrapper for EndsWithUs {
    fn wrap_child(
        &mut self,
        child: Box<dyn ChildWrapper>,
        _core: &CommandWrap,
    ) -> io::Result<Box<dyn ChildWrapper>> {
        let handle = child.process_handle().ok_or_else(|| io::Error::other("a process without a handle"))?;
        self.0.assign_process(handle.as_raw_handle() as isize).map_err(io::Error::other)?;
        Ok(child)
    }
}

impl Group {
    /// An empty job.
    pub(crate) fn new() -> io::Result<Self> {
        let mut limits = ExtendedLimitInfo::new();
        limits.limit_kill_on_job_close();
        let job = Job::create_with_limit_info(&limits).map_err(io::Error::other)?;
        Ok(Self { job: Mutex::new(Some(Arc::new(job))) })
    }

    /// Starts a program in the job.
    pub(crate) fn spawn(&self, command: Command) -> io::Result<Leader> {
        let job = self.job.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let job = job.ok_or_else(|| io::Error::other("the job has ended"))?;
        let mut wrap = CommandWrap::from(command);
        // in this order: the second lets the program run
        let child = wrap.wrap(EndsWithUs(job)).wrap(JobObject).spawn()?;
        Ok(Leader { child })
    }

    /// Nobody can be asked here.
    #[expect(clippy::unused_self, reason = "as on other systems")]
    pub(crate) fn terminate(&self) -> bool {
        false
    }

    /// Ends everybody at once. Harmless the second time.
    pub(crate) fn kill(&self) {
        // the system ends the processes with the last handle
        drop(self.job.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Leader {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn streams(&mut self) -> &mut dyn ChildWrapper {
        &mut *self.child
    }

    #[expect(clippy::unused_self, reason = "as on other systems")]
    pub(crate) fn wait_for_end(&mut self) {}

    /// Waits for its end.
    pub(crate) fn reap(&mut self) -> Exit {
        Exit { code: self.child.wait().ok().and_then(|status| status.code()), signal: None }
    }
}

/// There is no such signal here.
pub(crate) fn interrupt(_id: u32) {}
