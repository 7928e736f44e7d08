//! `jackfield validate`

use crate::access::Remote;
use crate::args::ValidateArgs;
use crate::exit::Exit;
use crate::printer::{Printer, Tone};
use crate::settings::Settings;
use crate::show::diagnostics::{counts, render, to_json};
use anyhow::Result;
use jackfield::diagnostic::{Diagnostic, Severity};
use jackfield::{Dialect, Host};
use jackfield_server::wire::Document;
use serde_json::json;

/// Whose plugins documents are checked against.
enum Checker {
    Here(Host),
    There(Remote),
}

impl Checker {
    fn check(&self, file: &str, source: &str, dialect: Dialect) -> Result<Vec<Diagnostic>> {
        match self {
            Self::Here(host) => Ok(host.validate(source, dialect)?),
            Self::There(remote) => {
                let (document, name) = (source.to_owned(), Some(file.to_owned()));
                let jsonc = dialect == Dialect::Jsonc;
                Ok(remote.validate(&Document { document, name, jsonc, dry_run: false })?.diagnostics)
            }
        }
    }
}

pub(crate) fn run(args: &ValidateArgs, settings: Settings, printer: &Printer) -> Result<Exit> {
    let checker = match settings.remote() {
        Some(server) => Checker::There(Remote::connect(server)?),
        None => Checker::Here(settings.host(None)?),
    };
    let mut valid = true;
    let mut list = Vec::new();
    for path in &args.files {
        let file = path.display().to_string();
        let (source, dialect) = jackfield::read(path)?;
        let diagnostics = checker.check(&file, &source, dialect)?;
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
