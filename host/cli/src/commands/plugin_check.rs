//! `jackfield plugin check`

use crate::args::{CheckArgs, CheckSandbox, PluginName};
use crate::commands::plugin::missing;
use crate::exit::Exit;
use crate::printer::{Printer, Tone};
use crate::settings::{Settings, this_program};
use anyhow::{Context, Result, anyhow, bail};
use jackfield_check::{Finding, MethodReport, Options, Policy, Report, Waiver, WorkerProgram};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn run(args: CheckArgs, settings: Settings, printer: &Printer) -> Result<Exit> {
    let mut waivers = args.waivers.as_deref().map(read_waivers).transpose()?.unwrap_or_default();
    waivers.extend(args.waive);
    let program = || WorkerProgram {
        path: this_program(),
        name: Some("jackfield".into()),
        arguments: vec!["examine".into()],
    };
    let options = Options {
        program: (!args.in_process).then(program),
        seed: args.seed,
        calls: args.calls,
        configs: settings.plugin_configs()?,
        sandbox: match args.sandbox {
            CheckSandbox::Required => Policy::Required,
            CheckSandbox::BestEffort => Policy::BestEffort,
            CheckSandbox::Off => Policy::Off,
        },
        waivers,
    };
    let file = file(&args.plugin, settings)?;
    let report = jackfield_check::check(&file, &options)?;
    if printer.is_json() {
        printer.result_json(&report)?;
    } else {
        printer.result(&text(&report, printer))?;
    }
    Ok(if report.ok { Exit::Success } else { Exit::Failed })
}

fn read_waivers(file: &Path) -> Result<Vec<Waiver>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("waivers `{}` cannot be read", file.display()))?;
    Waiver::parse_all(&text).map_err(|reason| anyhow!("waivers `{}`: {}", file.display(), reason.trim_end()))
}

/// The file that is meant: one that is there, or that of a plugin that is found.
fn file(plugin: &str, settings: Settings) -> Result<PathBuf> {
    let path = Path::new(plugin);
    if path.is_dir() {
        bail!("`{plugin}` is a directory; name one plugin file in it");
    }
    if path.exists()
        || path.components().count() > 1
        || path.extension().is_some_and(|it| it == "so" || it == "dll")
    {
        return Ok(path.to_owned());
    }
    let named: PluginName = plugin.parse().map_err(|reason| anyhow!("{reason}"))?;
    let host = settings.host(None)?;
    host.plugin_file(&named.name, named.version.as_ref()).ok_or_else(|| match &named.version {
        Some(version) if host.plugin_file(&named.name, None).is_some() => {
            anyhow!("plugin `{}` is not there in version `{version}`", named.name)
        }
        _ => missing(&named.name, &host),
    })
}

fn text(report: &Report, printer: &Printer) -> String {
    let name = report.plugin.as_deref().unwrap_or("(no plugin)");
    let version = report.version.as_ref().map(ToString::to_string).unwrap_or_default();
    let title = printer.paint_result(Tone::Strong, format!("{name} {version}").trim_end());
    let mut text = format!("{title}  {}\n", report.file.display());
    for method in &report.methods {
        text.push_str(&method_line(method));
    }
    let notes =
        report.methods.iter().flat_map(|it| it.notes.iter().map(move |note| format!("{}: {note}", it.name)));
    for note in notes.chain(report.notes.iter().cloned()) {
        text.push_str(&format!("{}: {note}\n", printer.paint_result(Tone::Hint, "note")));
    }
    for finding in &report.findings {
        text.push_str(&finding_line(finding, printer));
    }
    let waived = report.findings.iter().filter(|finding| finding.waived.is_some()).count();
    let count = report.findings.len() - waived;
    let waived = if waived > 0 { format!(", {waived} waived") } else { String::new() };
    let outcome = match count {
        0 => printer.paint_result(Tone::Good, "passed"),
        1 => printer.paint_result(Tone::Bad, "1 finding"),
        count => printer.paint_result(Tone::Bad, &format!("{count} findings")),
    };
    text.push_str(&format!("{outcome}{waived} (seed {})\n", report.seed));
    text
}

fn method_line(method: &MethodReport) -> String {
    let MethodReport { name, calls, results, errors, refusals, .. } = method;
    format!("  {name}: {calls} calls, {results} results, {errors} errors, {refusals} refused\n")
}

fn finding_line(finding: &Finding, printer: &Printer) -> String {
    let word = match finding.waived {
        Some(_) => printer.paint_result(Tone::Dim, "waived"),
        None => printer.paint_result(Tone::Bad, "found"),
    };
    let times = if finding.count > 1 { format!(" ({} times)", finding.count) } else { String::new() };
    let reason = match finding.waived.as_deref() {
        None | Some("") => String::new(),
        Some(reason) => format!(" [{reason}]"),
    };
    format!("{word}  {}  {}: {}{times}{reason}\n", finding.code, finding.place, finding.message)
}
