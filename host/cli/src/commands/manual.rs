//! `jackfield completions` and `jackfield man`

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::exit::Exit;
use crate::printer::Printer;
use anyhow::{Context, Result};
use clap::CommandFactory;

pub(crate) fn completions(args: &CompletionsArgs, printer: &Printer) -> Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "jackfield", &mut text);
    printer.result(String::from_utf8_lossy(&text).trim_end())?;
    Ok(Exit::Success)
}

pub(crate) fn man(args: &ManArgs, printer: &Printer) -> Result<Exit> {
    let dir = &args.dir;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
    clap_mangen::generate_to(Cli::command(), dir)
        .with_context(|| format!("cannot write to `{}`", dir.display()))?;
    printer.note(&format!(
        "the manual pages are in {}; `man -l {}` shows the first",
        dir.display(),
        dir.join("jackfield.1").display()
    ));
    Ok(Exit::Success)
}
