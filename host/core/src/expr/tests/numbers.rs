//! Numbers behave as people expect of JSON numbers.

use super::{Expression, World, assert_failures, assert_values};

#[test]
fn integers_mix_with_doubles() {
    assert_values(
        r#"{"i":7,"d":2.5,"whole":2.0,"exp":1e2,"neg":-0,"big":9223372036854775807,"huge":18446744073709551615}"#,
        &[
            ("input.i + 1", "8"),
            ("input.i + 1.0", "8.0"),
            ("1 + input.d", "3.5"),
            ("input.exp + 1", "101.0"),
            ("input.i * input.d", "17.5"),
            ("input.i - input.whole", "5.0"),
            ("input.i / 2", "3"),
            ("-7 / 2", "-3"),
            ("input.i / 2.0", "3.5"),
            ("input.i % 4", "3"),
            ("-7 % 4", "-3"),
            ("7.5 % 2", "1.5"),
            ("input.whole == 2", "true"),
            ("2 == input.whole && input.whole in [1, 2]", "true"),
            ("input.i > input.d && input.d < input.i && 3 >= 2.5", "true"),
            ("input.huge > input.big", "true"),
            ("input.huge == 18446744073709551615u", "true"),
            ("input.big + 1u", "9223372036854775808"),
            ("input.huge - input.huge", "0"),
            ("input.huge + 0.0 > 1e19", "true"),
            ("9007199254740993 == 9007199254740992.0", "false"),
            ("9007199254740993 > 9007199254740992.0", "true"),
            ("-input.i", "-7"),
            ("-(-9223372036854775807 - 1 + 1)", "9223372036854775807"),
            ("input.neg == 0", "true"),
            ("1.0", "1.0"),
            ("1u + 1", "2"),
        ],
    );
}

#[test]
fn what_overflows_is_an_error_and_never_wraps() {
    assert_failures(
        r#"{"big":9223372036854775807,"huge":18446744073709551615}"#,
        &[
            ("input.big + 1", "int overflow"),
            ("input.big * 2", "int overflow"),
            ("-input.big - 2", "int overflow"),
            ("(-input.big - 1) / -1", "int overflow"),
            ("-(-input.big - 1)", "int overflow"),
            ("input.huge + 1u", "uint overflow"),
            ("1u - 2u", "uint overflow"),
            ("input.huge * 2", "int overflow"),
            ("1 / 0", "division by zero"),
            ("1 % 0", "remainder of a division by zero"),
            ("1.0 / 0", "`inf` has no JSON form"),
            ("int(1e19)", "int overflow"),
            ("uint(-1)", "uint overflow"),
            ("input.big + 'x'", "cannot add int `9223372036854775807` and string `x`"),
        ],
    );
}

#[test]
fn arithmetic_agrees_with_a_wide_reference() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Small and extreme numbers alike.
        (state as i64) >> (state % 64)
    };
    let mut names = World::new("0");
    let mut compile = |source: &str| Expression::compile(source, &mut names).unwrap();
    let arithmetic = ["+", "-", "*", "/", "%"].map(|op| compile(&format!("input.a {op} input.b")));
    let exact = ["<", "==", ">="].map(|op| compile(&format!("input.a {op} input.b")));
    let rounded = ["<", "==", ">="].map(|op| compile(&format!("double(input.a) {op} double(input.b)")));
    for _ in 0..2_000 {
        let (a, b) = (next(), next());
        let world = World::new(&format!(r#"{{"a":{a},"b":{b}}}"#));
        let value =
            |compiled: &Expression| compiled.evaluate(&world).ok().map(|value| value.as_str().to_owned());
        let (wide_a, wide_b) = (i128::from(a), i128::from(b));
        let wide = [
            Some(wide_a + wide_b),
            Some(wide_a - wide_b),
            Some(wide_a * wide_b),
            wide_a.checked_div(wide_b),
            // The reference knows i64::MIN % -1; here it counts as overflow, as its quotient does.
            wide_a.checked_rem(wide_b).filter(|_| a != i64::MIN || b != -1),
        ];
        for (compiled, wide) in arithmetic.iter().zip(wide) {
            let expected = wide.and_then(|wide| i64::try_from(wide).ok()).map(|exact| exact.to_string());
            assert_eq!(value(compiled), expected, "{a} {} {b}", compiled.source());
        }
        for (compiled, expected) in exact.iter().zip([a < b, a == b, a >= b]) {
            assert_eq!(value(compiled), Some(expected.to_string()), "{a} {} {b}", compiled.source());
        }
        let (near_a, near_b) = (a as f64, b as f64);
        for (compiled, expected) in rounded.iter().zip([near_a < near_b, near_a == near_b, near_a >= near_b])
        {
            assert_eq!(value(compiled), Some(expected.to_string()), "{a} {} {b}", compiled.source());
        }
    }
}
