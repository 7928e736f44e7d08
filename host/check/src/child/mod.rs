//! The process that meets the plugin: does one job, and tells what it sees as it sees it.

mod call;
mod state;
mod steady;
mod watch;

use crate::job::{End, Job, Method, Seen, Task};
use call::{Calling, Patience, end, of_fault};
use jackfield_loader::open_library;
use jackfield_plugin_api::abi::host::{Instance, Table};
use jackfield_worker::sandbox;
use state::Lookout;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};
use watch::{Doer, Over, Teller};

/// How long threads of an instance may take to end after it.
const THREADS_END_MAX: Duration = Duration::from_secs(2);

/// More threads than a plugin has any use for.
const THREADS_MAX: u64 = 100;

/// Does the job that stands on standard input, for the tool that started this process. What it sees goes to the tool.
///
/// # Errors
/// If there is no job.
pub fn examine() -> std::io::Result<()> {
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text)?;
    let job: Job = serde_json::from_slice(&text).map_err(|_| {
        std::io::Error::other("this is started by `jackfield plugin check`; it is of no use by hand")
    })?;
    live(Arc::new(job))
}

/// Does a job in this process.
///
/// # Errors
/// If the file for what is seen is not there.
pub(crate) fn live(job: Arc<Job>) -> std::io::Result<()> {
    let teller = Teller::new(File::options().append(true).open(&job.report)?);
    // whether it came to its end is told by what was told
    let _ = Child { job, teller }.run();
    Ok(())
}

struct Child {
    job: Arc<Job>,
    teller: Teller,
}

/// What the job is done with.
struct Around {
    table: Table,
    doer: Doer,
    lookout: Lookout,
}

impl Child {
    fn run(mut self) -> Result<(), Over> {
        let job = Arc::clone(&self.job);
        let mut lookout = Lookout::open(&job.scratch);
        let prepared = std::env::set_current_dir(&job.scratch).map_err(|error| error.to_string());
        let prepared = prepared.and_then(|()| match &job.sandbox {
            Some(sandbox) => sandbox::apply(sandbox, std::slice::from_ref(&job.library))
                .map(drop)
                .map_err(|error| error.to_string()),
            None => Ok(()),
        });
        if let Err(reason) = prepared {
            return self.teller.tell(&Seen::CannotCheck(reason));
        }
        let doer = match Doer::start() {
            Ok(doer) => doer,
            Err(error) => return self.teller.tell(&Seen::CannotCheck(error.to_string())),
        };
        // what this process makes when it first does something is made before anybody counts
        self.within(&doer, "getting ready", || ())?;
        let table = self.open(&doer, &mut lookout)?;
        let mut around = Around { table, doer, lookout };
        if let Some(blind) = around.lookout.blind() {
            self.teller.tell(&Seen::Blind(blind.to_owned()))?;
        }
        match &job.task {
            Task::Describe => self.describe(&around)?,
            Task::Create { configs } => self.create(&around, configs)?,
            Task::Lives { rounds } => self.lives(&mut around, *rounds)?,
            Task::Calls { method, params, time_max_ms } => {
                self.calls(&mut around, method, params, Duration::from_millis(*time_max_ms))?;
            }
            Task::Steady { method, params, threads, time_max_ms } => {
                let steady = steady::Steady {
                    params: params.clone(),
                    threads: *threads,
                    time_max: Duration::from_millis(*time_max_ms),
                };
                self.steady(&around, method, steady)?;
            }
        }
        self.teller.tell(&Seen::Done)
    }

    fn within<T: Send + 'static>(
        &mut self,
        doer: &Doer,
        what: &str,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Over> {
        doer.within(Duration::from_millis(self.job.patience_ms), &mut self.teller, what, task)
    }

    fn open(&mut self, doer: &Doer, lookout: &mut Lookout) -> Result<Table, Over> {
        let job = Arc::clone(&self.job);
        // twice, because the first look itself may open something
        lookout.state();
        let before = lookout.state();
        let opened =
            self.within(doer, "opening the library", move || open_library(&job.plugin, &job.library))?;
        let table = match opened {
            Ok(table) => table,
            Err(error) => {
                let (code, reason) = (error.code().to_owned(), error.to_string());
                self.teller.tell(&Seen::OpenFailed { code, reason })?;
                return Err(Over);
            }
        };
        let after = lookout.state();
        let manifest = String::from_utf8_lossy(table.manifest()).into_owned();
        self.teller.tell(&Seen::Opened { before, after, manifest })?;
        Ok(table)
    }

    fn describe(&mut self, around: &Around) -> Result<(), Over> {
        let table = around.table;
        for _ in 0..2 {
            let described =
                self.within(&around.doer, "asking what it offers", move || end(table.describe()))?;
            self.teller.tell(&Seen::Described(described))?;
        }
        Ok(())
    }

    fn create(&mut self, around: &Around, configs: &[String]) -> Result<(), Over> {
        for (config, text) in configs.iter().enumerate() {
            let made = self.make(around, text)?;
            let end = made.as_ref().map_or_else(Clone::clone, |_| End::Text(String::new()));
            self.teller.tell(&Seen::Created { config, end })?;
            if let Ok(instance) = made {
                self.end(&around.doer, instance)?;
            }
        }
        Ok(())
    }

    fn make(&mut self, around: &Around, config: &str) -> Result<Result<Arc<Instance>, End>, Over> {
        let (table, config) = (around.table, config.to_owned());
        self.within(&around.doer, "making an instance", move || {
            table.create(&config, Box::new(|_, _, _| ())).map(Arc::new).map_err(of_fault)
        })
    }

    /// An instance with the configuration of the job; without one there is nothing to do.
    fn instance(&mut self, around: &Around) -> Result<Arc<Instance>, Over> {
        let config = self.job.config.clone();
        match self.make(around, &config)? {
            Ok(instance) => Ok(instance),
            Err(end) => {
                self.teller.tell(&Seen::Created { config: 0, end })?;
                Err(Over)
            }
        }
    }

    fn end(&mut self, doer: &Doer, instance: Arc<Instance>) -> Result<(), Over> {
        self.within(doer, "ending an instance", move || drop(instance))
    }

    fn lives(&mut self, around: &mut Around, rounds: u32) -> Result<(), Over> {
        /// Instances before the first look: what is made once for all is made by then.
        const FIRST: u32 = 3;
        let mut first = None;
        for round in 0..rounds + FIRST {
            if round == FIRST {
                first = Some(around.lookout.state());
            }
            let instance = self.instance(around)?;
            self.end(&around.doer, instance)?;
        }
        let first = first.unwrap_or_default();
        let last = Self::settled(&mut around.lookout, first.threads);
        self.teller.tell(&Seen::Lived { first, last })
    }

    /// The process once no more than so many threads are left, or nobody waits any longer for that.
    fn settled(lookout: &mut Lookout, threads: Option<u64>) -> crate::job::State {
        let until = Instant::now() + THREADS_END_MAX;
        loop {
            let state = lookout.state();
            if state.threads <= threads || Instant::now() >= until {
                return state;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn calling(&self, table: Table, instance: &Arc<Instance>, method: &Method) -> Calling {
        let patience = Patience {
            cancel_after: Duration::from_millis(self.job.cancel_after_ms),
            grace: Duration::from_millis(self.job.grace_ms),
        };
        let (instance, method) = (Arc::clone(instance), method.clone());
        Calling { instance, method, cancel: table.cancel(), patience }
    }

    fn calls(
        &mut self,
        around: &mut Around,
        method: &Method,
        params: &[String],
        time_max: Duration,
    ) -> Result<(), Over> {
        let before = around.lookout.state();
        let instance = self.instance(around)?;
        let calling = self.calling(around.table, &instance, method);
        let until = Instant::now() + time_max;
        let mut calls = 0;
        for (call, params) in params.iter().enumerate() {
            if Instant::now() >= until {
                break;
            }
            self.teller.tell(&Seen::Begins(format!("call {call}")))?;
            let begun = Instant::now();
            match calling.make(&around.doer, params)? {
                Some(end) => {
                    let us = begun.elapsed().as_micros() as u64;
                    self.teller.tell(&Seen::Called { call, end, us })?;
                }
                None => {
                    self.teller.tell(&Seen::Stuck(format!("call {call}")))?;
                    return Err(Over);
                }
            }
            calls = call + 1;
            if around.lookout.threads() > before.threads.map(|threads| threads + THREADS_MAX) {
                // one that goes on like this would take them from the whole machine
                break;
            }
        }
        self.teller.tell(&Seen::Enough { calls })?;
        drop(calling);
        self.end(&around.doer, instance)?;
        let after = Self::settled(&mut around.lookout, before.threads);
        self.teller.tell(&Seen::Left { before, after })
    }
}
