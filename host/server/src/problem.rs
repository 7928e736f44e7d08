//! What could not be done, as RFC 9457 has it.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jackfield::diagnostic::Diagnostic;
use jackfield::{EngineError, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of problem it is; the word is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// The request is not understood.
    BadRequest,
    /// Whoever asks has to show a token that counts.
    Unauthorized,
    /// Whoever asks may not do this.
    Forbidden,
    /// There is no such run, workflow or path.
    NotFound,
    /// The method does not fit the path.
    MethodNotAllowed,
    /// It stands against what there is, such as a run of the same id.
    Conflict,
    /// The document is invalid; `diagnostics` says how.
    InvalidDocument,
    /// The input does not fit the workflow.
    InvalidInput,
    /// The host cannot do it at the moment.
    Unavailable,
    /// A limit is reached; trying again later may help.
    TooMany,
    /// The request took too long to come.
    Timeout,
    /// The body is too large.
    TooLarge,
    /// The headers are too large, or too many.
    HeadersTooLarge,
    /// A defect, or trouble with files.
    Internal,
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A problem document.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A URI reference for the kind.
    #[serde(rename = "type")]
    pub type_uri: Box<str>,
    /// The kind in words.
    pub title: Box<str>,
    /// HTTP status.
    pub status: u16,
    /// What is wrong here, and what to do.
    pub detail: String,
    /// The kind.
    pub code: ProblemKind,
    /// Of an invalid document: everything that is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
    /// Of an input that does not fit: where, and what is wrong there.
    #[serde(default, skip_serializing_if = "<[InputProblem]>::is_empty")]
    pub faults: Box<[InputProblem]>,
}

/// What is wrong with one place of an input.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InputProblem {
    /// JSON pointer; empty for the whole input.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

impl ProblemKind {
    fn facts(self) -> (StatusCode, &'static str) {
        match self {
            Self::BadRequest => (StatusCode::BAD_REQUEST, "the request is not understood"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "a token is needed"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "not allowed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "not by this method"),
            Self::Conflict => (StatusCode::CONFLICT, "it stands against what there is"),
            Self::InvalidDocument => (StatusCode::UNPROCESSABLE_ENTITY, "the document is invalid"),
            Self::InvalidInput => (StatusCode::UNPROCESSABLE_ENTITY, "the input does not fit the workflow"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "not possible at the moment"),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "a limit is reached"),
            Self::Timeout => (StatusCode::REQUEST_TIMEOUT, "it took too long"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too large"),
            Self::HeadersTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers too large"),
            Self::Internal | Self::Unknown => (StatusCode::INTERNAL_SERVER_ERROR, "it could not be done"),
        }
    }
}

impl Problem {
    pub(crate) fn new(code: ProblemKind, detail: impl Into<String>) -> Self {
        let (status, title) = code.facts();
        Self {
            type_uri: "about:blank".into(),
            title: title.into(),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            diagnostics: Vec::new(),
            faults: Box::default(),
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::BadRequest, detail)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let kind = match &error {
            Error::Invalid(_) => ProblemKind::InvalidDocument,
            Error::Engine(refused) => kind_of(refused),
            Error::Plugin(_) | Error::Failed(_) => ProblemKind::Unavailable,
            Error::Setup(_) => ProblemKind::BadRequest,
            _ => ProblemKind::Internal,
        };
        let diagnostics = error.invalid().map(|invalid| invalid.diagnostics.clone()).unwrap_or_default();
        Self { diagnostics, faults: faults(&error), ..Self::new(kind, detail) }
    }
}

fn faults(error: &Error) -> Box<[InputProblem]> {
    let Error::Engine(EngineError::Input(faults)) = error else { return Box::default() };
    let of = |fault: &jackfield::InputFault| InputProblem {
        pointer: fault.pointer.clone(),
        message: fault.message.clone(),
    };
    faults.iter().map(of).collect()
}

fn kind_of(refused: &EngineError) -> ProblemKind {
    match refused {
        EngineError::RunNotFound(_)
        | EngineError::GenerationNotFound { .. }
        | EngineError::WorkflowNotFound(_)
        | EngineError::NoWorkflowVersion { .. }
        | EngineError::ScheduleNotFound(_) => ProblemKind::NotFound,
        EngineError::RunExists { .. }
        | EngineError::RunOpen(_)
        | EngineError::RunEnded { .. }
        | EngineError::RunStopping(_)
        | EngineError::RunCompleted(_)
        | EngineError::NothingToRetry(_)
        | EngineError::RunOfAnother { .. }
        | EngineError::StepUndone { .. }
        | EngineError::StepOfCleanup { .. }
        | EngineError::KeyTaken { .. }
        | EngineError::WorkflowConflict { .. }
        | EngineError::ScheduleExists(_)
        | EngineError::ScheduleInDocument(_)
        | EngineError::ScheduleBusy { .. } => ProblemKind::Conflict,
        EngineError::BadRunId(_)
        | EngineError::DelayTooLong
        | EngineError::Saved(_)
        | EngineError::BadTraceparent { .. }
        | EngineError::BadName(_)
        | EngineError::BadBackfill { .. }
        | EngineError::BadKey { .. }
        | EngineError::UnknownStep(_)
        | EngineError::StepNotBegun { .. }
        | EngineError::InputTooLate { .. }
        | EngineError::TooDeep { .. }
        | EngineError::BadScheduleId(_)
        | EngineError::SchedulePast { .. }
        | EngineError::ScheduleNoData(_) => ProblemKind::BadRequest,
        EngineError::Input(_) | EngineError::ScheduleInput { .. } => ProblemKind::InvalidInput,
        EngineError::InboxFull { .. } | EngineError::TooManyRuns(_) | EngineError::ScheduleFull { .. } => {
            ProblemKind::TooMany
        }
        EngineError::ShuttingDown
        | EngineError::Method { .. }
        | EngineError::WorkflowUnusable { .. }
        | EngineError::Journal(_)
        | EngineError::ReadOnly => ProblemKind::Unavailable,
        _ => ProblemKind::Internal,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.code == ProblemKind::Internal {
            tracing::error!("a request could not be answered: {}", self.detail);
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

pub(crate) async fn nothing_here(uri: Uri) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("there is nothing at `{}`", uri.path()))
}

pub(crate) async fn not_this_way(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not take {method}", uri.path());
    Problem::new(ProblemKind::MethodNotAllowed, detail)
}
