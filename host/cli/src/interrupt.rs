//! Ctrl-C and SIGTERM: the first asks the run to end, with its clean-up; the second ends the process at once.

use crate::exit::Exit;
use crate::printer::Printer;
use anyhow::{Context, Result};
use jackfield::{CancelMode, ExitNote, Host, Run};
use parking_lot::Mutex;
use std::sync::Arc;

/// Watches for signals while a run goes on.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    count: u32,
    run: Option<Run>,
    on_signal: Option<Box<dyn FnOnce() + Send>>,
    exit: Option<ExitNote>,
}

impl Interrupt {
    /// Takes over the signals of this process, once.
    pub(crate) fn watch(printer: &Printer) -> Result<Self> {
        let interrupt = Self::default();
        let (watched, printer) = (interrupt.clone(), printer.clone());
        ctrlc::set_handler(move || watched.signalled(&printer)).context("cannot watch for Ctrl-C")?;
        Ok(interrupt)
    }

    /// Whether there was a signal.
    pub(crate) fn happened(&self) -> bool {
        self.state.lock().count > 0
    }

    /// The run to cancel. A signal that came before it is not lost.
    pub(crate) fn attach(&self, host: &Host, run: &Run) {
        let mut state = self.state.lock();
        state.exit = Some(host.exit_note());
        state.run = Some(run.clone());
        if state.count > 0 {
            run.cancel(CancelMode::Graceful, "interrupted");
        }
    }

    /// What to do at the first signal instead of cancelling a run.
    pub(crate) fn on_signal(&self, act: impl FnOnce() + Send + 'static) {
        let mut state = self.state.lock();
        if state.count > 0 {
            drop(state);
            return act();
        }
        state.on_signal = Some(Box::new(act));
    }

    fn signalled(&self, printer: &Printer) {
        let (count, run, act, exit) = {
            let mut state = self.state.lock();
            state.count += 1;
            (state.count, state.run.clone(), state.on_signal.take(), state.exit.clone())
        };
        if count > 1 {
            leave(exit);
        }
        if let Some(act) = act {
            return act();
        }
        printer.note("cancelling; press Ctrl-C again to end at once");
        if let Some(run) = run {
            run.cancel(CancelMode::Graceful, "interrupted");
        }
    }
}

#[expect(clippy::exit, reason = "the second signal ends the process whatever else it is doing")]
fn leave(exit: Option<ExitNote>) -> ! {
    if let Some(exit) = exit {
        exit.leave();
    }
    std::process::exit(i32::from(Exit::Interrupted.code()))
}
