//! The program `jackfield-worker`, for hosts that are no `jackfield` command. It has no options.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match jackfield_worker::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // there is nowhere else to say it
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}
