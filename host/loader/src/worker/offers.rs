//! What a call needs of its worker beyond the protocol. The program of a worker may be older than its host.

use super::pool::PoolSetup;
use super::talk::Worker;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::ports::Call;

/// Whether `worker` can serve `call` as its step asks.
///
/// # Errors
/// `plugin.unavailable` if its program is too old for that.
pub(crate) fn serves(call: &Call, worker: &Worker, setup: &PoolSetup) -> Result<(), Failure> {
    if call.pulse.is_none() || worker.features().heartbeat {
        return Ok(());
    }
    let message = format!(
        "plugin `{}`: the worker program `{}` is older than its host and passes no heartbeats on. Update it, or take \
         `heartbeat_timeout` out",
        setup.plugin,
        setup.program.path.display()
    );
    Err(Failure { retryable: false, ..Failure::new(kind::PLUGIN_UNAVAILABLE, message) })
}
