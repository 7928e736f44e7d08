//! `jackfield serve`: a process that owns the journal and goes on with its runs until it is told to end.

use crate::access::Keeper;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::printer::Printer;
use crate::settings::Settings;
use anyhow::{Result, bail};
use jackfield::RunFilter;
use std::sync::mpsc;

pub(crate) fn run(settings: Settings, printer: &Printer) -> Result<Exit> {
    let data_dir = settings.data_place()?;
    let keeper = Keeper::owner(settings.watching_plugins().firing_schedules(), None)?;
    let Keeper::Here { host, .. } = &keeper else {
        bail!("another process owns the journal in {} already; stop it first", data_dir.display());
    };
    let interrupt = Interrupt::watch(printer)?;
    let (tell, told) = mpsc::channel();
    interrupt.on_signal(move || {
        // nobody listens any more once the process ends
        let _ = tell.send(());
    });
    let open = host.list(&RunFilter::default()).iter().filter(|run| !run.status.is_terminal()).count();
    printer.note(&format!("serving {}; {open} runs go on; Ctrl-C ends it", data_dir.display()));
    // the interrupt holds the sender until there is a signal
    let _ = told.recv();
    printer.note("putting runs away; press Ctrl-C again to end at once");
    drop(keeper);
    Ok(Exit::Success)
}
