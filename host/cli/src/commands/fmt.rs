//! `jackfield fmt`

use crate::args::FmtArgs;
use crate::exit::Exit;
use crate::printer::Printer;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;

pub(crate) fn run(args: &FmtArgs, printer: &Printer) -> Result<Exit> {
    let mut list: Vec<Value> = Vec::new();
    let mut changed_any = false;
    for path in &args.files {
        let file = path.display().to_string();
        let (source, dialect) = jackfield::read(path)?;
        let formatted = jackfield::format(&file, &source, dialect)?;
        let changed = *formatted != *source;
        changed_any |= changed;
        if changed && !args.check {
            fs::write(path, formatted.as_bytes()).with_context(|| format!("cannot write `{file}`"))?;
        }
        if printer.is_json() {
            list.push(json!({ "file": file, "changed": changed }));
        } else if changed {
            let word = if args.check { "not formatted" } else { "formatted" };
            printer.result(&format!("{file}: {word}\n"))?;
        }
    }
    if printer.is_json() {
        printer.result_json(&json!({ "files": list }))?;
    }
    Ok(if changed_any && args.check { Exit::Failed } else { Exit::Success })
}
