//! `jackfield schedule`: what starts runs by itself.

use crate::args::{AddArgs, ScheduleCommand};
use crate::exit::Exit;
use crate::input::{json_argument, point_in_time};
use crate::printer::{Printer, Tone};
use crate::settings::Settings;
use anyhow::Result;
use jackfield::{Engine, Host, NewSchedule, ScheduleInfo, Schedules, Value, json};

pub(crate) fn run(command: ScheduleCommand, settings: Settings, printer: &Printer) -> Result<Exit> {
    settings.journal()?;
    let is_reading = matches!(command, ScheduleCommand::List | ScheduleCommand::Next { .. });
    let engine = if is_reading { Engine::reader() } else { Engine::durable() };
    let host = settings.host_on(None, engine)?;
    let done = perform(command, &host.schedules(), printer);
    leave(&host);
    done.map(|()| Exit::Success)
}

/// Whatever was started is put away, to go on with the next process.
fn leave(host: &Host) {
    host.shutdown();
}

fn perform(command: ScheduleCommand, schedules: &Schedules, printer: &Printer) -> Result<()> {
    match command {
        ScheduleCommand::List => list(&schedules.list(), printer),
        ScheduleCommand::Add(args) => add(&args, schedules, printer),
        ScheduleCommand::Pause { id, reason } => {
            schedules.pause(&id, &reason)?;
            changed(schedules, &id, "paused", printer)
        }
        ScheduleCommand::Resume { id } => {
            schedules.resume(&id)?;
            changed(schedules, &id, "resumed", printer)
        }
        ScheduleCommand::Trigger { id, data } => trigger(&id, data.as_deref(), schedules, printer),
        ScheduleCommand::Next { id, count } => next(&id, count, schedules, printer),
        ScheduleCommand::Backfill { id, from, to } => backfill(&id, (&from, &to), schedules, printer),
        ScheduleCommand::Remove { id } => {
            schedules.remove(&id)?;
            if printer.is_json() {
                printer.result_json(&json!({ "removed": id }))?;
            }
            printer.note(&format!("schedule {id} was removed"));
            Ok(())
        }
    }
}

fn list(all: &[ScheduleInfo], printer: &Printer) -> Result<()> {
    if printer.is_json() {
        printer.result_json(&json!({ "schedules": all }))?;
        return Ok(());
    }
    let width = all.iter().map(|schedule| schedule.id.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for schedule in all {
        let next = match (&schedule.paused, schedule.next) {
            (Some(_), _) => printer.paint_result(Tone::Warning, &format!("{:24}", "paused")),
            (None, Some(next)) => next.to_rfc3339(),
            (None, None) if schedule.waits_for_event() => format!("{:24}", "on its event"),
            (None, None) => printer.paint_result(Tone::Dim, &format!("{:24}", "never again")),
        };
        let version = schedule.version.as_deref().unwrap_or_default();
        let mut line = format!("{:width$}  {next}  {} {version}", schedule.id, schedule.workflow);
        if !schedule.active.is_empty() {
            line.push_str(&format!("  running {}", schedule.active.join(", ")));
        }
        if schedule.queued > 0 {
            line.push_str(&format!("  {} to start", schedule.queued));
        }
        if let Some(error) = &schedule.error {
            line.push_str(&printer.paint_result(Tone::Bad, &format!("  {error}")));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    printer.result(&text)?;
    Ok(())
}

fn add(args: &AddArgs, schedules: &Schedules, printer: &Printer) -> Result<()> {
    let mut schedule = serde_json::Map::new();
    let fields = [
        ("cron", &args.cron),
        ("every", &args.every),
        ("at", &args.at),
        ("on_event", &args.on_event),
        ("timezone", &args.timezone),
        ("overlap", &args.overlap),
        ("catch_up", &args.catch_up),
        ("jitter", &args.jitter),
    ];
    for (name, value) in fields {
        value.iter().for_each(|value| _ = schedule.insert(name.into(), value.as_str().into()));
    }
    if let Some(input) = &args.input {
        schedule.insert("input".into(), json_argument("--input", input)?);
    }
    if args.paused {
        schedule.insert("enabled".into(), false.into());
    }
    let mut new = NewSchedule::new(args.workflow.as_str(), Value::Object(schedule).to_string());
    new.id.clone_from(&args.id);
    new.version.clone_from(&args.version);
    let made = schedules.create(new)?;
    changed(schedules, &made.id, "added", printer)
}

/// Says where a schedule stands that was changed.
fn changed(schedules: &Schedules, id: &str, done: &str, printer: &Printer) -> Result<()> {
    let schedule = schedules.get(id)?;
    if printer.is_json() {
        printer.result_json(&schedule)?;
        return Ok(());
    }
    let next = match (&schedule.paused, schedule.next) {
        (Some(_), _) => "it is paused".to_owned(),
        (None, Some(next)) => format!("it starts a run at {}", next.to_rfc3339()),
        (None, None) if schedule.waits_for_event() => "it waits for its event".to_owned(),
        (None, None) => "its time has passed".to_owned(),
    };
    printer.note(&format!("schedule {id} was {done}; {next}"));
    Ok(())
}

fn trigger(id: &str, data: Option<&str>, schedules: &Schedules, printer: &Printer) -> Result<()> {
    let triggered = match data {
        None => schedules.trigger(id)?,
        Some(data) => schedules.trigger_with(id, json_argument("--data", data)?)?,
    };
    if printer.is_json() {
        printer.result_json(&json!({ "run_id": triggered.run_id, "queued": triggered.is_queued }))?;
    } else {
        printer.result(&format!("{}\n", triggered.run_id))?;
    }
    let run = &triggered.run_id;
    printer.note(&match triggered.is_queued {
        true => format!("run {run} starts when the open run of schedule {id} has ended"),
        false => format!("run {run} was started; `jackfield runs wait {run}` goes on with it"),
    });
    Ok(())
}

fn next(id: &str, count: u16, schedules: &Schedules, printer: &Printer) -> Result<()> {
    let planned = schedules.next(id, usize::from(count))?;
    if printer.is_json() {
        printer.result_json(&json!({ "next": planned }))?;
        return Ok(());
    }
    let mut text = String::new();
    for start in planned {
        text.push_str(&start.at.to_rfc3339());
        if start.due != start.at {
            text.push_str(&format!("  starts {}", start.due.to_rfc3339()));
        }
        text.push('\n');
    }
    printer.result(&text)?;
    Ok(())
}

fn backfill(id: &str, (from, to): (&str, &str), schedules: &Schedules, printer: &Printer) -> Result<()> {
    let (from, to) = (point_in_time("--from", from)?, point_in_time("--to", to)?);
    let made = schedules.backfill(id, from, to)?;
    if printer.is_json() {
        printer.result_json(&json!({ "starts": made }))?;
        return Ok(());
    }
    let mut text = String::new();
    for start in &made {
        let is_new = if start.is_new { "" } else { "  was there" };
        text.push_str(&format!("{}  {}{is_new}\n", start.at.to_rfc3339(), start.run_id));
    }
    printer.result(&text)?;
    let new = made.iter().filter(|start| start.is_new).count();
    printer.note(&format!("{new} of {} times had no run and start one", made.len()));
    Ok(())
}
