//! What every request over TCP passes: who asks, may they, and how much at a time. What is behind it trusts whoever it hears
//! from, as it does on the socket.

mod body;
mod caller;
mod cross_site;
mod rates;
mod sessions;
mod streams;

pub(crate) use rates::Client;

use crate::audit::{Asked, Audit};
use crate::limits::Limits;
use crate::problem::{Problem, ProblemKind};
use crate::spaces::Spaces;
use crate::tokens::{Need, Scope, Tokens};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use caller::Caller;
use cross_site::Origins;
use rates::Rates;
use sessions::Sessions;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use streams::Streams;
use tokio::sync::watch;
use tower::ServiceExt;

/// By which way a request came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) peer: IpAddr,
    /// Nobody beyond this machine comes by it.
    pub(crate) is_loopback: bool,
    pub(crate) is_tls: bool,
}

/// What lets requests through.
pub(crate) struct Gate {
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) spaces: Arc<Spaces>,
    pub(crate) limits: Limits,
    audit: Audit,
    origins: Origins,
    sessions: Sessions,
    rates: Rates,
    streams: Arc<Streams>,
    closed: watch::Receiver<bool>,
}

/// What a gate is made of.
pub(crate) struct GateParts {
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) spaces: Arc<Spaces>,
    pub(crate) audit: Audit,
    pub(crate) limits: Limits,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) session_length: Duration,
    pub(crate) closed: watch::Receiver<bool>,
}

/// What is said of a refusal in the answer, and whether it is written down.
pub(crate) struct Refusal {
    problem: Problem,
    retry_after: Option<Duration>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, retry_after: None }
    }
}

/// The API shows nothing that a browser should run.
const API_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
);
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"jackfield\"");
/// How a session is made and ended.
const SESSION: &str = "/api/v1/session";

impl Gate {
    pub(crate) fn new(parts: GateParts) -> Self {
        let GateParts {
            tokens,
            spaces,
            audit,
            limits,
            allowed_origins,
            allowed_hosts,
            session_length,
            closed,
        } = parts;
        Self {
            tokens,
            spaces,
            audit,
            origins: Origins { allowed: allowed_origins, hosts: allowed_hosts },
            sessions: Sessions::new(session_length),
            rates: Rates::new(&limits),
            streams: Arc::new(Streams::new(&limits)),
            limits,
            closed,
        }
    }

    /// Answers one request.
    pub(crate) async fn answer(self: &Arc<Self>, way: Way, request: Request) -> Response {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let need = Need::of(&method, &path);
        let origin = self.origins.allowed_origin(request.headers());
        let (caller, answered) = match self.known(way, need, &request) {
            Err(refusal) => (None, Err(refusal)),
            Ok(caller) => {
                let answered = match self.admit(way, need, &caller, &request) {
                    Err(refusal) => Err(refusal),
                    Ok(()) => self.pass_on(way, need, &caller, request).await,
                };
                (Some(caller), answered)
            }
        };
        let response = match answered {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        };
        self.note(way, (need, &method, &path), caller.as_ref(), response.status());
        finish(response, need, &path, origin)
    }

    /// Writes down what only administrators may, and what was refused.
    fn note(
        &self,
        way: Way,
        (need, method, path): (Need, &Method, &str),
        caller: Option<&Caller>,
        status: StatusCode,
    ) {
        let is_refused = is_refusal(status);
        // those who sign in are nobody before
        let may = caller.and_then(Caller::scope) == Some(Scope::Admin) || status.is_success();
        let is_admin = need == Need::Scope(Scope::Admin) && may && !is_refused;
        if is_admin || is_refused {
            let holder = caller.and_then(Caller::holder);
            self.audit.request(Asked { holder, way, method, path, status, is_admin });
        }
    }

    /// Who asks, unless that is somebody who has to show a token and has not.
    fn known(&self, way: Way, need: Need, request: &Request) -> Result<Caller, Refusal> {
        self.limits.check_headers(request)?;
        let path = request.uri().path();
        if is_probe(path) || self.origins.is_preflight(request.method(), request.headers()) {
            return Ok(Caller::Nobody);
        }
        match self.identify(way, request.headers()) {
            Ok(caller) => Ok(caller),
            // the page shows nothing yet, and signs people in
            Err(_) if need == Need::Nothing || is_sign_in(request.method(), path) => Ok(Caller::Nobody),
            Err(refusal) => Err(self.slow_down(way, refusal)),
        }
    }

    /// Whether they may do this, now.
    fn admit(&self, way: Way, need: Need, caller: &Caller, request: &Request) -> Result<(), Refusal> {
        let path = request.uri().path();
        self.rates.check(&self.client(way, caller))?;
        if is_probe(path) || self.origins.is_preflight(request.method(), request.headers()) {
            return Ok(());
        }
        self.check_site(caller, need, request)?;
        match (need, caller.scope()) {
            _ if path == SESSION => Ok(()),
            (Need::Scope(needed), has) if has.is_none_or(|has| has < needed) => {
                Err(lacks(needed, has).into())
            }
            _ => Ok(()),
        }
    }

    /// Whose requests are counted together.
    fn client(&self, way: Way, caller: &Caller) -> Client {
        caller.holder().map_or_else(|| Client::of(way.peer), |holder| Client::Token(holder.hash))
    }

    /// A refusal, or that there were too many from this address.
    fn slow_down(&self, way: Way, refusal: Refusal) -> Refusal {
        match self.rates.check_refusal(way.peer) {
            Ok(()) => refusal,
            Err(too_many) => too_many,
        }
    }

    async fn pass_on(
        self: &Arc<Self>,
        way: Way,
        need: Need,
        caller: &Caller,
        request: Request,
    ) -> Result<Response, Refusal> {
        let (path, method) = (request.uri().path(), request.method());
        if self.origins.is_preflight(method, request.headers()) && !is_probe(path) {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        if path == "/readyz" && *self.closed.borrow() {
            let detail = "the server is shutting down";
            return Err(Problem::new(ProblemKind::Unavailable, detail).into());
        }
        if path == SESSION {
            return self.session(way, caller, request).await;
        }
        let router = self.spaces.router(caller.namespace()).await?;
        let request = body::read(request, &self.limits).await?;
        let response = match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if !is_stream(&response) || need == Need::Nothing {
            return Ok(response);
        }
        let seat = self.streams.take(self.client(way, caller))?;
        Ok(streams::ending(response, seat, self.clone(), caller.holder().map(|holder| holder.hash)))
    }

    /// Forgets what has not been needed for a while.
    pub(crate) fn tidy(&self) {
        self.rates.tidy();
        self.sessions.tidy();
    }
}

fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

fn is_sign_in(method: &Method, path: &str) -> bool {
    path == SESSION && matches!(*method, Method::POST | Method::DELETE)
}

fn is_refusal(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    )
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

fn lacks(needed: Scope, has: Option<Scope>) -> Problem {
    let has = has.map_or("none", Scope::as_str);
    let detail = format!("this needs a token of scope `{needed}`; this one has `{has}`");
    Problem::new(ProblemKind::Forbidden, detail)
}

impl Refusal {
    pub(crate) fn later(kind: ProblemKind, detail: impl Into<String>, after: Duration) -> Self {
        Self { problem: Problem::new(kind, detail), retry_after: Some(after) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let is_challenge = self.problem.code == ProblemKind::Unauthorized;
        let mut response = self.problem.into_response();
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        if is_challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        response
    }
}

/// What all answers have.
fn finish(mut response: Response<Body>, need: Need, path: &str, origin: Option<HeaderValue>) -> Response {
    let is_page = need == Need::Nothing && !is_probe(path);
    let headers = response.headers_mut();
    let policy = if is_page { PAGE_POLICY } else { API_POLICY };
    put(headers, header::CONTENT_SECURITY_POLICY, policy);
    put(headers, header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    put(headers, header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    put(
        headers,
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    if !is_page {
        headers.insert(header::CACHE_CONTROL, NO_STORE);
    }
    if let Some(origin) = origin {
        cross_site::allow(headers, origin);
    }
    response
}

/// What an answer says of itself goes before what all say.
fn put(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}
