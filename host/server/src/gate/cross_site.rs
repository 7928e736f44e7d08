//! Requests that the page of another site has a browser make. Where a browser may do something without showing a token, that
//! is, on this machine without tokens or by a cookie, they are refused.

use super::caller::Caller;
use super::{Gate, Refusal};
use crate::problem::{Problem, ProblemKind};
use crate::tokens::Need;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use std::net::{IpAddr, Ipv6Addr};

/// Who may ask from a page of their own, and how this server may be called.
#[derive(Debug)]
pub(super) struct Origins {
    pub(super) allowed: Vec<String>,
    pub(super) hosts: Vec<String>,
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where the page came from that had a browser ask.
enum Site {
    /// From here.
    Own,
    /// From elsewhere.
    Other,
    /// No browser says so.
    Unsaid,
}

impl Origins {
    /// The origin of the request, if it is one of those that may ask.
    pub(super) fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        self.allowed.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }

    /// Whether a browser asks for one of these whether it may ask.
    pub(super) fn is_preflight(&self, method: &Method, headers: &HeaderMap) -> bool {
        *method == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && self.allowed_origin(headers).is_some()
    }

    fn is_ours(&self, host: &str) -> bool {
        let name = without_port(host);
        let is_address = |address: IpAddr| address.is_loopback();
        name.eq_ignore_ascii_case("localhost")
            || name.to_ascii_lowercase().ends_with(".localhost")
            || name.parse::<IpAddr>().is_ok_and(is_address)
            || name.trim_matches(['[', ']']).parse::<Ipv6Addr>().is_ok_and(|it| is_address(it.into()))
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

impl Gate {
    /// Refuses what a browser is made to do by others.
    pub(super) fn check_site(&self, caller: &Caller, need: Need, request: &Request) -> Result<(), Refusal> {
        let headers = request.headers();
        if matches!(caller, Caller::Anyone) {
            // a site whose name leads here is a stranger for the browser, and must stay one
            let host = host(headers)?;
            if !self.origins.is_ours(host) {
                return Err(forbidden(format!(
                    "the request is for `{}`, which is not known as a name of this server; call it by a name of this machine, \
                     or add the name to `allowed_hosts` in [server]",
                    host.chars().take(100).collect::<String>()
                )));
            }
        }
        if matches!(caller, Caller::Bearer(_)) || need == Need::Nothing {
            return Ok(());
        }
        let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
        let by_cookie = matches!(caller, Caller::Session(_));
        match site(headers, is_safe)? {
            Site::Own => Ok(()),
            Site::Unsaid if is_safe || !by_cookie => Ok(()),
            Site::Unsaid => Err(forbidden(
                "a request by cookie that changes something has to say that it comes from the page of this server",
            )),
            Site::Other if !by_cookie && self.origins.allowed_origin(headers).is_some() => Ok(()),
            Site::Other => Err(forbidden(
                "the request comes from the page of another site; origins that may ask stand in `allowed_origins` in [server]",
            )),
        }
    }
}

/// What the request is for.
fn host(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut said = headers.get_all(header::HOST).iter();
    let host = said.next().and_then(|host| host.to_str().ok());
    match (host, said.next()) {
        (Some(host), None) => Ok(host),
        _ => Err(Problem::bad_request("a request needs one `Host` header").into()),
    }
}

fn site(headers: &HeaderMap, is_safe: bool) -> Result<Site, Refusal> {
    if let Some(said) = headers.get(FETCH_SITE) {
        return Ok(match said.as_bytes() {
            b"same-origin" => Site::Own,
            // somebody typed the address
            b"none" if is_safe => Site::Own,
            _ => Site::Other,
        });
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(Site::Unsaid) };
    let host = host(headers)?;
    let from = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    Ok(if from.is_some_and(|(_, from)| from.eq_ignore_ascii_case(host)) { Site::Own } else { Site::Other })
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn forbidden(detail: impl Into<String>) -> Refusal {
    Problem::new(ProblemKind::Forbidden, detail).into()
}

/// Tells the browser that the page of `origin` may see the answer.
pub(super) fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let said = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, DELETE"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, last-event-id"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "location, retry-after, www-authenticate"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    for (name, value) in said {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
