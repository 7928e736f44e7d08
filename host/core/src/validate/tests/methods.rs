//! Plugins, versions, methods and parameters.

use super::*;

fn load(more: &str) -> String {
    workflow("sequential", "", &format!(r#"{{"id": "a", "plugin": "csv", "method": "load", {more}}}"#))
}

fn picked(rest: &str, more: &str) -> String {
    let step =
        format!(r#"{{"id": "a", "plugin": "csv", "method": "load", "parameters": {{"path": "x"}}{more}}}"#);
    plan(&workflow("sequential", rest, &step)).methods[0].version.to_string()
}

#[test]
fn the_newest_version_within_all_ranges_is_picked() {
    assert_eq!(picked("", ""), "2.0.0");
    assert_eq!(picked("", r#", "plugin_version": "^1""#), "1.4.0");
    assert_eq!(picked(r#""requires": {"csv": "<1.4"},"#, ""), "1.0.0");
    assert_eq!(picked(r#""requires": {"csv": "^1"},"#, r#", "plugin_version": "<1.3""#), "1.0.0");
}

#[test]
fn calls_of_one_method_share_an_entry_and_versions_do_not() {
    let step = |id: &str, range: &str| {
        let parameters = r#""parameters": {"path": "x"}"#;
        format!(
            r#"{{"id": "{id}", "plugin": "csv", "method": "load", "plugin_version": "{range}", {parameters}}}"#
        )
    };
    let steps = [step("a", "^2"), step("b", ">=1"), step("c", "^1"), step("d", "*")].join(", ");
    assert_eq!(plan(&workflow("sequential", "", &steps)).methods.len(), 2);
}

#[test]
fn an_unknown_plugin_is_named_with_the_nearest() {
    let document = workflow("sequential", "", r#"{"id": "a", "plugin": "cvs", "method": "load"}"#);
    let finding = only(&document);
    assert_eq!((finding.code, finding.hint.as_str()), (Code::UnknownPlugin, "Did you mean `csv`?"));
    assert!(at(&document, &finding).starts_with("\"cvs\""));
}

#[test]
fn a_plugin_that_cannot_be_used_says_why_at_the_call() {
    let said = |plugin: &str, more: &str| {
        let step = format!(r#"{{"id": "a", "plugin": "{plugin}", "method": "m"{more}}}"#);
        let document = workflow("sequential", "", &step);
        let finding = only(&document);
        let place = if more.is_empty() { format!("\"{plugin}\"") } else { String::new() };
        assert!(at(&document, &finding).starts_with(&place));
        (finding.code, finding.message, finding.hint)
    };
    let why = |version: u8| {
        format!("plugin `needy` {version}.0.0 cannot be used: it requires `b ^{version}`, which is not there")
    };
    let hint = "Add `b`.".to_owned();
    assert_eq!(said("needy", ""), (Code::UnknownPlugin, why(2), hint.clone()));
    let older = said("needy", r#", "plugin_version": "^1""#);
    assert_eq!(older, (Code::UnknownPlugin, why(1), hint.clone()));
    let neither = said("needy", r#", "plugin_version": "^3""#);
    assert_eq!(neither, (Code::UnknownPlugin, why(2), hint));
    let (code, message, hint) = said("torn", "");
    assert_eq!((code, &*message), (Code::UnknownPlugin, "there is no plugin `torn`"));
    assert_eq!(hint, "`torn.so` is truncated. Copy it again.");
}

#[test]
fn an_unknown_method_is_named_with_the_nearest_or_the_version_that_has_it() {
    let finding = only(&workflow("sequential", "", r#"{"id": "a", "plugin": "csv", "method": "laod"}"#));
    assert_eq!(finding.message, "plugin `csv` 2.0.0 has no method `laod`");
    assert_eq!(finding.hint, "Did you mean `load`?");
    let finding = only(&workflow("sequential", "", r#"{"id": "a", "plugin": "csv", "method": "old"}"#));
    assert_eq!(finding.code, Code::UnknownMethod);
    assert_eq!(finding.hint, "It is in version 1.0.0; ask for it with `plugin_version`.");
}

#[test]
fn ranges_that_no_version_satisfies_are_listed_with_what_is_there() {
    let document = load(r#""plugin_version": "^3""#);
    let finding = only(&document);
    assert_eq!(finding.code, Code::NoVersion);
    assert_eq!(finding.message, "no version of plugin `csv` satisfies `^3`");
    assert_eq!(
        finding.hint,
        "Installed: `2.0.0`, `1.4.0`, `1.0.0`; plugin `csv` 3.0.0 cannot be used: it needs ABI 2. Update the host."
    );
    assert!(at(&document, &finding).starts_with("\"^3\""));
    let finding = only(&load(r#""plugin_version": "^4""#));
    assert_eq!(finding.hint, "Installed: `2.0.0`, `1.4.0`, `1.0.0`.");

    let step = r#"{"id": "a", "plugin": "csv", "method": "load", "plugin_version": "^1"}"#;
    let finding = only(&workflow("sequential", r#""requires": {"csv": "^2"},"#, step));
    assert_eq!(finding.message, "no version of plugin `csv` satisfies `^2` and `^1`");
}

#[test]
fn requires_is_checked_whether_or_not_a_step_uses_the_plugin() {
    let finding = only(&workflow("sequential", r#""requires": {"ghost": "^1"},"#, &call("a", "")));
    assert_eq!(finding.code, Code::UnknownPlugin);
    let document = workflow("sequential", r#""requires": {"csv": "^7"},"#, &call("a", ""));
    let finding = only(&document);
    assert_eq!(finding.code, Code::NoVersion);
    assert!(at(&document, &finding).starts_with("\"^7\""));
}

#[test]
fn a_fault_in_requires_is_not_repeated_at_every_step() {
    let step = r#"{"id": "a", "plugin": "csv", "method": "load"}"#;
    assert_eq!(only(&workflow("sequential", r#""requires": {"csv": "^7"},"#, step)).code, Code::NoVersion);
}

#[test]
fn methods_of_undos_catches_and_clean_up_are_checked_too() {
    let rest = r#""on_failure": [{"id": "f", "plugin": "nope1", "method": "m"}],
        "finally": [{"id": "g", "plugin": "nope2", "method": "m"}],"#;
    let more = r#""compensate": {"plugin": "nope3", "method": "m"},
        "catch": [{"steps": [{"id": "k", "plugin": "nope4", "method": "m"}]}]"#;
    let compiled = compiled(&workflow("sequential", rest, &call("a", more)));
    assert_eq!(codes(&compiled), [Code::UnknownPlugin; 4]);
}

#[test]
fn parameters_are_checked_as_far_as_they_are_known() {
    let accepted = [
        r#"{"path": "x"}"#,
        r#"{"path": "${input.path}"}"#,
        r#"{"path": "in ${input.dir}"}"#,
        r#"{"path": "x", "limit": "${input.limit}"}"#,
        r#"{"path": "x", "mode": "${input.mode}"}"#,
        r#"{"path": "x", "mode": "f${input.mode}"}"#,
        r#"{"path": "x", "either": {"a": "${input.a}"}}"#,
        r#"{"path": "x", "either": "${input.either}"}"#,
        r#"{"path": "x", "nested": {"flag": "${input.flag}", "more": 1}}"#,
        r#""${input}""#,
    ];
    for parameters in accepted {
        let compiled = compiled(&load(&format!(r#""parameters": {parameters}"#)));
        assert!(compiled.plan.is_some(), "{:#?} for {parameters}", compiled.findings);
    }
    let refused = [
        (r#"{"path": 1}"#, "the parameter `path` of `csv.load` must be a string, not the number `1`", "1}"),
        (r#"{"limit": 3}"#, "`csv.load` needs the parameter `path`", "{\"limit\""),
        (r#"{"limit": "${input.x}"}"#, "`csv.load` needs the parameter `path`", "{\"limit\""),
        (r#"{"path": "x", "limt": 3}"#, "`csv.load` has no parameter `limt`", "\"limt\""),
        (r#"{"path": "${input.x}", "limt": "${input.y}"}"#, "`csv.load` has no parameter `limt`", "\"limt\""),
        (
            r#"{"path": "x", "limit": "n${input.n}"}"#,
            "the parameter `limit` of `csv.load` must be an integer, not text with an expression in it",
            "\"n$",
        ),
        (
            r#"{"path": "${input.x}", "nested": {"flag": "yes"}}"#,
            "the parameter `nested.flag` of `csv.load` must be a boolean, not the string `yes`",
            "\"yes\"",
        ),
    ];
    for (parameters, message, place) in refused {
        let document = load(&format!(r#""parameters": {parameters}"#));
        let finding = only(&document);
        assert_eq!((finding.code, finding.message.as_str()), (Code::BadParameters, message));
        assert!(at(&document, &finding).starts_with(place), "{parameters}: {}", at(&document, &finding));
    }
}

#[test]
fn other_rules_of_the_schema_name_the_parameter() {
    for (parameters, part) in [
        (
            r#"{"path": "x", "limit": 0}"#,
            "the parameter `limit` of `csv.load`: 0 is less than the minimum of 1",
        ),
        (r#"{"path": "x", "mode": "slow"}"#, "the parameter `mode` of `csv.load`: \"slow\" is not one of"),
        (r#"{"path": "x", "either": {"b": 1}}"#, "the parameter `either` of `csv.load`: "),
    ] {
        let finding = only(&load(&format!(r#""parameters": {parameters}"#)));
        assert_eq!(finding.code, Code::BadParameters);
        assert!(finding.message.starts_with(part), "{}", finding.message);
    }
}

#[test]
fn absent_parameters_are_an_empty_object() {
    let finding = only(&workflow("sequential", "", r#"{"id": "a", "plugin": "csv", "method": "load"}"#));
    assert_eq!(finding.message, "`csv.load` needs the parameter `path`");
}

#[test]
fn an_unknown_parameter_has_the_nearest_as_hint() {
    let finding = only(&load(r#""parameters": {"path": "x", "limt": 3}"#));
    assert_eq!(finding.hint, "Did you mean `limit`?");
}
