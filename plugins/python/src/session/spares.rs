//! Interpreters that are started before anybody needs them, for each environment that has been used.

use super::terms::StartSpec;
use super::worker::Worker;
use crate::environment::{Environment, EnvironmentName};
use jackfield_plugin_api::Error;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The spare interpreters.
pub(crate) struct Spares {
    max: usize,
    driver: PathBuf,
    start_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    of: HashMap<EnvironmentName, Shelf>,
    is_closed: bool,
}

/// Those of one environment.
#[derive(Default)]
struct Shelf {
    ready: Vec<Worker>,
    starting: usize,
    /// What was started before the environment was changed is not used.
    generation: u64,
}

impl Spares {
    pub(crate) fn new(max: usize, driver: PathBuf, start_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { max, driver, start_timeout, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An interpreter of the environment, and whether it had been started before.
    ///
    /// # Errors
    /// As [`Worker::start`].
    pub(crate) fn take(self: &Arc<Self>, environment: &Environment) -> Result<(Worker, bool), Error> {
        let spare = {
            let mut state = self.lock();
            let shelf = state.of.entry(environment.name.clone()).or_default();
            loop {
                match shelf.ready.pop() {
                    Some(worker) if worker.handle().exit().is_none() => break Some(worker),
                    Some(_) => {}
                    None => break None,
                }
            }
        };
        self.fill(environment);
        match spare {
            Some(worker) => Ok((worker, true)),
            None => self.start(environment).map(|worker| (worker, false)),
        }
    }

    fn start(&self, environment: &Environment) -> Result<Worker, Error> {
        Worker::start(&StartSpec {
            python: &environment.python(),
            environment: &environment.path,
            driver: &self.driver,
            timeout: self.start_timeout,
        })
    }

    /// Starts as many as are missing, on a thread of its own.
    pub(crate) fn fill(self: &Arc<Self>, environment: &Environment) {
        let (missing, generation) = {
            let mut state = self.lock();
            if state.is_closed {
                return;
            }
            let shelf = state.of.entry(environment.name.clone()).or_default();
            let missing = self.max.saturating_sub(shelf.ready.len() + shelf.starting);
            shelf.starting += missing;
            (missing, shelf.generation)
        };
        if missing == 0 {
            return;
        }
        let (spares, environment) = (Arc::clone(self), environment.clone());
        let thread = std::thread::Builder::new().name("jf-python-spares".into());
        let own = Arc::clone(self);
        let name = environment.name.clone();
        let begun = thread.spawn(move || {
            for _ in 0..missing {
                // one that does not start is said to whoever needs it
                let started = spares.start(&environment).ok();
                spares.put(&environment.name, started, generation);
            }
        });
        if begun.is_err() {
            for _ in 0..missing {
                own.put(&name, None, generation);
            }
        }
    }

    fn put(&self, name: &EnvironmentName, started: Option<Worker>, generation: u64) {
        let mut state = self.lock();
        let is_closed = state.is_closed;
        let Some(shelf) = state.of.get_mut(name) else { return };
        if shelf.generation == generation {
            shelf.starting -= 1;
            if !is_closed {
                shelf.ready.extend(started);
                return;
            }
        }
        drop(state);
        // ended without the lock
        drop(started);
    }

    /// Ends those of an environment that is changed.
    pub(crate) fn discard(&self, name: &EnvironmentName) {
        let ready = {
            let mut state = self.lock();
            let Some(shelf) = state.of.get_mut(name) else { return };
            shelf.generation += 1;
            shelf.starting = 0;
            std::mem::take(&mut shelf.ready)
        };
        drop(ready);
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.lock().of.values().map(|shelf| shelf.ready.len()).sum()
    }

    /// Ends all of them, and starts no more.
    pub(crate) fn close(&self) {
        let shelves = {
            let mut state = self.lock();
            state.is_closed = true;
            std::mem::take(&mut state.of)
        };
        drop(shelves);
    }
}
