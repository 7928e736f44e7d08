//! The limits of a server, with their defaults.

use crate::problem::{Problem, ProblemKind};
use crate::wire::SAVED_BYTES_MAX;
use axum::extract::Request;
use jackfield::config::ServerLimits;
use std::time::Duration;

/// `[server.limits]` with its defaults filled in; see [`ServerLimits`] for what each is.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) connections_max: usize,
    pub(crate) connections_per_address_max: usize,
    pub(crate) header_bytes_max: usize,
    pub(crate) headers_max: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) body_bytes_max: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) requests_per_second_max: u32,
    pub(crate) refusals_per_minute_max: u32,
    pub(crate) streams_max: usize,
    pub(crate) streams_per_client_max: usize,
    pub(crate) namespaces_max: usize,
}

impl Limits {
    /// The limits that a configuration says.
    ///
    /// # Errors
    /// The key of one that is 0, with which nothing could be served.
    pub(crate) fn of(said: &ServerLimits) -> Result<Self, &'static str> {
        fn fill<T: Copy + Default + PartialEq>(
            key: &'static str,
            said: Option<T>,
            default: T,
        ) -> Result<T, &'static str> {
            let value = said.unwrap_or(default);
            if value == T::default() { Err(key) } else { Ok(value) }
        }
        let seconds = Duration::from_secs;
        Ok(Self {
            connections_max: fill("connections_max", said.connections_max, 5_000)?,
            connections_per_address_max: fill(
                "connections_per_address_max",
                said.connections_per_address_max,
                2_500,
            )?,
            header_bytes_max: fill("header_bytes_max", said.header_bytes_max, 32 << 10)?,
            headers_max: fill("headers_max", said.headers_max, 100)?,
            header_timeout: fill("header_timeout", said.header_timeout, seconds(15))?,
            body_bytes_max: fill("body_bytes_max", said.body_bytes_max, SAVED_BYTES_MAX)?,
            body_timeout: fill("body_timeout", said.body_timeout, seconds(30))?,
            write_timeout: fill("write_timeout", said.write_timeout, seconds(30))?,
            requests_per_second_max: fill("requests_per_second_max", said.requests_per_second_max, 10_000)?,
            refusals_per_minute_max: fill("refusals_per_minute_max", said.refusals_per_minute_max, 60)?,
            streams_max: fill("streams_max", said.streams_max, 4_000)?,
            streams_per_client_max: fill("streams_per_client_max", said.streams_per_client_max, 1_500)?,
            namespaces_max: fill("namespaces_max", said.namespaces_max, 32)?,
        })
    }

    /// Whether a request keeps to what its headers may be. What is larger than twice that is not even read to its end.
    pub(crate) fn check_headers(&self, request: &Request) -> Result<(), Problem> {
        let headers = request.headers();
        let line = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        let (bytes_max, count_max) = (self.header_bytes_max, self.headers_max);
        let detail = match (bytes + line > bytes_max, headers.len() > count_max) {
            (true, _) => format!("the headers have {} bytes, at most {bytes_max} are taken", bytes + line),
            (_, true) => format!("there are {} headers, at most {count_max} are taken", headers.len()),
            _ => return Ok(()),
        };
        Err(Problem::new(ProblemKind::HeadersTooLarge, detail))
    }
}
