//! What ends the process that the plugin runs in, or doubles it.
#![expect(unsafe_code, reason = "neither a segmentation fault nor a fork can be had without")]

use jackfield_plugin_api::prelude::*;

/// A line for whoever looks for the culprit, in both ways of saying one.
fn announce(ctx: &Context, what: &str) {
    ctx.warn(what);
    ctx.output_line(Stream::Stderr, what);
}

pub(crate) fn segfault(ctx: &Context, _: NoParams) -> Result<(), Error> {
    announce(ctx, "about to write to address 8");
    let nowhere = std::ptr::without_provenance_mut::<u8>(8);
    // SAFETY: there is none: the first page is never mapped, so the system ends the process, which is what was asked for.
    unsafe { nowhere.write_volatile(1) };
    Ok(())
}

pub(crate) fn abort(ctx: &Context, _: NoParams) -> Result<(), Error> {
    announce(ctx, "about to abort");
    std::process::abort()
}

/// How to end.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExitParams {
    /// Exit code.
    #[serde(default)]
    code: u8,
}

#[expect(clippy::exit, reason = "it is what was asked for")]
pub(crate) fn exit(ctx: &Context, p: ExitParams) -> Result<(), Error> {
    announce(ctx, "about to exit");
    std::process::exit(p.code.into())
}

pub(crate) fn stack_overflow(ctx: &Context, _: NoParams) -> Result<u64, Error> {
    announce(ctx, "about to overflow the stack");
    Ok(deeper(0))
}

#[expect(unconditional_recursion, reason = "it is what was asked for")]
fn deeper(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    deeper(depth + 1) + std::hint::black_box(frame)[7]
}

/// A process that goes on by itself.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Forked {
    /// Its number.
    pid: i32,
}

#[cfg(unix)]
pub(crate) fn fork(_ctx: &Context, _: NoParams) -> Result<Forked, Error> {
    // SAFETY: the child, which has only this thread of several, does nothing but calls that are safe after a signal.
    match unsafe { libc::fork() } {
        -1 => {
            let error = std::io::Error::last_os_error();
            Err(Error::new("fault.fork", format!("cannot fork: {error}")))
        }
        0 => loop {
            // SAFETY: it takes nothing and touches no memory.
            unsafe { libc::pause() };
        },
        pid => Ok(Forked { pid }),
    }
}

#[cfg(not(unix))]
pub(crate) fn fork(_ctx: &Context, _: NoParams) -> Result<Forked, Error> {
    Err(Error::new("fault.fork", "this system has no fork").permanent())
}
