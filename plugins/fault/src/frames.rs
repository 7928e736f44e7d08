//! Frames of the worker protocol that its host must not believe. They are written to every socket of the process, one of
//! which is the conversation.

use jackfield_plugin_api::prelude::*;
#[cfg(unix)]
use jackfield_plugin_api::worker::{Head, Kind};

/// What to say.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lie {
    /// A frame of a kind that nobody knows.
    UnknownKind,
    /// A frame that only a host sends.
    OfHost,
    /// The head of a result that is longer than any may be.
    TooLong,
    /// The result of a call that was never made.
    NoSuchCall,
    /// A second answer to the hello, with another manifest.
    ReadyAgain,
    /// A log line whose body cannot be read.
    BrokenBody,
    /// Half a head, and the end of the conversation.
    Half,
}

/// What to say to the host.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrongFrames {
    /// What is wrong with it.
    lie: Lie,
}

/// What became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Lied {
    /// Sockets that it was written to.
    pub(crate) sockets: u32,
}

#[cfg(unix)]
pub(crate) fn wrong_frames(ctx: &Context, p: WrongFrames) -> Result<Lied, Error> {
    ctx.warn("about to lie to the host");
    ctx.output_line(Stream::Stderr, "about to lie to the host");
    Ok(Lied { sockets: crate::crash::write_to_sockets(&frame(p.lie)?, matches!(p.lie, Lie::Half)) })
}

#[cfg(unix)]
fn frame(lie: Lie) -> Result<Vec<u8>, Error> {
    let whole = |kind: Kind, call: u64, body: &[u8]| -> Result<Vec<u8>, Error> {
        let head = Head::new(kind, call, body.len()).or_fail("fault.wrong_frames")?;
        Ok([&head.encode(), body].concat())
    };
    let mut frame = match lie {
        Lie::OfHost => whole(Kind::Hello, 0, b"{}")?,
        Lie::NoSuchCall => whole(Kind::Result, u64::MAX - 1, b"1")?,
        Lie::ReadyAgain => whole(Kind::Ready, 0, b"{\"protocol\":99}")?,
        Lie::BrokenBody => whole(Kind::Log, 0, b"\xff")?,
        Lie::UnknownKind | Lie::TooLong | Lie::Half => whole(Kind::Result, 1, b"")?,
    };
    match lie {
        Lie::UnknownKind => frame[4] = 250,
        Lie::TooLong => frame[..4].fill(0xff),
        Lie::Half => frame.truncate(7),
        _ => {}
    }
    Ok(frame)
}

#[cfg(not(unix))]
pub(crate) fn wrong_frames(_ctx: &Context, p: WrongFrames) -> Result<Lied, Error> {
    let message = format!("there are no workers on this system to say `{:?}` in", p.lie);
    Err(Error::new("fault.wrong_frames", message).permanent())
}
