//! One client for each call: its limits are those of the call. Errors become dotted types.

use crate::Config;
use crate::address::{Blocked, Guard, Tried};
use jackfield_plugin_api::{Context, Error};
use std::io::ErrorKind;
use std::time::Duration;
use ureq::Agent;
use ureq::unversioned::transport::DefaultConnector;

/// What a call allows.
pub(crate) struct Limits {
    pub(crate) timeout: Duration,
    pub(crate) redirects_max: u32,
}

/// A client and what it knows of its last connection.
pub(crate) struct Client {
    pub(crate) agent: Agent,
    tried: Tried,
    timeout: Duration,
}

impl Client {
    /// A client for one call, bounded by `limits` and by the deadline of the call.
    pub(crate) fn new(ctx: &Context, limits: &Limits) -> Self {
        let config = ctx.config::<Config>().cloned().unwrap_or_default();
        let timeout = ctx.deadline().map_or(limits.timeout, |left| left.min(limits.timeout));
        let tried = Tried::default();
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(limits.redirects_max)
            .max_redirects_will_error(limits.redirects_max > 0)
            // a proxy would connect to addresses that nobody here has checked
            .proxy(None)
            .timeout_global(Some(timeout))
            .user_agent(concat!("jackfield-http/", env!("CARGO_PKG_VERSION")))
            .build();
        let guard = Guard::new(config.allow_private, tried.clone());
        let agent = Agent::with_parts(settings, DefaultConnector::default(), guard);
        Self { agent, tried, timeout }
    }

    /// What went wrong on the way to `url`, as a dotted type with a hint whether to try again.
    pub(crate) fn error(&self, url: &str, error: &ureq::Error) -> Error {
        let (kind, what, is_retryable) = match error {
            ureq::Error::HostNotFound => ("http.dns", "the name of the host has no address".to_owned(), true),
            ureq::Error::Timeout(_) => {
                ("http.timeout", format!("no complete answer within {} ms", self.timeout.as_millis()), true)
            }
            ureq::Error::ConnectionFailed => ("http.connect", self.refused("no connection"), true),
            ureq::Error::Io(io) if io.kind() == ErrorKind::ConnectionRefused => {
                ("http.connect", self.refused("connection refused"), true)
            }
            ureq::Error::Io(io) => ("http.connection", io.to_string(), true),
            ureq::Error::BodyExceedsLimit(limit) => {
                ("http.too_large", format!("the answer is larger than {limit} bytes"), false)
            }
            ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => {
                ("http.redirect", error.to_string(), false)
            }
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::TlsRequired => {
                ("http.tls", error.to_string(), false)
            }
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => ("validation", error.to_string(), false),
            ureq::Error::Other(inner) if inner.is::<Blocked>() => {
                let hint = "allow it by `allow_private = true` in the configuration of the plugin";
                ("http.blocked_address", format!("{inner}; {hint}"), false)
            }
            other => ("http.protocol", other.to_string(), false),
        };
        let shown = without_secrets(url);
        Error::new(kind, format!("`{shown}`: {what}"))
            .retryable(is_retryable)
            .details(&serde_json::json!({ "url": shown }))
    }

    fn refused(&self, what: &str) -> String {
        format!("{what} by {}", self.tried.list())
    }
}

/// An URL without user, password, query and fragment, which may hold what nobody else should see.
pub(crate) fn without_secrets(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) =
                rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = authority.rsplit('@').next().unwrap_or(authority);
            path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
        }
        None => plain.to_owned(),
    }
}
