//! Frames out of a ring, put together from whatever pieces they come in.

use super::{BrokenRing, Consumer};
use jackfield_plugin_api::worker::{BrokenFrame, HEAD_BYTES, Head, Kind};

impl From<BrokenRing> for BrokenFrame {
    fn from(_: BrokenRing) -> Self {
        Self::Body("the positions in the shared memory cannot be")
    }
}

/// What has been read of a frame.
#[derive(Default)]
pub struct FrameReader {
    head: Vec<u8>,
    begun: Option<(Head, Vec<u8>)>,
}

impl FrameReader {
    /// Whether a frame has begun and is not complete.
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.begun.is_some() || !self.head.is_empty()
    }

    /// The next frame, if all of it is there; `bytes_max` says how long the body of a frame of a kind may be.
    ///
    /// # Errors
    /// If what is there is no frame, or none of those that may go this way.
    pub fn next(
        &mut self,
        ring: &mut Consumer,
        bytes_max: impl Fn(Kind) -> u32,
    ) -> Result<Option<(Kind, u64, Vec<u8>)>, BrokenFrame> {
        if self.begun.is_none() {
            let missing = HEAD_BYTES - self.head.len();
            ring.take(&mut self.head, missing)?;
            let Some(head) = self.head.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
            let head = Head::decode(head, bytes_max)?;
            if head.kind == Kind::Shared {
                return Err(BrokenFrame::Body("it stands where the shared memory is read already"));
            }
            self.head.clear();
            self.begun = Some((head, Vec::with_capacity(head.body_bytes as usize)));
        }
        if let Some((head, body)) = &mut self.begun {
            let bytes = head.body_bytes as usize;
            while body.len() < bytes {
                if ring.take(body, bytes - body.len())? == 0 {
                    return Ok(None);
                }
            }
        }
        Ok(self.begun.take().map(|(head, body)| (head.kind, head.call, body)))
    }
}
