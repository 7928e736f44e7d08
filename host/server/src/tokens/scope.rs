//! What a token may do, and what a request needs.

use axum::http::Method;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a token may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at everything.
    Read,
    /// Start runs, and have a say in them.
    Run,
    /// Everything.
    Admin,
}

/// What somebody who asks has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: the page, which shows nothing before it has asked.
    Nothing,
    Scope(Scope),
}

impl Scope {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Run => "run",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "read" => Ok(Self::Read),
            "run" => Ok(Self::Run),
            "admin" => Ok(Self::Admin),
            _ => Err(format!("`{text}` is no scope; there are read, run and admin")),
        }
    }
}

/// What is done with one run or schedule by those who may run.
const RUN_ACTS: &[&str] = &["cancel", "pause", "resume", "retry", "fork", "signal", "send"];
const SCHEDULE_ACTS: &[&str] = &["pause", "resume", "trigger"];

impl Need {
    /// What a request needs. What nothing is said about needs everything, unless it only reads.
    ///
    /// Segments are compared as they are written, as the router does it: one that is spelled otherwise finds nothing there.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let Some(rest) = path.strip_prefix("/api/v1/") else {
            return if reads && is_of_the_page(path) { Self::Nothing } else { Self::Scope(Scope::Read) };
        };
        let parts: Vec<&str> = rest.split('/').collect();
        let scope = match (reads, parts.as_slice()) {
            // all that a run holds, also what reports leave out
            (true, ["runs", _, "export"]) => Scope::Admin,
            (true, _) => Scope::Read,
            (false, ["workflows", "validate" | "graph"]) if *method == Method::POST => Scope::Read,
            (false, ["runs"] | ["events"] | ["workflows", _, "runs"]) if *method == Method::POST => {
                Scope::Run
            }
            (false, ["runs", _, act]) if *method == Method::POST && RUN_ACTS.contains(act) => Scope::Run,
            (false, ["schedules", _, act]) if *method == Method::POST && SCHEDULE_ACTS.contains(act) => {
                Scope::Run
            }
            (false, _) => Scope::Admin,
        };
        Self::Scope(scope)
    }
}

/// Files of the page. They are the same for everybody.
fn is_of_the_page(path: &str) -> bool {
    matches!(path, "/" | "/openapi.json" | "/favicon.ico" | "/ui")
        || path.starts_with("/page/")
        || path.starts_with("/ui/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_needs_what_is_documented_and_unknown_ones_need_everything() {
        let need = |method: Method, path: &str| match Need::of(&method, path) {
            Need::Nothing => "nothing".to_owned(),
            Need::Scope(scope) => scope.to_string(),
        };
        for (method, path, wanted) in [
            (Method::GET, "/", "nothing"),
            (Method::GET, "/ui/runs/x", "nothing"),
            (Method::GET, "/page/0123/app.js", "nothing"),
            (Method::GET, "/pages", "read"),
            (Method::POST, "/", "read"),
            (Method::POST, "/ui/runs/x", "read"),
            (Method::GET, "/metrics", "read"),
            (Method::GET, "/api/v1/runs", "read"),
            (Method::GET, "/api/v1/runs/x/stream", "read"),
            (Method::GET, "/api/v1/runs/x/export", "admin"),
            (Method::HEAD, "/api/v1/runs/x/export", "admin"),
            (Method::POST, "/api/v1/workflows/validate", "read"),
            (Method::DELETE, "/api/v1/workflows/validate", "admin"),
            (Method::POST, "/api/v1/workflows/graph", "read"),
            (Method::GET, "/api/v1/runs/x/document", "read"),
            (Method::POST, "/api/v1/plugins/p/release", "admin"),
            (Method::POST, "/api/v1/runs", "run"),
            (Method::POST, "/api/v1/events", "run"),
            (Method::DELETE, "/api/v1/events", "admin"),
            (Method::POST, "/api/v1/workflows/w/runs", "run"),
            (Method::POST, "/api/v1/runs/x/cancel", "run"),
            (Method::DELETE, "/api/v1/runs/x/cancel", "admin"),
            (Method::POST, "/api/v1/runs/import", "admin"),
            (Method::POST, "/api/v1/runs/prune", "admin"),
            (Method::DELETE, "/api/v1/runs/x", "admin"),
            (Method::POST, "/api/v1/workflows", "admin"),
            (Method::POST, "/api/v1/schedules", "admin"),
            (Method::POST, "/api/v1/schedules/s/trigger", "run"),
            (Method::POST, "/api/v1/schedules/s/backfill", "admin"),
            (Method::PUT, "/api/v1/anything", "admin"),
        ] {
            assert_eq!(need(method.clone(), path), wanted, "{method} {path}");
        }
    }
}
