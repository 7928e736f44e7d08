//! What a program prints, read in bounded memory. Bytes that are no UTF-8 become U+FFFD, and it is said that they did.

use std::collections::VecDeque;
use std::io::{self, Read};

/// Stands behind output of which only the beginning is kept, with the number of all bytes.
pub const CUT_MARK: &str = "[output cut";

/// How much is read at once, in bytes.
const CHUNK_LEN: usize = 64 << 10;

/// The beginning of an output and its whole length.
#[derive(Debug)]
pub struct Capped {
    kept: Vec<u8>,
    cap: usize,
    total: u64,
}

/// A line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its text, or the beginning of it.
    pub text: String,
    /// Whether bytes were replaced that are no UTF-8.
    pub is_lossy: bool,
    /// Bytes that were left out, because it was too long.
    pub bytes_cut: u64,
}

/// The last lines of an output.
#[derive(Debug)]
pub struct Tail {
    lines: VecDeque<String>,
    lines_max: usize,
}

/// `bytes` as text, and whether some were no UTF-8.
#[must_use]
pub fn text(bytes: &[u8]) -> (String, bool) {
    let text = String::from_utf8_lossy(bytes);
    let is_lossy = matches!(text, std::borrow::Cow::Owned(_));
    (text.into_owned(), is_lossy)
}

impl Capped {
    /// Keeps at most `cap` bytes.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        Self { kept: Vec::new(), cap, total: 0 }
    }

    /// Takes what comes next.
    pub fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.cap - self.kept.len();
        self.kept.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    /// Bytes that came, kept or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether something was not kept.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.total > self.kept.len() as u64
    }

    /// What was kept, without the beginning of a character that was cut through.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        if !self.is_cut() {
            return &self.kept;
        }
        match std::str::from_utf8(&self.kept) {
            Err(error) if error.error_len().is_none() => &self.kept[..error.valid_up_to()],
            _ => &self.kept,
        }
    }

    /// "[output cut: 5 of 9 bytes]" if something was not kept.
    #[must_use]
    pub fn mark(&self) -> Option<String> {
        self.is_cut().then(|| format!("{CUT_MARK}: {} of {} bytes]", self.bytes().len(), self.total))
    }
}

/// Takes everything.
impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tail {
    /// Keeps at most `lines_max` lines.
    #[must_use]
    pub fn new(lines_max: usize) -> Self {
        Self { lines: VecDeque::with_capacity(lines_max), lines_max }
    }

    /// Takes the next line.
    pub fn add(&mut self, line: &str) {
        if self.lines.len() == self.lines_max {
            self.lines.pop_front();
        }
        if self.lines_max > 0 {
            self.lines.push_back(line.to_owned());
        }
    }

    /// The lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

/// Reads to the end and hands on each line, of which at most `line_len_max` bytes are kept. Also the bytes as they come, to
/// `raw`. Returns how many there were.
///
/// # Errors
/// If reading fails.
pub fn read_lines(
    mut from: impl Read,
    line_len_max: usize,
    mut raw: impl FnMut(&[u8]),
    mut line: impl FnMut(Line),
) -> io::Result<u64> {
    let (mut chunk, mut begun, mut total) = (vec![0; CHUNK_LEN], Capped::new(line_len_max), 0);
    loop {
        let len = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        total += len as u64;
        raw(&chunk[..len]);
        let mut rest = &chunk[..len];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            begun.add(&rest[..end]);
            line(finish(&mut begun));
            rest = &rest[end + 1..];
        }
        begun.add(rest);
    }
    if begun.total() > 0 {
        line(finish(&mut begun));
    }
    Ok(total)
}

/// The line that has been collected; `begun` is empty afterwards.
fn finish(begun: &mut Capped) -> Line {
    let bytes = begun.bytes();
    let bytes_cut = begun.total() - bytes.len() as u64;
    let bytes = if bytes_cut == 0 { bytes.strip_suffix(b"\r").unwrap_or(bytes) } else { bytes };
    let (text, is_lossy) = text(bytes);
    begun.kept.clear();
    begun.total = 0;
    Line { text, is_lossy, bytes_cut }
}
