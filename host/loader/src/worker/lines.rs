//! The last lines that a worker has said, for reports of its end.

use std::collections::VecDeque;

/// Lines that are kept.
const LINES_MAX: usize = 20;
/// Bytes of a line that are kept.
const LINE_BYTES_MAX: usize = 400;

#[derive(Default)]
pub(crate) struct LastLines {
    lines: VecDeque<String>,
}

impl LastLines {
    pub(crate) fn push(&mut self, line: &str) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line[..line.floor_char_boundary(LINE_BYTES_MAX)].to_owned());
    }

    pub(crate) fn to_vec(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

/// Cuts a stream of bytes into lines.
#[derive(Default)]
pub(crate) struct Splitter {
    begun: Vec<u8>,
}

impl Splitter {
    /// Takes more bytes and gives each line that they end. What is too long is cut.
    pub(crate) fn take(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = (LINE_BYTES_MAX + 4).saturating_sub(self.begun.len());
            self.begun.extend(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.end(&mut line);
            }
        }
    }

    /// Gives what stands behind the last end of a line, if anything.
    pub(crate) fn end(&mut self, mut line: impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.begun);
        let text = text.trim_end();
        if !text.is_empty() {
            line(text);
        }
        self.begun.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_lines_wherever_they_are_cut() {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for part in ["a", "b\nc", "\n\n", "d\r\nend"] {
            splitter.take(part.as_bytes(), |line| lines.push(line.to_owned()));
        }
        splitter.end(|line| lines.push(line.to_owned()));
        assert_eq!(lines, ["ab", "c", "d", "end"]);
    }

    #[test]
    fn endless_lines_and_many_lines_take_bounded_memory() {
        let mut splitter = Splitter::default();
        let mut last = LastLines::default();
        for _ in 0..1_000 {
            splitter.take(&[b'x'; 1_000], |_| ());
        }
        assert!(splitter.begun.len() < 500);
        splitter.take(b"\n", |line| last.push(line));
        (0..50).for_each(|nth| last.push(&format!("line {nth}")));
        assert_eq!((last.to_vec().len(), &*last.to_vec()[19]), (20, "line 49"));
    }
}
