//! Measures pages of the list of runs.

use super::crowd::count;
use super::document::document;
use super::figures::{Figures, PageCost};
use super::job::Job;
use super::runs::nanos;
use super::spread::Spread;
use super::together::share;
use crate::printer::Printer;
use anyhow::{Context, Result, ensure};
use jackfield::{Host, Journal, Page, RunNo, RunQuery, RunStatus, json};
use std::path::Path;
use std::time::Instant;

/// Lines of a page, as `runs list` has them.
const LINES: usize = 50;
/// How often a page is asked for in a repeat.
const TRIES: usize = 20;

/// Makes runs that have ended, and asks for pages of their list in every way there is.
pub(crate) fn measure(host: &Host, journal: &Path, job: &Job, printer: &Printer) -> Result<Figures> {
    printer.note(&format!("making {} runs", job.runs));
    let workflow = host.parse(&document(&job.graph, job.work))?;
    let (_, elapsed) = share(job.concurrency, job.runs, |_| {
        let run = host.start(&workflow, json!({}))?;
        let outcome = run.wait(None).context("a run was waited for without limit, and goes on")?;
        ensure!(outcome.is_completed(), "run `{}` ended as {}", outcome.run_id, outcome.status.as_str());
        Ok(())
    })?;
    let listed = count(host, RunStatus::Completed)?;
    ensure!(listed == job.runs, "{listed} runs are listed as completed instead of {}", job.runs);
    let pages = queries(host, job)?
        .into_iter()
        .map(|(pick, query)| {
            printer.note(pick);
            // as a command does that finds no process which owns the journal
            let from_file = || Ok(Journal::open_reader(journal)?.query(&query)?);
            let from_host = || Ok(host.query(&query)?);
            let ask: &dyn Fn() -> Result<Page> = if pick == OPENED { &from_file } else { &from_host };
            cost(pick, ask, job)
        })
        .collect::<Result<_>>()?;
    let ns_per_step = Spread::of([nanos(elapsed) / job.steps_in_all() as f64]);
    Ok(Figures { ns_per_step, pages, ..Figures::default() })
}

/// The one that is asked of the file and not of the host.
const OPENED: &str = "newest, file opened anew";

/// What can be asked, and how many lines it has to bring at least.
fn queries(host: &Host, job: &Job) -> Result<Vec<(&'static str, RunQuery)>> {
    let all = RunQuery { limit: LINES, ..RunQuery::default() };
    let newest = host.query(&RunQuery { limit: 1, ..all.clone() })?.runs.pop().context("no run is listed")?;
    let middle = Some(RunNo(newest.no.0.saturating_sub(job.runs as u64 / 2)));
    let behind = RunQuery { before: middle, ..all.clone() };
    let since = host.query(&behind)?.runs.pop().unwrap_or(newest).started_at;
    Ok(vec![
        ("newest", all.clone()),
        (OPENED, all.clone()),
        ("behind half of all", behind),
        ("completed", RunQuery { statuses: vec![RunStatus::Completed], ..all.clone() }),
        ("failed", RunQuery { statuses: vec![RunStatus::Failed], ..all.clone() }),
        ("of the workflow", RunQuery { workflow: Some("bench".into()), ..all.clone() }),
        ("since the middle", RunQuery { since: Some(since), before: middle, ..all.clone() }),
        ("with a text that is nowhere", RunQuery { text: Some("no such text".into()), ..all }),
    ])
}

fn cost(pick: &'static str, ask: &dyn Fn() -> Result<Page>, job: &Job) -> Result<PageCost> {
    let mut took = Vec::with_capacity(job.repeats * TRIES);
    let mut lines = 0;
    for _ in 0..job.repeats * TRIES {
        let begun = Instant::now();
        let page = ask()?;
        took.push(nanos(begun.elapsed()) / 1e6);
        lines = page.runs.len();
        let wanted = match pick {
            "failed" | "with a text that is nowhere" => lines == 0,
            "newest" | OPENED | "completed" | "of the workflow" => lines == LINES.min(job.runs),
            _ => lines > 0 || job.runs < LINES,
        };
        ensure!(wanted, "the page `{pick}` has {lines} lines");
    }
    let ms = Spread::of(took).context("nothing was measured")?;
    Ok(PageCost { pick, lines, ms })
}
