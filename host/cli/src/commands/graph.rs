//! `jackfield graph`

use crate::args::{GraphArgs, GraphFormat};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::show::diagnostics;
use anyhow::Result;
use jackfield::diagnostic::Severity;
use jackfield::graph::Format;
use serde_json::json;

pub(crate) fn run(args: &GraphArgs, printer: &Printer) -> Result<Exit> {
    let format = match args.format {
        GraphFormat::Svg => Format::Svg,
        GraphFormat::Dot => Format::Dot,
        GraphFormat::Mermaid => Format::Mermaid,
        GraphFormat::Text => Format::Text,
    };
    let (source, dialect) = jackfield::read(&args.file)?;
    let (graph, faults) = jackfield::sketch(&args.file.display().to_string(), &source, dialect)?;
    if faults.iter().any(|it| it.severity == Severity::Error) {
        let found = diagnostics::counts(&faults);
        printer.warning(&format!(
            "`{}` is not valid ({found}), so edges that come from expressions are missing; \
             `jackfield validate` says more",
            args.file.display()
        ));
    }
    let text = graph.render(format)?;
    if printer.is_json() {
        let name = format!("{:?}", args.format).to_lowercase();
        printer.result_json(&json!({ "format": name, "graph": text }))?;
    } else {
        printer.result(&text)?;
    }
    Ok(Exit::Success)
}
