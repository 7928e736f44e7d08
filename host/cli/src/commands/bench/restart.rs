//! Measures how long it takes until the runs of a journal are under way again.

use super::crowd::Crowd;
use super::figures::{Figures, Restart};
use super::job::Job;
use super::runs::nanos;
use super::spread::Spread;
use crate::printer::Printer;
use crate::settings::Settings;
use anyhow::{Context, Result};
use jackfield::{Engine, JOURNAL_FILE};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// What stands beside a journal that is in use and belongs to it.
const WRITE_AHEAD_LOG: &str = "journal.db-wal";

/// For each repeat makes a journal with open runs, keeps what a killed process would have left of it, and opens both.
pub(crate) fn measure(settings: &Settings, job: &Job, printer: &Printer) -> Result<Figures> {
    let (mut in_order, mut killed) = (Vec::new(), Vec::new());
    for nth in 1..=job.repeats {
        printer.note(&format!("repeat {nth} of {}", job.repeats));
        let (closed, left) = (settings.scratch_dir("bench")?, settings.scratch_dir("bench")?);
        let host = settings.clone().host_on(None, Engine::sqlite(closed.path().join(JOURNAL_FILE)))?;
        let (crowd, _) = Crowd::set_up(&host, job)?;
        // nothing is written while all wait
        for file in [JOURNAL_FILE, WRITE_AHEAD_LOG] {
            copy(&closed.path().join(file), &left.path().join(file))?;
        }
        host.shutdown();
        drop(host);
        in_order.push(open(settings, job, closed.path(), &crowd)?);
        killed.push(open(settings, job, left.path(), &crowd)?);
    }
    let seconds = |all: &[Duration]| Spread::of(all.iter().map(Duration::as_secs_f64));
    let steps = job.steps_in_all() as f64;
    Ok(Figures {
        ns_per_step: Spread::of(in_order.iter().map(|it| nanos(*it) / steps)),
        restart: Some(Restart { restart_s: seconds(&in_order), recovery_s: seconds(&killed) }),
        ..Figures::default()
    })
}

/// How long it takes to open the journal in `dir`: when there is a host, every run is under way again. All of them must
/// wait as before, and end as they would have.
fn open(settings: &Settings, job: &Job, dir: &Path, crowd: &Crowd) -> Result<Duration> {
    let begun = Instant::now();
    let host = settings.clone().host_on(None, Engine::sqlite(dir.join(JOURNAL_FILE)))?;
    let elapsed = begun.elapsed();
    crowd.must_wait(&host)?;
    crowd.release(&host, job)?;
    host.shutdown();
    Ok(elapsed)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy `{}`", from.display()))?;
    Ok(())
}
