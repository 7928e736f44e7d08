//! A plugin of the tests that works with its host: signs of life, sessions, calls of other plugins.

use jackfield_plugin_api::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

export_plugin! {
    name: "partner",
    description: "works with its host, for tests",
    stateful_config: Settings,
    optional: &[("echo", "^0.1"), ("fault", "^0.1"), ("gone", "^1"), ("mirror", "^1")],
    methods: [
        live { description: "gives signs of life for a while, then none" },
        live_inline = live { inline, description: "the same on the engine's own thread" },
        live_async { description: "the same as a future" },
        session { inline, description: "returns the session that it is called in" },
        trace { description: "returns the trace context that it is called in" },
        trace_async { description: "the same as a future" },
        relay { description: "calls a method of another plugin and returns what that returns" },
        relay_inline = relay { inline, description: "the same on the engine's own thread" },
        relay_async { description: "the same as a future" },
        one_by_one = relay { serial, description: "the same, one call at a time" },
        leave_behind { description: "calls a method of another plugin and does not wait for it" },
        until_told { description: "waits until it is told to stop, and looks at nothing meanwhile" },
        until_told_async { description: "the same as a future" },
        whoami { description: "tells what it sees of its call" },
        count { description: "counts the calls of each session in this instance" },
    ],
}

fn session(ctx: &Context, _: NoParams) -> Result<String, Error> {
    Ok(ctx.session().to_owned())
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(skip)]
    counts: Mutex<BTreeMap<String, u64>>,
}

/// Whether to end the process first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Trace {
    /// The attempt that does.
    crash_at_attempt: Option<u32>,
}

fn trace(ctx: &Context, p: Trace) -> Result<String, Error> {
    if p.crash_at_attempt == Some(ctx.attempt()) {
        std::process::abort();
    }
    Ok(ctx.traceparent().to_owned())
}

async fn trace_async(ctx: Context, _: NoParams) -> Result<String, Error> {
    Ok(ctx.traceparent().to_owned())
}

/// What to call.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Relay {
    plugin: String,
    method: String,
    #[serde(default)]
    params: serde_json::Value,
    /// So many calls one after the other; the last result counts.
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

fn relay(ctx: &Context, p: Relay) -> Result<serde_json::Value, Error> {
    let mut last = serde_json::Value::Null;
    for _ in 0..p.times {
        last = ctx.call(&p.plugin, &p.method, &p.params)?;
    }
    Ok(last)
}

async fn relay_async(ctx: Context, p: Relay) -> Result<serde_json::Value, Error> {
    let mut last = serde_json::Value::Null;
    for _ in 0..p.times {
        last = ctx.call_async(&p.plugin, &p.method, &p.params).await?;
    }
    Ok(last)
}

async fn leave_behind(ctx: Context, p: Relay) -> Result<&'static str, Error> {
    let mut call = std::pin::pin!(ctx.call_async::<serde_json::Value>(&p.plugin, &p.method, &p.params));
    // asks for it once, which begins it
    std::future::poll_fn(|cx| {
        let _ = call.as_mut().poll(cx);
        std::task::Poll::Ready(())
    })
    .await;
    Ok("left")
}

fn until_told(ctx: &Context, _: NoParams) -> Result<(), Error> {
    let (tx, rx) = std::sync::mpsc::channel();
    let _told = ctx.on_cancel(move || {
        let _ = tx.send(());
    });
    ctx.info("waiting");
    rx.recv().map_err(|_| Error::other("nobody is left to tell it"))?;
    Err(Error::new("partner.told", "it was told to stop"))
}

async fn until_told_async(ctx: Context, _: NoParams) -> Result<(), Error> {
    ctx.info("waiting");
    ctx.cancelled().await;
    Err(Error::new("partner.told", "it was told to stop"))
}

/// A call as its method sees it.
#[derive(Serialize, JsonSchema)]
struct Seen {
    step: String,
    key: String,
    session: String,
    traceparent: String,
    has_deadline: bool,
    pid: u32,
}

fn whoami(ctx: &Context, _: NoParams) -> Result<Seen, Error> {
    Ok(Seen {
        step: ctx.step().to_owned(),
        key: ctx.idempotency_key().to_owned(),
        session: ctx.session().to_owned(),
        traceparent: ctx.traceparent().to_owned(),
        has_deadline: ctx.deadline().is_some(),
        pid: std::process::id(),
    })
}

impl State for Settings {
    fn save(&self) -> Result<serde_json::Value, Error> {
        Ok(serde_json::to_value(&*self.counts.lock().unwrap_or_else(PoisonError::into_inner))?)
    }

    fn restore(&self, saved: serde_json::Value) -> Result<(), Error> {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = serde_json::from_value(saved)?;
        Ok(())
    }
}

/// Where a session is.
#[derive(Serialize, JsonSchema)]
struct Counted {
    /// The process.
    pid: u32,
    /// Calls of this session so far.
    calls: u64,
}

fn count(ctx: &Context, p: Count) -> Result<Counted, Error> {
    std::thread::sleep(Duration::from_millis(p.ms));
    let settings = ctx.config::<Settings>().ok_or_else(|| Error::other("it has no settings"))?;
    let mut counts = settings.counts.lock().unwrap_or_else(PoisonError::into_inner);
    let calls = counts.entry(ctx.session().to_owned()).or_default();
    *calls += 1;
    if p.crash_at == Some(*calls) {
        std::process::abort();
    }
    Ok(Counted { pid: std::process::id(), calls: *calls })
}

/// How to count.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Count {
    /// Milliseconds that it takes.
    #[serde(default)]
    ms: u64,
    /// The call at which to end the process.
    crash_at: Option<u64>,
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
        if ctx.is_cancelled() {
            return Err(Error::cancelled());
        }
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

#[cfg(test)]
mod tests {
    use super::exported_plugin;

    #[test]
    fn state_goes_from_one_instance_to_another_and_what_is_none_is_an_error() {
        let table = exported_plugin();
        let make = || table.create("{}", Box::new(|_, _, _| ())).unwrap();
        let saved = br#"{"a":3,"b":4}"#;
        let (first, second) = (make(), make());
        assert!(table.has_state() && first.restore_state(saved).is_some_and(|restored| restored.is_ok()));
        let state = first.save_state().unwrap().unwrap();
        assert_eq!(state.as_bytes(), saved);
        assert!(second.restore_state(b"[1]").unwrap().is_err());
        assert_eq!(second.save_state().unwrap().unwrap().as_bytes(), b"{}");
    }
}
