//! The smallest useful plugin, and the template to copy: methods that answer what they are told, wait, or fail on
//! demand. Workflows use them in tests and examples.

use jackfield_plugin_api::prelude::*;
use std::time::{Duration, Instant};

export_plugin! {
    name: "echo",
    description: "answers what it is told, waits, or fails on demand",
    methods: [
        noop { inline, idempotent, description: "does nothing; unlike a pure method it is never optimised away" },
        echo { inline, pure, description: "returns its parameters as they are" },
        sleep { idempotent, description: "waits, unless it is cancelled" },
        spin { inline, idempotent, description: "keeps a processor busy" },
        fail_times { idempotent, description: "fails the first attempts of its step, then succeeds" },
        echo_async { async, pure, description: "returns its parameters as they are, asynchronously" },
    ],
}

/// How often a sleeping method looks whether it is cancelled.
const CANCEL_POLL: Duration = Duration::from_millis(5);

fn noop(_ctx: &Context, _: NoParams) -> Result<(), Error> {
    Ok(())
}

fn echo(_ctx: &Context, parameters: RawJson) -> Result<RawJson, Error> {
    Ok(parameters)
}

async fn echo_async(_ctx: Context, parameters: RawJson) -> Result<RawJson, Error> {
    Ok(parameters)
}

/// How long to wait.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sleep {
    /// Milliseconds; may be fractional.
    #[schemars(range(min = 0.0))]
    ms: f64,
}

fn sleep(ctx: &Context, p: Sleep) -> Result<(), Error> {
    let duration = Duration::try_from_secs_f64(p.ms / 1_000.0)
        .map_err(|error| Error::validation(format!("`ms` is {}: {error}", p.ms)))?;
    let started = Instant::now();
    loop {
        let left = duration.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        if ctx.is_cancelled() {
            return Err(Error::cancelled());
        }
        std::thread::sleep(left.min(CANCEL_POLL));
    }
}

/// How long to compute.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Spin {
    /// Microseconds.
    us: u64,
}

fn spin(_ctx: &Context, p: Spin) -> Result<(), Error> {
    let (started, duration) = (Instant::now(), Duration::from_micros(p.us));
    while started.elapsed() < duration {
        std::hint::spin_loop();
    }
    Ok(())
}

/// How often to fail.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FailTimes {
    /// Attempts that fail.
    n: u32,
}

/// The attempt that succeeded.
#[derive(Serialize, JsonSchema)]
struct Attempts {
    /// Attempts made, counting the first.
    attempts: u32,
}

fn fail_times(ctx: &Context, p: FailTimes) -> Result<Attempts, Error> {
    let attempts = ctx.attempt();
    if attempts <= p.n {
        return Err(Error::new("echo.told_to_fail", format!("attempt {attempts} of {} that fail", p.n)));
    }
    Ok(Attempts { attempts })
}

#[cfg(test)]
mod tests;
