//! A plugin of the tests that works with its host: signs of life, sessions, calls of other plugins.

use jackfield_plugin_api::prelude::*;
use std::time::{Duration, Instant};

export_plugin! {
    name: "partner",
    description: "works with its host, for tests",
    methods: [
        live { description: "gives signs of life for a while, then none" },
        live_inline = live { inline, description: "the same on the engine's own thread" },
        live_async { description: "the same as a future" },
        session { inline, description: "returns the session that it is called in" },
    ],
}

fn session(ctx: &Context, _: NoParams) -> Result<String, Error> {
    Ok(ctx.session().to_owned())
}

/// How long to go on, and how.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Life {
    /// Milliseconds with signs of life.
    beat_ms: u64,
    /// Milliseconds without, after that; ends early if the call is cancelled.
    #[serde(default)]
    silent_ms: u64,
    /// What the signs are.
    #[serde(default)]
    by: Sign,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Sign {
    #[default]
    Heartbeat,
    Progress,
    Log,
}

const STEP: Duration = Duration::from_millis(2);

fn give(ctx: &Context, sign: Sign) {
    match sign {
        Sign::Heartbeat => ctx.heartbeat(),
        Sign::Progress => ctx.progress(0.5, "alive"),
        Sign::Log => ctx.info("alive"),
    }
}

fn live(ctx: &Context, p: Life) -> Result<&'static str, Error> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(p.beat_ms) {
        give(ctx, p.by);
        std::thread::sleep(STEP);
    }
    let silent = Instant::now();
    while silent.elapsed() < Duration::from_millis(p.silent_ms) {
        if ctx.is_cancelled() {
            return Err(Error::cancelled());
        }
        std::thread::sleep(STEP);
    }
    Ok("lived")
}

async fn live_async(ctx: Context, p: Life) -> Result<&'static str, Error> {
    live(&ctx, p)
}
