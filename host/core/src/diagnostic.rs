//! Faults and warnings about a document, all at once, each with its place and a way out.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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

/// The candidate most like `word`, if one is like enough to be a slip of the pen.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    None
}
