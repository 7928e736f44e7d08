//! What ends the process that the plugin runs in, doubles it, or cuts it off from its host.
#![expect(
    unsafe_code,
    reason = "neither a segmentation fault nor a fork nor the descriptors of others can be had without"
)]

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

/// Descriptors of a process, at most: as many as a worker may have unless configured.
#[cfg(unix)]
const DESCRIPTORS: i32 = 256;

/// Which descriptors.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Descriptors {
    /// The lowest; those below stay as they are.
    #[serde(default)]
    #[schemars(range(max = 255))]
    from: u8,
}

/// How many there were.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Count {
    /// Descriptors.
    count: u32,
}

#[cfg(unix)]
pub(crate) fn close_fds(ctx: &Context, p: Descriptors) -> Result<Count, Error> {
    announce(ctx, "about to close all descriptors");
    let mut count = 0;
    for descriptor in i32::from(p.from)..DESCRIPTORS {
        // SAFETY: there is none for those who own the descriptors, which is what was asked for; no memory is touched.
        count += u32::from(unsafe { libc::close(descriptor) } == 0);
    }
    Ok(Count { count })
}

/// What to write to descriptors.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteFds {
    /// The lowest; nothing is written to those below.
    #[serde(default)]
    #[schemars(range(max = 255))]
    from: u8,
    /// What is written to each, byte by byte.
    #[schemars(length(max = 4096))]
    bytes: Vec<u8>,
}

#[cfg(unix)]
pub(crate) fn write_fds(ctx: &Context, p: WriteFds) -> Result<Count, Error> {
    announce(ctx, "about to write to all descriptors");
    let mut count = 0;
    for descriptor in i32::from(p.from)..DESCRIPTORS {
        // SAFETY: the bytes are valid for as many as are written; the descriptors' owners have no say, as was asked for.
        let written = unsafe { libc::write(descriptor, p.bytes.as_ptr().cast(), p.bytes.len()) };
        count += u32::from(written > 0);
    }
    Ok(Count { count })
}

#[cfg(not(unix))]
pub(crate) fn close_fds(_ctx: &Context, p: Descriptors) -> Result<Count, Error> {
    let message = format!("this system has no descriptors from {} on", p.from);
    Err(Error::new("fault.close_fds", message).permanent())
}

#[cfg(not(unix))]
pub(crate) fn write_fds(_ctx: &Context, p: WriteFds) -> Result<Count, Error> {
    let message = format!("this system has no descriptors from {} on for {} bytes", p.from, p.bytes.len());
    Err(Error::new("fault.write_fds", message).permanent())
}

/// Writes to every socket of this process, and perhaps says that nothing more follows; how many there were.
#[cfg(unix)]
pub(crate) fn write_to_sockets(bytes: &[u8], and_end: bool) -> u32 {
    let mut count = 0;
    for descriptor in 3..DESCRIPTORS {
        // SAFETY: the bytes are valid for as many as are sent; what is no socket is refused by the system.
        let sent = unsafe { libc::send(descriptor, bytes.as_ptr().cast(), bytes.len(), 0) };
        count += u32::from(sent > 0);
        if sent > 0 && and_end {
            // SAFETY: it touches no memory.
            unsafe { libc::shutdown(descriptor, libc::SHUT_WR) };
        }
    }
    count
}
