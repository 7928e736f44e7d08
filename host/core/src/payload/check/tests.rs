//! The quick pass and the thorough check agree.

use super::{check, check_thoroughly, is_plainly_sound, scan};

/// Whether the quick pass may leave the text to the thorough check although it is sound.
fn is_doubtful(text: &[u8]) -> bool {
    let half_of_pair = |escape: &[u8]| {
        let [b'\\', b'u', b'd' | b'D', third, ..] = escape else { return false };
        matches!(third, b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F')
    };
    scan::may_hold_huge_number(text) || text.windows(4).any(half_of_pair)
}

/// Compares both; whether the text is sound.
fn compare(text: &[u8]) -> bool {
    let (quick, thorough) = (is_plainly_sound(text), check_thoroughly(text));
    let shown = || String::from_utf8_lossy(text).into_owned();
    if quick {
        assert!(thorough.is_ok(), "accepts what is refused with `{thorough:?}`: {}", shown());
    } else if thorough.is_ok() {
        assert!(is_doubtful(text), "leaves to the thorough check without need: {}", shown());
    }
    thorough.is_ok()
}

fn nested(depth: usize, inner: &str) -> String {
    let (mut open, mut close) = (String::new(), String::new());
    for level in 0..depth {
        open += if level % 3 == 0 { r#"{"":"# } else { "[" };
        close.insert(0, if level % 3 == 0 { '}' } else { ']' });
    }
    open + inner + &close
}

#[test]
fn sound_text_passes_at_once() {
    let deep = nested(127, "0");
    let long_fraction = format!("-0.{}e7", "9".repeat(400));
    let many_digits = "9".repeat(299);
    for text in [
        "0",
        "-0",
        "-0.0",
        "10",
        "1.5e+10",
        "1E5",
        "1e-400",
        "1e-99999",
        "1e007",
        "9e298",
        &many_digits,
        &long_fraction,
        " \n\r\ttrue\t ",
        "false",
        "null",
        "[]",
        "{}",
        " [ ] ",
        " { } ",
        "[[],{},[{}]]",
        r#"{"a":1,"a":[true , false,null ],"":{"b" : "c"}}"#,
        r#""\" \\ \/ \b \f \n \r \t \u0000 \u00e4 \uFFFF \uD83D\uDe00""#,
        "\"\u{7f} ä € 😀 \u{fffe}\"",
        "{\"ä\":\"ö\"}",
        &deep,
    ] {
        assert!(is_plainly_sound(text.as_bytes()), "{text:.60}");
        assert!(compare(text.as_bytes()), "{text:.60}");
    }
}

const UNSOUND: &[&[u8]] = &[
    b"",
    b" ",
    b",",
    b":",
    b"]",
    b"}",
    b"[",
    b"{",
    b"[1",
    b"[1,",
    b"[1,]",
    b"[,1]",
    b"[,]",
    b"[1 2]",
    b"[1]]",
    b"[1}",
    b"{]",
    b"{\"a\":1]",
    b"[[1}]",
    b"{\"a\":[1}}",
    b"{\"a\"}",
    b"{\"a\":}",
    b"{\"a\":1,}",
    b"{,}",
    b"{\"a\" 1}",
    b"{\"a\"::1}",
    b"{\"a\",1}",
    b"{1:2}",
    b"{a:1}",
    b"{\"a\":1 \"b\":2}",
    b"{\"a\":1,2}",
    b"[\"a\":1]",
    b"1 2",
    b"1,",
    b"[] []",
    b"nul",
    b"nulL",
    b"nullx",
    b"tru",
    b"truee",
    b"falsy",
    b"True",
    b"NaN",
    b"Infinity",
    b"-",
    b"-a",
    b"+1",
    b".5",
    b"1.",
    b"1.e5",
    b"1.x",
    b"01",
    b"-01",
    b"00",
    b"[01]",
    b"1e",
    b"1e+",
    b"1e-",
    b"1ex",
    b"1e1.5",
    b"1e+-1",
    b"1.5.5",
    b"--1",
    b"0x10",
    b"1_000",
    b"1e400",
    b"-1E+999",
    b"1e99999",
    b"10e308",
    b"0.1e4000",
    b"\"",
    b"\"a",
    b"\"abcdefg",
    b"\"abcdefgh",
    b"\"\\",
    b"\"\\\"",
    b"\"\\x\"",
    b"\"\\u\"",
    b"\"\\u12\"",
    b"\"\\u123g\"",
    b"\"\\u 123\"",
    b"\"\\u+123\"",
    b"\"\\U0041\"",
    b"\"\\'\"",
    b"'a'",
    b"\"\n\"",
    b"\"\t\"",
    b"\"\0\"",
    b"\"\x1f\"",
    b"\"1234567\x1f\"",
    b"\"abcdefgh\nabcdefgh\"",
    b"\"\xff\"",
    b"\"\x80\"",
    b"\"\xc3\"",
    b"\"\xc0\x80\"",
    b"\"\xed\xa0\x80\"",
    b"\"\xf4\x90\x80\x80\"",
    b"\"\xe2\x82\"",
    b"\"abcdefgh\xffijklmnop\"",
    b"\xff",
    b"[\xc3\xa4]",
    b"1\xc2\xa0",
    b"\xef\xbb\xbf1",
    b"\x0b1",
    b"1\x0c",
    b"\x001",
    b"1\0",
    b"// a\n1",
    b"/**/1",
];

#[test]
fn unsound_text_is_refused() {
    let (deep, too_deep) = (nested(126, "[[]]"), nested(127, "{}"));
    let huge = "9".repeat(310);
    let long = [deep.as_bytes(), too_deep.as_bytes(), huge.as_bytes()];
    for text in UNSOUND.iter().copied().chain(long) {
        assert!(!is_plainly_sound(text), "{}", String::from_utf8_lossy(text));
        assert!(!compare(text), "{}", String::from_utf8_lossy(text));
        assert!(check(text).is_err(), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn halves_of_pairs_and_numbers_near_the_end_of_the_range_are_left_to_the_thorough_check() {
    let long = "1".repeat(305);
    let lone = [r#""\ud800""#, r#""\uDFFFx""#, r#""\ud83d\ud83d""#, r#""\ud83d\n""#, r#""\ud83d\u0041""#];
    for text in lone.into_iter().chain(["1e308", "-1.7976931348623157e+308", "1e0005", &long]) {
        assert!(!is_plainly_sound(text.as_bytes()), "{text}");
        assert!(check(text.as_bytes()).is_ok(), "{text}");
    }
    for text in [r#"["\ud800", 1e5]"#, r#"["\ud800 1e5"]"#] {
        assert!(check(text.as_bytes()).is_err(), "{text}: half of a pair where the tree is built");
    }
}

#[test]
fn an_error_says_where() {
    for (text, expected) in [
        ("{\"a\":\n  tru}", "expected ident at line 2 column 6"),
        ("[1,]", "expected value at line 1 column 4"),
        ("[1e400]", "number out of range at line 1 column 6"),
    ] {
        assert_eq!(check(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
    }
    let deep = check(nested(128, "1").as_bytes()).unwrap_err();
    assert_eq!(deep.to_string(), "nested deeper than 127 levels");
}

#[test]
fn a_special_byte_is_seen_wherever_it_stands_in_a_string() {
    for special in [&b"\""[..], b"\n", b"\x1f", b"\\n", b"\\x", b"\xff", "ä".as_bytes(), b" ", b"\x7f"] {
        for before in 0..140 {
            for after in [0, 1, 7, 8, 9, 40, 100] {
                let text = [b"\"", &*vec![b'x'; before], special, &*vec![b'y'; after], b"\""].concat();
                let sound = matches!(special, b"\\n" | b" " | b"\x7f" | [0xc3, _]);
                assert_eq!(compare(&text), sound, "{}", String::from_utf8_lossy(&text));
            }
        }
    }
}

/// `splitmix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn space(&mut self, text: &mut String) {
        if self.below(4) == 0 {
            text.push_str(self.pick(&[" ", "\n", "\t", "\r\n", "   \n"]));
        }
    }

    fn value(&mut self, text: &mut String, depth: usize) {
        self.space(text);
        match self.below(if depth == 0 { 7 } else { 10 }) {
            0 => text.push_str(self.pick(&["null", "true", "false"])),
            1..4 => self.number(text),
            4..7 => self.string(text),
            7 | 8 => self.container(text, depth - 1),
            _ => {
                let mut inner = String::new();
                self.value(&mut inner, depth - 1);
                let levels = if self.below(20) == 0 { 120 + self.below(12) } else { self.below(5) };
                text.push_str(&nested(levels, &inner));
            }
        }
        self.space(text);
    }

    fn container(&mut self, text: &mut String, depth: usize) {
        let object = self.below(2) == 0;
        text.push(if object { '{' } else { '[' });
        self.space(text);
        for item in 0..self.below(4) {
            if item > 0 {
                text.push(',');
                self.space(text);
            }
            if object {
                self.string(text);
                self.space(text);
                text.push(':');
            }
            self.value(text, depth);
        }
        text.push(if object { '}' } else { ']' });
    }

    fn number(&mut self, text: &mut String) {
        text.push_str(self.pick(&["", "", "-"]));
        let len = if self.below(50) == 0 { 290 + self.below(25) } else { self.below(20) };
        text.push_str(self.pick(&["0", "1", "9", "37"]));
        if !text.ends_with('0') {
            text.extend((0..len).map(|_| char::from(b'0' + self.below(10) as u8)));
        }
        if self.below(3) == 0 {
            text.push_str(self.pick(&[".0", ".5", ".000001", ".1234567890123456789"]));
        }
        if self.below(4) == 0 {
            text.push_str(self.pick(&["e", "E", "e+", "e-"]));
            text.push_str(self.pick(&["0", "5", "10", "007", "290", "298", "307", "309", "400", "99999"]));
        }
    }

    fn string(&mut self, text: &mut String) {
        const PIECES: [&str; 24] = [
            "",
            "a",
            "id",
            "name",
            "ä",
            "€",
            "😀",
            "\u{7f}",
            " ",
            "1e5",
            "2e+3",
            r"\n",
            r"\\",
            r#"\""#,
            r"\/",
            r"\u0041",
            r"\uFfFf",
            r"\ud83d\ude00",
            r"\ud83d",
            r"\udc00",
            "[{",
            "]}",
            "the quick brown fox jumps ",
            "over the lazy dog; sphinx of black quartz, judge my vow",
        ];
        text.push('"');
        for _ in 0..self.below(6) {
            text.push_str(self.pick(&PIECES));
        }
        text.push('"');
    }

    /// Breaks the text in one place, or leaves it sound by luck.
    fn mutate(&mut self, text: &mut Vec<u8>) {
        const BYTES: &[u8] = b"\"\\{}[]:,+-.eE0019u/ \n\t\0\x1f\x7f\x80\xc3\xa4\xe2\xf0\xfftfn";
        let at = self.below(text.len());
        let upto = (at + 1 + self.below(8)).min(text.len());
        match self.below(7) {
            0 => text[at] ^= 1 << self.below(8),
            1 => text[at] = BYTES[self.below(BYTES.len())],
            2 => text.insert(at, BYTES[self.below(BYTES.len())]),
            3 => drop(text.drain(at..upto)),
            4 => text.truncate(at),
            5 => text.extend_from_within(at..upto),
            _ => text.swap(at, upto - 1),
        }
    }
}

#[test]
fn both_agree_about_random_documents_and_broken_ones() {
    let (mut random, mut sound) = (Random(1), [0, 0]);
    for _ in 0..100_000 {
        let mut text = String::new();
        random.value(&mut text, 3);
        let mut text = text.into_bytes();
        sound[0] += usize::from(compare(&text));
        for _ in 0..2 {
            random.mutate(&mut text);
            sound[1] += usize::from(compare(&text));
            if text.is_empty() {
                break;
            }
        }
    }
    // the test is worth something only if there is much of both kinds
    assert!(sound[0] > 80_000 && (30_000..150_000).contains(&sound[1]), "{sound:?}");
}

#[test]
fn both_agree_about_all_short_texts_of_the_grammar_s_characters() {
    const BYTES: &[u8] = b"\"\\{}[]:,-.e01 un\n\xc3\xa4";
    let mut sound = 0;
    for number in 0..BYTES.len().pow(4) {
        let text: [u8; 4] =
            std::array::from_fn(|at| BYTES[number / BYTES.len().pow(at as u32) % BYTES.len()]);
        sound += usize::from(compare(&text));
    }
    assert!(sound > 500, "{sound}");
}
