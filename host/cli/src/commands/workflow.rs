//! `jackfield workflow`: workflows that are registered in the journal.

use crate::access::Keeper;
use crate::args::WorkflowCommand;
use crate::exit::Exit;
use crate::input::run_input;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::show::diagnostics;
use anyhow::Result;
use jackfield::{Dialect, Value};
use jackfield_server::wire::{Document, Registration, StartRun};
use serde_json::json;
use std::path::PathBuf;

/// Characters of a value in a list of changes.
const VALUE_MAX: usize = 60;

pub(crate) fn run(command: WorkflowCommand, settings: Settings, printer: &Printer) -> Result<Exit> {
    match command {
        WorkflowCommand::Register { files, dry_run } => register(&files, dry_run, settings, printer),
        WorkflowCommand::List => list(settings, printer),
        WorkflowCommand::Show(name) => {
            let known = Keeper::reader(settings)?.workflow(&name.id, name.version.as_deref())?;
            if printer.is_json() {
                printer.result_json(&known)?;
            } else {
                let text = known.document.unwrap_or_default();
                printer.result(&format!("{}\n", text.trim_end()))?;
            }
            Ok(Exit::Success)
        }
        WorkflowCommand::Remove { id, version, all: _ } => {
            let keeper = Keeper::existing_owner(settings, None)?;
            let removed = keeper.unregister(&id, version.as_deref());
            drop(keeper);
            removed?;
            let what =
                version.map_or_else(|| "all versions".to_owned(), |version| format!("version {version}"));
            printer.note(&format!("removed {what} of {id}; runs of it go on"));
            Ok(Exit::Success)
        }
        WorkflowCommand::Start { name, input, set, run_id, delay } => {
            let delay = super::run::delay(delay.as_deref())?;
            let input = run_input(input.as_deref(), &set)?.into();
            let version = name.version;
            let request = StartRun {
                document: None,
                version,
                input,
                run_id,
                attach: false,
                until: None,
                traceparent: None,
                delay,
            };
            let keeper = Keeper::existing_owner(settings, None)?;
            let started = keeper.start(&name.id, request, |_| ()).map(|run| run.id().to_owned());
            let is_served = matches!(keeper, Keeper::There(_));
            drop(keeper);
            let run_id = started?;
            if printer.is_json() {
                printer.result_json(&json!({ "run_id": run_id }))?;
            } else {
                printer.result(&format!("{run_id}\n"))?;
            }
            if !is_served {
                printer.note(&format!(
                    "nobody works on it now; `jackfield runs wait {run_id}` or `jackfield serve` does"
                ));
            }
            Ok(Exit::Success)
        }
    }
}

fn register(files: &[PathBuf], dry_run: bool, settings: Settings, printer: &Printer) -> Result<Exit> {
    let mut documents = Vec::with_capacity(files.len());
    for file in files {
        let (source, dialect) = jackfield::read(file)?;
        let (name, jsonc) = (Some(file.display().to_string()), dialect == Dialect::Jsonc);
        documents.push(Document { document: source.into(), name, jsonc, dry_run });
    }
    let keeper = match dry_run {
        // a journal is not made for a look at what would be
        true if settings.check_journal().is_ok() => Keeper::reader(settings)?,
        true => Keeper::Here { host: settings.host(None)?, socket: None },
        false => Keeper::owner(settings, None)?,
    };
    let registered: Result<Vec<Registration>> = documents
        .iter()
        .map(|document| {
            let registration = keeper.register(document)?;
            show(document, &registration, printer)?;
            Ok(registration)
        })
        .collect();
    drop(keeper);
    let registered = registered?;
    if printer.is_json() {
        printer.result_json(&registered)?;
    }
    Ok(Exit::Success)
}

fn show(document: &Document, registration: &Registration, printer: &Printer) -> Result<()> {
    let Registration { id, version, is_new, compared_with, changes, warnings } = registration;
    for warning in warnings {
        let name = document.name.as_deref().unwrap_or("workflow");
        let text = diagnostics::render(name, &document.document, warning, printer);
        if !printer.is_quiet() {
            printer.to_stderr(text.as_bytes());
        }
    }
    if printer.is_json() {
        return Ok(());
    }
    let mut text = match (is_new, document.dry_run) {
        (true, false) => format!("registered {id} {version}"),
        (true, true) => format!("would register {id} {version}"),
        (false, _) => format!("{id} {version} is registered already"),
    };
    if let (Some(before), true) = (compared_with, is_new) {
        let count = changes.len();
        text.push_str(&match count {
            0 => format!("; it means the same as {before}"),
            1 => format!("; one change from {before}"),
            _ => format!("; {count} changes from {before}"),
        });
    }
    text.push('\n');
    for change in changes.iter().filter(|_| *is_new) {
        let line = match (&change.before, &change.after) {
            (None, Some(after)) => format!("  + {}: {}", change.path, brief(after)),
            (Some(before), None) => format!("  - {}: {}", change.path, brief(before)),
            (before, after) => format!(
                "  ~ {}: {} -> {}",
                change.path,
                before.as_ref().map(brief).unwrap_or_default(),
                after.as_ref().map(brief).unwrap_or_default()
            ),
        };
        text.push_str(&line);
        text.push('\n');
    }
    Ok(printer.result(&text)?)
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn list(settings: Settings, printer: &Printer) -> Result<Exit> {
    let known = Keeper::reader(settings)?.workflows()?;
    if printer.is_json() {
        printer.result_json(&known)?;
        return Ok(Exit::Success);
    }
    let width = known.workflows.iter().map(|it| it.id.len()).max().unwrap_or(0);
    let line = |it: &jackfield_server::wire::WorkflowLine| {
        format!("{:width$}  {:10}  registered {}\n", it.id, it.version, it.registered_at)
    };
    printer.result(&known.workflows.iter().map(line).collect::<String>())?;
    Ok(Exit::Success)
}
