//! Many runs that wait for an event: started, looked at, released.

use super::document::{self, EVENT};
use super::job::Job;
use super::together::share;
use anyhow::{Context, Result, bail, ensure};
use jackfield::{Host, Run, RunNo, RunQuery, RunStatus, Value, Workflow, json};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(300);
/// Lines of a page when all runs are looked through.
const PAGE: usize = 1_000;

/// Runs that wait, by the numbers they were started under.
pub(crate) struct Crowd {
    ids: Vec<Box<str>>,
}

impl Crowd {
    /// Starts as many runs as `job` says and sees all of them wait; how long that took. They are let go of, as by somebody who
    /// will not be there when they go on.
    pub(crate) fn set_up(host: &Host, job: &Job) -> Result<(Self, Duration)> {
        let workflow = Self::workflow(host, job)?;
        let (ids, elapsed) = share(job.concurrency, job.runs, |_| {
            let run = host.start(&workflow, json!({}))?;
            wait_until_it_waits(&run, Instant::now())?;
            Ok(run.id().into())
        })?;
        Ok((Self { ids }, elapsed))
    }

    /// What the runs follow.
    fn workflow(host: &Host, job: &Job) -> Result<Workflow> {
        Ok(host.parse(&document::waiting(&job.graph))?)
    }

    /// Every run is listed as waiting, and none besides; soon, for a process that was killed may have left some of them a step
    /// behind.
    pub(crate) fn must_wait(&self, host: &Host) -> Result<()> {
        let begun = Instant::now();
        loop {
            let waiting = count(host, RunStatus::Waiting)?;
            if waiting == self.ids.len() {
                return Ok(());
            }
            let is_over = begun.elapsed() >= PATIENCE;
            ensure!(!is_over, "{waiting} runs wait instead of {}", self.ids.len());
            sleep(Duration::from_millis(1));
        }
    }

    /// Sends each run its event and waits for its end, so many at a time; how long that took. Each has to complete with what
    /// its event brought.
    pub(crate) fn release(&self, host: &Host, job: &Job) -> Result<Duration> {
        let (outcomes, elapsed) = share(job.concurrency, self.ids.len(), |nth| {
            let run = host.get(&self.ids[nth])?;
            run.signal(EVENT, json!({ "nth": nth }))?;
            run.wait(Some(PATIENCE)).with_context(|| format!("run `{}` goes on and on", run.id()))
        })?;
        for (nth, outcome) in outcomes.iter().enumerate() {
            let wanted = outcome.is_completed() && *outcome.output.value() == json!({ "nth": nth });
            ensure!(
                wanted,
                "run `{}` ended as {} with {}",
                outcome.run_id,
                outcome.status.as_str(),
                outcome.output.as_str()
            );
        }
        Ok(elapsed)
    }
}

fn wait_until_it_waits(run: &Run, since: Instant) -> Result<()> {
    loop {
        match run.status() {
            RunStatus::Waiting => return Ok(()),
            RunStatus::Running if since.elapsed() < PATIENCE => sleep(Duration::from_micros(100)),
            other => {
                let why: Value =
                    run.report(0).error.map_or(Value::Null, |error| error.message.as_ref().into());
                bail!("run `{}` is {} and does not wait: {why}", run.id(), other.as_str())
            }
        }
    }
}

/// Runs that stand so, counted line by line.
pub(crate) fn count(host: &Host, status: RunStatus) -> Result<usize> {
    let mut query = RunQuery { statuses: vec![status], limit: PAGE, ..RunQuery::default() };
    let mut count = 0;
    loop {
        let page = host.query(&query)?;
        count += page.runs.len();
        let next: Option<RunNo> = page.next;
        match next {
            Some(_) => query.before = next,
            None => return Ok(count),
        }
    }
}
