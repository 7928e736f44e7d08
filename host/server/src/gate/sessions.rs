//! `/session`: a browser cannot show a token when it loads a page or opens a stream, so that it gets a cookie for one. Sessions
//! live in memory, and no longer than their token.

use super::caller::Caller;
use super::{Gate, Refusal, Way, body};
use crate::answer;
use crate::problem::{Problem, ProblemKind};
use crate::tokens::{TokenHash, hash, random_text};
use axum::Json;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Sessions at a time; the one that ends first makes room for another.
const SESSIONS_MAX: usize = 10_000;
/// Bytes of what somebody signs in with.
const BODY_MAX: usize = 4096;
/// The name of the cookie. Browsers take one that begins with `__Host-` only by TLS and from this server alone.
const COOKIE: &str = "jackfield_session";
const COOKIE_TLS: &str = "__Host-jackfield_session";

/// Who has signed in.
pub(super) struct Sessions {
    length: Duration,
    /// By the hash of what the cookie says: what is found in memory opens nothing.
    all: Mutex<HashMap<TokenHash, Session>>,
}

struct Session {
    token: TokenHash,
    ends: Instant,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    token: String,
}

impl Sessions {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, all: Mutex::default() }
    }

    /// What the cookie of a request says.
    pub(super) fn cookie<'a>(&self, headers: &'a HeaderMap, is_tls: bool) -> Option<&'a str> {
        let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == name_of(is_tls)).map(|(_, value)| value)
    }

    /// The hash of the token with which the session of this cookie was opened.
    pub(super) fn hash_of(&self, cookie: &str) -> Option<TokenHash> {
        let all = self.all.lock();
        all.get(&hash(cookie)).filter(|session| session.ends > Instant::now()).map(|session| session.token)
    }

    fn open(&self, token: TokenHash) -> Result<String, Refusal> {
        let cookie = random_text().map_err(|error| Problem::new(ProblemKind::Internal, error.to_string()))?;
        let ends = Instant::now() + self.length;
        let mut all = self.all.lock();
        if all.len() >= SESSIONS_MAX {
            let first = all.iter().min_by_key(|(_, session)| session.ends).map(|(key, _)| *key);
            first.map(|key| all.remove(&key));
        }
        all.insert(hash(&cookie), Session { token, ends });
        Ok(cookie)
    }

    fn close(&self, cookie: &str) {
        self.all.lock().remove(&hash(cookie));
    }

    pub(super) fn tidy(&self) {
        let now = Instant::now();
        self.all.lock().retain(|_, session| session.ends > now);
    }
}

fn name_of(is_tls: bool) -> &'static str {
    if is_tls { COOKIE_TLS } else { COOKIE }
}

impl Gate {
    /// Opens or ends a session, or says who is signed in.
    pub(super) async fn session(
        &self,
        way: Way,
        caller: &Caller,
        request: Request,
    ) -> Result<Response, Refusal> {
        match *request.method() {
            Method::GET => Ok(Json(who(caller)).into_response()),
            Method::POST => {
                let request = body::read_at_most(request, BODY_MAX, &self.limits).await?;
                let bytes = to_bytes(request.into_body(), BODY_MAX).await.unwrap_or_default();
                let SignIn { token } = answer::body(&bytes)?;
                let holder = self.book()?.holder(token.trim());
                let holder = holder.map_err(|unfit| self.slow_down(way, unfit.into()))?;
                let cookie = self.sessions.open(holder.hash)?;
                let seconds = self.sessions.length.as_secs();
                Ok(with_cookie(Json(who(&Caller::Session(holder))), &cookie, seconds, way.is_tls))
            }
            Method::DELETE => {
                if let Some(cookie) = self.sessions.cookie(request.headers(), way.is_tls) {
                    self.sessions.close(cookie);
                }
                Ok(with_cookie(StatusCode::NO_CONTENT, "", 0, way.is_tls))
            }
            _ => {
                let detail = "a session is opened by POST, ended by DELETE, and looked at by GET";
                Err(Problem::new(ProblemKind::MethodNotAllowed, detail).into())
            }
        }
    }
}

fn who(caller: &Caller) -> serde_json::Value {
    let holder = caller.holder();
    json!({
        "token": holder.map(|holder| &holder.name),
        "scope": caller.scope(),
        "namespace": caller.namespace(),
    })
}

fn with_cookie(answer: impl IntoResponse, value: &str, seconds: u64, is_tls: bool) -> Response {
    let (name, secure) = (name_of(is_tls), if is_tls { "; Secure" } else { "" });
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    let mut response = answer.into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
