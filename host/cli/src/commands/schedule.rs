//! `jackfield schedule`: what starts runs by itself.

use crate::access::Keeper;
use crate::args::{AddArgs, ScheduleCommand};
use crate::exit::Exit;
use crate::input::{json_argument, point_in_time};
use crate::printer::{Printer, Tone};
use crate::settings::Settings;
use anyhow::Result;
use jackfield::{ScheduleInfo, Value, json};
use jackfield_server::wire::AddSchedule;

pub(crate) fn run(command: ScheduleCommand, settings: Settings, printer: &Printer) -> Result<Exit> {
    let is_reading = matches!(command, ScheduleCommand::List | ScheduleCommand::Next { .. });
    let keeper = if is_reading { Keeper::reader(settings)? } else { Keeper::existing_owner(settings, None)? };
    let done = perform(command, &keeper, printer);
    // whatever was started is put away, to go on with the next process
    drop(keeper);
    done.map(|()| Exit::Success)
}

fn perform(command: ScheduleCommand, keeper: &Keeper, printer: &Printer) -> Result<()> {
    match command {
        ScheduleCommand::List => list(&keeper.schedules()?, printer),
        ScheduleCommand::Add(args) => add(&args, keeper, printer),
        ScheduleCommand::Pause { id, reason } => {
            keeper.pause_schedule(&id, &reason)?;
            changed(keeper, &id, "paused", printer)
        }
        ScheduleCommand::Resume { id } => {
            keeper.resume_schedule(&id)?;
            changed(keeper, &id, "resumed", printer)
        }
        ScheduleCommand::Trigger { id, data } => trigger(&id, data.as_deref(), keeper, printer),
        ScheduleCommand::Next { id, count } => next(&id, count, keeper, printer),
        ScheduleCommand::Backfill { id, from, to } => backfill(&id, (&from, &to), keeper, printer),
        ScheduleCommand::Remove { id } => {
            keeper.remove_schedule(&id)?;
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

fn add(args: &AddArgs, keeper: &Keeper, printer: &Printer) -> Result<()> {
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
    let added = AddSchedule {
        workflow: args.workflow.clone(),
        id: args.id.clone(),
        version: args.version.as_ref().map(ToString::to_string),
        schedule: Value::Object(schedule).into(),
    };
    let made = keeper.add_schedule(added)?;
    changed(keeper, &made.id, "added", printer)
}

/// Says where a schedule stands that was changed.
fn changed(keeper: &Keeper, id: &str, done: &str, printer: &Printer) -> Result<()> {
    let schedule = keeper.schedule(id)?;
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

fn trigger(id: &str, data: Option<&str>, keeper: &Keeper, printer: &Printer) -> Result<()> {
    let data = data.map(|data| json_argument("--data", data)).transpose()?;
    let triggered = keeper.trigger(id, data.map(Into::into))?;
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

fn next(id: &str, count: u16, keeper: &Keeper, printer: &Printer) -> Result<()> {
    let planned = keeper.next_starts(id, count)?;
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

fn backfill(id: &str, (from, to): (&str, &str), keeper: &Keeper, printer: &Printer) -> Result<()> {
    let (from, to) = (point_in_time("--from", from)?, point_in_time("--to", to)?);
    let made = keeper.backfill(id, from, to)?;
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
