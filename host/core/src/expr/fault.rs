//! What can be wrong with an expression: faults of its text, found when it is compiled, and failures of an evaluation.

use crate::diagnostic::Code;
use std::fmt;
use std::sync::Arc;

/// A fault in the text of an expression or a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: bytes into the text that was compiled (of a template: into its JSON text).
    pub offset: usize,
    /// What kind of fault.
    pub kind: FaultKind,
    /// What is wrong.
    pub message: String,
    /// What may help; may be empty.
    pub hint: String,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No CEL, or no JSON.
    Syntax,
    /// A name that stands for nothing here.
    UnknownName,
    /// A function that does not exist, or not with these arguments.
    UnknownFunction,
    /// A secret where none may be used, or whose name is not a literal.
    Secret,
    /// Larger or deeper than the limits.
    TooLarge,
}

impl FaultKind {
    /// The code of a finding about it.
    pub(crate) const fn code(self) -> Code {
        match self {
            Self::UnknownName | Self::Secret => Code::UnknownName,
            Self::Syntax => Code::ExpressionSyntax,
            Self::UnknownFunction => Code::BadFunction,
            Self::TooLarge => Code::TooLarge,
        }
    }
}

/// An evaluation that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalError(Box<Details>);

#[derive(Clone, Debug, PartialEq)]
struct Details {
    message: String,
    hint: String,
    offset: Option<usize>,
    source: Arc<str>,
    fatal: bool,
}

impl EvalError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            message: message.into(),
            hint: String::new(),
            offset: None,
            source: "".into(),
            fatal: false,
        }))
    }

    /// No `||` or `&&` hides it, and the message shows no values: a limit was exceeded, a secret is missing.
    pub(super) fn fatal(message: impl Into<String>) -> Self {
        let mut error = Self::new(message);
        error.0.fatal = true;
        error
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// Without the values that the message may show: they may be made of a secret.
    pub(super) fn without_values(mut self) -> Self {
        if !self.0.fatal {
            self.0.message = "the expression failed; why is not shown because it uses a secret".into();
            self.0.hint.clear();
        }
        self
    }

    pub(super) fn is_fatal(&self) -> bool {
        self.0.fatal
    }

    /// Says where it happened, unless a place further inside is known already.
    pub(super) fn at(mut self, offset: u32) -> Self {
        self.0.offset.get_or_insert(offset as usize);
        self
    }

    pub(super) fn of(mut self, source: &Arc<str>) -> Self {
        self.0.source = Arc::clone(source);
        self
    }

    /// What failed, without the expression.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// A sentence that may help; may be empty.
    #[must_use]
    pub fn hint_text(&self) -> &str {
        &self.0.hint
    }

    /// Where: bytes into [`Self::expression`].
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        self.0.offset
    }

    /// The expression that failed.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.0.source
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.message)?;
        if !self.0.source.is_empty() {
            write!(f, ", in `{}`", self.0.source)?;
        }
        if !self.0.hint.is_empty() {
            write!(f, ". {}", self.0.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for EvalError {}
