//! The head of a frame.

use std::fmt;

/// Bytes of a head: length of the body (u32), kind (u8), number of the call (u64), each little-endian.
pub const HEAD_BYTES: usize = 13;

/// What precedes the body of every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the body.
    pub body_bytes: u32,
    /// What the body is.
    pub kind: Kind,
    /// The call that it is about; [`NO_CALL`](super::NO_CALL) if none.
    pub call: u64,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal,)+) => {
        /// What a frame is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[doc = $doc])+ $name = $number,)+
        }

        impl Kind {
            /// The kind with this number, if there is one.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// To the worker: which plugin to open, and how; [`Hello`](super::Hello).
    Hello = 1,
    /// To the worker: make a call; [`CallBody`](super::CallBody).
    Call = 2,
    /// To the worker: the call is to stop; no body.
    Cancel = 3,
    /// To the worker: end once no call is left; no body.
    Shutdown = 4,
    /// To either: the next frame comes by the memory that both share, instead of here; no body.
    Shared = 5,
    /// To the worker: what a call of another plugin's method returned; the number is that of the request, the body its result.
    Answered = 6,
    /// To the worker: such a call failed; the number is that of the request, the body a [`FailureBody`](super::FailureBody).
    AnswerFailed = 7,
    /// To the worker: hand the plugin's state over ([`STATE`](super::feature::STATE)); no body. It is answered under this number like a
    /// call, the result being the state, or with [`Kind::NoState`].
    SaveState = 8,
    /// To the worker: take over the state of another version, which is the body, before the first call. It is answered under this
    /// number like a call, the result being empty, or with [`Kind::NoState`].
    RestoreState = 9,
    /// To the host: the plugin is open; [`Ready`](super::Ready).
    Ready = 16,
    /// To the host: the plugin cannot be opened; [`Refusal`](super::Refusal). The worker ends.
    Refused = 17,
    /// To the host: the result of a call, as it came from the method.
    Result = 18,
    /// To the host: a call failed; [`FailureBody`](super::FailureBody).
    Failed = 19,
    /// To the host: a call panicked; the body is the message.
    Panicked = 20,
    /// To the host: the plugin does not offer that; the body is its message.
    Unsupported = 21,
    /// To the host: the plugin answered with an unknown status; the body is an i32.
    BadStatus = 22,
    /// To the host: the result is larger than [`Hello::result_bytes_max`](super::Hello); the body is its size, a u64.
    TooLarge = 23,
    /// To the host: the plugin neither hands its state over nor takes any; no body.
    NoState = 24,
    /// To the host: a log line; [`LogBody`](super::LogBody). It may belong to no call.
    Log = 32,
    /// To the host: how far a call is; [`ProgressBody`](super::ProgressBody).
    Progress = 33,
    /// To the host: a line that the work of a call printed; [`LineBody`](super::LineBody).
    Output = 34,
    /// To the host: a call is alive; the body is what it wants to find again, as JSON.
    Heartbeat = 35,
    /// To the host: call a method of another plugin; [`RequestBody`](super::RequestBody).
    CallMethod = 48,
}

impl Kind {
    /// Whether it ends a call, or answers what the host asked about state.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(
            self,
            Self::Result
                | Self::Failed
                | Self::Panicked
                | Self::Unsupported
                | Self::BadStatus
                | Self::TooLarge
                | Self::NoState
        )
    }

    /// Whether it is something that a method says while it runs.
    #[must_use]
    pub const fn is_telling(self) -> bool {
        matches!(self, Self::Log | Self::Progress | Self::Output | Self::Heartbeat)
    }
}

/// Why bytes are no frame of this protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokenFrame {
    /// The kind has no meaning.
    UnknownKind(u8),
    /// The body is longer than one of its kind may be.
    TooLong {
        /// Bytes of the body.
        bytes: u64,
        /// What it may have.
        bytes_max: u64,
    },
    /// The body ends too early, has something behind its end, or holds what its kind does not allow.
    Body(&'static str),
}

impl fmt::Display for BrokenFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind(number) => write!(f, "a frame of the unknown kind {number}"),
            Self::TooLong { bytes, bytes_max } => {
                write!(f, "a frame with a body of {bytes} bytes, where {bytes_max} are allowed")
            }
            Self::Body(reason) => write!(f, "a frame whose body cannot be read: {reason}"),
        }
    }
}

impl std::error::Error for BrokenFrame {}

impl Head {
    /// The head of a frame with a body of `body_bytes`.
    ///
    /// # Errors
    /// If that is more than [`BODY_BYTES_MAX`](super::BODY_BYTES_MAX).
    pub fn new(kind: Kind, call: u64, body_bytes: usize) -> Result<Self, BrokenFrame> {
        let bytes_max = super::BODY_BYTES_MAX;
        match u32::try_from(body_bytes) {
            Ok(body_bytes) if body_bytes <= bytes_max => Ok(Self { body_bytes, kind, call }),
            _ => Err(BrokenFrame::TooLong { bytes: body_bytes as u64, bytes_max: bytes_max.into() }),
        }
    }

    /// As it is sent.
    #[must_use]
    pub fn encode(self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[4] = self.kind as u8;
        bytes[5..].copy_from_slice(&self.call.to_le_bytes());
        bytes
    }

    /// Reads a head. `bytes_max` tells how long the body of a frame of a kind may be.
    ///
    /// # Errors
    /// If the kind is unknown or the body would be too long.
    pub fn decode(bytes: &[u8; HEAD_BYTES], bytes_max: impl Fn(Kind) -> u32) -> Result<Self, BrokenFrame> {
        let [a, b, c, d, number, call @ ..] = *bytes;
        let kind = Kind::from_number(number).ok_or(BrokenFrame::UnknownKind(number))?;
        let (body_bytes, bytes_max) = (u32::from_le_bytes([a, b, c, d]), bytes_max(kind));
        if body_bytes > bytes_max {
            return Err(BrokenFrame::TooLong { bytes: body_bytes.into(), bytes_max: bytes_max.into() });
        }
        Ok(Self { body_bytes, kind, call: u64::from_le_bytes(call) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        for number in 0..=u8::MAX {
            let Some(kind) = Kind::from_number(number) else { continue };
            let head = Head::new(kind, u64::MAX - 7, 70_000).unwrap();
            assert_eq!(Head::decode(&head.encode(), |_| 70_000), Ok(head));
            let refused = BrokenFrame::TooLong { bytes: 70_000, bytes_max: 69_999 };
            assert_eq!(Head::decode(&head.encode(), |_| 69_999), Err(refused));
        }
    }

    #[test]
    fn unknown_kinds_and_endless_bodies_are_refused() {
        let mut bytes = Head::new(Kind::Result, 1, 5).unwrap().encode();
        bytes[4] = 200;
        assert_eq!(Head::decode(&bytes, |_| 100), Err(BrokenFrame::UnknownKind(200)));
        assert!(Head::new(Kind::Result, 1, (1 << 30) + 1).is_err());
    }
}
