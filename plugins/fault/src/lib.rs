//! Misbehaves on request: for tests of a host, and for users who want to see what a host does about it.

use jackfield_plugin_api::prelude::*;
use std::time::{Duration, Instant};

mod crash;
mod flood;
mod frames;
mod reach;

use crash::{abort, close_fds, exit, fork, segfault, stack_overflow, write_fds};
use flood::{flood_log, leak_thread};
use frames::wrong_frames;
use reach::{allocate, connect, read_file, spawn};

export_plugin! {
    name: "fault",
    description: "misbehaves on request",
    methods: [
        error { description: "fails with an error of your choice" },
        panic = panic_now { description: "panics" },
        hang { description: "sleeps and does not look whether it is cancelled" },
        busy_loop { description: "computes and does not look whether it is cancelled" },
        invalid_json { description: "returns something that is no JSON" },
        wrong_schema { description: "returns something that its schema does not allow" },
        oversize { description: "returns a string of a length of your choice" },
        segfault { description: "writes where nothing may be written" },
        abort { description: "aborts its process" },
        exit { description: "ends its process with an exit code of your choice" },
        stack_overflow { description: "calls itself until the stack is full" },
        allocate { description: "allocates memory and writes to all of it" },
        fork { description: "leaves a copy of its process behind, which sleeps until it is killed" },
        close_fds { description: "closes all descriptors of its process" },
        write_fds { description: "writes bytes of your choice to all descriptors of its process" },
        wrong_frames { description: "says to the host of its worker what a worker may not say" },
        flood_log { description: "writes many log lines as fast as it can" },
        leak_thread { description: "starts threads that never end" },
        read_file { description: "reads a file and returns its size" },
        connect { description: "connects to an address over TCP" },
        spawn { description: "runs a program and returns what it printed" },
    ],
}

/// The error to fail with.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ErrorParams {
    /// Dotted type.
    #[serde(rename = "type", default = "default_kind")]
    kind: String,
    /// What it says.
    #[serde(default = "default_message")]
    message: String,
    /// Whether it claims that trying again may help.
    #[serde(default)]
    retryable: bool,
}

fn default_kind() -> String {
    "fault.error".into()
}

fn default_message() -> String {
    "failed on request".into()
}

fn error(_ctx: &Context, p: ErrorParams) -> Result<(), Error> {
    Err(Error::new(&p.kind, p.message).retryable(p.retryable))
}

/// What to say when panicking.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PanicParams {
    /// The message.
    #[serde(default = "panic_message")]
    message: String,
}

fn panic_message() -> String {
    "panicked on request".into()
}

fn panic_now(_ctx: &Context, p: PanicParams) -> Result<(), Error> {
    std::panic::panic_any(p.message)
}

/// How long to misbehave.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bound {
    /// Milliseconds; for ever if absent.
    ms: Option<u64>,
}

impl Bound {
    fn left(&self, started: Instant) -> Duration {
        self.ms.map_or(Duration::MAX, |ms| Duration::from_millis(ms).saturating_sub(started.elapsed()))
    }
}

fn hang(ctx: &Context, p: Bound) -> Result<(), Error> {
    const NAP: Duration = Duration::from_secs(60);
    let started = Instant::now();
    ctx.info("hanging");
    while !p.left(started).is_zero() {
        std::thread::sleep(p.left(started).min(NAP));
    }
    Ok(())
}

fn busy_loop(ctx: &Context, p: Bound) -> Result<(), Error> {
    let started = Instant::now();
    ctx.info("looping");
    while !p.left(started).is_zero() {
        std::hint::spin_loop();
    }
    Ok(())
}

fn invalid_json(_ctx: &Context, _: NoParams) -> Result<RawJson, Error> {
    Ok(RawJson::new("{\"cut\": "))
}

fn wrong_schema(_ctx: &Context, _: NoParams) -> Result<RawJson<u64>, Error> {
    Ok(RawJson::new("\"a text where a number was promised\""))
}

/// How much to return.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Oversize {
    /// Length of the result as JSON in bytes, the two quotes included.
    #[schemars(range(min = 2))]
    bytes: usize,
}

fn oversize(_ctx: &Context, p: Oversize) -> Result<RawJson<String>, Error> {
    let mut text = vec![b'x'; p.bytes.max(2)];
    text[0] = b'"';
    if let Some(last) = text.last_mut() {
        *last = b'"';
    }
    Ok(RawJson::new(text))
}

#[cfg(test)]
mod tests;
