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
        produce { inline, idempotent, description: "counts on, and returns an object of the size that is asked for" },
        fail_times { idempotent, description: "fails the first attempts of its step, then succeeds" },
        echo_async { async, pure, description: "returns its parameters as they are, asynchronously" },
    ],
}

/// How often a sleeping method looks whether it is cancelled, and how long a computing one goes on before it looks.
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
    /// Microseconds; may be fractional.
    #[schemars(range(min = 0.0))]
    us: f64,
}

fn spin(ctx: &Context, p: Spin) -> Result<(), Error> {
    compute_for(ctx, p.us)
}

fn compute_for(ctx: &Context, us: f64) -> Result<(), Error> {
    let started = Instant::now();
    let duration = Duration::try_from_secs_f64(us / 1_000_000.0)
        .map_err(|error| Error::validation(format!("`us` is {us}: {error}")))?;
    loop {
        let elapsed = started.elapsed();
        if elapsed >= duration {
            return Ok(());
        }
        // short computations, which are measured, do nothing but compute
        if elapsed >= CANCEL_POLL && ctx.is_cancelled() {
            return Err(Error::cancelled());
        }
        std::hint::spin_loop();
    }
}

/// Largest result that `produce` makes.
const PRODUCE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Produce {
    /// Size of the result in bytes, as JSON text; at least what its frame needs, at most 64 MiB.
    bytes: usize,
    /// Where to count on from, such as the `count` of another result.
    #[serde(default)]
    count: u32,
    /// Microseconds to compute before; may be fractional.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    us: f64,
}

/// Returns `{"count": <count + 1>, "text": "xxx..."}`. It declares no schema of its result, so that a host has only
/// to see that it is JSON.
fn produce(ctx: &Context, p: Produce) -> Result<RawJson, Error> {
    if p.us != 0.0 {
        compute_for(ctx, p.us)?;
    }
    let head = format!("{{\"count\":{},\"text\":\"", u64::from(p.count) + 1);
    let bytes_min = head.len() + 2;
    if !(bytes_min..=PRODUCE_BYTES_MAX).contains(&p.bytes) {
        let message = format!("`bytes` is {}, it can be {bytes_min} to {PRODUCE_BYTES_MAX}", p.bytes);
        return Err(Error::validation(message));
    }
    let mut text = Vec::with_capacity(p.bytes);
    text.extend_from_slice(head.as_bytes());
    text.resize(p.bytes - 2, b'x');
    text.extend_from_slice(b"\"}");
    Ok(RawJson::new(text))
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
