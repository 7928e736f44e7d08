//! `jackfield python`: the methods of the plugin of that name, made readable.

mod caller;
mod exec;
mod statements;

use crate::args::PythonCommand;
use crate::exit::Exit;
use crate::printer::{Printer, Tone};
use crate::settings::Settings;
use anyhow::Result;
use caller::{Called, Caller};
use serde_json::{Value, json};

pub(crate) fn run(command: PythonCommand, settings: Settings, printer: &Printer) -> Result<Exit> {
    let caller = Caller::open(settings, printer)?;
    match command {
        PythonCommand::Exec(args) => exec::run(&args, &caller, printer),
        PythonCommand::Envs => show(caller.call("env_list", json!({}))?, printer, environments),
        PythonCommand::Create { name, python, profile, packages } => {
            let parameters =
                json!({ "name": name, "python": python, "profile": profile, "packages": packages });
            show(caller.call("env_create", parameters)?, printer, created)
        }
        PythonCommand::Delete { name, force } => {
            show(caller.call("env_delete", json!({ "name": name, "force": force }))?, printer, deleted)
        }
        PythonCommand::Install { environment, packages } => {
            let parameters = json!({ "environment": environment, "packages": packages });
            show(caller.call("install", parameters)?, printer, installed)
        }
        PythonCommand::Packages { environment } => {
            show(caller.call("packages", json!({ "environment": environment }))?, printer, packages)
        }
        PythonCommand::Sessions => show(caller.call("session_list", json!({}))?, printer, sessions),
        PythonCommand::Discover => show(caller.call("discover", json!({}))?, printer, interpreters),
        PythonCommand::Status => show(caller.call("diagnostics", json!({}))?, printer, |told, _| {
            format!("{}\n", serde_json::to_string_pretty(told).unwrap_or_default())
        }),
    }
}

/// Prints what a call came to: as it is with `--json`, otherwise as `text` makes it readable.
fn show(called: Called, printer: &Printer, text: impl Fn(&Value, &Printer) -> String) -> Result<Exit> {
    match called {
        Called::Failed(exit) => Ok(exit),
        Called::Value(value) if printer.is_json() => {
            printer.result_json(&value)?;
            Ok(Exit::Success)
        }
        Called::Value(value) => {
            printer.result(&text(&value, printer))?;
            Ok(Exit::Success)
        }
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value[key].as_array().into_iter().flatten()
}

fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|it| it.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn environments(value: &Value, printer: &Printer) -> String {
    let rows: Vec<_> = list(value, "environments")
        .map(|it| ["name", "version", "profile", "path"].map(|key| word(&it[key])).to_vec())
        .collect();
    if rows.is_empty() {
        printer.note("there are no environments; `jackfield python create NAME` makes one");
    }
    table(&rows)
}

fn created(value: &Value, printer: &Printer) -> String {
    let verb = if value["created"] == true { "made" } else { "was there" };
    let name = printer.paint_result(Tone::Strong, &word(&value["name"]));
    let mut text = format!("{name}  Python {}  {verb}  {}\n", word(&value["version"]), word(&value["path"]));
    for package in list(value, "packages") {
        text.push_str(&format!("  {}\n", word(package)));
    }
    text
}

fn deleted(value: &Value, _: &Printer) -> String {
    format!("removed {}\n", word(&value["name"]))
}

fn installed(value: &Value, printer: &Printer) -> String {
    let stale: Vec<String> = list(value, "restart_sessions").map(word).collect();
    if !stale.is_empty() {
        printer.note(&format!("close these sessions to be sure that they see it: {}", stale.join(", ")));
    }
    let rows: Vec<_> = list(value, "packages")
        .map(|it| ["name", "version", "status"].map(|key| word(&it[key])).to_vec())
        .collect();
    table(&rows)
}

fn packages(value: &Value, _: &Printer) -> String {
    let rows: Vec<_> =
        list(value, "packages").map(|it| ["name", "version"].map(|key| word(&it[key])).to_vec()).collect();
    table(&rows)
}

fn sessions(value: &Value, printer: &Printer) -> String {
    let keys = ["session", "user", "environment", "state", "pid", "executions"];
    let rows: Vec<_> = list(value, "sessions").map(|it| keys.map(|key| word(&it[key])).to_vec()).collect();
    if rows.is_empty() {
        printer.note("there are no open sessions; they live as long as the process that opened them");
    }
    table(&rows)
}

fn interpreters(value: &Value, _: &Printer) -> String {
    let row = |it: &Value| {
        let state = if it["error"].is_null() { word(&it["version"]) } else { "broken".to_owned() };
        let why = word(&it["error"]).lines().next().unwrap_or_default().to_owned();
        let note = if it["error"].is_null() { word(&it["arch"]) } else { why };
        vec![state, word(&it["path"]), note]
    };
    table(&list(value, "interpreters").map(row).collect::<Vec<_>>())
}
