//! `jackfield run`

use crate::args::RunArgs;
use crate::exit::Exit;
use crate::input::run_input;
use crate::interrupt::Interrupt;
use crate::live::{Shown, Voices, follow, follow_while};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::show::{diagnostics, failure};
use anyhow::Result;
use jackfield::{Engine, Host, Run, RunOptions, RunStatus, Workflow};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) fn run(args: RunArgs, settings: Settings, printer: &Printer) -> Result<Exit> {
    let input = run_input(args.input.as_deref(), &args.set)?;
    let voices = Voices::new(printer, !settings.logs_methods());
    let engine = if args.durable && !args.dry_run { Engine::durable() } else { Engine::memory() };
    let host = settings.host_on(Some(Arc::new(voices.clone())), engine)?;
    let workflow = host.load(&args.file)?;
    for warning in workflow.warnings() {
        let file = args.file.display().to_string();
        let text = diagnostics::render(&file, workflow.source(), warning, printer);
        if !printer.is_quiet() {
            printer.to_stderr(text.as_bytes());
        }
    }
    if args.dry_run {
        return dry_run(&workflow, printer);
    }
    if args.durable {
        let run = host.start_with(&workflow, input, options(&args).attach())?;
        printer.note(&format!("run {} is kept in the journal", run.id()));
        return follow_to_end(&host, &run, args.steps_max, &voices, printer);
    }
    let interrupt = Interrupt::watch(printer)?;
    let run = host.start_with(&workflow, input, options(&args))?;
    interrupt.attach(&host, &run);
    follow(&run, Shown::Everything, &voices, printer);
    let exit = finish(&run, args.steps_max, &voices, printer);
    leave(&host, &interrupt);
    if interrupt.happened() { exit.map(|_| Exit::Interrupted) } else { exit }
}

/// Shows a run that is kept until it has ended, and what it came to. A signal puts it away, to go on another time.
pub(super) fn follow_to_end(
    host: &Host,
    run: &Run,
    steps_max: usize,
    voices: &Voices,
    printer: &Printer,
) -> Result<Exit> {
    let interrupt = Interrupt::watch(printer)?;
    let (putting_away, id, noted) = (host.clone(), run.id().to_owned(), printer.clone());
    interrupt.on_signal(move || {
        noted.note(&format!("putting run {id} away; `jackfield runs wait {id}` goes on with it"));
        putting_away.shutdown();
    });
    let is_over = follow_while(run, Shown::Everything, voices, printer, || !interrupt.happened());
    if !is_over {
        host.shutdown();
        return Ok(Exit::Interrupted);
    }
    let exit = finish(run, steps_max, voices, printer);
    host.shutdown();
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
fn finish(run: &Run, steps_max: usize, voices: &Voices, printer: &Printer) -> Result<Exit> {
    let report = run.report(if printer.is_json() { steps_max } else { 0 });
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
