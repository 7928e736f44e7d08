//! `jackfield plugin add|remove|update`

use crate::args::{PluginName, StoreCommand};
use crate::exit::Exit;
use crate::printer::{Printer, Tone};
use crate::settings::Settings;
use anyhow::Result;
use jackfield::{Direction, Downgrade, PluginVersion, Update};
use serde_json::{Value, json};
use std::path::Path;

pub(crate) fn run(command: StoreCommand, settings: Settings, printer: &Printer) -> Result<Exit> {
    match command {
        StoreCommand::Add { path } => add(&path, settings, printer),
        StoreCommand::Remove { plugin } => remove(&plugin, settings, printer),
        StoreCommand::Update { file, allow_downgrade } => {
            let downgrade = if allow_downgrade { Downgrade::Allowed } else { Downgrade::Refused };
            update(&file, downgrade, settings, printer)
        }
    }
}

fn as_json(plugin: &PluginVersion) -> Value {
    json!({ "name": plugin.name, "version": plugin.version })
}

fn add(path: &Path, settings: Settings, printer: &Printer) -> Result<Exit> {
    let added = settings.host(None)?.add_plugin(path)?;
    if printer.is_json() {
        printer.result_json(&json!({ "added": added.iter().map(as_json).collect::<Vec<_>>() }))?;
        return Ok(Exit::Success);
    }
    if added.is_empty() {
        printer.note("everything there is installed already");
    }
    let lines: String = added.iter().map(|plugin| format!("added {plugin}\n")).collect();
    printer.result(&lines)?;
    Ok(Exit::Success)
}

fn remove(plugin: &PluginName, settings: Settings, printer: &Printer) -> Result<Exit> {
    let removed = settings.host(None)?.remove_plugin(&plugin.name, plugin.version.as_ref())?;
    match printer.is_json() {
        true => printer.result_json(&json!({ "removed": as_json(&removed) }))?,
        false => printer.result(&format!("removed {removed}\n"))?,
    }
    Ok(Exit::Success)
}

fn update(file: &Path, downgrade: Downgrade, settings: Settings, printer: &Printer) -> Result<Exit> {
    let update = settings.host(None)?.update_plugin(file, downgrade)?;
    let breach = breach(&update);
    if let Some(breach) = &breach {
        printer.warning(breach);
    }
    if printer.is_json() {
        printer.result_json(&json!({
            "plugin": as_json(&update.plugin),
            "from": update.from,
            "direction": update.direction,
            "methods_added": update.methods_added,
            "methods_removed": update.methods_removed,
            "warning": breach,
        }))?;
        return Ok(Exit::Success);
    }
    printer.result(&explained(&update, printer))?;
    Ok(Exit::Success)
}

/// What an update means, for people.
fn explained(update: &Update, printer: &Printer) -> String {
    let (plugin, from) = (&update.plugin, &update.from);
    let name = &plugin.name;
    let mut text = match update.direction {
        Direction::Same => return format!("{plugin} is installed already; nothing has changed\n"),
        Direction::Compatible => format!(
            "added {plugin} beside {from}: a compatible update, which workflows take that allow `{name} ^{from}`\n"
        ),
        Direction::Breaking => format!(
            "added {plugin} beside {from}: a breaking update; workflows that ask for `{name} ^{from}` stay on {from}\n"
        ),
        Direction::Downgrade => {
            format!("added {plugin} beside {from}: a downgrade; only workflows that exclude {from} take it\n")
        }
    };
    for (tone, sign, methods) in
        [(Tone::Good, '+', &update.methods_added), (Tone::Bad, '-', &update.methods_removed)]
    {
        for method in methods {
            text.push_str(&printer.paint_result(tone, &format!("  {sign} {name}.{method}")));
            text.push('\n');
        }
    }
    text
}

/// What the version says and the methods do not keep.
fn breach(update: &Update) -> Option<String> {
    let is_breach = update.direction == Direction::Compatible && !update.methods_removed.is_empty();
    is_breach.then(|| {
        let methods: Vec<String> =
            update.methods_removed.iter().map(|method| format!("`{method}`")).collect();
        format!(
            "{} calls itself compatible with {}, but lacks {}; workflows that call that will be refused",
            update.plugin,
            update.from,
            methods.join(", ")
        )
    })
}
