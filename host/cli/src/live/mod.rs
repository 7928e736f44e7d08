//! What people see while a run goes on: a line for everything that happens, and on a terminal bars for what is
//! going on right now.

mod bars;
mod lines;
mod voices;

pub(crate) use lines::{level_word, line};
pub(crate) use voices::Voices;

use crate::access::RunAt;
use crate::printer::Printer;
use anyhow::Result;
use bars::Bars;
use std::time::Duration;

/// How often bars are brought up to date.
const TICK: Duration = Duration::from_millis(100);

/// What of a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Bars, and a line for everything that happens.
    Everything,
    /// Bars only.
    Bars,
}

/// Shows the run until it has ended.
pub(crate) fn follow(run: &RunAt<'_>, shown: Shown, voices: &Voices, printer: &Printer) -> Result<()> {
    follow_while(run, shown, voices, printer, || true).map(drop)
}

/// Shows the run until it has ended or `wants_more` says no. Whether it has ended.
pub(crate) fn follow_while(
    run: &RunAt<'_>,
    shown: Shown,
    voices: &Voices,
    printer: &Printer,
    wants_more: impl Fn() -> bool,
) -> Result<bool> {
    if printer.is_quiet() {
        while !run.wait(TICK)? {
            if !wants_more() {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    let mut bars = printer.is_live().then(|| Bars::new(printer));
    let has_ended = follow_records(run, shown, voices, printer, &mut bars, wants_more);
    if let Some(bars) = bars {
        bars.clear();
    }
    has_ended
}

fn follow_records(
    run: &RunAt<'_>,
    shown: Shown,
    voices: &Voices,
    printer: &Printer,
    bars: &mut Option<Bars>,
    wants_more: impl Fn() -> bool,
) -> Result<bool> {
    let mut next_seq = 0;
    loop {
        let (records, ended) = run.records(next_seq, TICK)?;
        for record in &records {
            next_seq = record.seq + 1;
            let line = (shown == Shown::Everything).then(|| lines::line(record, printer));
            if let Some(line) = line.flatten() {
                printer.note(&line);
            }
        }
        if ended && records.is_empty() {
            return Ok(true);
        }
        if !wants_more() {
            return Ok(false);
        }
        if let Some(bars) = bars {
            bars.update(&run.report(0)?, voices);
        }
    }
}
