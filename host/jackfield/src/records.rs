//! The records of a run as a stream.

use futures_core::Stream;
use jackfield_core::run::Event;
use jackfield_engine::RunHandle;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

type Pending = Pin<Box<dyn Future<Output = Vec<Event>> + Send>>;

/// Records in order, from the first one on. It ends when the run has ended and all has been read. A slow reader
/// holds nothing up: the records stay with the run. After the record that a run goes on as new come those of the
/// generation that goes on then, numbered from 0; one that is over before its first record is read is left out.
#[must_use = "streams do nothing unless polled"]
pub struct Records {
    handle: RunHandle,
    buffer: VecDeque<Event>,
    next_seq: u64,
    pending: Option<Pending>,
}

impl Records {
    pub(crate) fn new(handle: RunHandle) -> Self {
        Self { handle, buffer: VecDeque::new(), next_seq: 0, pending: None }
    }

    /// The next record; `None` at the end. The same as the stream's item, without a trait to import. Dropping the
    /// future loses no record.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Records {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(event) = self.buffer.pop_front() {
                return Poll::Ready(Some(event));
            }
            let (handle, from) = (self.handle.clone(), self.next_seq);
            let pending =
                self.pending.get_or_insert_with(|| Box::pin(async move { handle.next_events(from).await }));
            let events = ready!(pending.as_mut().poll(context));
            self.pending = None;
            let Some(last) = events.last() else {
                let latest = self.handle.latest();
                if latest.is_same(&self.handle) {
                    return Poll::Ready(None);
                }
                (self.handle, self.next_seq) = (latest, 0);
                continue;
            };
            self.next_seq = last.seq + 1;
            self.buffer.extend(events);
        }
    }
}
