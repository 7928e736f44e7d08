//! `jackfield doctor`: looks at everything on this machine that can keep Jackfield from working, and says what to do. It goes on
//! whatever it finds, and changes nothing.

mod data;
mod findings;
mod plugins;
mod server;
mod settled;
mod system;

use crate::args::Global;
use crate::exit::Exit;
use crate::printer::{Printer, Tone};
use anyhow::Result;
use findings::{Findings, Level};
use serde_json::json;

pub(crate) use system::apply_sandbox;

/// Everything that is looked at, in the order in which it is said.
pub(crate) fn run(global: &Global, printer: &Printer) -> Result<Exit> {
    let mut findings = Findings::default();
    let settings = settled::check(global, printer, &mut findings)?;
    system::clock(&mut findings);
    system::open_files(&settings, &mut findings);
    system::kernel(&mut findings);
    data::check(&settings, &mut findings);
    plugins::check(&settings, &mut findings);
    server::listening(&settings, &mut findings);
    server::remote(&settings, &mut findings);
    show(&findings, printer)?;
    Ok(if findings.has_problems() { Exit::Failed } else { Exit::Success })
}

fn show(findings: &Findings, printer: &Printer) -> Result<()> {
    if printer.is_json() {
        let is_fine = !findings.has_problems();
        printer.result_json(&json!({ "ok": is_fine, "checks": findings.all() }))?;
        return Ok(());
    }
    let mut text = String::new();
    let quiet = |level| printer.is_quiet() && level != Level::Problem;
    for finding in findings.all().iter().filter(|finding| !quiet(finding.level)) {
        let (tone, word) = match finding.level {
            Level::Ok => (Tone::Good, "ok     "),
            Level::Note => (Tone::Dim, "note   "),
            Level::Problem => (Tone::Bad, "problem"),
        };
        let word = printer.paint_result(tone, word);
        text.push_str(&format!("{word}  {:9}  {}\n", finding.area, finding.message));
        if !finding.remedy.is_empty() {
            let remedy = printer.paint_result(Tone::Hint, &finding.remedy);
            text.push_str(&format!("                    {remedy}\n"));
        }
    }
    printer.result(&text)?;
    let problems = findings.all().iter().filter(|finding| finding.level == Level::Problem).count();
    printer.note(&match problems {
        0 => "nothing is wrong".to_owned(),
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    });
    Ok(())
}
