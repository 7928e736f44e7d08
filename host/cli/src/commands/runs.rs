//! `jackfield runs`: runs that are kept in the journal.

use crate::args::{ListArgs, RunsCommand};
use crate::commands::run::follow_to_end;
use crate::exit::Exit;
use crate::input::{json_argument, length_of_time};
use crate::live::{Voices, line};
use crate::printer::{Printer, Tone};
use crate::settings::Settings;
use crate::show::time::human;
use anyhow::{Result, anyhow, bail};
use jackfield::{CancelMode, Engine, Host, Journal, Listing, Run, RunNo, RunQuery, RunStatus, Timestamp};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a graceful cancellation is waited for before others are told that it goes on.
const CANCEL_PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn run(command: RunsCommand, settings: Settings, printer: &Printer) -> Result<Exit> {
    match command {
        RunsCommand::List(args) => list(&args, &settings, printer),
        RunsCommand::Show { run_id, steps_max } => show(&run_id, steps_max, settings, printer),
        RunsCommand::History { run_id, from } => history(&run_id, from, settings, printer),
        RunsCommand::Wait { run_id, timeout, steps_max } => {
            wait(&run_id, timeout, steps_max, settings, printer)
        }
        RunsCommand::Cancel { run_id, reason, kill } => cancel(&run_id, &reason, kill, settings, printer),
        RunsCommand::Pause { run_id, reason } => {
            change(&run_id, "paused", settings, printer, |run| run.pause(&reason))
        }
        RunsCommand::Resume { run_id } => change(&run_id, "resumed", settings, printer, Run::resume),
        RunsCommand::Signal { run_id, event, data } => {
            let data = json_argument("--data", &data)?;
            change(&run_id, "signalled", settings, printer, |run| run.signal(&event, data))
        }
        RunsCommand::Send { run_id, queue, data } => {
            let data = json_argument("--data", &data)?;
            change(&run_id, "sent to", settings, printer, |run| run.send(&queue, data))
        }
        RunsCommand::Delete { run_ids } => delete(&run_ids, settings, printer),
        RunsCommand::Prune { older_than } => prune(&older_than, &settings, printer),
    }
}

fn list(args: &ListArgs, settings: &Settings, printer: &Printer) -> Result<Exit> {
    let since = args.since.as_deref().map(|text| {
        Timestamp::from_rfc3339(text)
            .ok_or_else(|| anyhow!("--since: `{text}` is no point in time, such as 2026-01-31T08:00:00Z"))
    });
    let query = RunQuery {
        statuses: args.status.clone(),
        workflow: args.workflow.clone(),
        since: since.transpose()?,
        text: args.text.clone(),
        before: args.cursor.map(RunNo),
        limit: usize::from(args.limit),
    };
    let page = Journal::open_reader(&settings.journal()?)?.query(&query)?;
    if printer.is_json() {
        let runs: Vec<Value> = page.runs.iter().map(line_json).collect();
        printer.result_json(&json!({ "runs": runs, "next": page.next.map(|next| next.0.to_string()) }))?;
        return Ok(Exit::Success);
    }
    let width = page.runs.iter().map(|run| run.run_id.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for run in &page.runs {
        let status = printer.paint_result(tone(run.standing.status), &format!("{:9}", run.standing.status));
        let took = run.standing.ended_at.map(|end| human(end.since(run.started_at))).unwrap_or_default();
        let reason = run.standing.reason.as_deref().unwrap_or_default();
        let line = format!(
            "{:width$}  {status}  {}  {took:>9}  {} {}  {reason}",
            run.run_id,
            run.started_at.to_rfc3339(),
            run.workflow,
            run.version
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    printer.result(&text)?;
    if let Some(next) = page.next {
        printer.note(&format!("there are more: --cursor {}", next.0));
    }
    Ok(Exit::Success)
}

fn line_json(run: &Listing) -> Value {
    let Listing { run_id, workflow, version, started_at, standing, .. } = run;
    let mut line = json!({
        "run_id": run_id,
        "workflow": workflow,
        "version": version,
        "status": standing.status,
        "started_at": started_at.to_rfc3339(),
    });
    if let Some(end) = standing.ended_at {
        line["ended_at"] = end.to_rfc3339().into();
        line["duration_ms"] = (end.since(*started_at).as_secs_f64() * 1e3).into();
    }
    if let Some(due) = standing.due_at {
        line["due_at"] = due.to_rfc3339().into();
    }
    if let Some(reason) = &standing.reason {
        line["reason"] = reason.as_str().into();
    }
    if let Some(status) = &standing.custom_status {
        line["custom_status"] = serde_json::from_str(status).unwrap_or(Value::Null);
    }
    line
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

/// A host that shows what was written last, whoever works on it.
fn reader(settings: Settings) -> Result<Host> {
    settings.journal()?;
    settings.host_on(None, Engine::reader())
}

fn show(run_id: &str, steps_max: usize, settings: Settings, printer: &Printer) -> Result<Exit> {
    let report = reader(settings)?.get(run_id)?.report(steps_max);
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

fn history(run_id: &str, from: u64, settings: Settings, printer: &Printer) -> Result<Exit> {
    let run = reader(settings)?.get(run_id)?;
    let mut next = from;
    loop {
        let records = run.wait_records(next, Duration::ZERO);
        let Some(last) = records.last() else { return Ok(Exit::Success) };
        next = last.seq + 1;
        let mut text = String::new();
        for record in &records {
            if printer.is_json() {
                text.push_str(&serde_json::to_string(record)?);
                text.push('\n');
            } else if let Some(line) = line(record, printer) {
                text.push_str(&format!("{:>6}  {}  {line}\n", record.seq, record.at));
            }
        }
        printer.result(&text)?;
    }
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
    settings.journal()?;
    let host = settings.host_on(Some(std::sync::Arc::new(voices.clone())), Engine::durable())?;
    let run = host.get(run_id)?;
    if let Some(limit) = limit
        && run.wait(Some(limit)).is_none()
    {
        host.shutdown();
        bail!("run `{run_id}` has not ended after {}", human(limit));
    }
    follow_to_end(&host, &run, steps_max, &voices, printer)
}

fn cancel(run_id: &str, reason: &str, kill: bool, settings: Settings, printer: &Printer) -> Result<Exit> {
    settings.journal()?;
    let host = settings.host_on(None, Engine::durable())?;
    let run = host.get(run_id)?;
    let status = run.status();
    if status.is_terminal() {
        host.shutdown();
        bail!("run `{run_id}` has ended already and is {status}");
    }
    run.cancel(if kill { CancelMode::Kill } else { CancelMode::Graceful }, reason);
    let ended = run.wait(Some(CANCEL_PATIENCE));
    host.shutdown();
    match ended {
        Some(outcome) => printer.note(&format!("run {run_id} is {}", outcome.status)),
        None => printer
            .note(&format!("run {run_id} is still cleaning up; `jackfield runs wait {run_id}` goes on")),
    }
    Ok(Exit::Success)
}

/// Does something with a run that is written down before this returns. The run goes on whenever a process works on it.
fn change(
    run_id: &str,
    done: &str,
    settings: Settings,
    printer: &Printer,
    act: impl FnOnce(&Run) -> Result<(), jackfield::Error>,
) -> Result<Exit> {
    settings.journal()?;
    let host = settings.host_on(None, Engine::durable())?;
    let acted = host.get(run_id).and_then(|run| act(&run).map(|()| run.status()));
    host.shutdown();
    let status = acted?;
    printer.note(&format!(
        "run {run_id} was {done} and is {status}; `jackfield runs wait {run_id}` goes on with it"
    ));
    Ok(Exit::Success)
}

fn delete(run_ids: &[String], settings: Settings, printer: &Printer) -> Result<Exit> {
    settings.journal()?;
    let host = settings.host_on(None, Engine::durable())?;
    let deleted: Result<Vec<()>, _> = run_ids.iter().map(|run_id| host.delete(run_id)).collect();
    host.shutdown();
    deleted?;
    printer.note(&format!("deleted {}", run_ids.len()));
    Ok(Exit::Success)
}

fn prune(older_than: &str, settings: &Settings, printer: &Printer) -> Result<Exit> {
    let age = length_of_time(older_than)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let before = Timestamp::default().after(now.saturating_sub(age));
    let count = Journal::open(&settings.journal()?)?.prune(before)?;
    if printer.is_json() {
        printer.result_json(&json!({ "deleted": count }))?;
    } else {
        printer.note(&format!("deleted {count}"));
    }
    Ok(Exit::Success)
}
