//! Runs under the clock: so many, so many at a time.

use super::together::together;
use anyhow::{Result, bail};
use jackfield::{Host, Outcome, Run, Workflow, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What is run.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) host: &'a Host,
    pub(crate) workflow: &'a Workflow,
    pub(crate) runs: usize,
    pub(crate) concurrency: usize,
}

/// What came of it.
pub(crate) struct Pass {
    /// From the start of the first run to the end of the last.
    pub(crate) elapsed: Duration,
    /// From the start of a run to having its outcome, in the order of the runs.
    pub(crate) latencies: Vec<Duration>,
    /// Kept, so that all of it can be checked when the clock stands.
    pub(crate) runs: Vec<Run>,
}

impl Load<'_> {
    /// Runs all of it once. Each of the clients starts a run, waits for it, and starts the next.
    pub(crate) fn go(&self) -> Result<Pass> {
        let next = AtomicUsize::new(0);
        let clients = match self.concurrency {
            1 => vec![self.client(&next)],
            clients => together(clients, || self.client(&next))?,
        };
        let clients: Vec<Client> = clients.into_iter().collect::<Result<_>>()?;
        let begun = clients.iter().map(|it| it.begun).min();
        let ended = clients.iter().map(|it| it.ended).max();
        let elapsed = begun.zip(ended).map_or(Duration::ZERO, |(begun, ended)| ended - begun);
        let (runs, latencies) = clients.into_iter().flat_map(|it| it.runs).unzip();
        Ok(Pass { elapsed, latencies, runs })
    }

    fn client(&self, next: &AtomicUsize) -> Result<Client> {
        let mut runs = Vec::with_capacity(self.runs.div_ceil(self.concurrency));
        let begun = Instant::now();
        let mut ended = begun;
        while next.fetch_add(1, Ordering::Relaxed) < self.runs {
            let started = Instant::now();
            let run = self.host.start(self.workflow, json!({}))?;
            let outcome = run.wait(None);
            ended = Instant::now();
            must_have_completed(outcome.as_ref())?;
            runs.push((run, ended - started));
        }
        Ok(Client { begun, ended, runs })
    }

    /// Lets go of runs that have been looked at.
    pub(crate) fn forget(&self, runs: Vec<Run>) {
        for run in runs {
            // the host may have forgotten it already, because it keeps only so many
            let _ = self.host.forget(run.id());
        }
    }
}

/// A thread that starts runs and waits for them.
struct Client {
    begun: Instant,
    ended: Instant,
    runs: Vec<(Run, Duration)>,
}

fn must_have_completed(outcome: Option<&Outcome>) -> Result<()> {
    let Some(outcome) = outcome else { bail!("a run was waited for without limit, and goes on") };
    match &outcome.error {
        _ if outcome.is_completed() => Ok(()),
        Some(error) => {
            bail!(
                "run `{}` ended as {}: step `{}`: {}",
                outcome.run_id,
                outcome.status.as_str(),
                error.step,
                error.message
            )
        }
        None => bail!("run `{}` ended as {}", outcome.run_id, outcome.status.as_str()),
    }
}
