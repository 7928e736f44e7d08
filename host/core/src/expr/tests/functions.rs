//! Every function: what it yields and how it fails.

use super::{assert_failures, assert_values};

#[test]
fn strings() {
    assert_values(
        r#"{"s":"a,b,c","p":"b+$"}"#,
        &[
            ("'h\u{e4}llo'.size() + size('ab')", "7"),
            ("input.s.contains('b,c') && input.s.startsWith('a') && input.s.endsWith('c')", "true"),
            ("input.s.matches('^[a-c,]+$')", "true"),
            ("matches('abb', input.p) && 'abb'.matches(input.p)", "true"),
            ("input.s.split(',')", r#"["a","b","c"]"#),
            ("input.s.split(',', 2)", r#"["a","b,c"]"#),
            ("input.s.split(',', 0)", "[]"),
            ("'h\u{e4}'.split('')", r#"["h","ä"]"#),
            ("'abc'.split('', 2)", r#"["a","bc"]"#),
            ("['x', 'y'].join('-') + ['x', 'y'].join()", r#""x-yxy""#),
            ("input.s.replace(',', '; ')", r#""a; b; c""#),
            ("input.s.replace(',', '', 1)", r#""ab,c""#),
            ("'AbC'.lowerAscii() + 'AbC'.upperAscii() + ' x '.trim()", r#""abcABCx""#),
            ("'h\u{e4}llo'.substring(1, 3) + 'abc'.substring(2)", r#""älc""#),
            ("'h\u{e4}llo'.indexOf('l')", "2"),
            ("'abab'.indexOf('ab', 1)", "2"),
            ("'abab'.lastIndexOf('ab')", "2"),
            ("'abab'.indexOf('x')", "-1"),
            ("'h\u{e4}'.charAt(1) + 'h'.charAt(1)", r#""ä""#),
            ("'h\u{e4}'.reverse()", r#""äh""#),
            ("strings.quote('a\"')", r#""\"a\\\"\"""#),
        ],
    );
    assert_failures(
        "{}",
        &[
            ("'abc'.substring(2, 1)", "a substring cannot end before it starts"),
            ("'abc'.substring(4)", "the index `4` is beyond the text of 3 characters"),
            ("'abc'.charAt(-1)", "the index `-1` is negative"),
            ("[1].join(',')", "expected a list of strings, got int `1`"),
            ("'a'.matches('(' + ')(')", "`()(` is no regular expression"),
            ("1.contains('a')", "expected a string, got int `1`"),
            ("'a' + 1", "cannot add string `a` and int `1`"),
        ],
    );
}

#[test]
fn lists_and_maps() {
    assert_values(
        r#"{"l":[3,1,2,1],"m":{"a":1,"b":2}}"#,
        &[
            ("input.l.size() + size(input.m)", "6"),
            ("input.l + [9]", "[3,1,2,1,9]"),
            ("input.l.slice(1, 3)", "[1,2]"),
            ("input.l.sort()", "[1,1,2,3]"),
            ("input.l.distinct()", "[3,1,2]"),
            ("input.l.reverse()", "[1,2,1,3]"),
            ("[1, [2, [3]]].flatten()", "[1,2,[3]]"),
            ("[1, [2, [3]]].flatten(2)", "[1,2,3]"),
            ("[input.l.first().value(), input.l.last().value()]", "[3,1]"),
            ("[].first().hasValue()", "false"),
            ("[input.m.keys(), input.m.values()]", r#"[["a","b"],[1,2]]"#),
            ("input.l.sum() + [1, 0.5].sum()", "8.5"),
            ("lists.range(3)", "[0,1,2]"),
            ("{1: 'a', true: 'b'}[1]", r#""a""#),
            ("{'k': [1, {'z': null}]}", r#"{"k":[1,{"z":null}]}"#),
        ],
    );
    assert_failures(
        r#"{"l":[3,1]}"#,
        &[
            ("input.l.slice(1, 9)", "no slice from 1 to 9 in a list of 2 elements"),
            ("[1, 'a'].sort()", "cannot order int `1` and string `a`"),
            ("[0.0 / 0, 1].sort()", "cannot sort by NaN"),
            ("size(1)", "expected a string, a list or a map, got int `1`"),
            ("{[1]: 2}", "a list cannot be a key of a map"),
        ],
    );
}

#[test]
fn mathematics() {
    assert_values(
        r#"{"l":[3,1.5,2]}"#,
        &[
            ("math.greatest(1, 2.5, 2)", "2.5"),
            ("math.greatest(input.l)", "3"),
            ("math.least(input.l)", "1.5"),
            ("[math.abs(-3), math.abs(-3.5)]", "[3,3.5]"),
            ("[math.ceil(1.2), math.floor(-1.2), math.round(2.5), math.trunc(-1.7)]", "[2.0,-2.0,3.0,-1.0]"),
            ("math.round(7)", "7"),
            ("math.sqrt(16)", "4.0"),
            ("[math.sign(-3), math.sign(0.5)]", "[-1,1.0]"),
            ("[math.isNaN(0.0 / 0), math.isInf(1 / 0.0), math.isFinite(1)]", "[true,true,true]"),
        ],
    );
    assert_failures(
        "{}",
        &[
            ("math.greatest([])", "an empty list has no greatest or least number"),
            ("math.abs('x')", "expected a number, got string `x`"),
        ],
    );
}

#[test]
fn conversions() {
    assert_values(
        "{}",
        &[
            ("[int('42'), int(2.9), int(-2.9), int(true), int(5u)]", "[42,2,-2,1,5]"),
            ("[uint('42'), uint(2.9)]", "[42,2]"),
            ("[double('1.5'), double(2)]", "[1.5,2.0]"),
            (
                "[string(1), string(1.5), string(true), string([1]), string('s'), string(null)]",
                r#"["1","1.5","true","[1]","s","null"]"#,
            ),
            ("[bool('true'), bool('0')]", "[true,false]"),
            ("type(1) == int && type('') == string && type([]) == list && type(null) == null_type", "true"),
            ("type(1.0)", r#""double""#),
            ("dyn(1) + 1", "2"),
            ("int(timestamp('1970-01-01T00:01:00Z'))", "60"),
        ],
    );
    assert_failures(
        "{}",
        &[
            ("int('x')", "cannot make an int of string `x`"),
            ("int(0.0 / 0)", "cannot make an int of double `NaN`"),
            ("bool('yes')", "cannot make a bool of string `yes`"),
            ("double([])", "cannot make a double of a list"),
        ],
    );
}

#[test]
fn times() {
    assert_values(
        r#"{"at":"2026-03-01T23:30:05.250Z"}"#,
        &[
            ("timestamp(input.at)", r#""2026-03-01T23:30:05.250Z""#),
            ("timestamp('2026-03-01T12:00:00+02:00')", r#""2026-03-01T10:00:00Z""#),
            ("duration('1h30m')", r#""5400s""#),
            ("timestamp(input.at) + duration('30m')", r#""2026-03-02T00:00:05.250Z""#),
            ("timestamp(input.at) - timestamp('2026-03-01T23:30:00Z')", r#""5.25s""#),
            ("duration('1m') - duration('10s') + duration('1s')", r#""51s""#),
            (
                "timestamp(input.at) > timestamp('2026-01-01T00:00:00Z') && duration('1m') == duration('60s')",
                "true",
            ),
            (
                "[timestamp(input.at).getFullYear(), timestamp(input.at).getMonth(), timestamp(input.at).getDate()]",
                "[2026,2,1]",
            ),
            ("[timestamp(input.at).getHours(), timestamp(input.at).getHours('+02:00')]", "[23,1]"),
            (
                "[timestamp(input.at).getDayOfWeek(), timestamp(input.at).getDayOfYear(), timestamp(input.at).getDayOfMonth()]",
                "[0,59,0]",
            ),
            (
                "[timestamp(input.at).getMinutes(), timestamp(input.at).getSeconds(), timestamp(input.at).getMilliseconds()]",
                "[30,5,250]",
            ),
            (
                "[duration('90m').getHours(), duration('90m').getMinutes(), -duration('1s') < duration('0s')]",
                "[1,90,true]",
            ),
        ],
    );
    assert_failures(
        "{}",
        &[
            ("timestamp('yesterday')", "`yesterday` is no point in time"),
            ("duration('soon')", "`soon` is no duration"),
            ("timestamp('2026-03-01T23:30:05Z').getHours('Mars/Base')", "unknown time zone `Mars/Base`"),
            ("timestamp('2026-03-01T23:30:05Z') + 1", "cannot add a timestamp and int `1`"),
        ],
    );
}
