//! What each code means, with a document that has the fault and one that has not.

use super::Code;
use serde::Serialize;

/// What `jackfield explain` says about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// A few words.
    pub title: &'static str,
    /// A few sentences.
    pub text: &'static str,
    /// A document that has the fault.
    pub example_wrong: &'static str,
    /// The document without it.
    pub example_right: &'static str,
}

const fn explanation(
    title: &'static str,
    text: &'static str,
    example_wrong: &'static str,
    example_right: &'static str,
) -> Explanation {
    Explanation { title, text, example_wrong, example_right }
}

/// The explanation of `code`.
pub(super) fn explain(code: Code) -> Explanation {
    if (code as u16) < 20 { format(code) } else { meaning(code) }
}

const RIGHT: &str = r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#;

/// Codes about the form of a document.
fn format(code: Code) -> Explanation {
    match code {
        Code::UnknownKey => explanation(
            "an object has a key that the format does not know",
            "Nothing is accepted and ignored, so a key that is not in the format is a fault; usually it is a slip of the \
             pen. Keys of your own begin with `x-` or stand in `metadata`.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "timout": "5s"}]}"#,
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "timeout": "5s"}]}"#,
        ),
        Code::DuplicateKey => explanation(
            "an object has a key twice",
            "JSON readers differ in which of two equal keys they keep, so a document that has one twice is refused.",
            r#"{"id": "w", "id": "v", "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
            RIGHT,
        ),
        Code::WrongType => explanation(
            "a value has the wrong JSON type",
            "The field takes another type of JSON value, such as a string where a number stands.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "critical": "yes"}]}"#,
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "critical": true}]}"#,
        ),
        Code::BadValue => explanation(
            "a value is not allowed",
            "The value has the right type but is out of range, empty, or not among the words that the field knows.",
            r#"{"id": "w", "mode": "serial", "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
            r#"{"id": "w", "mode": "sequential", "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
        ),
        Code::MissingField => explanation(
            "a required field is missing",
            "The object cannot work without the field. What a step needs depends on its `type`, which is `call` if it is \
             absent.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo"}]}"#,
            RIGHT,
        ),
        Code::DuplicateId => explanation(
            "two steps have one id",
            "The id of a step is unique in the whole document: in nested steps, in `catch`, `on_failure` and `finally` \
             too. The cases of a switch have names of their own, unique in the switch.",
            r#"{"id": "w", "steps": [{"id": "a", "type": "set", "variables": {}},
 {"id": "a", "type": "set", "variables": {}}]}"#,
            r#"{"id": "w", "steps": [{"id": "a", "type": "set", "variables": {}},
 {"id": "b", "type": "set", "variables": {}}]}"#,
        ),
        Code::BadId => explanation(
            "an id breaks the rule for ids",
            "Ids are names in expressions: 1 to 128 letters, digits and underscores, not beginning with a digit. A hyphen \
             would read as minus.",
            r#"{"id": "my-workflow", "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
            r#"{"id": "my_workflow", "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
        ),
        _ => limits(code),
    }
}

/// Codes about meaning, limits and notations.
fn limits(code: Code) -> Explanation {
    match code {
        Code::NoMeaningHere => explanation(
            "a field has no meaning where it stands",
            "The format knows the field, but here it would change nothing: it belongs to another type of step, or another \
             field rules it out.",
            r#"{"id": "w", "max_concurrency": 4, "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
            r#"{"id": "w", "mode": "parallel", "max_concurrency": 4,
 "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
        ),
        Code::NotSupported => explanation(
            "this version does not perform what the document asks for",
            "The type or field is a part of the format, but this version cannot do what it says. It is refused rather than \
             ignored.",
            r#"{"id": "w", "mode": "pipeline", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "buffer": 8}]}"#,
            RIGHT,
        ),
        Code::TooLarge => explanation(
            "something is larger or nested deeper than its limit",
            "Limits: 256 MiB for a document, 64 levels of nested steps, 128 levels within a value, 100,000 literal `items`.",
            DEEP,
            RIGHT,
        ),
        Code::BadVersion => explanation(
            "a version or a range of versions cannot be read",
            "Versions have three numbers, such as `1.4.0`. Ranges are written `^1.4`, `>=1.4, <2` or `=1.4.2`.",
            r#"{"id": "w", "version": "1.4", "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
            r#"{"id": "w", "version": "1.4.0", "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
        ),
        Code::BadDuration => explanation(
            "a duration cannot be read",
            "Durations are whole milliseconds, text such as \"1h30m\" or \"500ms\", or ISO 8601 such as \"PT30S\". They are \
             not negative and at most 36,500 days.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "timeout": "5 seconds"}]}"#,
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "timeout": "5s"}]}"#,
        ),
        Code::UnknownFormat => explanation(
            "the document names a format that this version does not know",
            "`dsl` is \"1\" and `$schema` is \"urn:jackfield:workflow:1\"; both may be absent.",
            r#"{"dsl": "2", "id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
            r#"{"dsl": "1", "id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
        ),
        _ => explanation(
            "the text is no JSON",
            "The text cannot be read from here on, so faults behind this place are not listed yet. Comments are allowed in \
             `.jsonc` files only.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo"},]}"#,
            RIGHT,
        ),
    }
}

/// A value nested 129 deep.
const DEEP: &str = concat!(
    r#"{"id": "w", "metadata": {"deep": "#,
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    r#"}, "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#
);

/// Codes about what steps, expressions and plugins mean to each other.
fn meaning(code: Code) -> Explanation {
    match code {
        Code::UnknownStep => explanation(
            "a dependency names no sibling",
            "`dependencies` names steps of the same list. To wait for a step further out, refer to it in an expression.",
            r#"{"id": "w", "steps": [{"id": "load", "plugin": "echo", "method": "echo"},
 {"id": "save", "plugin": "echo", "method": "echo", "dependencies": ["laod"]}]}"#,
            r#"{"id": "w", "steps": [{"id": "load", "plugin": "echo", "method": "echo"},
 {"id": "save", "plugin": "echo", "method": "echo", "dependencies": ["load"]}]}"#,
        ),
        Code::Cycle => explanation(
            "steps wait for each other",
            "None of the steps of a cycle could ever start. References in expressions count as dependencies.",
            r#"{"id": "w", "mode": "parallel", "steps": [
 {"id": "a", "plugin": "echo", "method": "echo", "dependencies": ["b"]},
 {"id": "b", "plugin": "echo", "method": "echo", "dependencies": ["a"]}]}"#,
            r#"{"id": "w", "mode": "parallel", "steps": [
 {"id": "a", "plugin": "echo", "method": "echo"},
 {"id": "b", "plugin": "echo", "method": "echo", "dependencies": ["a"]}]}"#,
        ),
        Code::ForwardDependency => explanation(
            "a step of a sequence depends on a later one",
            "In sequential mode steps run in list order, so a dependency can only point backwards. Reorder the steps or \
             choose the mode `parallel`.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "dependencies": ["b"]},
 {"id": "b", "plugin": "echo", "method": "echo"}]}"#,
            r#"{"id": "w", "steps": [{"id": "b", "plugin": "echo", "method": "echo"},
 {"id": "a", "plugin": "echo", "method": "echo", "dependencies": ["b"]}]}"#,
        ),
        Code::NeverFires => explanation(
            "a trigger rule can never be met",
            "The rule asks for something that the dependencies cannot come to, such as the failure of a critical step, \
             which ends the scope, or more completed steps than there are dependencies.",
            r#"{"id": "w", "mode": "parallel", "steps": [{"id": "a", "plugin": "echo", "method": "echo"},
 {"id": "b", "plugin": "echo", "method": "echo", "dependencies": ["a"], "trigger_rule": {"completed": 2}}]}"#,
            r#"{"id": "w", "mode": "parallel", "steps": [{"id": "a", "plugin": "echo", "method": "echo"},
 {"id": "b", "plugin": "echo", "method": "echo", "dependencies": ["a"], "trigger_rule": {"completed": 1}}]}"#,
        ),
        Code::VariableConflict => explanation(
            "two steps that nothing orders use one variable, and one of them writes it",
            "The result would depend on which of them is faster. Let one depend on the other, or use two variables.",
            r#"{"id": "w", "mode": "parallel", "variables": {"n": 0}, "steps": [
 {"id": "a", "type": "set", "variables": {"n": 1}}, {"id": "b", "type": "set", "variables": {"n": 2}}]}"#,
            r#"{"id": "w", "mode": "parallel", "variables": {"n": 0}, "steps": [
 {"id": "a", "type": "set", "variables": {"n": 1}},
 {"id": "b", "type": "set", "variables": {"n": 2}, "dependencies": ["a"]}]}"#,
        ),
        Code::NotUpstream => explanation(
            "a reference to something that cannot be finished by then",
            "A step can refer to what has ended before it starts: siblings before it and what is visible around them. The \
             steps inside a structured step are invisible outside; use its output.",
            r#"{"id": "w", "steps": [{"id": "a", "type": "set", "variables": {"n": "${steps.b.output}"}},
 {"id": "b", "plugin": "echo", "method": "echo"}]}"#,
            r#"{"id": "w", "steps": [{"id": "b", "plugin": "echo", "method": "echo"},
 {"id": "a", "type": "set", "variables": {"n": "${steps.b.output}"}}]}"#,
        ),
        _ => expressions(code),
    }
}

/// Codes about expressions and plugins.
fn expressions(code: Code) -> Explanation {
    match code {
        Code::ExpressionSyntax => explanation(
            "an expression cannot be read",
            "Conditions, and what stands between `${` and `}`, are CEL expressions.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "when": "input.n >"}]}"#,
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "when": "input.n > 1"}]}"#,
        ),
        Code::TemplateInExpression => explanation(
            "`${` in a field that is an expression already",
            "`when`, `while`, `until`, `filter`, `key` and `items` are expressions as a whole and take no `${...}`.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "when": "${input.on}"}]}"#,
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "when": "input.on"}]}"#,
        ),
        Code::UnknownName => explanation(
            "an expression uses a name that does not exist there",
            "Which names exist depends on the field: `input`, `vars` and `steps` nearly everywhere, `item` only in foreach, \
             `prev` only in a pipeline.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "when": "inptu.on"}]}"#,
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "when": "input.on"}]}"#,
        ),
        Code::BadFunction => explanation(
            "an expression calls an unknown function, or one with the wrong number of arguments",
            "The functions are those of CEL, and `now()`, `uuid()` and `secret(name)`.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "when": "length(input) > 0"}]}"#,
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "when": "size(input) > 0"}]}"#,
        ),
        Code::UnknownPlugin => explanation(
            "no plugin that can be used has this name",
            "The plugin is not installed, its file was refused, it requires another plugin that is not there, or its id is \
             misspelt. `jackfield plugin list` shows what there is, and what is wrong with the rest.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "ehco", "method": "echo"}]}"#,
            RIGHT,
        ),
        Code::UnknownMethod => explanation(
            "the plugin has no method of this name",
            "The plugin is installed, but the version that would be used has no such method.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "ehco"}]}"#,
            RIGHT,
        ),
        Code::NoVersion => explanation(
            "no installed version of the plugin satisfies the ranges",
            "The range of the step and that of `requires` both count.",
            r#"{"id": "w", "requires": {"echo": "^99"}, "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
            RIGHT,
        ),
        Code::BadParameters => explanation(
            "parameters do not fit the schema of the method",
            "Each method describes its parameters by a JSON Schema. Values that come from expressions are checked when the \
             step runs.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "csv", "method": "load", "parameters": {"path": 5}}]}"#,
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "csv", "method": "load", "parameters": {"path": "a.csv"}}]}"#,
        ),
        _ => policies(code),
    }
}

/// Codes about named policies and schemas, and the warnings.
fn policies(code: Code) -> Explanation {
    match code {
        Code::UnknownPolicy => explanation(
            "`retry` names no policy of the document",
            "`retry: \"name\"` refers to an entry of `retry_policies`.",
            r#"{"id": "w", "retry_policies": {"net": {"max_attempts": 5}},
 "steps": [{"id": "a", "plugin": "echo", "method": "echo", "retry": "nte"}]}"#,
            r#"{"id": "w", "retry_policies": {"net": {"max_attempts": 5}},
 "steps": [{"id": "a", "plugin": "echo", "method": "echo", "retry": "net"}]}"#,
        ),
        Code::BadSchema => explanation(
            "a JSON Schema in the document is not valid",
            "`input_schema` is a JSON Schema, draft 2020-12.",
            r#"{"id": "w", "input_schema": {"type": "strng"},
 "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
            r#"{"id": "w", "input_schema": {"type": "string"},
 "steps": [{"id": "a", "plugin": "echo", "method": "echo"}]}"#,
        ),
        Code::UnusedOutput => explanation(
            "nothing reads the output of a step that has no side effects",
            "The step can be left out without any difference.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "table", "method": "count", "parameters": {"rows": []}},
 {"id": "b", "plugin": "echo", "method": "echo"}]}"#,
            RIGHT,
        ),
        Code::UnreachableCase => explanation(
            "a case that no input can reach",
            "An earlier case takes everything, so this one never runs.",
            r#"{"id": "w", "steps": [{"id": "s", "type": "switch", "cases": [
 {"name": "always", "when": "true", "steps": [{"id": "a", "type": "set", "variables": {}}]},
 {"name": "never", "when": "input.n > 1", "steps": [{"id": "b", "type": "set", "variables": {}}]}]}]}"#,
            r#"{"id": "w", "steps": [{"id": "s", "type": "switch", "cases": [
 {"name": "many", "when": "input.n > 1", "steps": [{"id": "b", "type": "set", "variables": {}}]}],
 "default": {"steps": [{"id": "a", "type": "set", "variables": {}}]}}]}"#,
        ),
        Code::UnknownPool => explanation(
            "a call names a pool that this host does not have",
            "Pools belong to hosts: [pools.NAME] in the configuration says how many calls may be under way at a time. A call whose pool \
             is not there waits, also for good; another host may have it.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "pool": "gpu"}]}"#,
            RIGHT,
        ),
        _ => explanation(
            "a condition that is always true or always false",
            "The condition depends on nothing, so it decides nothing.",
            r#"{"id": "w", "steps": [{"id": "a", "plugin": "echo", "method": "echo", "when": "1 > 2"}]}"#,
            RIGHT,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dialect, parse};

    /// Codes that parsing finds; the others need plugins or expressions, and are checked where those are known.
    fn is_found_by_parsing(code: Code) -> bool {
        (code as u16) < 20 || code == Code::NeverFires
    }

    #[test]
    fn every_code_has_an_explanation_of_its_own() {
        let mut titles: Vec<_> = Code::all().iter().map(|code| code.explain().title).collect();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), Code::all().len());
    }

    #[test]
    fn each_wrong_example_has_exactly_the_fault_and_each_right_one_none() {
        for code in Code::all() {
            let Explanation { example_wrong, example_right, .. } = code.explain();
            let codes = |text: &str| -> Vec<Code> {
                parse(text.as_bytes(), Dialect::Json).findings.iter().map(|finding| finding.code).collect()
            };
            assert_eq!(codes(example_right), [], "{code}");
            let expected = if is_found_by_parsing(*code) { vec![*code] } else { Vec::new() };
            assert_eq!(codes(example_wrong), expected, "{code}");
        }
    }
}
