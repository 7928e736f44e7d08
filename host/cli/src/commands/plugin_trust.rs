//! `jackfield plugin lock|verify`

use crate::args::TrustCommand;
use crate::exit::Exit;
use crate::printer::{Printer, Tone};
use crate::settings::Settings;
use crate::show::with_remedy;
use anyhow::{Result, bail};
use jackfield::{LockedPlugin, Verdict, Workflow};
use serde_json::{Value, json};
use std::path::PathBuf;

pub(crate) fn run(command: TrustCommand, settings: Settings, printer: &Printer) -> Result<Exit> {
    match command {
        TrustCommand::Lock { lockfile, workflows } => lock(lockfile, &workflows, settings, printer),
        TrustCommand::Verify => verify(settings, printer),
    }
}

fn lock(
    lockfile: Option<PathBuf>,
    workflows: &[PathBuf],
    settings: Settings,
    printer: &Printer,
) -> Result<Exit> {
    let path = lockfile.unwrap_or_else(|| settings.lock_file());
    let host = settings.host_without_lock()?;
    let workflows: Vec<Workflow> = workflows.iter().map(|file| host.load(file)).collect::<Result<_, _>>()?;
    for problem in host.plugin_problems() {
        printer.warning(&with_remedy(&format!("not locked: {problem}"), &problem.remedy));
    }
    let needed = Some(workflows.as_slice()).filter(|workflows| !workflows.is_empty());
    let lock = host.lock_plugins(&path, needed)?;
    if printer.is_json() {
        printer.result_json(&json!({ "lockfile": path, "plugins": lock.plugins() }))?;
        return Ok(Exit::Success);
    }
    let mut text = String::new();
    for plugin in lock.plugins() {
        let signer = plugin.signer.map(|key| format!(", signed by {key}")).unwrap_or_default();
        let targets: Vec<&str> = plugin.sha256.keys().map(String::as_str).collect();
        text.push_str(&format!(
            "locked {} {} for {}{signer}\n",
            plugin.name,
            plugin.version,
            targets.join(", ")
        ));
    }
    printer.result(&text)?;
    printer.note(&format!("written to `{}`", path.display()));
    Ok(Exit::Success)
}

fn verify(settings: Settings, printer: &Printer) -> Result<Exit> {
    let host = settings.host(None)?;
    if !host.has_plugin_policy() {
        bail!(
            "there is nothing to verify plugins against; write a lock with `jackfield plugin lock`, or put `keys` or \
             `allow` under `[trust]` in the configuration"
        );
    }
    let verification = host.verify_plugins();
    let exit = if verification.is_fine() { Exit::Success } else { Exit::Failed };
    if printer.is_json() {
        printer.result_json(&json!({
            "ok": verification.is_fine(),
            "plugins": verification.verdicts.iter().map(verdict_json).collect::<Vec<_>>(),
            "missing": verification.missing,
        }))?;
        return Ok(exit);
    }
    let lines = verification.verdicts.iter().map(|verdict| verdict_line(verdict, printer));
    let missing = verification.missing.iter().map(|locked| missing_line(locked, printer));
    printer.result(&lines.chain(missing).collect::<String>())?;
    Ok(exit)
}

fn verdict_json(verdict: &Verdict) -> Value {
    let mut value = json!({
        "name": verdict.plugin,
        "version": verdict.version,
        "sha256": verdict.sha256,
        "signer": verdict.signer,
        "ok": verdict.fault.is_none(),
    });
    if let Some(fault) = &verdict.fault {
        value["code"] = fault.code().into();
        value["message"] = fault.to_string().into();
        value["remedy"] = fault.remedy().into();
    }
    value
}

fn verdict_line(verdict: &Verdict, printer: &Printer) -> String {
    if let Some(fault) = &verdict.fault {
        let word = printer.paint_result(Tone::Bad, "refused");
        return format!("{word}  {}\n", with_remedy(&format!("{fault} [{}]", fault.code()), &fault.remedy()));
    }
    let word = printer.paint_result(Tone::Good, "ok");
    let name = verdict.plugin.as_deref().unwrap_or_default();
    let version = verdict.version.as_ref().map(ToString::to_string).unwrap_or_default();
    let signer = verdict.signer.map(|key| format!("  signed by {key}")).unwrap_or_default();
    format!("{word}  {name} {version}{signer}\n")
}

fn missing_line(locked: &LockedPlugin, printer: &Printer) -> String {
    let word = printer.paint_result(Tone::Bad, "missing");
    format!("{word}  plugin `{} {}` is in the lock and was not found\n", locked.name, locked.version)
}
