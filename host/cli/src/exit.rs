//! How the process ends, and what is said when something could not be done.

use crate::printer::Printer;
use crate::show::{diagnostics, with_remedy};
use std::io;

/// The exit codes, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Success,
    /// The workflow failed, was cancelled, or the document is invalid.
    Failed,
    /// It could not be done: usage, environment, or a defect.
    Trouble,
    /// Interrupted by a signal.
    Interrupted,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Trouble => 2,
            Self::Interrupted => 130,
        }
    }
}

/// Says what went wrong and decides on the exit code.
pub(crate) fn report(error: &anyhow::Error, printer: &Printer) -> Exit {
    if is_closed_pipe(error) {
        return Exit::Success;
    }
    if let Some(invalid) = error.downcast_ref::<jackfield::Error>().and_then(jackfield::Error::invalid) {
        return match diagnostics::report(invalid, printer) {
            Ok(()) => Exit::Failed,
            Err(error) => report(&error, printer),
        };
    }
    match error.downcast_ref::<jackfield::Error>() {
        Some(jackfield::Error::Plugin(fault)) => {
            printer.error(&with_remedy(&format!("{fault} [{}]", fault.code()), &fault.remedy()));
        }
        _ => printer.error(&format!("{error:#}")),
    }
    Exit::Trouble
}

/// Whoever read our output has seen enough: nothing went wrong.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Global;
    use anyhow::Context;

    #[test]
    fn a_closed_pipe_is_a_success_and_other_trouble_is_not() {
        let printer = Printer::new(&Global { quiet: true, ..Global::default() });
        let closed: Result<(), _> = Err(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(report(&closed.context("printing").unwrap_err(), &printer), Exit::Success);
        let full: Result<(), _> = Err(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(report(&full.context("printing").unwrap_err(), &printer), Exit::Trouble);
    }
}
