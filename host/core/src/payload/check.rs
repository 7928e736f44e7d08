//! Whether bytes are exactly one JSON value that everything later can work with.
//!
//! Every result of a plugin passes here, so sound text is recognised in one pass without recursion. That pass may
//! refuse too much but never accepts too much: what it refuses, sound or not, goes to the thorough check, which
//! decides and words the error.

#[cfg(test)]
mod tests;

use super::{DEPTH_MAX, scan, tree};

/// Numbers up to ten to this power are certainly within the range of a double.
const MAGNITUDE_SAFE: usize = 299;
/// A longer exponent is left to the thorough check.
const EXPONENT_LEN_MAX: usize = 3;
/// So many bytes of a long string are looked at together; what a vector register of any processor holds.
const BLOCK_LEN: usize = 16;
/// A string is taken for a long one after so many bytes.
const SHORT_STRING_LEN: usize = 4 * size_of::<u64>();

/// One JSON value in UTF-8 with a bounded depth.
pub(super) fn check(bytes: &[u8]) -> Result<(), serde_json::Error> {
    if is_plainly_sound(bytes) { Ok(()) } else { check_thoroughly(bytes) }
}

/// The definition of what is accepted.
#[cold]
fn check_thoroughly(bytes: &[u8]) -> Result<(), serde_json::Error> {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes)?;
    let may_be_deep = memchr::memchr2_iter(b'[', b'{', bytes).nth(DEPTH_MAX).is_some();
    if may_be_deep && scan::depth(bytes) > DEPTH_MAX {
        return Err(serde::de::Error::custom(format_args!("nested deeper than {DEPTH_MAX} levels")));
    }
    if scan::may_hold_huge_number(bytes) {
        // Only building the tree finds out; nobody may meet a number later that has no value.
        serde_json::from_slice::<tree::Tree>(bytes)?;
    }
    Ok(())
}

/// Whether the thorough check would accept `text`. Also false where only that one can tell: for numbers near or
/// beyond the end of a double's range and for halves of surrogate pairs.
fn is_plainly_sound(text: &[u8]) -> bool {
    Reader { text, at: 0, seen: 0 }.document().is_some()
}

/// The arrays and objects around a place.
#[derive(Default)]
struct Enclosing {
    /// One bit for each, the innermost lowest; set for objects.
    objects: u128,
    depth: usize,
}

const _: () = assert!(DEPTH_MAX <= u128::BITS as usize, "each level has a bit");

impl Enclosing {
    fn enter(&mut self, object: bool) -> Option<()> {
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        (self.depth <= DEPTH_MAX).then_some(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    fn is_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// A place in the text. Its methods take what they are named after, or answer `None` if something else stands there.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// The bytes of the current string, and maybe a few behind it, or-ed together: tells whether one is outside ASCII.
    seen: u64,
}

impl Reader<'_> {
    fn document(&mut self) -> Option<()> {
        let mut enclosing = Enclosing::default();
        loop {
            if self.value(&mut enclosing)? {
                continue;
            }
            while enclosing.depth > 0 {
                match (self.token()?, enclosing.is_object()) {
                    (b',', true) => {
                        self.quote()?;
                        self.key()?;
                        break;
                    }
                    (b',', false) => break,
                    (b'}', true) | (b']', false) => enclosing.leave(),
                    _ => return None,
                }
            }
            if enclosing.depth == 0 {
                self.space();
                return (self.at == self.text.len()).then_some(());
            }
        }
    }

    /// A value as far as the first one inside it; true if there is one.
    #[inline]
    fn value(&mut self, enclosing: &mut Enclosing) -> Option<bool> {
        match self.token()? {
            b'"' => self.string()?,
            first @ (b'-' | b'0'..=b'9') => self.number(first)?,
            b'{' => {
                enclosing.enter(true)?;
                match self.token()? {
                    b'"' => {
                        self.key()?;
                        return Some(true);
                    }
                    b'}' => enclosing.leave(),
                    _ => return None,
                }
            }
            b'[' => {
                enclosing.enter(false)?;
                self.space();
                if self.peek()? != b']' {
                    return Some(true);
                }
                self.at += 1;
                enclosing.leave();
            }
            b't' => self.rest_of_word(*b"rue")?,
            b'f' => self.rest_of_word(*b"alse")?,
            b'n' => self.rest_of_word(*b"ull")?,
            _ => return None,
        }
        Some(false)
    }

    /// A key whose opening quote is taken, with its colon.
    fn key(&mut self) -> Option<()> {
        self.string()?;
        (self.token()? == b':').then_some(())
    }

    fn quote(&mut self) -> Option<()> {
        (self.token()? == b'"').then_some(())
    }

    fn rest_of_word<const N: usize>(&mut self, rest: [u8; N]) -> Option<()> {
        let found = *self.text.get(self.at..)?.first_chunk()?;
        self.at += N;
        (found == rest).then_some(())
    }

    /// A number whose first byte is taken.
    fn number(&mut self, first: u8) -> Option<()> {
        let digits = match if first == b'-' { self.byte()? } else { first } {
            b'0' => 1,
            b'1'..=b'9' => 1 + self.digits(),
            _ => return None,
        };
        let mut magnitude = digits;
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            magnitude += self.exponent()?;
        }
        (magnitude <= MAGNITUDE_SAFE).then_some(())
    }

    /// An exponent after its `e`; 0 for negative ones.
    fn exponent(&mut self) -> Option<usize> {
        let sign = self.peek()?;
        if matches!(sign, b'+' | b'-') {
            self.at += 1;
        }
        let start = self.at;
        let len = self.digits();
        match (sign, len) {
            (_, 0) => None,
            (b'-', _) => Some(0),
            (_, ..=EXPONENT_LEN_MAX) => {
                let digits = self.text.get(start..self.at)?;
                Some(digits.iter().fold(0, |value, digit| value * 10 + usize::from(digit - b'0')))
            }
            _ => None,
        }
    }

    /// Digits, if there are any; how many.
    #[inline]
    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    /// A string whose opening quote is taken.
    fn string(&mut self) -> Option<()> {
        let start = self.at;
        self.seen = 0;
        loop {
            match self.special()? {
                b'"' => break,
                b'\\' => self.rest_of_escape()?,
                _ => return None,
            }
        }
        if self.seen & HIGH_BITS != 0 {
            std::str::from_utf8(self.text.get(start..self.at)?).ok()?;
        }
        Some(())
    }

    /// Text up to and with the first byte that means something in a string; that byte.
    #[inline]
    fn special(&mut self) -> Option<u8> {
        let long_from = self.at + SHORT_STRING_LEN;
        while let Some(word) = self.text.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_le_bytes(*word);
            self.seen |= word;
            let specials = specials(word);
            if specials != 0 {
                self.at += specials.trailing_zeros() as usize / 8;
                return self.byte();
            }
            self.at += size_of::<u64>();
            if self.at == long_from {
                self.blocks_without_special();
            }
        }
        loop {
            let byte = self.byte()?;
            self.seen |= u64::from(byte);
            if matches!(byte, b'"' | b'\\' | ..0x20) {
                return Some(byte);
            }
        }
    }

    /// Whole blocks of a long string that hold nothing special.
    fn blocks_without_special(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let (blocks, _) = rest.get(..len).unwrap_or_default().as_chunks::<BLOCK_LEN>();
        let (mut least, mut seen) = ([0xff; BLOCK_LEN], [0; BLOCK_LEN]);
        for block in blocks {
            for at in 0..BLOCK_LEN {
                least[at] = least[at].min(block[at]);
                seen[at] |= block[at];
            }
        }
        if least.iter().all(|byte| *byte >= 0x20) {
            self.seen |= seen.iter().fold(0, |all, byte| all | u64::from(*byte));
            self.at += blocks.len() * BLOCK_LEN;
        }
    }

    /// What follows a backslash.
    fn rest_of_escape(&mut self) -> Option<()> {
        match self.byte()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.four_hex_digits()? {
                0xd800..0xdc00 => {
                    self.rest_of_word(*b"\\u")?;
                    matches!(self.four_hex_digits()?, 0xdc00..0xe000).then_some(())
                }
                0xdc00..0xe000 => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    fn four_hex_digits(&mut self) -> Option<u32> {
        let digits: [u8; 4] = *self.text.get(self.at..)?.first_chunk()?;
        self.at += digits.len();
        digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
    }

    /// The next byte that is no space.
    #[inline]
    fn token(&mut self) -> Option<u8> {
        loop {
            match self.byte()? {
                b' ' | b'\n' | b'\r' | b'\t' => {}
                byte => return Some(byte),
            }
        }
    }

    /// Space, if there is any.
    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}

const LOW_BITS: u64 = u64::from_ne_bytes([1; 8]);
const HIGH_BITS: u64 = LOW_BITS << 7;

/// The high bit of the first byte of `word`, in little-endian order, that is a quote, a backslash or a control
/// character; bits above it mean nothing, and 0 means that there is none.
///
/// After "determine if a word has a byte less than n" in Bit Twiddling Hacks (S. E. Anderson): a subtraction borrows
/// from the byte above only where there is a hit.
fn specials(word: u64) -> u64 {
    let quote = (word ^ (LOW_BITS * b'"' as u64)).wrapping_sub(LOW_BITS);
    let backslash = (word ^ (LOW_BITS * b'\\' as u64)).wrapping_sub(LOW_BITS);
    let control = word.wrapping_sub(LOW_BITS * 0x20);
    (quote | backslash | control) & !word & HIGH_BITS
}
