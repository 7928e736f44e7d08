//! Measures runs that wait, and what they take while they do.

use super::crowd::Crowd;
use super::figures::{Figures, Waiting};
use super::job::Job;
use super::kernel::Process;
use super::runs::nanos;
use super::spread::Spread;
use crate::printer::Printer;
use anyhow::Result;
use jackfield::Host;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What one repeat showed.
struct Repeat {
    set_up: Duration,
    released: Duration,
    resident: Option<(u64, u64)>,
    idle_cpu_percent: Option<f64>,
}

/// Sets up runs that wait, lets them wait, and releases them; a few before that, to warm up.
pub(crate) fn measure(host: &Host, job: &Job, printer: &Printer) -> Result<Figures> {
    printer.note("warming up");
    let few = job.runs.min(100);
    repeat(host, &Job { runs: few, concurrency: few.min(job.concurrency), idle: Duration::ZERO, ..*job })?;
    let mut repeats = Vec::with_capacity(job.repeats);
    for nth in 1..=job.repeats {
        printer.note(&format!("repeat {nth} of {}", job.repeats));
        repeats.push(repeat(host, job)?);
    }
    let spread = |figure: &dyn Fn(&Repeat) -> Option<f64>| Spread::of(repeats.iter().filter_map(figure));
    let resident = |figure: fn((u64, u64)) -> f64| spread(&|it| it.resident.map(figure));
    let steps = job.steps_in_all() as f64;
    Ok(Figures {
        ns_per_step: spread(&|it| Some(nanos(it.set_up + it.released) / steps)),
        waiting: Some(Waiting {
            set_up_s: spread(&|it| Some(it.set_up.as_secs_f64())),
            released_s: spread(&|it| Some(it.released.as_secs_f64())),
            resident_bytes: resident(|(_, with)| with as f64),
            resident_per_run: resident(|(without, with)| with as f64 - without as f64)
                .map(|it| it.map(|bytes| bytes / job.runs as f64)),
            idle_cpu_percent: spread(&|it| it.idle_cpu_percent),
        }),
        ..Figures::default()
    })
}

fn repeat(host: &Host, job: &Job) -> Result<Repeat> {
    let without = Process::own().resident_bytes();
    let (crowd, set_up) = Crowd::set_up(host, job)?;
    let idle_cpu_percent = idle(job.idle);
    let resident = without.zip(Process::own().resident_bytes());
    crowd.must_wait(host)?;
    let released = crowd.release(host, job)?;
    Ok(Repeat { set_up, released, resident, idle_cpu_percent })
}

/// Waits for so long; the processor time of the second half in percent. In the first half what came before may end.
fn idle(time: Duration) -> Option<f64> {
    if time.is_zero() {
        return None;
    }
    sleep(time / 2);
    let (before, begun) = (Process::own().cpu_time()?, Instant::now());
    sleep(time / 2);
    let elapsed = begun.elapsed();
    let spent = Process::own().cpu_time()?.saturating_sub(before);
    Some(spent.as_secs_f64() / elapsed.as_secs_f64() * 100.0)
}
