//! `jackfield plugin`

use crate::access::RunAt;
use crate::args::{AuthorCommand, PluginCommand};
use crate::commands::{plugin_check, plugin_docs, plugin_new, plugin_store, plugin_trust};
use crate::exit::Exit;
use crate::input::json_argument;
use crate::interrupt::Interrupt;
use crate::live::{Shown, Voices, follow};
use crate::printer::{Printer, Tone};
use crate::settings::Settings;
use crate::show::{failure, schema, with_remedy};
use anyhow::{Context, Result, anyhow, bail};
use jackfield::{Error, Host, Method, RunStatus};
use serde_json::json;
use std::sync::Arc;

pub(crate) fn run(command: PluginCommand, settings: Settings, printer: &Printer) -> Result<Exit> {
    match command {
        PluginCommand::List => list(settings, printer),
        PluginCommand::Info { plugin } => info(&plugin, settings, printer),
        PluginCommand::Release { plugin } => release(&plugin, settings, printer),
        PluginCommand::Call { method, params } => call(&method, &params, settings, printer),
        PluginCommand::Author(AuthorCommand::New(args)) => plugin_new::run(args, printer),
        PluginCommand::Author(AuthorCommand::Docs { plugins, out }) => {
            plugin_docs::run(&plugins, out.as_deref(), settings, printer)
        }
        PluginCommand::Author(AuthorCommand::Check(args)) => plugin_check::run(args, settings, printer),
        PluginCommand::Store(command) => plugin_store::run(command, settings, printer),
        PluginCommand::Trust(command) => plugin_trust::run(command, settings, printer),
    }
}

fn list(settings: Settings, printer: &Printer) -> Result<Exit> {
    let host = settings.host(None)?;
    let (plugins, problems) = (host.plugins(), host.plugin_problems());
    if printer.is_json() {
        printer.result_json(&json!({ "plugins": plugins, "problems": problems }))?;
        return Ok(Exit::Success);
    }
    for problem in &problems {
        printer.warning(&with_remedy(&problem.to_string(), &problem.remedy));
    }
    if plugins.is_empty() {
        printer.note("no plugins were found; name a directory with --plugin-path");
    }
    let name_width = plugins.iter().map(|plugin| plugin.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for plugin in &plugins {
        let name = printer.paint_result(Tone::Strong, &format!("{:name_width$}", plugin.name));
        let methods: Vec<&str> = plugin.methods.iter().map(|method| &*method.name).collect();
        text.push_str(&format!("{name}  {:8}  {}\n", plugin.version.to_string(), methods.join(", ")));
    }
    printer.result(&text)?;
    Ok(Exit::Success)
}

fn info(name: &str, settings: Settings, printer: &Printer) -> Result<Exit> {
    let host = settings.host(None)?;
    let versions = host.plugin(name)?;
    if versions.is_empty() {
        return Err(missing(name, &host));
    }
    if printer.is_json() {
        printer.result_json(&json!({ "plugins": versions }))?;
        return Ok(Exit::Success);
    }
    for plugin in versions {
        let title = printer.paint_result(Tone::Strong, &format!("{} {}", plugin.name, plugin.version));
        let mut text = format!("{title}\n");
        if !plugin.description.is_empty() {
            text.push_str(&format!("{}\n", plugin.description));
        }
        for method in &plugin.methods {
            describe(&mut text, method, printer);
        }
        printer.result(&text)?;
    }
    Ok(Exit::Success)
}

/// Why there is nothing of this name, as far as that is known.
pub(crate) fn missing(name: &str, host: &Host) -> anyhow::Error {
    if let Some(problem) = host.plugin_problems().iter().find(|it| it.plugin.as_deref() == Some(name)) {
        let message = with_remedy(&problem.message, &problem.remedy);
        return anyhow!("there is no usable plugin `{name}`: {message}");
    }
    let plugins = host.plugins();
    let nearest = jackfield::diagnostic::nearest(name, plugins.iter().map(|plugin| &*plugin.name));
    let hint = match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => "`jackfield plugin list` names those there are".to_owned(),
    };
    anyhow!("there is no plugin `{name}`; {hint}")
}

fn release(name: &str, settings: Settings, printer: &Printer) -> Result<Exit> {
    let released = settings.host(None)?.release_plugin(name)?;
    if released.is_empty() {
        bail!("plugin `{name}` is not quarantined; `jackfield plugin list` names those that are");
    }
    let released: Vec<String> = released.iter().map(ToString::to_string).collect();
    if printer.is_json() {
        printer.result_json(&json!({ "released": released }))?;
    } else {
        printer.note(&format!("let out: {}", released.join(", ")));
    }
    Ok(Exit::Success)
}

fn describe(text: &mut String, method: &Method, printer: &Printer) {
    let mut facts = vec![format!("{:?}", method.kind).to_lowercase()];
    for (holds, word) in [(method.pure, "pure"), (method.idempotent, "idempotent"), (method.serial, "serial")]
    {
        if holds {
            facts.push(word.to_owned());
        }
    }
    let name = printer.paint_result(Tone::Strong, &method.name);
    text.push_str(&format!("\n  {name}  ({})\n", facts.join(", ")));
    if !method.description.is_empty() {
        text.push_str(&format!("    {}\n", method.description));
    }
    for (label, schema) in [("parameters", &method.parameters), ("result", &method.output)] {
        if schema.is_null() {
            continue;
        }
        text.push_str(&format!("    {}\n", printer.paint_result(Tone::Dim, label)));
        for line in schema::lines(schema.value()) {
            text.push_str(&format!("      {line}\n"));
        }
    }
}

fn call(method: &str, params: &str, settings: Settings, printer: &Printer) -> Result<Exit> {
    let (plugin, method) =
        method.split_once('.').with_context(|| format!("`{method}` is not PLUGIN.METHOD"))?;
    let params = json_argument("--params", params)?;
    let voices = Voices::new(printer, !settings.logs_methods());
    let host = settings.host(Some(Arc::new(voices.clone())))?;
    let interrupt = Interrupt::watch(printer)?;
    let run = host.start_call(plugin, method, params).map_err(plain)?;
    interrupt.attach(&host, &run);
    follow(&RunAt::Here(run.clone()), Shown::Bars, &voices, printer)?;
    let report = run.report(0);
    if let Some(error) = &report.error {
        if printer.is_json() {
            printer.result_json(&json!({ "error": error }))?;
        }
        for line in failure::lines(error, &voices.last_output(&error.step), printer) {
            printer.note(&line);
        }
    } else if report.status == RunStatus::Completed {
        printer.result_json(report.output.value())?;
    }
    Ok(match report.status {
        _ if interrupt.happened() => Exit::Interrupted,
        RunStatus::Completed => Exit::Success,
        _ => Exit::Failed,
    })
}

/// The document that a call becomes is nothing its user has seen, so only what is wrong with it is said.
fn plain(error: Error) -> anyhow::Error {
    let Some(invalid) = error.invalid() else { return error.into() };
    let sentences = invalid.diagnostics.iter().map(|it| match it.hint.as_str() {
        "" => it.message.clone(),
        hint => format!("{}; {hint}", it.message),
    });
    anyhow!(sentences.collect::<Vec<_>>().join("; "))
}
