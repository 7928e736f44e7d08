//! Facts of several runs in one piece of bytes: for each the run, the number of its first batch, the length, the batches.
//! Numbers take seven bits a byte, lowest first.

use crate::fault::{Fault, Result};

/// Batches of facts of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) run: u64,
    /// Number of the first batch.
    pub(crate) first: u64,
    pub(crate) batches: &'a [u8],
}

impl Frame<'_> {
    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        push(self.run, into);
        push(self.first, into);
        push(self.batches.len() as u64, into);
        into.extend_from_slice(self.batches);
    }
}

fn push(mut number: u64, into: &mut Vec<u8>) {
    while number > 0x7f {
        into.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

/// Reads frames back, in order.
pub(crate) struct Frames<'a>(&'a [u8]);

impl<'a> Frames<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn frame(&mut self) -> Option<Frame<'a>> {
        let (run, first) = (self.number()?, self.number()?);
        let len = usize::try_from(self.number()?).ok()?;
        let (batches, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(Frame { run, first, batches })
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let frame = self.frame();
        if frame.is_none() {
            // what follows has no meaning
            self.0 = &[];
        }
        Some(frame.ok_or_else(|| Fault::Damaged("a row of the log is cut short".into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_and_cut_ones_are_an_error() {
        let wanted = [
            Frame { run: 1, first: 0, batches: b"" },
            Frame { run: u64::MAX, first: 127, batches: &[7; 300] },
            Frame { run: 128, first: u64::MAX, batches: b"x" },
        ];
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for frame in &wanted {
            frame.write(&mut bytes);
            ends.push(bytes.len());
        }
        let back: Vec<Frame<'_>> = Frames::new(&bytes).map(|frame| frame.unwrap()).collect();
        assert_eq!(back, wanted);
        for len in 1..bytes.len() {
            let read: Result<Vec<Frame<'_>>> = Frames::new(&bytes[..len]).collect();
            // a cut between two frames leaves whole ones
            assert_eq!(read.is_ok(), ends.contains(&len), "cut to {len} bytes");
        }
        assert!(Frames::new(&[0xff; 11]).next().unwrap().is_err(), "a number of more than 64 bits");
    }
}
