//! Documents in, findings and documents out.

use super::*;
use crate::diagnostic::{Code, locate};
use serde_json::{Value, json};

const EXAMPLES: [(&str, &str); 9] = [
    ("1", include_str!("fixtures/1-simple.json")),
    ("2", include_str!("fixtures/2-parallel-conditions.json")),
    ("3", include_str!("fixtures/3-switch-foreach.json")),
    ("4", include_str!("fixtures/4-approval-race.json")),
    ("5", include_str!("fixtures/5-saga.json")),
    ("6", include_str!("fixtures/6-chat-bot.json")),
    ("7", include_str!("fixtures/7-stream-pipeline.json")),
    ("8", include_str!("fixtures/8-scheduled-monitor.json")),
    ("every field", include_str!("fixtures/every-field.json")),
];

fn parsed(source: &str) -> Parsed {
    parse(source.as_bytes(), Dialect::Json)
}

/// Code, pointer, line and column of every finding.
fn places(source: &str) -> Vec<(Code, String, u32, u32)> {
    let found = locate(source.as_bytes(), &parsed(source).findings);
    found.into_iter().map(|it| (it.code, it.pointer, it.line, it.column)).collect()
}

/// A document with one step that has `fields`.
fn with_step(fields: &str) -> String {
    format!(r#"{{"id": "w", "steps": [{{"id": "a", {fields}}}]}}"#)
}

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

#[test]
fn a_workflow_has_defaults_and_keeps_what_it_says() {
    let plain = parsed(r#"{"id": "w", "steps": [{"id": "a", "plugin": "p", "method": "m"}]}"#);
    assert_eq!(plain.findings, []);
    let plain = plain.workflow.unwrap();
    assert_eq!(
        (plain.version().to_string().as_str(), &plain.name, &plain.body.mode),
        ("0.0.0", &None, &None)
    );
    let said = parsed(
        r#"{"id": "w", "name": "N", "description": "D", "mode": "parallel", "timeout": "1h30m",
        "steps": [{"id": "a", "plugin": "p", "method": "m", "timeout": 0}]}"#,
    );
    let said = said.workflow.unwrap();
    assert_eq!((said.name.as_deref(), said.description.as_deref()), (Some("N"), Some("D")));
    assert_eq!(said.body.mode.unwrap().value, Mode::Parallel);
    assert_eq!(said.timeout, Some(std::time::Duration::from_secs(5400)));
    assert_eq!(said.body.steps[0].timeout, Some(None));
}

#[test]
fn many_faults_are_found_at_once_each_with_its_place() {
    let source = "{\n  \"id\": \"\",\n  \"mode\": 99,\n  \"timeot\": 5,\n  \"steps\": [\n    { \"id\": \"a\", \"plugin\": \"p\", \
                  \"method\": \"m\", \"timeout\": -5 },\n    { \"id\": \"a\", \"type\": \"set\" },\n    7\n  ]\n}";
    let expected = [
        (Code::BadId, "/id", 2, 9),
        (Code::BadValue, "/mode", 3, 11),
        (Code::UnknownKey, "/timeot", 4, 3),
        (Code::BadDuration, "/steps/0/timeout", 6, 59),
        (Code::MissingField, "/steps/1", 7, 5),
        (Code::DuplicateId, "/steps/1/id", 7, 13),
        (Code::WrongType, "/steps/2", 8, 5),
    ];
    let expected = expected.map(|(code, pointer, line, column)| (code, pointer.to_owned(), line, column));
    assert_eq!(places(source), expected);
}

/// Members of a step, and the code and pointer (below the step) of the one finding.
const FAULTY_STEPS: &[(&str, Code, &str)] = &[
    (r#""plugin": "p", "method": "m", "critical": 1"#, Code::WrongType, "/critical"),
    (r#""plugin": "p", "method": 5"#, Code::WrongType, "/method"),
    (r#""plugin": "", "method": "m""#, Code::BadValue, "/plugin"),
    (r#""plugin": "p", "method": "m", "max_retries": -1"#, Code::BadValue, "/max_retries"),
    (r#""plugin": "p", "method": "m", "max_retries": 1.5"#, Code::WrongType, "/max_retries"),
    (r#""plugin": "p", "method": "m", "max_retries": 1, "retry": {}"#, Code::NoMeaningHere, "/retry"),
    (r#""plugin": "p", "method": "m", "parameters": 5"#, Code::WrongType, "/parameters"),
    (r#""plugin": "p", "method": "m", "timeout": "5x""#, Code::BadDuration, "/timeout"),
    (r#""plugin": "p", "method": "m", "plugin_version": "1.2.3.4""#, Code::BadVersion, "/plugin_version"),
    (r#""plugin": "p", "method": "m", "retry": {"jitter": 2}"#, Code::BadValue, "/retry/jitter"),
    (r#""plugin": "p", "method": "m", "retry": {"max_attempts": 0}"#, Code::BadValue, "/retry/max_attempts"),
    (r#""plugin": "p", "method": "m", "retry": {"errors": []}"#, Code::BadValue, "/retry/errors"),
    (
        r#""plugin": "p", "method": "m", "retry": {"backoff": "none", "delay": 5}"#,
        Code::NoMeaningHere,
        "/retry/delay",
    ),
    (
        r#""plugin": "p", "method": "m", "retry": {"backoff": "fixed", "multiplier": 2}"#,
        Code::NoMeaningHere,
        "/retry/multiplier",
    ),
    (
        r#""plugin": "p", "method": "m", "retry": {"total_timeout": 0}"#,
        Code::BadDuration,
        "/retry/total_timeout",
    ),
    (r#""plugin": "p", "method": "m", "trigger_rule": "any_failed""#, Code::NoMeaningHere, "/trigger_rule"),
    (r#""plugin": "p", "method": "m", "dependencies": ["b", "b"]"#, Code::BadValue, "/dependencies/1"),
    (
        r#""plugin": "p", "method": "m", "dependencies": ["b"], "trigger_rule": "none""#,
        Code::BadValue,
        "/trigger_rule",
    ),
    (
        r#""plugin": "p", "method": "m", "dependencies": ["b"], "trigger_rule": {"completed": 0}"#,
        Code::BadValue,
        "/trigger_rule/completed",
    ),
    (r#""plugin": "p", "method": "m", "cases": []"#, Code::BadValue, "/cases"),
    (r#""plugin": "p", "method": "m", "buffer": 5"#, Code::NoMeaningHere, "/buffer"),
    (r#""plugin": "p", "method": "m", "catch": [{}]"#, Code::MissingField, "/catch/0"),
    (r#""plugin": "p", "method": "m", "catch": [{"output": 1, "as": "a-b"}]"#, Code::BadId, "/catch/0/as"),
    (r#""plugin": "p", "method": "m", "compensate": {"plugin": "q"}"#, Code::MissingField, "/compensate"),
    (r#""plugin": "p", "method": "m", "when": """#, Code::BadValue, "/when"),
    (r#""plugin": "p", "method": "m", "type": "cal""#, Code::BadValue, "/type"),
    (r#""type": "group", "steps": []"#, Code::BadValue, "/steps"),
    (
        r#""type": "group", "max_concurrency": 2, "steps": [{"id": "b", "type": "set", "variables": {}}]"#,
        Code::NoMeaningHere,
        "/max_concurrency",
    ),
    (
        r#""type": "group", "mode": "pipeline", "steps": [{"id": "b", "type": "set", "variables": {}, "dependencies": ["c"]}]"#,
        Code::NoMeaningHere,
        "/steps/0/dependencies/0",
    ),
    (
        r#""type": "race", "steps": [{"id": "b", "type": "set", "variables": {}, "dependencies": ["c"]}]"#,
        Code::NoMeaningHere,
        "/steps/0/dependencies/0",
    ),
    (r#""type": "repeat", "steps": [{"id": "b", "type": "set", "variables": {}}]"#, Code::MissingField, ""),
    (
        r#""type": "repeat", "while": "a", "until": "b", "steps": [{"id": "b", "type": "set", "variables": {}}]"#,
        Code::NoMeaningHere,
        "/until",
    ),
    (
        r#""type": "repeat", "until": 5, "steps": [{"id": "b", "type": "set", "variables": {}}]"#,
        Code::WrongType,
        "/until",
    ),
    (
        r#""type": "switch", "cases": [{"name": "n", "steps": [{"id": "b", "type": "set", "variables": {}}]}]"#,
        Code::MissingField,
        "/cases/0",
    ),
    (
        r#""type": "foreach", "items": 5, "steps": [{"id": "b", "type": "set", "variables": {}}]"#,
        Code::WrongType,
        "/items",
    ),
    (
        r#""type": "foreach", "items": "x", "tolerated_failures": "101%", "steps": [{"id": "b", "type": "set", "variables": {}}]"#,
        Code::BadValue,
        "/tolerated_failures",
    ),
    (r#""type": "wait""#, Code::MissingField, ""),
    (r#""type": "set", "variables": {}, "typ": 1"#, Code::UnknownKey, "/typ"),
    (r#""type": "set", "variables": {}, "mode": "parallel""#, Code::NoMeaningHere, "/mode"),
    (r#""type": "log", "message": "m", "level": "loud""#, Code::BadValue, "/level"),
    (r#""type": "fail", "error": {"kind": "x"}"#, Code::UnknownKey, "/error/kind"),
];

#[test]
fn every_faulty_step_is_refused_by_parser_and_schema_alike() {
    let validator = validator();
    for (fields, code, pointer) in FAULTY_STEPS {
        let source = with_step(fields);
        let found = places(&source);
        let expected = (*code, format!("/steps/0{pointer}"));
        assert!(
            found.iter().any(|(code, pointer, ..)| (*code, pointer.clone()) == expected),
            "{source}\n{found:?}"
        );
        let value: Value = serde_json::from_str(&source).unwrap();
        assert!(!validator.is_valid(&value), "the schema takes {source}");
    }
}

#[test]
fn what_a_schema_cannot_say_is_refused_by_the_parser() {
    let set = |id: &str| format!(r#"{{"id": "{id}", "type": "set", "variables": {{}}}}"#);
    let (a, b) = (set("a"), set("b"));
    for (source, code, pointer) in [
        (format!(r#"{{"id": "w", "steps": [{a}], "finally": [{a}]}}"#), Code::DuplicateId, "/finally/0/id"),
        (format!(r#"{{"id": "w", "steps": [{a}], "steps": [{b}]}}"#), Code::DuplicateKey, "/steps"),
        (
            format!(r#"{{"id": "w", "metadata": {{"k": 1, "\u006b": 2}}, "steps": [{a}]}}"#),
            Code::DuplicateKey,
            "/metadata/k",
        ),
        (format!(r#"{{"id": "w", "x-a": 1, "x-a": 2, "steps": [{a}]}}"#), Code::DuplicateKey, "/x-a"),
        (
            format!(r#"{{"id": "w", "max_concurrency": 2, "steps": [{a}]}}"#),
            Code::NoMeaningHere,
            "/max_concurrency",
        ),
        (
            format!(
                r#"{{"id": "w", "steps": [{{"id": "r", "type": "race", "winners": 3, "steps": [{a}, {b}]}}]}}"#
            ),
            Code::BadValue,
            "/steps/0/winners",
        ),
        (
            r#"{"id": "w", "steps": [{"id": "w1", "type": "wait", "duration": "soon"}]}"#.to_owned(),
            Code::BadDuration,
            "/steps/0/duration",
        ),
        (
            format!(r#"{{"id": "w", "steps": [{a}], "finally": [{{"id": "r", "type": "return"}}]}}"#),
            Code::NoMeaningHere,
            "/finally/0",
        ),
    ] {
        let found: Vec<_> = places(&source).into_iter().map(|(code, pointer, ..)| (code, pointer)).collect();
        assert_eq!(found, [(code, pointer.to_owned())], "{source}");
    }
}

#[test]
fn a_limit_on_the_run_counts_as_soon_as_anything_in_it_is_concurrent() {
    let source = r#"{"id": "w", "max_concurrency": 2, "steps": [{"id": "e", "type": "foreach", "items": "input.l",
        "max_concurrency": 5, "steps": [{"id": "a", "plugin": "p", "method": "m"}]}]}"#;
    assert_eq!(places(source), []);
}

#[test]
fn hints_name_the_nearest_field_and_the_type_that_a_field_belongs_to() {
    let hint = |fields: &str| {
        parsed(&with_step(fields)).findings.iter().map(|it| it.hint.clone()).collect::<Vec<_>>()
    };
    assert_eq!(hint(r#""plugin": "p", "method": "m", "timout": 5"#), ["Did you mean `timeout`?"]);
    assert_eq!(
        hint(
            r#""plugin": "p", "method": "m", "cases": [{"name": "n", "when": "x", "steps": [{"id": "b", "type": "return"}]}]"#
        ),
        ["`cases` belongs to type `switch`."]
    );
    assert_eq!(
        hint(r#""type": "set", "variables": {}, "while": "x""#),
        ["`while` belongs to types `foreach`, `repeat`."]
    );
    assert!(parsed(r#"{"id": "w", "mode": "paralel", "steps": []}"#).findings[0].hint.contains("`parallel`"));
}

#[test]
fn what_is_not_performed_is_refused_by_name_and_only_then() {
    let refused = |source: &str| -> Vec<String> {
        let findings = parsed(source).findings.into_iter();
        findings
            .map(|it| {
                assert_eq!(it.code, Code::NotSupported, "{it:?}");
                it.message
            })
            .collect()
    };
    let names: Vec<String> =
        EXAMPLES[..8].iter().map(|(name, text)| format!("{name}: {}", refused(text).len())).collect();
    assert_eq!(names, ["1: 0", "2: 0", "3: 0", "4: 0", "5: 0", "6: 0", "7: 4", "8: 0"]);
    let all = refused(EXAMPLES[8].1).join("\n");
    for row in support::REFUSED {
        assert!(all.contains(&format!("`{}`", row.name)), "{row:?}\n{all}");
    }
    let today = r#""plugin": "p", "method": "m", "session": "", "detached": false, "delivery": "at_least_once", "isolation": "in_process", "priority": 5"#;
    assert_eq!(refused(&with_step(today)), Vec::<String>::new());
}

#[test]
fn every_field_survives_the_way_through_the_model() {
    for (name, source) in &EXAMPLES {
        let workflow = parsed(source).workflow.unwrap();
        let text = to_json(&workflow);
        let again = parsed(&text).workflow.unwrap();
        assert_eq!(to_json(&again), text, "{name}");
        assert_eq!(
            format(text.as_bytes(), Dialect::Json).unwrap(),
            text,
            "{name}: canonical text is a fixed point"
        );
    }
    let source = EXAMPLES[8].1;
    let text = to_json(&parsed(source).workflow.unwrap());
    let (before, after): (Value, Value) =
        (serde_json::from_str(source).unwrap(), serde_json::from_str(&text).unwrap());
    assert_eq!(after, before);
}

#[test]
fn the_schema_takes_every_example() {
    let validator = validator();
    for (name, source) in &EXAMPLES {
        let value: Value = serde_json::from_str(source).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(faults, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_committed_schema_is_the_one_that_the_fields_make() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/workflow-1.schema.json");
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == text,
        "run the test with BLESS=1 and look at the difference"
    );
}

/// For every field of every step type, a value of each kind: parser and schema agree whether it fits.
#[test]
fn parser_and_schema_agree_on_every_field_and_kind_of_value() {
    let validator = validator();
    let base: Value = serde_json::from_str(EXAMPLES[8].1).unwrap();
    let probes = json!([
        null, true, -1, 0, 1, 3, 10, 1.5, 4294967296_u64, "", "x", "a b", "1h30m", "PT1S", "P1M", "0s", "1s1h", "5%", "1.2.3", "^1", ">=1, <2",
        "parallel", [], ["a"], [1], {}, {"a": 1}, {"completed": 2}
    ]);
    let steps = base["steps"].as_array().unwrap().len();
    let mut disagreements = Vec::new();
    for probe in probes.as_array().unwrap() {
        for step in 0..steps {
            for name in base["steps"][step].as_object().unwrap().keys() {
                if ["until", "duration", "id", "winners"].contains(&name.as_str()) {
                    continue; // a schema knows neither values of templates nor ids, and does not count steps
                }
                let mut document = base.clone();
                document["steps"][step][name] = probe.clone();
                disagreements.extend(agree(
                    &validator,
                    &document,
                    &format!("/steps/{step}/{name} = {probe}"),
                ));
            }
        }
        for name in base.as_object().unwrap().keys() {
            let mut document = base.clone();
            document[name] = probe.clone();
            disagreements.extend(agree(&validator, &document, &format!("/{name} = {probe}")));
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

fn agree(validator: &jsonschema::Validator, document: &Value, what: &str) -> Option<String> {
    let source = document.to_string();
    let known = [Code::NotSupported, Code::NeverFires];
    let findings: Vec<_> =
        parsed(&source).findings.into_iter().filter(|it| !known.contains(&it.code)).collect();
    let faults = validator.iter_errors(document).next().is_some();
    (findings.is_empty() == faults)
        .then(|| format!("{what}: schema finds a fault: {faults}, parser {findings:?}"))
}

#[test]
fn only_text_that_is_no_json_stops_the_reading() {
    assert_eq!(
        places("{\"id\": 5,\n \"steps\": [,"),
        [(Code::WrongType, "/id".into(), 1, 8), (Code::Syntax, "/steps/0".into(), 2, 12),]
    );
    for source in [
        "",
        "nul",
        "{",
        "{\"id\": \"w\"",
        "{\"id\": \"w\" \"x\"}",
        "[1,]",
        "{\"id\": 01}",
        "{} x",
        "{\"a\": \"\n\"}",
        "{a: 1}",
        "{\"x\": NaN}",
        "{\"x\": \"\\q\"}",
    ] {
        let parsed = parsed(source);
        assert!(parsed.workflow.is_none(), "{source}");
        assert_eq!(parsed.findings.last().unwrap().code, Code::Syntax, "{source}");
    }
    assert_eq!(parse(b"{\"id\": \"\xff\"}", Dialect::Json).findings[0].at, 8);
    assert_eq!(parsed("[]").findings[0].code, Code::WrongType);
}

#[test]
fn comments_are_for_jsonc() {
    let source = b"{ // c\n \"id\": \"w\", /* d */ \"steps\": [{\"id\": \"a\", \"type\": \"return\", \"value\": [1 /* e */]}]}";
    assert_eq!(parse(source, Dialect::Jsonc).findings, []);
    assert_eq!(parse(source, Dialect::Json).findings[0].code, Code::Syntax);
}

#[test]
fn steps_nest_64_deep_and_not_deeper() {
    let nested = |depth: usize| {
        let mut steps = r#"[{"id": "leaf", "type": "return"}]"#.to_owned();
        for level in 1..depth {
            steps = format!(
                r#"[{{"id": "s{level}", "type": "switch", "cases": [{{"name": "c", "when": "x", "steps": {steps}}}]}}]"#
            );
        }
        format!(r#"{{"id": "w", "steps": {steps}}}"#)
    };
    let deep = parsed(&nested(64));
    assert_eq!(deep.findings, []);
    let text = to_json(&deep.workflow.unwrap());
    assert_eq!(format(text.as_bytes(), Dialect::Json).unwrap(), text);
    assert_eq!(parsed(&nested(65)).findings[0].code, Code::TooLarge);
    assert_eq!(parsed(&"[".repeat(1_000_000)).findings.last().unwrap().code, Code::TooLarge);
}

#[test]
fn literal_items_have_a_limit() {
    let with = |count: usize| {
        with_step(&format!(
            r#""type": "foreach", "items": [0{}], "steps": [{{"id": "b", "type": "return"}}]"#,
            ",0".repeat(count - 1)
        ))
    };
    assert_eq!(parsed(&with(100_000)).findings, []);
    assert_eq!(places(&with(100_001))[0].1, "/steps/0/items");
}

#[test]
fn two_hundred_thousand_steps_and_a_join_over_all_of_them_are_read() {
    let count = 200_000;
    let mut source = String::from(r#"{"id": "w", "mode": "parallel", "steps": ["#);
    for step in 0..count {
        source.push_str(&format!(
            r#"{{"id": "s{step}", "plugin": "p", "method": "m", "parameters": {{"n": {step}}}}},"#
        ));
    }
    let ids: Vec<String> = (0..count).map(|step| format!("\"s{step}\"")).collect();
    source.push_str(&format!(
        r#"{{"id": "join", "plugin": "p", "method": "m", "dependencies": [{}]}}]}}"#,
        ids.join(",")
    ));
    let parsed = parsed(&source);
    assert_eq!(parsed.findings, []);
    let workflow = parsed.workflow.unwrap();
    assert_eq!(workflow.body.steps.len(), count + 1);
    assert_eq!(workflow.body.steps[count].dependencies.len(), count);
}

#[test]
fn a_flood_of_faults_is_cut_off_and_says_so() {
    let source = format!(r#"{{"id": "w", "steps": [7{}]}}"#, ",7".repeat(20_000));
    let findings = parsed(&source).findings;
    assert_eq!(findings.len(), 10_001);
    assert_eq!(findings.last().unwrap().code, Code::TooLarge);
}
