//! `jackfield runs logs`: what the methods of a run have logged, and what their programs have printed.

use crate::access::Keeper;
use crate::exit::Exit;
use crate::live::level_word;
use crate::printer::{Printer, Tone};
use crate::settings::Settings;
use anyhow::Result;
use jackfield::{RunText, TextQuery, TextSource};
use std::time::Duration;

/// How long a process is asked to wait for a line before it is asked again.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(
    run_id: &str,
    mut query: TextQuery,
    follows: bool,
    settings: Settings,
    printer: &Printer,
) -> Result<Exit> {
    let keeper = Keeper::reader(settings)?;
    let is_served = matches!(keeper, Keeper::There(_));
    loop {
        let patience = if follows && is_served { PATIENCE } else { Duration::ZERO };
        let page = keeper.lines(run_id, &query, patience)?;
        print(&page.lines, printer)?;
        let has_moved = page.next > query.from;
        query.from = page.next;
        if has_moved {
            continue;
        }
        if !follows || page.status.is_terminal() {
            return Ok(Exit::Success);
        }
        if !is_served {
            printer.note(&format!(
                "run {run_id} is {}, and no process works on it; `jackfield runs wait {run_id}` does",
                page.status
            ));
            return Ok(Exit::Success);
        }
    }
}

fn print(lines: &[RunText], printer: &Printer) -> Result<()> {
    let mut text = String::new();
    for line in lines {
        if printer.is_json() {
            text.push_str(&serde_json::to_string(line)?);
        } else {
            text.push_str(&shown(line, printer));
        }
        text.push('\n');
    }
    Ok(printer.result(&text)?)
}

fn shown(line: &RunText, printer: &Printer) -> String {
    let before = match line.step.as_str() {
        "" => line.at.clone(),
        step => format!("{}  {step}", line.at),
    };
    let before = printer.paint_result(Tone::Dim, &before);
    match (line.from, line.level) {
        (TextSource::Log, Some(level)) => {
            let (tone, word) = level_word(level);
            let fields = line.fields.as_ref().map(|fields| format!(" {}", fields.as_str()));
            let word = printer.paint_result(tone, word);
            format!("{before}: {word}: {}{}", line.text, fields.unwrap_or_default())
        }
        _ => format!("{before}: {}", line.text),
    }
}
