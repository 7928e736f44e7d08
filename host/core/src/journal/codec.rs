//! Facts as bytes. A batch is the facts that were applied at one time. The order of the variants below is the format:
//! new ones go to the end, none is ever changed.

use super::{BlobId, Blobs, Damage, INLINE_LEN_MAX};
use crate::failure::Failure;
use crate::payload::Payload;
use crate::plan::{Channel, StepIx};
use crate::run::{CallKey, CancelMode, Fact, Forked, InstanceIx, Retried, TimerId};
use crate::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

/// Facts that were applied at one time.
#[derive(Clone, Debug)]
pub struct Batch {
    /// When.
    pub at: Timestamp,
    /// In this order.
    pub facts: Vec<Fact>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    /// Nanoseconds since the run's start; negative if the clock was set back.
    after: i64,
    facts: u32,
}

#[derive(Serialize, Deserialize)]
enum Stored<'a> {
    Completed {
        key: Key,
        duration: u64,
        #[serde(borrow)]
        result: Text<'a>,
    },
    Failed {
        key: Key,
        duration: u64,
        #[serde(borrow)]
        failure: Wrong<'a>,
    },
    Timer(u64),
    Cancel {
        is_kill: bool,
        reason: &'a str,
    },
    Pause(&'a str),
    Resume,
    Sent {
        channel: Channel,
        name: &'a str,
        #[serde(borrow)]
        data: Text<'a>,
    },
    Began(Key),
    Admitted,
    Retried {
        keep: u64,
        /// Instance and step.
        failed: Option<(u32, u32)>,
        from: Option<&'a str>,
    },
    Forked {
        run_id: &'a str,
        at: &'a str,
        #[serde(borrow)]
        input: Option<Text<'a>>,
    },
    Recovered,
}

#[derive(Serialize, Deserialize)]
struct Key {
    instance: u32,
    step: u32,
    attempt: u32,
    is_undo: bool,
}

#[derive(Serialize, Deserialize)]
struct Wrong<'a> {
    kind: &'a str,
    message: &'a str,
    #[serde(borrow)]
    details: Text<'a>,
    step: &'a str,
    attempts: u32,
    is_retryable: bool,
}

#[derive(Serialize, Deserialize)]
enum Text<'a> {
    Null,
    Here(&'a str),
    Blob([u8; 32]),
}

/// Appends a batch to `into`; what is too long to stand there goes to `blobs`.
pub fn encode_batch(
    started_at: Timestamp,
    at: Timestamp,
    facts: &[Fact],
    into: &mut Vec<u8>,
    blobs: &mut Blobs,
) {
    let head = Head {
        after: i64::try_from(i128::from(at.0) - i128::from(started_at.0)).unwrap_or(i64::MAX),
        facts: u32::try_from(facts.len()).unwrap_or(u32::MAX),
    };
    push(&head, into);
    for fact in facts {
        let stored = match fact {
            Fact::Outcome { key, duration, outcome: Ok(result) } => {
                Stored::Completed { key: (*key).into(), duration: duration.0, result: text(result, blobs) }
            }
            Fact::Outcome { key, duration, outcome: Err(failure) } => Stored::Failed {
                key: (*key).into(),
                duration: duration.0,
                failure: Wrong {
                    kind: &failure.kind,
                    message: &failure.message,
                    details: text(&failure.details, blobs),
                    step: &failure.step,
                    attempts: failure.attempts,
                    is_retryable: failure.retryable,
                },
            },
            Fact::Admitted => Stored::Admitted,
            Fact::Began(key) => Stored::Began((*key).into()),
            Fact::Timer(id) => Stored::Timer(id.0),
            Fact::Cancel { mode, reason } => Stored::Cancel { is_kill: *mode == CancelMode::Kill, reason },
            Fact::Pause { reason } => Stored::Pause(reason),
            Fact::Resume => Stored::Resume,
            Fact::Recovered => Stored::Recovered,
            Fact::Forked(forked) => Stored::Forked {
                run_id: &forked.run_id,
                at: &forked.at,
                input: forked.input.as_ref().map(|input| text(input, blobs)),
            },
            Fact::Retried(retried) => Stored::Retried {
                keep: retried.keep,
                failed: retried.failed.map(|(instance, step)| (instance.0, step.0)),
                from: retried.from.as_deref(),
            },
            Fact::Sent { channel, name, data } => {
                Stored::Sent { channel: *channel, name, data: text(data, blobs) }
            }
        };
        push(&stored, into);
    }
}

fn push(value: &impl Serialize, into: &mut Vec<u8>) {
    // writing numbers and texts into memory cannot fail
    if let Err(error) = postcard::to_io(value, &mut *into) {
        unreachable!("a fact could not be written: {error}");
    }
}

fn text<'a>(payload: &'a Payload, blobs: &mut Blobs) -> Text<'a> {
    if payload.is_null() {
        return Text::Null;
    }
    if payload.len() <= INLINE_LEN_MAX {
        return Text::Here(payload.as_str());
    }
    let id = BlobId::of(payload.as_bytes());
    blobs.push((id, payload.clone()));
    Text::Blob(id.0)
}

/// Reads batches back, in order.
pub struct Batches<'a> {
    bytes: &'a [u8],
    len: usize,
    started_at: Timestamp,
    blob: &'a dyn Fn(BlobId) -> Option<Payload>,
}

impl<'a> Batches<'a> {
    /// The batches in `bytes`, of a run that began at `started_at`; long values come from `blob`.
    #[must_use]
    pub fn new(bytes: &'a [u8], started_at: Timestamp, blob: &'a dyn Fn(BlobId) -> Option<Payload>) -> Self {
        Self { bytes, len: bytes.len(), started_at, blob }
    }

    fn take<T: Deserialize<'a>>(&mut self) -> Result<T, Damage> {
        match postcard::take_from_bytes(self.bytes) {
            Ok((value, rest)) => {
                self.bytes = rest;
                Ok(value)
            }
            Err(error) => {
                let at = self.len - self.bytes.len();
                Err(Damage::Unreadable { at, why: error.to_string() })
            }
        }
    }

    fn payload(&self, text: Text<'_>) -> Result<Payload, Damage> {
        match text {
            Text::Null => Ok(Payload::null()),
            Text::Here(text) => Ok(Payload::trusted(text)),
            Text::Blob(id) => (self.blob)(BlobId(id)).ok_or(Damage::NoBlob(BlobId(id))),
        }
    }

    fn fact(&mut self) -> Result<Fact, Damage> {
        Ok(match self.take::<Stored<'a>>()? {
            Stored::Completed { key, duration, result } => Fact::Outcome {
                key: key.into(),
                duration: Nanos(duration),
                outcome: Ok(self.payload(result)?),
            },
            Stored::Failed { key, duration, failure } => {
                let failure = Failure {
                    kind: failure.kind.into(),
                    message: failure.message.into(),
                    details: self.payload(failure.details)?,
                    step: failure.step.into(),
                    attempts: failure.attempts,
                    retryable: failure.is_retryable,
                };
                Fact::Outcome { key: key.into(), duration: Nanos(duration), outcome: Err(Box::new(failure)) }
            }
            Stored::Admitted => Fact::Admitted,
            Stored::Began(key) => Fact::Began(key.into()),
            Stored::Timer(id) => Fact::Timer(TimerId(id)),
            Stored::Cancel { is_kill, reason } => Fact::Cancel {
                mode: if is_kill { CancelMode::Kill } else { CancelMode::Graceful },
                reason: reason.into(),
            },
            Stored::Pause(reason) => Fact::Pause { reason: reason.into() },
            Stored::Resume => Fact::Resume,
            Stored::Recovered => Fact::Recovered,
            Stored::Forked { run_id, at, input } => {
                let input = input.map(|input| self.payload(input)).transpose()?;
                Fact::Forked(Box::new(Forked { run_id: run_id.into(), at: at.into(), input }))
            }
            Stored::Retried { keep, failed, from } => Fact::Retried(Box::new(Retried {
                keep,
                failed: failed.map(|(instance, step)| (InstanceIx(instance), StepIx(step))),
                from: from.map(Into::into),
            })),
            Stored::Sent { channel, name, data } => {
                Fact::Sent { channel, name: name.into(), data: self.payload(data)? }
            }
        })
    }

    fn batch(&mut self) -> Result<Batch, Damage> {
        let head: Head = self.take()?;
        let at = i128::from(self.started_at.0) + i128::from(head.after);
        let at = Timestamp(u64::try_from(at).unwrap_or(0));
        let facts = (0..head.facts).map(|_| self.fact()).collect::<Result<_, _>>()?;
        Ok(Batch { at, facts })
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let batch = self.batch();
        if batch.is_err() {
            // what follows damaged bytes has no meaning
            self.bytes = &[];
        }
        Some(batch)
    }
}

impl From<CallKey> for Key {
    fn from(key: CallKey) -> Self {
        let CallKey { instance, step, attempt, is_undo } = key;
        Self { instance: instance.0, step: step.0, attempt, is_undo }
    }
}

impl From<Key> for CallKey {
    fn from(key: Key) -> Self {
        let Key { instance, step, attempt, is_undo } = key;
        Self { instance: InstanceIx(instance), step: StepIx(step), attempt, is_undo }
    }
}
