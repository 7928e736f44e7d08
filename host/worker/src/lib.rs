//! The process that runs one plugin apart from its host: it opens the library that the host names, makes the calls that
//! the host sends, and reports their ends and what the methods say meanwhile. Whatever the plugin does to the process, the
//! host goes on.
//!
//! A host starts it with the conversation's socket as standard input. Standard output and standard error belong to the
//! plugin; the host keeps their last lines for reports of crashes.

#[cfg(unix)]
mod call;
#[cfg(unix)]
mod crew;
#[cfg(unix)]
mod open;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod requests;
#[cfg(unix)]
mod ring;
#[cfg(unix)]
mod shared;
#[cfg(unix)]
mod wire;

pub mod sandbox;

use jackfield_plugin_api::worker::BrokenFrame;

/// Why a worker could not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// Standard input is no socket.
    #[error(
        "a worker is started by a host, which talks to it over standard input; this is of no use by hand"
    )]
    NoHost,
    /// The host says something that this version does not understand.
    #[error("the host sent {0}")]
    Broken(#[from] BrokenFrame),
    /// The host began with something else than a hello.
    #[error("the host did not begin with a hello")]
    NoHello,
    /// The system refuses something.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// There are no workers here.
    #[error("worker processes are not supported on this system")]
    Unsupported,
}

/// Serves the host that started this process until it says that this is enough. If the host goes away the process is
/// killed, with everything that the plugin has started in it.
///
/// # Errors
/// If there is no host, or it cannot be understood. A plugin that cannot be opened is told to the host and is no error.
#[cfg(unix)]
pub fn serve() -> Result<(), WorkerError> {
    let socket = process::settle()?;
    let (wire, mut reader) = wire::split(socket)?;
    let (hello, shared) = reader.hello()?;
    if shared.is_some() {
        jackfield_loader::shared::keep_freed_memory();
    }
    match open::open(&hello, &wire) {
        Ok(opened) => {
            wire.send_ready(&opened, shared.as_ref().map(shared::Shared::outlet))?;
            match opened.instance {
                Some(instance) => {
                    let source = crew::Source::new(reader, shared)?;
                    crew::Crew::new(wire, source, instance, (opened.kinds, opened.cancel), &hello).serve()
                }
                None => {
                    reader.until_end();
                    Ok(())
                }
            }
        }
        Err(refusal) => {
            wire.send_refusal(&refusal)?;
            reader.until_end();
            Ok(())
        }
    }
}

/// Serves the host that started this process; not on this system.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub fn serve() -> Result<(), WorkerError> {
    Err(WorkerError::Unsupported)
}
