//! `jackfield run`

use crate::access::{Keeper, RunAt};
use crate::args::RunArgs;
use crate::exit::Exit;
use crate::input::{length_of_time, run_input};
use crate::interrupt::Interrupt;
use crate::live::{Shown, Voices, follow, follow_while};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::show::{diagnostics, failure};
use anyhow::{Context, Result, bail};
use jackfield::{Dialect, Engine, Host, RunOptions, RunStatus, Workflow};
use jackfield_server::wire::{Document, StartRun};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

pub(crate) fn run(args: RunArgs, settings: Settings, printer: &Printer) -> Result<Exit> {
    let input = run_input(args.input.as_deref(), &args.set)?;
    let voices = Voices::new(printer, !settings.logs_methods());
    if args.dry_run && settings.remote().is_some() {
        bail!(
            "--dry-run plans with the plugins of this machine: leave --server out, or unset JACKFIELD_SERVER"
        );
    }
    if (args.durable || settings.remote().is_some()) && !args.dry_run {
        return run_kept(&args, input, settings, &voices, printer);
    }
    let host = settings.host_on(Some(Arc::new(voices.clone())), Engine::memory())?;
    let workflow = host.load(&args.file)?;
    show_warnings(&args.file, &workflow, printer);
    if args.dry_run {
        return dry_run(&workflow, printer);
    }
    let interrupt = Interrupt::watch(printer)?;
    let run = host.start_with(&workflow, input, options(&args))?;
    interrupt.attach(&host, &run);
    let run = RunAt::Here(run);
    follow(&run, Shown::Everything, &voices, printer)?;
    let exit = finish(&run, args.steps_max, &voices, printer);
    leave(&host, &interrupt);
    if interrupt.happened() { exit.map(|_| Exit::Interrupted) } else { exit }
}

fn show_warnings(file: &Path, workflow: &Workflow, printer: &Printer) {
    for warning in workflow.warnings() {
        let text = diagnostics::render(&file.display().to_string(), workflow.source(), warning, printer);
        if !printer.is_quiet() {
            printer.to_stderr(text.as_bytes());
        }
    }
}

/// Runs a file in the journal: in this process, or in the one that owns it already.
fn run_kept(
    args: &RunArgs,
    input: Value,
    settings: Settings,
    voices: &Voices,
    printer: &Printer,
) -> Result<Exit> {
    let (source, dialect) = jackfield::read(&args.file)?;
    let document = Document {
        document: source.into(),
        name: Some(args.file.display().to_string()),
        jsonc: dialect == Dialect::Jsonc,
        dry_run: false,
    };
    let keeper = Keeper::owner(settings, Some(Arc::new(voices.clone())))?;
    let request = StartRun {
        document: Some(document),
        version: None,
        input: input.into(),
        run_id: args.run_id.clone(),
        attach: true,
        until: args.until.clone(),
        traceparent: args.traceparent.clone(),
        delay: delay(args.delay.as_deref())?,
    };
    let warn = |workflow: &Workflow| show_warnings(&args.file, workflow, printer);
    let run_id = keeper.start("", request, warn)?.id().to_owned();
    printer.note(&format!("run {run_id} is kept in the journal"));
    follow_to_end(keeper, &run_id, args.steps_max, voices, printer)
}

/// How long a run is to wait before it begins, as it is sent.
pub(super) fn delay(text: Option<&str>) -> Result<Option<Value>> {
    let length = text.map(length_of_time).transpose().context("--delay")?;
    Ok(length.map(|length| jackfield::model::duration::display(length).into()))
}

/// Shows a run that is kept until it has ended, and what it came to. A signal puts it away, to go on another time, or leaves
/// it to the process that works on it.
pub(super) fn follow_to_end(
    keeper: Keeper,
    run_id: &str,
    steps_max: usize,
    voices: &Voices,
    printer: &Printer,
) -> Result<Exit> {
    let interrupt = Interrupt::watch(printer)?;
    let (id, noted) = (run_id.to_owned(), printer.clone());
    let here = match &keeper {
        Keeper::Here { host, .. } => Some(host.clone()),
        Keeper::There(_) => None,
    };
    interrupt.on_signal(move || match here {
        Some(host) => {
            noted.note(&format!("putting run {id} away; `jackfield runs wait {id}` goes on with it"));
            host.shutdown();
        }
        None => noted.note(&format!("run {id} goes on; `jackfield runs wait {id}` looks at it again")),
    });
    let exit = {
        let run = keeper.run(run_id)?;
        match follow_while(&run, Shown::Everything, voices, printer, || !interrupt.happened())? {
            true => finish(&run, steps_max, voices, printer),
            false => Ok(Exit::Interrupted),
        }
    };
    drop(keeper);
    exit
}

fn options(args: &RunArgs) -> RunOptions {
    let mut options = match &args.run_id {
        Some(run_id) => RunOptions::id(run_id.as_str()),
        None => RunOptions::default(),
    };
    if let Some(step) = &args.until {
        options = options.until(step.as_str());
    }
    if let Some(traceparent) = &args.traceparent {
        options = options.traceparent(traceparent.as_str());
    }
    options
}

/// Prints the result of a run that has ended.
fn finish(run: &RunAt<'_>, steps_max: usize, voices: &Voices, printer: &Printer) -> Result<Exit> {
    let report = run.report(if printer.is_json() { steps_max } else { 0 })?;
    if printer.is_json() {
        printer.result_json(&report)?;
    } else if report.status == RunStatus::Completed {
        printer.result_json(report.output.value())?;
    }
    // whoever cancelled a run knows why it ended
    if let (RunStatus::Failed, Some(error), false) = (report.status, &report.error, printer.is_quiet()) {
        for line in failure::lines(error, &voices.last_output(&error.step), printer) {
            printer.note(&line);
        }
    }
    Ok(if report.status == RunStatus::Completed { Exit::Success } else { Exit::Failed })
}

/// Nothing goes on any more, so the host ends at once; after a signal the process does not wait for stragglers.
fn leave(host: &Host, interrupt: &Interrupt) {
    if !interrupt.happened() {
        host.shutdown();
    }
}

fn dry_run(workflow: &Workflow, printer: &Printer) -> Result<Exit> {
    let plan = workflow.plan();
    if printer.is_json() {
        let methods: Vec<Value> = plan
            .methods
            .iter()
            .map(|it| {
                json!({ "plugin": it.plugin, "version": it.version, "method": it.method, "kind": it.kind, "pure": it.pure })
            })
            .collect();
        printer.result_json(&json!({
            "workflow": plan.id,
            "version": plan.version,
            "total_steps": plan.steps.len(),
            "methods": methods,
            "graph": workflow.graph().render(jackfield::graph::Format::Text)?,
        }))?;
        return Ok(Exit::Success);
    }
    let mut text = workflow.graph().render(jackfield::graph::Format::Text)?;
    if !plan.methods.is_empty() {
        text.push_str("\nmethods\n");
    }
    for it in &plan.methods {
        let pure = if it.pure { ", pure" } else { "" };
        let kind = format!("{:?}", it.kind).to_lowercase();
        text.push_str(&format!(
            "  {}.{}  {} {}  ({kind}{pure})\n",
            it.plugin, it.method, it.plugin, it.version
        ));
    }
    printer.result(&text)?;
    Ok(Exit::Success)
}
