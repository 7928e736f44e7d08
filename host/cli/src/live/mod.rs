//! What people see while a run goes on: a line for everything that happens, and on a terminal bars for what is
//! going on right now.

mod bars;
mod lines;
mod voices;

pub(crate) use lines::line;
pub(crate) use voices::Voices;

use crate::printer::Printer;
use bars::Bars;
use jackfield::Run;
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
pub(crate) fn follow(run: &Run, shown: Shown, voices: &Voices, printer: &Printer) {
    follow_while(run, shown, voices, printer, || true);
}

/// Shows the run until it has ended or `wants_more` says no. Whether it has ended.
pub(crate) fn follow_while(
    run: &Run,
    shown: Shown,
    voices: &Voices,
    printer: &Printer,
    wants_more: impl Fn() -> bool,
) -> bool {
    if printer.is_quiet() {
        while run.wait(Some(TICK)).is_none() {
            if !wants_more() {
                return false;
            }
        }
        return true;
    }
    let mut has_ended = true;
    let mut bars = printer.is_live().then(|| Bars::new(printer));
    let mut next_seq = 0;
    loop {
        // looked at before the records, so that none of an ended run are missed
        let ended = run.status().is_terminal();
        let records = run.wait_records(next_seq, TICK);
        for record in &records {
            next_seq = record.seq + 1;
            let line = (shown == Shown::Everything).then(|| lines::line(record, printer));
            if let Some(line) = line.flatten() {
                printer.note(&line);
            }
        }
        if ended && records.is_empty() {
            break;
        }
        if !wants_more() {
            has_ended = false;
            break;
        }
        if let Some(bars) = &mut bars {
            bars.update(&run.report(0), voices);
        }
    }
    if let Some(bars) = bars {
        bars.clear();
    }
    has_ended
}
