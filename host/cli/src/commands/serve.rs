//! `jackfield serve`: a process that owns the journal and goes on with its runs until it is told to end.

use crate::access::Keeper;
use crate::args::ServeArgs;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::printer::Printer;
use crate::settings::Settings;
use anyhow::{Result, bail};
use jackfield::{Engine, Host, JOURNAL_FILE, RunFilter};
use jackfield_server::{OpenHost, Server, ServerSetup};
use std::path::Path;
use std::sync::{Arc, mpsc};

pub(crate) fn run(args: ServeArgs, settings: Settings, printer: &Printer) -> Result<Exit> {
    let data_dir = settings.data_place()?;
    let settings = settings.watching_plugins().firing_schedules();
    let keeper = Keeper::owner(settings.clone(), None)?;
    let Keeper::Here { host, .. } = &keeper else {
        bail!("another process owns the journal in {} already; stop it first", data_dir.display());
    };
    let interrupt = Interrupt::watch(printer)?;
    let (tell, told) = mpsc::channel();
    interrupt.on_signal(move || {
        // nobody listens any more once the process ends
        let _ = tell.send(());
    });
    let server = listen(args, settings, &data_dir, host.clone())?;
    let open = host.list(&RunFilter::default()).iter().filter(|run| !run.status.is_terminal()).count();
    if let Some(server) = &server {
        server.warnings().iter().for_each(|warning| printer.warning(warning));
        server.urls().iter().for_each(|url| printer.note(&format!("listening on {url}")));
    }
    printer.note(&format!("serving {}; {open} runs go on; Ctrl-C ends it", data_dir.display()));
    // the interrupt holds the sender until there is a signal
    let _ = told.recv();
    printer.note("putting runs away; press Ctrl-C again to end at once");
    // nobody asks any more before runs are put away
    drop(server);
    drop(keeper);
    Ok(Exit::Success)
}

/// The server on TCP, if there is an address for it.
fn listen(args: ServeArgs, settings: Settings, data_dir: &Path, host: Host) -> Result<Option<Server>> {
    let mut config = settings.server();
    let configured = std::mem::take(&mut config.listen);
    let listen = if args.listen.is_empty() { configured } else { args.listen };
    if listen.is_empty() {
        return Ok(None);
    }
    allow_many_connections();
    let open: OpenHost = Arc::new(move |dir: &Path| {
        let engine = Engine::sqlite(dir.join(JOURNAL_FILE));
        settings.clone().host_on(None, engine).map_err(|error| format!("{error:#}"))
    });
    let setup = ServerSetup { data_dir: data_dir.to_owned(), host, open, listen, config };
    Ok(Some(Server::start(setup)?))
}

/// Every connection is an open file, and shells often allow no more than 1,024.
#[cfg(unix)]
fn allow_many_connections() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // where the system refuses, connections beyond its limit wait
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(not(unix))]
fn allow_many_connections() {}
