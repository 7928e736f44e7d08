//! Writes JSON at compile time.

/// JSON text of at most `LEN` bytes. One with `LEN` 0 keeps nothing and only counts.
pub(super) struct Writer<const LEN: usize> {
    bytes: [u8; LEN],
    len: usize,
}

impl<const LEN: usize> Writer<LEN> {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; LEN], len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn finish(self) -> [u8; LEN] {
        assert!(self.len == LEN, "the text has the length that was counted");
        self.bytes
    }

    const fn byte(&mut self, byte: u8) {
        if LEN > 0 {
            self.bytes[self.len] = byte;
        }
        self.len += 1;
    }

    pub(super) const fn raw(&mut self, text: &str) -> &mut Self {
        let mut index = 0;
        while index < text.len() {
            self.byte(text.as_bytes()[index]);
            index += 1;
        }
        self
    }

    /// A comma in front of all elements but the first.
    pub(super) const fn comma(&mut self, index: usize) -> &mut Self {
        if index > 0 {
            self.byte(b',');
        }
        self
    }

    pub(super) const fn boolean(&mut self, value: bool) -> &mut Self {
        self.raw(if value { "true" } else { "false" })
    }

    pub(super) const fn number(&mut self, value: u64) -> &mut Self {
        if value >= 10 {
            self.number(value / 10);
        }
        self.byte(b'0' + (value % 10) as u8);
        self
    }

    pub(super) const fn string(&mut self, text: &str) -> &mut Self {
        self.text(text.as_bytes(), 0, text.len())
    }

    const fn text(&mut self, bytes: &[u8], start: usize, end: usize) -> &mut Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.byte(b'"');
        let mut index = start;
        while index < end {
            let byte = bytes[index];
            if byte == b'"' || byte == b'\\' {
                self.byte(b'\\');
                self.byte(byte);
            } else if byte < 0x20 {
                self.raw("\\u00");
                self.byte(HEX[(byte >> 4) as usize]);
                self.byte(HEX[(byte & 15) as usize]);
            } else {
                self.byte(byte);
            }
            index += 1;
        }
        self.byte(b'"');
        self
    }

    pub(super) const fn strings(&mut self, texts: &[&str]) -> &mut Self {
        let mut index = 0;
        while index < texts.len() {
            self.comma(index).string(texts[index]);
            index += 1;
        }
        self
    }

    /// The parts of `text` between the `separator`s, as strings.
    pub(super) const fn parts(&mut self, text: &str, separator: u8) -> &mut Self {
        let bytes = text.as_bytes();
        let (mut start, mut index, mut count) = (0, 0, 0);
        while index <= bytes.len() {
            if index == bytes.len() || bytes[index] == separator {
                if index > start {
                    self.comma(count).text(bytes, start, index);
                    count += 1;
                }
                start = index + 1;
            }
            index += 1;
        }
        self
    }
}
