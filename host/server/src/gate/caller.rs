//! Who asks: the holder of a token, by the token or by a session that it opened; or anyone on this machine, as long as there are
//! no tokens.

use super::{Gate, Refusal, Way};
use crate::namespace::Namespace;
use crate::problem::{Problem, ProblemKind};
use crate::tokens::{Book, Holder, Scope, Unfit};
use axum::http::{HeaderMap, header};
use std::sync::{Arc, LazyLock};

/// Who asks.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Somebody on this machine, where nobody needs a token.
    Anyone,
    /// Somebody who has shown a token.
    Bearer(Holder),
    /// Somebody whose browser has a cookie for having shown one.
    Session(Holder),
    /// Somebody who has shown nothing that counts.
    Nobody,
}

static DEFAULT: LazyLock<Namespace> = LazyLock::new(Namespace::default);

impl Caller {
    pub(super) fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Bearer(holder) | Self::Session(holder) => Some(holder),
            Self::Anyone | Self::Nobody => None,
        }
    }

    pub(super) fn scope(&self) -> Option<Scope> {
        match self {
            Self::Anyone => Some(Scope::Admin),
            Self::Bearer(holder) | Self::Session(holder) => Some(holder.scope),
            Self::Nobody => None,
        }
    }

    /// Where they are. What is the same for everybody is asked for at the default place.
    pub(super) fn namespace(&self) -> &Namespace {
        self.holder().map_or(&DEFAULT, |holder| &holder.namespace)
    }
}

impl Gate {
    /// The tokens as they stand now.
    pub(super) fn book(&self) -> Result<Arc<Book>, Refusal> {
        self.tokens.current().map_err(|error| {
            tracing::error!("nobody is let in: {error}");
            Problem::new(ProblemKind::Unavailable, "the server cannot read its tokens; its log says why")
                .into()
        })
    }

    /// Who asks, or why they are nobody.
    pub(super) fn identify(&self, way: Way, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let book = self.book()?;
        if let Some(token) = bearer(headers)? {
            return match book.holder(token) {
                Ok(holder) => Ok(Caller::Bearer(holder)),
                // a token is no worse than none
                Err(_) if way.is_loopback && !book.is_kept => Ok(Caller::Anyone),
                Err(unfit) => Err(unfit.into()),
            };
        }
        if way.is_loopback && !book.is_kept {
            return Ok(Caller::Anyone);
        }
        let session =
            self.sessions.cookie(headers, way.is_tls).and_then(|cookie| self.sessions.hash_of(cookie));
        match session.map(|hash| book.holder_of(&hash)) {
            Some(Ok(holder)) => Ok(Caller::Session(holder)),
            Some(Err(unfit)) => Err(unfit.into()),
            None => Err(unauthorized(
                "this server wants a token: send `Authorization: Bearer ...`; \
                                      `jackfield token create` makes one, and the command takes it with --token",
            )),
        }
    }
}

/// The token that a request shows.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = shown.next() else { return Ok(None) };
    if shown.next().is_some() {
        return Err(Problem::bad_request("there is more than one `Authorization` header").into());
    }
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    match text {
        Some((kind, token)) if kind.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(unauthorized("the `Authorization` header is none of the form `Bearer TOKEN`")),
    }
}

pub(super) fn unauthorized(detail: &str) -> Refusal {
    Problem::new(ProblemKind::Unauthorized, detail).into()
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Unknown => unauthorized("the token is unknown or was revoked"),
            Unfit::Expired { name, at } => {
                unauthorized(&format!("token `{name}` has expired at {}", at.to_rfc3339()))
            }
        }
    }
}
