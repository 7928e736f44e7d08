//! `jackfield bench`: what steps, calls and definitions cost. Everything goes through the facade, from a document that
//! is generated here and checked like any other.

mod calls;
mod definition;
mod document;
mod figures;
mod graph;
mod job;
mod load;
mod memory;
mod metg;
mod random;
mod runs;
mod spin;
mod spread;
mod together;
mod verify;
mod written;

use crate::args::{BenchArgs, BenchEngine, BenchIsolation, Shape};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::settings::Settings;
use anyhow::{Result, anyhow, bail};
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
    let dir = match job.engine {
        BenchEngine::Memory => None,
        BenchEngine::Sqlite => Some(settings.scratch_dir("bench")?),
    };
    let engine =
        dir.as_ref().map_or_else(Engine::memory, |dir| Engine::sqlite(dir.path().join(JOURNAL_FILE)));
    let host = settings.host_on(None, engine)?;
    if host.plugin(PLUGIN)?.is_empty() {
        bail!(
            "`bench` calls the plugin `{PLUGIN}`, which was not found; name its directory with `--plugin-path`"
        );
    }
    let measured = match job.shape {
        Shape::Calls => calls::measure(&host, &job),
        Shape::Definition => definition::measure(&host, &job),
        _ => runs::measure(&host, &job, printer),
    };
    // a document of ours that is refused is nothing its user has written: no fault of theirs, and nothing to show
    let figures = measured.map_err(|error| match error.downcast_ref::<Error>().and_then(Error::invalid) {
        Some(invalid) => anyhow!("the plugins that were found do not fit the benchmark: {invalid}"),
        None => error,
    })?;
    host.shutdown();
    if printer.is_json() {
        printer.result_json(&figures.object(&job))?;
    } else {
        printer.result(&figures.table(&job, printer))?;
    }
    Ok(Exit::Success)
}
