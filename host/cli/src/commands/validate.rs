//! `jackfield validate`

use crate::args::ValidateArgs;
use crate::exit::Exit;
use crate::printer::{Printer, Tone};
use crate::settings::Settings;
use crate::show::diagnostics::{counts, render, to_json};
use anyhow::Result;
use jackfield::diagnostic::Severity;
use serde_json::json;

pub(crate) fn run(args: &ValidateArgs, settings: Settings, printer: &Printer) -> Result<Exit> {
    let host = settings.host(None)?;
    let mut valid = true;
    let mut list = Vec::new();
    for path in &args.files {
        let file = path.display().to_string();
        let (source, dialect) = jackfield::read(path)?;
        let diagnostics = host.validate(&source, dialect)?;
        let faulty = diagnostics.iter().any(|it| it.severity == Severity::Error);
        valid &= !faulty;
        if printer.is_json() {
            list.extend(diagnostics.iter().map(|it| to_json(&file, it)));
            continue;
        }
        for diagnostic in &diagnostics {
            printer.to_stderr(render(&file, &source, diagnostic, printer).as_bytes());
        }
        let verdict = match (faulty, diagnostics.is_empty()) {
            (true, _) => printer.paint_result(Tone::Bad, &format!("invalid, {}", counts(&diagnostics))),
            (false, true) => printer.paint_result(Tone::Good, "valid"),
            (false, false) => printer.paint_result(Tone::Good, &format!("valid, {}", counts(&diagnostics))),
        };
        printer.result(&format!("{file}: {verdict}\n"))?;
    }
    if printer.is_json() {
        printer.result_json(&json!({ "valid": valid, "diagnostics": list }))?;
    }
    Ok(if valid { Exit::Success } else { Exit::Failed })
}
