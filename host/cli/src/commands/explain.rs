//! `jackfield explain`

use crate::args::ExplainArgs;
use crate::exit::Exit;
use crate::printer::{Printer, Tone};
use anyhow::{Result, bail};
use jackfield::diagnostic::Code;
use serde_json::json;

pub(crate) fn run(args: &ExplainArgs, printer: &Printer) -> Result<Exit> {
    let Some(code) = Code::parse(&args.code) else {
        bail!("there is no diagnostic `{}`; codes look like JF0020", args.code);
    };
    let explanation = code.explain();
    if printer.is_json() {
        printer
            .result_json(&json!({ "code": code, "severity": code.severity(), "explanation": explanation }))?;
        return Ok(Exit::Success);
    }
    let title = printer.paint_result(Tone::Strong, &format!("{code}: {}", explanation.title));
    let mut text = format!("{title}\n\n{}\n", explanation.text);
    for (label, example) in [("wrong", explanation.example_wrong), ("right", explanation.example_right)] {
        if !example.is_empty() {
            text.push_str(&format!("\n{label}:\n  {}\n", example.replace('\n', "\n  ")));
        }
    }
    printer.result(&text)?;
    Ok(Exit::Success)
}
