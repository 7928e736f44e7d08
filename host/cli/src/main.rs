//! The `jackfield` command.
//!
//! Results go to stdout, everything else to stderr. Exit codes: 0 done; 1 the workflow failed, was cancelled, or
//! the document is invalid; 2 it could not be done; 130 interrupted.

mod access;
mod args;
mod commands;
mod exit;
mod input;
mod interrupt;
mod live;
mod printer;
mod settings;
mod show;

use crate::args::Cli;
use crate::exit::Exit;
use crate::printer::Printer;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

fn main() -> ExitCode {
    panic::set_hook(Box::new(report_panic));
    let exit = panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or(Exit::Trouble);
    ExitCode::from(exit.code())
}

fn run() -> Exit {
    let cli = match Cli::read(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => {
            // nothing can be done if the message cannot be shown
            let _ = error.print();
            return if error.use_stderr() { Exit::Trouble } else { Exit::Success };
        }
    };
    let printer = Printer::new(&cli.global);
    match commands::run(cli, &printer) {
        Ok(exit) => exit,
        Err(error) => exit::report(&error, &printer),
    }
}

/// A panic is a defect of ours: one short line instead of a dump.
fn report_panic(info: &panic::PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no message");
    let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
    // there is nowhere else to say it
    let _ = writeln!(std::io::stderr(), "error: jackfield has a defect: {message}{place}");
}
