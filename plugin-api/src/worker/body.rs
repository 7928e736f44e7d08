//! Bodies in binary form: those that are sent often. Numbers are little-endian; a text is its length (u32) and its bytes.

use super::frame::BrokenFrame;

/// What can stand behind a head.
pub trait Body<'a>: Sized {
    /// Appends it as it is sent.
    fn encode(&self, bytes: &mut Vec<u8>);

    /// Reads it.
    ///
    /// # Errors
    /// If the bytes are something else.
    fn decode(bytes: &'a [u8]) -> Result<Self, BrokenFrame>;
}

/// One attempt of a call. Frame: `Call`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallBody<'a> {
    /// Place of the method in the manifest.
    pub method_index: u32,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Nanoseconds until the attempt is given up; `u64::MAX` if it may take for ever.
    pub deadline_left_ns: u64,
    /// Name of the method.
    pub method: &'a str,
    /// `run_id/step`: what tells a repeated request.
    pub idempotency_key: &'a str,
    /// Bytes of the id of the run, with which the key begins.
    pub run_id_bytes: u32,
    /// Affinity key; empty if none.
    pub session: &'a str,
    /// W3C trace context; empty if none.
    pub traceparent: &'a str,
    /// Parameters as JSON.
    pub params: &'a str,
}

/// Why a call failed. Frame: `Failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureBody<'a> {
    /// Whether trying again may help.
    pub is_retryable: bool,
    /// Dotted type.
    pub kind: &'a str,
    /// One sentence.
    pub message: &'a str,
    /// JSON; empty if there is nothing more.
    pub details: &'a str,
}

/// A log line. Frame: `Log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBody<'a> {
    /// One of `JF_LOG_*`.
    pub level: u32,
    /// The line.
    pub message: &'a str,
    /// A JSON object, or empty.
    pub fields: &'a str,
}

/// How far a call is. Frame: `Progress`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProgressBody<'a> {
    /// 0 to 1.
    pub fraction: f64,
    /// What is being done.
    pub message: &'a str,
}

/// A line that the work of a call printed. Frame: `Output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineBody<'a> {
    /// Which stream.
    pub is_stderr: bool,
    /// Without its end.
    pub line: &'a str,
}

/// A call of another plugin's method. Frame: `CallMethod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBody<'a> {
    /// The number that the answer is to have; new for each request of the worker.
    pub request: u64,
    /// Name of the plugin.
    pub plugin: &'a str,
    /// Name of the method.
    pub method: &'a str,
    /// Parameters as JSON.
    pub params: &'a str,
}

impl<'a> CallBody<'a> {
    /// Id of the run.
    #[must_use]
    pub fn run_id(&self) -> &'a str {
        self.idempotency_key.get(..self.run_id_bytes as usize).unwrap_or_default()
    }

    /// Path of the step.
    #[must_use]
    pub fn step(&self) -> &'a str {
        self.idempotency_key.get(self.run_id_bytes as usize + 1..).unwrap_or_default()
    }

    /// The time that an encoded body has left, without a look at the rest of it; `None` if it is too short to be one.
    #[must_use]
    pub fn deadline_left_ns(bytes: &[u8]) -> Option<u64> {
        Some(u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?))
    }

    /// Everything but the parameters, which stand at the end: so they need not be copied to be sent.
    pub fn encode_head(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.method_index.to_le_bytes());
        bytes.extend(self.attempt.to_le_bytes());
        bytes.extend(self.deadline_left_ns.to_le_bytes());
        bytes.extend(self.run_id_bytes.to_le_bytes());
        for text in [self.method, self.idempotency_key, self.session, self.traceparent] {
            push_text(bytes, text);
        }
    }
}

impl<'a> Body<'a> for CallBody<'a> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        self.encode_head(bytes);
        bytes.extend(self.params.as_bytes());
    }

    fn decode(bytes: &'a [u8]) -> Result<Self, BrokenFrame> {
        let mut rest = Rest(bytes);
        let (method_index, attempt, deadline_left_ns) = (rest.u32()?, rest.u32()?, rest.u64()?);
        let run_id_bytes = rest.u32()?;
        let (method, idempotency_key) = (rest.text()?, rest.text()?);
        if idempotency_key.as_bytes().get(run_id_bytes as usize) != Some(&b'/') {
            return Err(BrokenFrame::Body("the id of the run does not end where it should"));
        }
        let (session, traceparent) = (rest.text()?, rest.text()?);
        let params = utf8(rest.0)?;
        Ok(Self {
            method_index,
            attempt,
            deadline_left_ns,
            method,
            idempotency_key,
            run_id_bytes,
            session,
            traceparent,
            params,
        })
    }
}

impl<'a> Body<'a> for RequestBody<'a> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.request.to_le_bytes());
        push_text(bytes, self.plugin);
        push_text(bytes, self.method);
        bytes.extend(self.params.as_bytes());
    }

    fn decode(bytes: &'a [u8]) -> Result<Self, BrokenFrame> {
        let mut rest = Rest(bytes);
        let (request, plugin, method) = (rest.u64()?, rest.text()?, rest.text()?);
        Ok(Self { request, plugin, method, params: utf8(rest.0)? })
    }
}

impl<'a> Body<'a> for FailureBody<'a> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self.is_retryable));
        for text in [self.kind, self.message, self.details] {
            push_text(bytes, text);
        }
    }

    fn decode(bytes: &'a [u8]) -> Result<Self, BrokenFrame> {
        let mut rest = Rest(bytes);
        let is_retryable = rest.truth()?;
        let (kind, message, details) = (rest.text()?, rest.text()?, rest.text()?);
        rest.end()?;
        Ok(Self { is_retryable, kind, message, details })
    }
}

impl<'a> Body<'a> for LogBody<'a> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.level.to_le_bytes());
        push_text(bytes, self.message);
        push_text(bytes, self.fields);
    }

    fn decode(bytes: &'a [u8]) -> Result<Self, BrokenFrame> {
        let mut rest = Rest(bytes);
        let (level, message, fields) = (rest.u32()?, rest.text()?, rest.text()?);
        rest.end()?;
        Ok(Self { level, message, fields })
    }
}

impl<'a> Body<'a> for ProgressBody<'a> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.fraction.to_bits().to_le_bytes());
        push_text(bytes, self.message);
    }

    fn decode(bytes: &'a [u8]) -> Result<Self, BrokenFrame> {
        let mut rest = Rest(bytes);
        let (fraction, message) = (f64::from_bits(rest.u64()?), rest.text()?);
        rest.end()?;
        Ok(Self { fraction, message })
    }
}

impl<'a> Body<'a> for LineBody<'a> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self.is_stderr));
        push_text(bytes, self.line);
    }

    fn decode(bytes: &'a [u8]) -> Result<Self, BrokenFrame> {
        let mut rest = Rest(bytes);
        let (is_stderr, line) = (rest.truth()?, rest.text()?);
        rest.end()?;
        Ok(Self { is_stderr, line })
    }
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    // a text beyond 4 GiB does not fit into any frame: whoever makes the head refuses it
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    bytes.extend(len.to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], BrokenFrame> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(BrokenFrame::Body("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BrokenFrame> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32, BrokenFrame> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, BrokenFrame> {
        self.array().map(u64::from_le_bytes)
    }

    fn truth(&mut self) -> Result<bool, BrokenFrame> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(BrokenFrame::Body("a truth is neither 0 nor 1")),
        }
    }

    fn text(&mut self) -> Result<&'a str, BrokenFrame> {
        let len = self.u32()?;
        utf8(self.take(len as usize)?)
    }

    fn end(&self) -> Result<(), BrokenFrame> {
        if self.0.is_empty() { Ok(()) } else { Err(BrokenFrame::Body("something stands behind its end")) }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, BrokenFrame> {
    std::str::from_utf8(bytes).map_err(|_| BrokenFrame::Body("a text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    fn round<'a, T: Body<'a> + PartialEq + Debug>(body: &T, bytes: &'a mut Vec<u8>, has_open_end: bool) {
        body.encode(bytes);
        bytes.push(b'x');
        let (whole, longer): (&[u8], &[u8]) = (&bytes[..bytes.len() - 1], bytes);
        assert_eq!(T::decode(whole).as_ref(), Ok(body));
        assert_eq!(T::decode(longer).is_ok(), has_open_end);
        if !has_open_end {
            for len in 0..whole.len() {
                assert!(T::decode(&whole[..len]).is_err(), "cut at {len}");
            }
        }
    }

    #[test]
    fn bodies_are_read_as_they_were_written_and_never_beyond_their_ends() {
        let call = CallBody {
            method_index: 3,
            attempt: 2,
            deadline_left_ns: u64::MAX,
            method: "load",
            idempotency_key: "run/a[1].b",
            run_id_bytes: 3,
            session: "",
            traceparent: "00-1",
            params: "{\"ä\":1}",
        };
        assert_eq!((call.run_id(), call.step()), ("run", "a[1].b"));
        let mut bytes = Vec::new();
        CallBody { deadline_left_ns: 7, ..call }.encode(&mut bytes);
        assert_eq!(CallBody::deadline_left_ns(&bytes), Some(7));
        assert_eq!(CallBody::deadline_left_ns(&bytes[..15]), None);
        round(&call, &mut Vec::new(), true);
        let failure = FailureBody { is_retryable: true, kind: "a.b", message: "ü", details: "" };
        round(&failure, &mut Vec::new(), false);
        let request = RequestBody { request: 7, plugin: "p", method: "m", params: "[1]" };
        round(&request, &mut Vec::new(), true);
        round(&LogBody { level: 2, message: "m", fields: "{}" }, &mut Vec::new(), false);
        round(&ProgressBody { fraction: 0.25, message: "m" }, &mut Vec::new(), false);
        round(&LineBody { is_stderr: true, line: "l" }, &mut Vec::new(), false);
    }

    #[test]
    fn rubbish_is_refused() {
        assert!(LineBody::decode(&[2, 0, 0, 0, 0]).is_err());
        assert!(LineBody::decode(&[0, 1, 0, 0, 0, 0xff]).is_err());
        assert!(LineBody::decode(&[0, 0xff, 0xff, 0xff, 0xff]).is_err());
        let mut bytes = Vec::new();
        let call = CallBody {
            method_index: 0,
            attempt: 1,
            deadline_left_ns: 0,
            method: "m",
            idempotency_key: "run/s",
            run_id_bytes: 4,
            session: "",
            traceparent: "",
            params: "",
        };
        call.encode(&mut bytes);
        assert!(CallBody::decode(&bytes).is_err(), "the key has no slash there");
    }
}
