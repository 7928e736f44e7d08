//! `jackfield runs`: what is done with kept runs besides starting and stopping them.

use crate::access::Keeper;
use crate::commands::runs::{print_records, tell_change};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::settings::Settings;
use anyhow::{Context, Result};
use jackfield::{EventKind, json};
use jackfield_server::wire::{Fork, Import};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// How long the next record is waited for at a time.
const WATCH_PATIENCE: Duration = Duration::from_secs(30);

/// Lets a run that has ended go back and on, and leaves it at that.
pub(crate) fn retry(
    run_id: &str,
    from: Option<String>,
    settings: Settings,
    printer: &Printer,
) -> Result<Exit> {
    let keeper = Keeper::existing_owner(settings, None)?;
    let retried = keeper.retry(run_id, from).and_then(|run| run.status());
    tell_change(keeper, run_id, ("retried", retried), printer)
}

pub(crate) fn export(run_id: &str, file: &Path, settings: Settings, printer: &Printer) -> Result<Exit> {
    let keeper = Keeper::reader(settings)?;
    let saved = keeper.run(run_id).and_then(|run| Ok((run.status()?, keeper.export(run_id)?)));
    drop(keeper);
    let (status, saved) = saved?;
    let written = OpenOptions::new().write(true).create_new(true).open(file).and_then(|mut open| {
        open.write_all(saved.as_bytes())?;
        open.sync_all()
    });
    written.with_context(|| format!("cannot write {}", file.display()))?;
    printer.note(&format!("run {run_id}, which is {status}, was written to {}", file.display()));
    if !status.is_terminal() {
        printer.note("it goes on here, too; cancel it if it is to go on elsewhere only");
    }
    Ok(Exit::Success)
}

/// The id of the new run is the result.
pub(crate) fn fork(run_id: &str, fork: Fork, settings: Settings, printer: &Printer) -> Result<Exit> {
    let keeper = Keeper::existing_owner(settings, None)?;
    let forked = keeper.fork(run_id, fork).and_then(|run| Ok((run.id().to_owned(), run.status()?)));
    drop(keeper);
    let (id, status) = forked?;
    match printer.is_json() {
        true => printer.result_json(&json!({ "run_id": id, "status": status }))?,
        false => printer.result(&format!("{id}\n"))?,
    }
    printer.note(&format!(
        "run {id} was made of run {run_id} and is {status}; `jackfield runs wait {id}` goes on with it"
    ));
    Ok(Exit::Success)
}

pub(crate) fn import(
    file: &Path,
    run_id: Option<String>,
    settings: Settings,
    printer: &Printer,
) -> Result<Exit> {
    let saved = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let keeper = Keeper::owner(settings, None)?;
    let imported =
        keeper.import(&Import { saved, run_id }).and_then(|run| Ok((run.id().to_owned(), run.status()?)));
    let (id, status) = match imported {
        Ok((id, status)) => (id, Ok(status)),
        Err(error) => (String::new(), Err(error)),
    };
    tell_change(keeper, &id, ("imported", status), printer)
}

/// Follows a run that another process works on; one that nobody works on is shown as far as it has come.
pub(crate) fn watch(run_id: &str, from: u64, settings: Settings, printer: &Printer) -> Result<Exit> {
    let keeper = Keeper::reader(settings)?;
    let is_served = matches!(keeper, Keeper::There(_));
    let run = keeper.run(run_id)?;
    let mut next = from;
    loop {
        let patience = if is_served { WATCH_PATIENCE } else { Duration::ZERO };
        let (records, has_ended) = run.records(next, patience)?;
        print_records(&records, printer)?;
        match records.last() {
            // its next generation counts its records anew
            Some(last) if last.event == EventKind::RunContinued => next = 0,
            Some(last) => next = last.seq + 1,
            None if has_ended => return Ok(Exit::Success),
            None if !is_served => {
                let status = run.status()?;
                printer.note(&format!(
                    "run {run_id} is {status}, and no process works on it; `jackfield runs wait {run_id}` does"
                ));
                return Ok(Exit::Success);
            }
            None => {}
        }
    }
}
