//! What ends the process that the plugin runs in.
#![expect(unsafe_code, reason = "a segmentation fault cannot be had without")]

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
