//! Too much of what is allowed: log lines, threads.

use jackfield_plugin_api::prelude::*;

/// How much to say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FloodLog {
    /// Lines.
    #[serde(default = "lines")]
    #[schemars(range(max = 10_000_000))]
    lines: u32,
    /// Characters of each line.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    chars: u32,
}

fn lines() -> u32 {
    100_000
}

/// What was said.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Flooded {
    /// Lines.
    pub(crate) lines: u32,
}

/// Unlike the rest of this plugin it stops when it is told to, so that a test need not wait for its end.
pub(crate) fn flood_log(ctx: &Context, p: FloodLog) -> Result<Flooded, Error> {
    let line = "x".repeat(p.chars as usize);
    for said in 0..p.lines {
        if said % 64 == 0 && ctx.is_cancelled() {
            return Err(Error::cancelled());
        }
        ctx.info(&format!("{said} {line}"));
    }
    Ok(Flooded { lines: p.lines })
}

/// How many threads.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeakThread {
    /// Threads, each of which sleeps until its process ends.
    #[serde(default = "one")]
    #[schemars(range(max = 64))]
    count: u8,
}

fn one() -> u8 {
    1
}

/// What was started.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Leaked {
    /// Threads.
    pub(crate) count: u8,
}

pub(crate) fn leak_thread(ctx: &Context, p: LeakThread) -> Result<Leaked, Error> {
    for number in 0..p.count {
        let sleeper = std::thread::Builder::new().name("leaked".into());
        let started = sleeper.stack_size(64 << 10).spawn(|| {
            loop {
                std::thread::park();
            }
        });
        if let Err(error) = started {
            return Err(Error::new("fault.leak_thread", format!("cannot start thread {number}: {error}")));
        }
    }
    ctx.info(&format!("{} threads are left behind", p.count));
    Ok(Leaked { count: p.count })
}
