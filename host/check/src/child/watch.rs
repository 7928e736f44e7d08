//! A thread that does what may never end, and another that waits for it.

use crate::job::Seen;
use serde_json as json;
use std::fs::File;
use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Where what was seen is told. A line is written at once, because the next moment may be the last.
pub(crate) struct Teller(File);

impl Teller {
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    pub(crate) fn tell(&mut self, seen: &Seen) -> Result<(), Over> {
        let mut line = json::to_vec(seen).map_err(|_| Over)?;
        line.push(b'\n');
        // a plugin that has closed the file is found by what is missing in it
        self.0.write_all(&line).map_err(|_| Over)
    }
}

/// Nothing more can be done in this process. What was seen has been told.
#[derive(Debug)]
pub(crate) struct Over;

type Task = Box<dyn FnOnce() + Send>;

/// The thread.
pub(crate) struct Doer(Sender<Task>);

impl Doer {
    pub(crate) fn start() -> std::io::Result<Self> {
        let (tx, rx): (Sender<Task>, Receiver<Task>) = channel();
        thread::Builder::new().name("check".into()).spawn(move || rx.iter().for_each(|task| task()))?;
        Ok(Self(tx))
    }

    /// Begins something; its end comes through the receiver, if it ends.
    pub(crate) fn begin<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
        let (tx, rx) = channel();
        // nobody may wait for the end any more; and a thread that is gone ends the wait below
        let _ = self.0.send(Box::new(move || drop(tx.send(task()))));
        rx
    }

    /// Does something that must end within `patience`.
    pub(crate) fn within<T: Send + 'static>(
        &self,
        patience: Duration,
        teller: &mut Teller,
        what: &str,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Over> {
        teller.tell(&Seen::Begins(what.to_owned()))?;
        match self.begin(task).recv_timeout(patience) {
            Ok(done) => Ok(done),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                teller.tell(&Seen::Stuck(what.to_owned()))?;
                Err(Over)
            }
        }
    }
}
