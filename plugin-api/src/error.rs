//! Why a method failed, as its author says it.

use serde::Serialize;
use std::fmt;

/// A failed call: dotted type, message, whether trying again may help, and details as JSON.
///
/// ```
/// use jackfield_plugin_api::Error;
/// let error = Error::new("csv.bad_row", "row 7 has 3 fields, the header has 4").permanent().details(&7);
/// assert_eq!(error.kind(), "csv.bad_row");
/// assert!(!error.is_retryable());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: Box<str>,
    message: Box<str>,
    details: Box<str>,
    is_retryable: bool,
}

impl Error {
    /// An error of the dotted type `kind`, such as `http.503`, that is worth a retry.
    #[must_use]
    pub fn new(kind: &str, message: impl Into<Box<str>>) -> Self {
        Self { kind: kind.into(), message: message.into(), details: "".into(), is_retryable: true }
    }

    /// An error of the type `plugin.error`, for those who need no type of their own.
    #[must_use]
    pub fn other(message: impl Into<Box<str>>) -> Self {
        Self::new("plugin.error", message)
    }

    /// An error of the type `validation`: the parameters make no sense, so trying again is useless.
    #[must_use]
    pub fn validation(message: impl Into<Box<str>>) -> Self {
        Self::new("validation", message).permanent()
    }

    /// An error of the type `cancelled`: the method saw `is_cancelled` and stopped.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new("cancelled", "the call was cancelled").permanent()
    }

    /// The same error, but trying again is useless.
    #[must_use]
    pub fn permanent(self) -> Self {
        self.retryable(false)
    }

    /// The same error, saying whether trying again may help.
    #[must_use]
    pub fn retryable(mut self, is_retryable: bool) -> Self {
        self.is_retryable = is_retryable;
        self
    }

    /// The same error with details, which expressions see as `error.details`. A value that has no JSON form is left out.
    #[must_use]
    pub fn details(mut self, details: &impl Serialize) -> Self {
        self.details = serde_json::to_string(details).unwrap_or_default().into();
        self
    }

    /// The same error with `what` in front of the message: "`what`: message".
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message).into();
        self
    }

    /// The dotted type.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The sentence for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The details as JSON; empty if there are none.
    #[must_use]
    pub fn details_json(&self) -> &str {
        &self.details
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.is_retryable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.kind)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("details", &self.details)
            .field("is_retryable", &self.is_retryable)
            .finish()
    }
}

impl std::error::Error for Error {}

/// The type is `io.` and the kind of the error, such as `io.not_found`. Missing, forbidden and malformed things are
/// permanent.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let (kind, is_retryable) = match error.kind() {
            Kind::NotFound => ("io.not_found", false),
            Kind::PermissionDenied => ("io.permission_denied", false),
            Kind::AlreadyExists => ("io.already_exists", false),
            Kind::InvalidInput => ("io.invalid_input", false),
            Kind::InvalidData => ("io.invalid_data", false),
            Kind::IsADirectory => ("io.is_a_directory", false),
            Kind::NotADirectory => ("io.not_a_directory", false),
            Kind::DirectoryNotEmpty => ("io.directory_not_empty", false),
            Kind::Unsupported => ("io.unsupported", false),
            Kind::UnexpectedEof => ("io.unexpected_eof", false),
            Kind::StorageFull => ("io.storage_full", true),
            Kind::TimedOut => ("io.timed_out", true),
            Kind::ConnectionRefused => ("io.connection_refused", true),
            Kind::ConnectionReset => ("io.connection_reset", true),
            Kind::ConnectionAborted => ("io.connection_aborted", true),
            Kind::BrokenPipe => ("io.broken_pipe", true),
            _ => ("io.error", true),
        };
        Self::new(kind, error.to_string()).retryable(is_retryable)
    }
}

/// The type is `json.` and what went wrong: `json.syntax`, `json.eof`, `json.data`; reading and writing as for IO.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        use serde_json::error::Category;
        let kind = match error.classify() {
            Category::Io => return Self::from(std::io::Error::from(error)),
            Category::Syntax => "json.syntax",
            Category::Eof => "json.eof",
            Category::Data => "json.data",
        };
        Self::new(kind, error.to_string()).permanent()
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::other(message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Self::other(message)
    }
}

/// Turns any other error into one of a plugin.
pub trait OrFail<T> {
    /// The error's own words, under the dotted type `kind`.
    ///
    /// # Errors
    /// If `self` is one.
    fn or_fail(self, kind: &str) -> Result<T, Error>;
}

impl<T, E: fmt::Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, kind: &str) -> Result<T, Error> {
        self.map_err(|error| Error::new(kind, error.to_string()))
    }
}
