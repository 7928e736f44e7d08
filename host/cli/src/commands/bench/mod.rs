//! `jackfield bench`: what steps, calls and definitions cost. Everything goes through the facade, from a document that
//! is generated here and checked like any other.

mod calls;
mod crowd;
mod definition;
mod document;
mod figures;
mod graph;
mod growth;
mod job;
mod kernel;
mod list;
mod load;
mod memory;
mod metg;
mod random;
mod restart;
mod runs;
mod service;
mod spin;
mod spread;
mod together;
mod verify;
mod waiting;

use crate::args::{BenchArgs, BenchEngine, BenchIsolation, Shape};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::settings::Settings;
use anyhow::{Result, anyhow, bail};
use figures::Figures;
use jackfield::{Engine, Error, Isolation, JOURNAL_FILE};
use job::Job;

/// The plugin whose methods are called.
const PLUGIN: &str = "echo";

pub(crate) fn run(args: &BenchArgs, mut settings: Settings, printer: &Printer) -> Result<Exit> {
    settings.set_history(args.history.into());
    let threads = settings.set_threads(args.threads.map(|count| count as usize));
    let job = Job::new(args, threads)?;
    settings.set_isolation(
        PLUGIN,
        match args.isolation {
            BenchIsolation::InProcess => Isolation::InProcess,
            BenchIsolation::Worker => Isolation::Worker,
        },
    );
    if let Some(transport) = args.transport {
        settings.set_transport(PLUGIN, transport.into());
    }
    // a document of ours that is refused is nothing its user has written: no fault of theirs, and nothing to show
    let figures = measure(settings, &job, printer).map_err(|error| {
        match error.downcast_ref::<Error>().and_then(Error::invalid) {
            Some(invalid) => anyhow!("the plugins that were found do not fit the benchmark: {invalid}"),
            None => error,
        }
    })?;
    if printer.is_json() {
        printer.result_json(&figures.object(&job))?;
    } else {
        printer.result(&figures.table(&job, printer))?;
    }
    Ok(Exit::Success)
}

fn measure(settings: Settings, job: &Job, printer: &Printer) -> Result<Figures> {
    match job.shape {
        Shape::Restart => return restart::measure(&settings, job, printer),
        Shape::Service => return service::measure(&settings, job, printer),
        _ => {}
    }
    let dir = match job.engine {
        BenchEngine::Memory => None,
        BenchEngine::Sqlite => Some(settings.scratch_dir("bench")?),
    };
    let journal = dir.as_ref().map(|dir| dir.path().join(JOURNAL_FILE));
    let host = settings.host_on(None, journal.as_ref().map_or_else(Engine::memory, Engine::sqlite))?;
    if host.plugin(PLUGIN)?.is_empty() {
        bail!(
            "`bench` calls the plugin `{PLUGIN}`, which was not found; name its directory with `--plugin-path`"
        );
    }
    let figures = match (job.shape, &journal) {
        (Shape::Calls, _) => calls::measure(&host, job),
        (Shape::Definition, _) => definition::measure(&host, job),
        (Shape::Waiting, _) => waiting::measure(&host, job, printer),
        (Shape::List, Some(journal)) => list::measure(&host, journal, job, printer),
        (Shape::Growth, _) => growth::measure(&host, job, printer),
        _ => runs::measure(&host, job, printer),
    }?;
    host.shutdown();
    Ok(figures)
}
