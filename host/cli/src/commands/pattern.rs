//! `jackfield pattern`: which way of running programs fits, and what there is to know of each. The ways are in `pattern/known.rs`.

mod known;

use crate::args::{PatternCommand, RecommendArgs};
use crate::exit::Exit;
use crate::input::length_of_time;
use crate::printer::{Printer, Tone};
use anyhow::{Result, bail};
use known::{KNOWN, Pattern};
use serde_json::json;
use std::time::Duration;

/// A program that takes longer is a long-running one.
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn run(command: &PatternCommand, printer: &Printer) -> Result<Exit> {
    match command {
        PatternCommand::Recommend(args) => recommend(args, printer),
        PatternCommand::Explain { name } => explain(name, printer),
    }
}

/// A pattern that fits, and why.
struct Fit {
    pattern: &'static Pattern,
    because: String,
}

/// All that fit, the one that decides how the workflow is built first.
fn fitting(args: &RecommendArgs) -> Result<Vec<Fit>> {
    let duration = args.duration.as_deref().map(length_of_time).transpose()?;
    let is_long = duration.is_some_and(|duration| duration > LONG);
    let long = match (is_long, args.streaming) {
        (true, true) => Some("it takes longer than 60 s, and its output is wanted while it runs"),
        (true, false) => Some("it takes longer than 60 s"),
        (false, true) => Some("its output is wanted while it runs"),
        (false, false) => None,
    };
    let many = args.items.filter(|items| *items > 1).map(|items| format!("there are {items} items"));
    let reasons = [
        ("periodic", args.recurring.then(|| "it recurs".to_owned())),
        ("long-running", long.map(str::to_owned)),
        ("concurrent", many),
        ("fire-and-forget", args.no_result.then(|| "nobody waits for its result".to_owned())),
        ("pooled", args.high_frequency.then(|| "it is asked for often".to_owned())),
    ];
    let mut fits = Vec::new();
    for (name, because) in reasons {
        fits.extend(because.and_then(|because| Some(Fit { pattern: known::find(name)?, because })));
    }
    if fits.is_empty() {
        let because = "nothing asks for more".to_owned();
        fits.extend(known::find("simple").map(|pattern| Fit { pattern, because }));
    }
    Ok(fits)
}

fn recommend(args: &RecommendArgs, printer: &Printer) -> Result<Exit> {
    let fits = fitting(args)?;
    let Some((first, beside)) = fits.split_first() else { bail!("no pattern is known") };
    if printer.is_json() {
        let with = |fit: &Fit| json!({ "pattern": fit.pattern.name, "because": fit.because, "uses": fit.pattern.uses, "how": fit.pattern.beside });
        printer.result_json(&json!({
            "pattern": first.pattern.name,
            "because": first.because,
            "uses": first.pattern.uses,
            "together_with": beside.iter().map(with).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Success);
    }
    let name = printer.paint_result(Tone::Strong, first.pattern.name);
    let mut text = format!("{name}, because {}: {}\n", first.because, first.pattern.uses);
    for fit in beside {
        let name = printer.paint_result(Tone::Strong, fit.pattern.name);
        text.push_str(&format!("together with {name}, because {}: {}\n", fit.because, fit.pattern.beside));
    }
    text.push_str(&format!(
        "`jackfield pattern explain {}` tells more and shows an example\n",
        first.pattern.name
    ));
    printer.result(&text)?;
    Ok(Exit::Success)
}

fn explain(name: &str, printer: &Printer) -> Result<Exit> {
    let Some(pattern) = known::find(name) else {
        let names: Vec<&str> = KNOWN.iter().map(|pattern| pattern.name).collect();
        bail!("there is no pattern `{name}`; there are {}", names.join(", "));
    };
    if printer.is_json() {
        let example: serde_json::Value = serde_json::from_str(pattern.example)?;
        printer.result_json(&json!({
            "pattern": pattern.name,
            "uses": pattern.uses,
            "use_when": pattern.use_when,
            "benefits": pattern.benefits,
            "beside_others": pattern.beside,
            "example": example,
        }))?;
        return Ok(Exit::Success);
    }
    let mut text = format!("{}: {}\n", printer.paint_result(Tone::Strong, pattern.name), pattern.uses);
    for (title, lines) in [("use when", pattern.use_when), ("benefits", pattern.benefits)] {
        text.push_str(&format!("\n{title}:\n"));
        lines.iter().for_each(|line| text.push_str(&format!("  - {line}\n")));
    }
    let (beside, example) = (pattern.beside, pattern.example);
    text.push_str(&format!("\nbeside another pattern:\n  {beside}\n\nexample:\n\n{example}"));
    printer.result(&text)?;
    Ok(Exit::Success)
}
