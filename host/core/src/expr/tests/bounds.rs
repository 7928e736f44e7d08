//! Nothing that a document says makes an evaluation endless, huge, or deeper than the stack.

use super::{Expression, FaultKind, Template, World};
use crate::expr::{BUILT_BYTES_MAX, ITERATIONS_MAX, SOURCE_LEN_MAX};

fn message(source: &str, input: &str) -> String {
    World::new(input).eval(source).unwrap_err()
}

#[test]
fn nested_loops_end_in_a_clear_error() {
    let numbers = format!("{:?}", (0..10_000).collect::<Vec<_>>());
    for source in [
        "input.all(x, input.all(y, x + y >= 0))",
        "input.map(x, input.filter(y, x == y))",
        "input.exists(x, input.exists(y, x + y < 0)) || true",
    ] {
        assert_eq!(
            message(source, &numbers),
            format!("the expression loops more than {ITERATIONS_MAX} times")
        );
    }
    let work = message("input.map(x, input.map(y, y).size() > 0 && -1 in input)", &numbers);
    assert!(work.starts_with("the expression"), "{work}");
    let work = message("input.all(x, !(-1 in input))", &numbers);
    assert_eq!(work, "the expression does more than 50000000 comparisons");
}

#[test]
fn memory_is_counted() {
    let long = format!("\"{}\"", "x".repeat(1_000_000));
    let built = format!("the expression builds more than {BUILT_BYTES_MAX} bytes");
    assert_eq!(message("lists.range(1000).map(x, input + input)", &long), built);
    assert_eq!(message("input.replace('x', input)", &long), built);
    assert_eq!(message("lists.range(9000000000)", &long), built);
    assert_eq!(message("lists.range(1000).map(x, input).join('')", &long), built);
}

#[test]
fn long_and_deep_sources_are_faults_and_do_not_overflow_the_stack() {
    let check = || {
        for source in [
            "(".repeat(50_000),
            "[".repeat(500),
            "1".to_owned() + &"+1".repeat(20_000),
            "input".to_owned() + &".a".repeat(20_000) + "+ 1",
            "input".to_owned() + &"[0]".repeat(10_000) + " == 1",
            "true ? ".repeat(3_000) + "1",
            "1".to_owned() + &" == 1".repeat(5_000),
            "'a'".to_owned() + &".trim()".repeat(3_000),
            "1 in ".repeat(5_000) + "[1]",
            "x".repeat(SOURCE_LEN_MAX + 1) + " + 1",
        ] {
            let fault = World::new("{}").fault(&source);
            assert_eq!(fault.kind, FaultKind::TooLarge, "{source:.20}: {}", fault.message);
        }
        for source in [
            "!".repeat(20_000) + "true",
            "-".repeat(20_000) + "1",
            "true".to_owned() + &" && true".repeat(5_000),
        ] {
            Expression::compile(&source, &mut World::new("{}")).map(drop).unwrap_or_default();
        }
    };
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(check).unwrap().join().unwrap();
}

#[test]
fn the_deepest_allowed_expressions_fit_a_small_stack() {
    let check = || {
        for (source, expected) in [
            ("(".repeat(31) + "1" + &")".repeat(31), "1"),
            ("1".to_owned() + &"+1".repeat(62), "63"),
            ("false ? 1 : ".repeat(62) + "2", "2"),
            ("'a'".to_owned() + &" + 'b'".repeat(62) + " == ''", "false"),
        ] {
            assert_eq!(World::new("{}").eval(&source).as_deref(), Ok(expected), "{source}");
        }
    };
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(check).unwrap().join().unwrap();
}

/// A small generator, so that failures can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.roll(choices.len())]
    }

    fn json(&mut self, depth: usize) -> String {
        match self.roll(if depth == 0 { 6 } else { 8 }) {
            0 => "null".into(),
            1 => self.pick(&["true", "false"]).into(),
            2 => self
                .pick(&["0", "-1", "9223372036854775807", "-9223372036854775808", "18446744073709551615"])
                .into(),
            3 => self.pick(&["0.5", "-1e300", "1e20", "2.0"]).into(),
            4 | 5 => self.pick(&[r#""""#, r#""a""#, r#""\u00e4\n\"""#, r#""2026-01-01T00:00:00Z""#]).into(),
            6 => {
                let items: Vec<_> = (0..self.roll(4)).map(|_| self.json(depth - 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => {
                let keys = ["a", "b", "c"];
                let entries: Vec<_> = keys[..self.roll(4)]
                    .iter()
                    .map(|key| format!("\"{key}\":{}", self.json(depth - 1)))
                    .collect();
                format!("{{{}}}", entries.join(","))
            }
        }
    }

    fn expression(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.pick(LEAVES).into();
        }
        let one = self.expression(depth - 1);
        let two = self.expression(depth - 1);
        match self.roll(12) {
            0 | 1 => format!("({one} {} {two})", self.pick(OPERATORS)),
            2 => format!("({one} ? {two} : {one})"),
            3 => format!("[{one}, {two}]"),
            4 => format!("{{'a': {one}, 'b': {two}}}"),
            5 => format!("({one})[{two}]"),
            6 => format!("({one}).{}", self.pick(&["a", "?a", "b.c", "?b.orValue(1)"])),
            7 => format!("({one}).{}(x, {two})", self.pick(LOOPS)),
            8 => format!("({one}).{}({two})", self.pick(METHODS_OF_ONE)),
            9 => format!("({one}).{}()", self.pick(METHODS_OF_NONE)),
            10 => format!("{}({one})", self.pick(GLOBALS)),
            _ => format!("({one}).{}({two}, {one})", self.pick(METHODS_OF_TWO)),
        }
    }
}

const LEAVES: &[&str] = &[
    "input",
    "input.a",
    "input.b[0]",
    "number",
    "text",
    "nothing",
    "1",
    "-7",
    "0.5",
    "2u",
    "'ä'",
    "''",
    "true",
    "null",
    "[]",
    "{}",
    "x",
    "steps.load.output.rows",
    "duration('1h')",
    "now()",
    "int",
    "optional.none()",
    "9223372036854775807",
];
const OPERATORS: &[&str] = &["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"];
const LOOPS: &[&str] = &["map", "filter", "all", "exists", "exists_one", "sortBy"];
const METHODS_OF_NONE: &[&str] = &[
    "size",
    "trim",
    "reverse",
    "sort",
    "distinct",
    "first",
    "keys",
    "values",
    "sum",
    "value",
    "hasValue",
    "getFullYear",
    "lowerAscii",
    "flatten",
];
const METHODS_OF_ONE: &[&str] = &[
    "contains",
    "startsWith",
    "split",
    "join",
    "indexOf",
    "charAt",
    "substring",
    "matches",
    "orValue",
    "flatten",
    "getHours",
    "or",
];
const METHODS_OF_TWO: &[&str] = &["replace", "slice", "substring", "split", "indexOf"];
const GLOBALS: &[&str] = &[
    "size",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "type",
    "dyn",
    "timestamp",
    "duration",
    "math.abs",
    "math.round",
    "math.greatest",
    "!",
    "-",
    "optional.of",
];

#[test]
fn no_expression_over_any_json_panics() {
    let mut dice = Dice(0x2545_F491_4F6C_DD1D);
    let (mut compiled, mut succeeded) = (0, 0);
    for _ in 0..5_000 {
        let mut world = World::new(&dice.json(3));
        let depth = 1 + dice.roll(3);
        let inner = dice.expression(depth);
        let source = format!("[1].map(x, {inner})");
        let Ok(expression) = Expression::compile(&source, &mut world) else { continue };
        compiled += 1;
        let fresh = expression.evaluate(&world);
        if let Ok(value) = &fresh {
            succeeded += 1;
            crate::payload::Payload::parse(value.as_str()).unwrap();
        }
        let _tree = world.values[0].1.value();
        assert_eq!(fresh, expression.evaluate(&world), "parsed or not is no difference: {source}");
        let template = serde_json::to_string(&format!("x${{{inner}}}")).unwrap().replace("(x, ", "(y, ");
        if let Ok(template) = Template::compile(&template, &mut world) {
            template.render(&world).map(drop).unwrap_or_default();
        }
    }
    assert!(compiled > 1_000 && succeeded > 300, "{compiled} compiled, {succeeded} succeeded");
}
