//! `jackfield runs`: runs that are kept in the journal.

use crate::access::{Keeper, RunAt, list_runs};
use crate::args::{ListArgs, RunsCommand};
use crate::commands::run::follow_to_end;
use crate::commands::{kept, runs_logs};
use crate::exit::Exit;
use crate::input::{json_argument, length_of_time, point_in_time};
use crate::live::{Voices, line};
use crate::printer::{Printer, Tone};
use crate::settings::Settings;
use crate::show::time::human;
use anyhow::{Result, anyhow, bail};
use jackfield::{CancelMode, Event, RunNo, RunQuery, RunStatus, TextQuery, Timestamp};
use jackfield_server::wire::Fork;
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a graceful cancellation is waited for before others are told that it goes on.
const CANCEL_PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn run(command: RunsCommand, settings: Settings, printer: &Printer) -> Result<Exit> {
    match command {
        RunsCommand::List(args) => list(&args, settings, printer),
        RunsCommand::Show { run_id, steps_max } => show(&run_id, steps_max, settings, printer),
        RunsCommand::History { run_id, from, generation } => {
            history(&run_id, from, generation, settings, printer)
        }
        RunsCommand::Wait { run_id, timeout, steps_max } => {
            wait(&run_id, timeout, steps_max, settings, printer)
        }
        RunsCommand::Cancel { run_id, reason, kill } => cancel(&run_id, &reason, kill, settings, printer),
        RunsCommand::Pause { run_id, reason } => {
            change(&run_id, "paused", settings, printer, |run| run.pause(&reason))
        }
        RunsCommand::Resume { run_id } => change(&run_id, "resumed", settings, printer, |run| run.resume()),
        RunsCommand::Retry { run_id, from } => kept::retry(&run_id, from, settings, printer),
        RunsCommand::Signal { run_id, event, data } => {
            let data = json_argument("--data", &data)?;
            change(&run_id, "signalled", settings, printer, |run| run.signal(&event, data.into()))
        }
        RunsCommand::Send { run_id, queue, data } => {
            let data = json_argument("--data", &data)?;
            change(&run_id, "sent to", settings, printer, |run| run.send(&queue, data.into()))
        }
        RunsCommand::Fork { run_id, at, input, new_id } => {
            let input = input.as_deref().map(|input| json_argument("--input", input)).transpose()?;
            let fork = Fork { at, input: input.map(Into::into), run_id: new_id };
            kept::fork(&run_id, fork, settings, printer)
        }
        RunsCommand::Export { run_id, file } => kept::export(&run_id, &file, settings, printer),
        RunsCommand::Import { file, run_id } => kept::import(&file, run_id, settings, printer),
        RunsCommand::Logs { run_id, follow, step, from } => {
            let query = TextQuery { from, step, limit: 0 };
            runs_logs::run(&run_id, query, follow, settings, printer)
        }
        RunsCommand::Watch { run_id, from } => kept::watch(&run_id, from, settings, printer),
        RunsCommand::Delete { run_ids } => delete(&run_ids, settings, printer),
        RunsCommand::Prune { older_than } => prune(&older_than, settings, printer),
    }
}

fn list(args: &ListArgs, settings: Settings, printer: &Printer) -> Result<Exit> {
    let since = args.since.as_deref().map(|text| point_in_time("--since", text));
    let query = RunQuery {
        statuses: args.status.clone(),
        workflow: args.workflow.clone(),
        since: since.transpose()?,
        text: args.text.clone(),
        before: args.cursor.map(RunNo),
        limit: usize::from(args.limit),
    };
    let page = list_runs(&settings, &query)?;
    if printer.is_json() {
        printer.result_json(&page)?;
        return Ok(Exit::Success);
    }
    let width = page.runs.iter().map(|run| run.run_id.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for run in &page.runs {
        let status = printer.paint_result(tone(run.status), &format!("{:9}", run.status));
        let took = run.duration_ms.and_then(|millis| Duration::try_from_secs_f64(millis / 1e3).ok());
        let took = took.map(human).unwrap_or_default();
        let reason = run.reason.as_deref().unwrap_or_default();
        let line = format!(
            "{:width$}  {status}  {}  {took:>9}  {} {}  {reason}",
            run.run_id, run.started_at, run.workflow, run.version
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    printer.result(&text)?;
    if let Some(next) = page.next {
        printer.note(&format!("there are more: --cursor {next}"));
    }
    Ok(Exit::Success)
}

fn tone(status: RunStatus) -> Tone {
    match status {
        RunStatus::Completed => Tone::Good,
        RunStatus::Failed => Tone::Bad,
        RunStatus::Cancelled => Tone::Warning,
        RunStatus::Running => Tone::Strong,
        _ => Tone::Dim,
    }
}

fn show(run_id: &str, steps_max: usize, settings: Settings, printer: &Printer) -> Result<Exit> {
    let keeper = Keeper::reader(settings)?;
    let report = keeper.run(run_id)?.report(steps_max)?;
    if printer.is_json() {
        printer.result_json(&report)?;
        return Ok(Exit::Success);
    }
    let status = printer.paint_result(tone(report.status), report.status.as_str());
    let took = human(Duration::try_from_secs_f64(report.duration_ms / 1e3).unwrap_or_default());
    let mut text = format!(
        "{}  {} {}  {status}  since {}  {took}\n",
        report.run_id, report.workflow, report.version, report.started_at
    );
    if let Some(why) = &report.queued_for {
        text.push_str(&format!("waits for {why}\n"));
    }
    if report.generation > 1 {
        text.push_str(&format!("generation: {}\n", report.generation));
    }
    if let Some(status) = &report.custom_status {
        text.push_str(&format!("status: {} (version {})\n", status.as_str(), report.custom_status_version));
    }
    for (path, step) in &report.steps {
        let mut line = format!("  {path}: {}", step.status);
        if step.attempts > 1 {
            line.push_str(&format!(", attempt {}", step.attempts));
        }
        if let Some(error) = &step.error {
            line.push_str(&format!(": {}: {}", error.kind, error.message));
        }
        if let Some(reason) = &step.reason {
            line.push_str(&format!(": {reason}"));
        }
        text.push_str(&line);
        text.push('\n');
    }
    if report.steps_omitted > 0 {
        text.push_str(&format!("  and {} more; --steps-max shows them\n", report.steps_omitted));
    }
    if report.status == RunStatus::Completed {
        text.push_str(&format!("output: {}\n", report.output.as_str()));
    } else if let Some(error) = &report.error {
        text.push_str(&format!("error: {}: {}\n", error.kind, error.message));
    }
    printer.result(&text)?;
    Ok(Exit::Success)
}

fn history(
    run_id: &str,
    from: u64,
    generation: Option<u32>,
    settings: Settings,
    printer: &Printer,
) -> Result<Exit> {
    let keeper = Keeper::reader(settings)?;
    let run = keeper.generation(run_id, generation)?;
    let mut next = from;
    loop {
        let (records, _) = run.records(next, Duration::ZERO)?;
        let Some(last) = records.last() else { return Ok(Exit::Success) };
        next = last.seq + 1;
        print_records(&records, printer)?;
    }
}

/// One line for each record.
pub(crate) fn print_records(records: &[Event], printer: &Printer) -> Result<()> {
    let mut text = String::new();
    for record in records {
        if printer.is_json() {
            text.push_str(&serde_json::to_string(record)?);
            text.push('\n');
        } else if let Some(line) = line(record, printer) {
            text.push_str(&format!("{:>6}  {}  {line}\n", record.seq, record.at));
        }
    }
    Ok(printer.result(&text)?)
}

fn wait(
    run_id: &str,
    timeout: Option<f64>,
    steps_max: usize,
    settings: Settings,
    printer: &Printer,
) -> Result<Exit> {
    let limit = timeout.map(Duration::try_from_secs_f64).transpose();
    let limit = limit.map_err(|_| anyhow!("--timeout takes a number of seconds"))?;
    let voices = Voices::new(printer, !settings.logs_methods());
    let keeper = Keeper::existing_owner(settings, Some(std::sync::Arc::new(voices.clone())))?;
    if let Some(limit) = limit {
        let has_ended = keeper.run(run_id).and_then(|run| run.wait(limit));
        if !matches!(has_ended, Ok(true)) {
            drop(keeper);
            has_ended?;
            bail!("run `{run_id}` has not ended after {}", human(limit));
        }
    }
    follow_to_end(keeper, run_id, steps_max, &voices, printer)
}

fn cancel(run_id: &str, reason: &str, kill: bool, settings: Settings, printer: &Printer) -> Result<Exit> {
    let keeper = Keeper::existing_owner(settings, None)?;
    let cancelled = cancel_and_wait(&keeper, run_id, reason, kill);
    drop(keeper);
    match cancelled? {
        Some(status) => printer.note(&format!("run {run_id} is {status}")),
        None => printer
            .note(&format!("run {run_id} is still cleaning up; `jackfield runs wait {run_id}` goes on")),
    }
    Ok(Exit::Success)
}

/// How the run ended, if it did in time.
fn cancel_and_wait(keeper: &Keeper, run_id: &str, reason: &str, kill: bool) -> Result<Option<RunStatus>> {
    let run = keeper.run(run_id)?;
    let status = run.status()?;
    if status.is_terminal() {
        bail!("run `{run_id}` has ended already and is {status}");
    }
    run.cancel(if kill { CancelMode::Kill } else { CancelMode::Graceful }, reason)?;
    let has_ended = run.wait(CANCEL_PATIENCE)?;
    if has_ended { run.status().map(Some) } else { Ok(None) }
}

/// Does something with a run that is written down before this returns. The run goes on whenever a process works on it.
fn change(
    run_id: &str,
    done: &str,
    settings: Settings,
    printer: &Printer,
    act: impl FnOnce(&RunAt<'_>) -> Result<()>,
) -> Result<Exit> {
    let keeper = Keeper::existing_owner(settings, None)?;
    let acted = keeper.run(run_id).and_then(|run| act(&run).and_then(|()| run.status()));
    tell_change(keeper, run_id, (done, acted), printer)
}

/// Says what was done with a run, and leaves it at that.
pub(crate) fn tell_change(
    keeper: Keeper,
    run_id: &str,
    (done, acted): (&str, Result<RunStatus>),
    printer: &Printer,
) -> Result<Exit> {
    let is_served = matches!(keeper, Keeper::There(_));
    drop(keeper);
    let (status, then) = (acted?, if is_served { "looks at it" } else { "goes on with it" });
    printer.note(&format!("run {run_id} was {done} and is {status}; `jackfield runs wait {run_id}` {then}"));
    Ok(Exit::Success)
}

fn delete(run_ids: &[String], settings: Settings, printer: &Printer) -> Result<Exit> {
    let keeper = Keeper::existing_owner(settings, None)?;
    let deleted: Result<Vec<()>> = run_ids.iter().map(|run_id| keeper.delete(run_id)).collect();
    drop(keeper);
    deleted?;
    printer.note(&format!("deleted {}", run_ids.len()));
    Ok(Exit::Success)
}

fn prune(older_than: &str, settings: Settings, printer: &Printer) -> Result<Exit> {
    let age = length_of_time(older_than)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let before = Timestamp::default().after(now.saturating_sub(age));
    let keeper = Keeper::existing_owner(settings, None)?;
    let pruned = keeper.prune(before);
    drop(keeper);
    let count = pruned?;
    if printer.is_json() {
        printer.result_json(&json!({ "deleted": count }))?;
    } else {
        printer.note(&format!("deleted {count}"));
    }
    Ok(Exit::Success)
}
