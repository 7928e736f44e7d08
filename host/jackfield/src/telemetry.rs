//! Logging for programs that want Jackfield's own: a subscriber of `tracing` that writes to a place of the
//! caller's choice. Hosts emit spans and events in any case; a program with a subscriber of its own sees them there.

use crate::Error;
use crate::config::LogFormat;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Makes a subscriber the one of this process.
///
/// `filter` has the syntax of `RUST_LOG`, such as `info` or `jackfield_engine=debug,warn`.
///
/// # Errors
/// If `filter` cannot be read, or the process has a subscriber already.
pub fn init<W>(format: LogFormat, filter: &str, color: bool, writer: W) -> Result<(), Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Error::setup(format!("log filter `{filter}` cannot be read: {error}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let result = match format {
        LogFormat::Pretty => builder.with_ansi(color).compact().try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    result.map_err(|error| Error::setup(format!("logging cannot be set up: {error}")))
}
