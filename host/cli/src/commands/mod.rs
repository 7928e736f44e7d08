//! One module for each command.

mod bench;
mod db;
mod doctor;
mod explain;
mod fmt;
mod graph;
mod kept;
mod manual;
mod pattern;
mod plugin;
mod plugin_check;
mod plugin_docs;
mod plugin_new;
mod plugin_store;
mod plugin_trust;
mod python;
mod run;
mod runs;
mod runs_logs;
mod schedule;
mod schema;
mod serve;
mod token;
mod validate;
mod workflow;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::settings::Settings;
use anyhow::Result;

/// Does what the command line says.
pub(crate) fn run(cli: Cli, printer: &Printer) -> Result<Exit> {
    let settings = || Settings::load(&cli.global, printer);
    let here = |command: &str| settings()?.on_this_machine(command);
    match cli.command {
        Command::Run(args) => run::run(args, settings()?, printer),
        Command::Validate(args) => validate::run(&args, settings()?, printer),
        Command::Explain(args) => explain::run(&args, printer),
        Command::Schema => schema::run(printer),
        Command::Graph(args) => graph::run(&args, printer),
        Command::Fmt(args) => fmt::run(&args, printer),
        Command::Runs(command) => runs::run(command, settings()?, printer),
        Command::Schedule(command) => schedule::run(command, settings()?, printer),
        Command::Workflow(command) => workflow::run(command, settings()?, printer),
        Command::Serve(args) => serve::run(args, here("serve")?, printer),
        Command::Token(command) => token::run(command, &here("token")?, printer),
        Command::Db(command) => db::run(command, &here("db")?, printer),
        Command::Doctor => doctor::run(&cli.global, printer),
        Command::Bench(args) => bench::run(&args, here("bench")?, printer),
        Command::Plugin(command) => plugin::run(command, here("plugin")?, printer),
        Command::Python(command) => python::run(command, settings()?, printer),
        Command::Pattern(command) => pattern::run(&command, printer),
        Command::Completions(args) => manual::completions(&args, printer),
        Command::Man(args) => manual::man(&args, printer),
        Command::Examine => {
            jackfield_check::examine()?;
            Ok(Exit::Success)
        }
        Command::SandboxProbe => {
            printer.result_json(&doctor::apply_sandbox()?)?;
            Ok(Exit::Success)
        }
        Command::Worker => {
            jackfield_worker::serve()?;
            Ok(Exit::Success)
        }
    }
}
