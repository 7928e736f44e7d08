//! Faults and warnings about a document, all at once, each with its place and a way out.

mod explain;
mod locate;

pub use explain::Explanation;
pub use locate::locate;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// How bad it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look; the workflow runs.
    Warning,
    /// The workflow cannot run.
    Error,
}

/// What kind of finding it is. The number is stable; `jackfield explain` tells more about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Code {
    /// The text is no JSON.
    Syntax = 1,
    /// An object has a key that the format does not know.
    UnknownKey = 2,
    /// An object has a key twice.
    DuplicateKey = 3,
    /// A value has the wrong JSON type.
    WrongType = 4,
    /// A value is out of range or not among the allowed ones.
    BadValue = 5,
    /// A required field is missing.
    MissingField = 6,
    /// Two steps have one id.
    DuplicateId = 7,
    /// An id breaks the rule for ids.
    BadId = 8,
    /// A field has no meaning where it stands.
    NoMeaningHere = 9,
    /// A type or field that this engine does not perform.
    NotSupported = 10,
    /// Something is larger or nested deeper than its limit.
    TooLarge = 11,
    /// A version or version range is no semver.
    BadVersion = 12,
    /// A duration cannot be read.
    BadDuration = 13,
    /// `dsl` or `$schema` names a format that this host does not know.
    UnknownFormat = 14,
    /// A dependency names no sibling.
    UnknownStep = 20,
    /// Steps wait for each other.
    Cycle = 21,
    /// A step of a sequence depends on a later one.
    ForwardDependency = 22,
    /// A trigger rule can never be met.
    NeverFires = 23,
    /// Two steps that nothing orders use one variable, and one of them writes it.
    VariableConflict = 24,
    /// A reference to something that cannot be finished by then.
    NotUpstream = 25,
    /// An expression cannot be read.
    ExpressionSyntax = 30,
    /// `${` in a field that is an expression already.
    TemplateInExpression = 31,
    /// An expression uses a name that does not exist there.
    UnknownName = 32,
    /// An expression calls an unknown function, or one with the wrong number of arguments.
    BadFunction = 33,
    /// No plugin has this name.
    UnknownPlugin = 40,
    /// The plugin has no method of this name.
    UnknownMethod = 41,
    /// No installed version of the plugin satisfies the ranges.
    NoVersion = 42,
    /// Parameters do not fit the schema of the method.
    BadParameters = 43,
    /// `retry` names no policy of the document.
    UnknownPolicy = 44,
    /// A JSON Schema in the document is not valid.
    BadSchema = 50,
    /// Nothing reads the output of a step that has no side effects.
    UnusedOutput = 101,
    /// A case that no input can reach.
    UnreachableCase = 102,
    /// A condition that is always true or always false.
    ConstantCondition = 103,
    /// A call names a pool that this host does not have.
    UnknownPool = 104,
}

impl Code {
    /// Every code, by number.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &[
            Self::Syntax,
            Self::UnknownKey,
            Self::DuplicateKey,
            Self::WrongType,
            Self::BadValue,
            Self::MissingField,
            Self::DuplicateId,
            Self::BadId,
            Self::NoMeaningHere,
            Self::NotSupported,
            Self::TooLarge,
            Self::BadVersion,
            Self::BadDuration,
            Self::UnknownFormat,
            Self::UnknownStep,
            Self::Cycle,
            Self::ForwardDependency,
            Self::NeverFires,
            Self::VariableConflict,
            Self::NotUpstream,
            Self::ExpressionSyntax,
            Self::TemplateInExpression,
            Self::UnknownName,
            Self::BadFunction,
            Self::UnknownPlugin,
            Self::UnknownMethod,
            Self::NoVersion,
            Self::BadParameters,
            Self::UnknownPolicy,
            Self::BadSchema,
            Self::UnusedOutput,
            Self::UnreachableCase,
            Self::ConstantCondition,
            Self::UnknownPool,
        ]
    }

    /// The code that is written as `text`, such as `JF0002`; upper or lower case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::all().iter().copied().find(|code| code.to_string().eq_ignore_ascii_case(text))
    }

    /// How bad such a finding is: codes from 100 on are warnings.
    #[must_use]
    pub fn severity(self) -> Severity {
        if self as u16 >= 100 { Severity::Warning } else { Severity::Error }
    }

    /// What `jackfield explain` says about it.
    #[must_use]
    pub fn explain(self) -> Explanation {
        explain::explain(self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JF{:04}", *self as u16)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no code of a diagnostic")))
    }
}

/// A finding as the passes over a document make it. Its place is a byte offset, which costs nothing to keep;
/// line, column and JSON pointer are found from it when somebody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of finding.
    pub code: Code,
    /// Byte offset into the document of the value or key in question.
    pub at: u32,
    /// What is wrong: a lower-case fragment with the value in backticks.
    pub message: String,
    /// What to do, as a sentence; empty if there is nothing to say.
    pub hint: String,
}

/// A finding with its place, as people and programs see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Diagnostic {
    /// What kind of finding.
    #[schemars(with = "String")]
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// JSON pointer (RFC 6901) of the value in question, or of the member whose key is.
    pub pointer: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Diagnostic {
    /// `file:line:column: error[JF0002]: message`, and the hint on a line of its own.
    #[must_use]
    pub fn in_file<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| write!(f, "{file}:{self}"))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{}:{}: {severity}[{}]: {}", self.line, self.column, self.code, self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// The candidate most like `word`, if one is like enough to be a slip of the pen: at most a third of its letters
/// differ, swapped neighbours counting once.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // nobody mistypes a name of hundreds of letters, and the distance takes quadratic time
    if word.len() > 200 {
        return None;
    }
    let lower = word.to_lowercase();
    let allowed = (lower.chars().count() / 3).max(1);
    let distance = |candidate: &str| strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 4 * allowed)
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_by_number_and_read_back() {
        assert!(Code::all().is_sorted());
        for code in Code::all() {
            assert_eq!(Code::parse(&code.to_string()), Some(*code));
        }
        assert_eq!(Code::UnknownKey.to_string(), "JF0002");
        assert_eq!(Code::parse("jf0101"), Some(Code::UnusedOutput));
        assert_eq!(Code::parse("JF9999"), None);
        assert_eq!(
            (Code::BadSchema.severity(), Code::UnusedOutput.severity()),
            (Severity::Error, Severity::Warning)
        );
    }

    #[test]
    fn only_a_slip_of_the_pen_has_a_nearest_name() {
        let names = ["load", "transform", "save"];
        assert_eq!(nearest("laod", names), Some("load"));
        assert_eq!(nearest("Transfrom", names), Some("transform"));
        assert_eq!(nearest("audit", names), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn a_diagnostic_reads_like_a_compiler_message() {
        let finding = Finding { code: Code::UnknownKey, at: 2, message: "no".into(), hint: "Do.".into() };
        let diagnostics = locate(b"{ \"a\": 1 }", &[finding]);
        assert_eq!(
            diagnostics[0].in_file("w.json").to_string(),
            "w.json:1:3: error[JF0002]: no\n  hint: Do."
        );
        assert_eq!(serde_json::to_value(&diagnostics[0]).unwrap()["code"], "JF0002");
    }
}
