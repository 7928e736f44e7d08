//! `[server]`: where a server listens besides its socket, what it asks of those who come, and its limits.

use super::optional_duration;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `[server]`. What is absent has the server's own default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Addresses to listen on, such as `127.0.0.1:7070`; a port of 0 is any that is free. `--listen` goes before them.
    pub listen: Vec<String>,
    /// Certificates for TLS, a PEM file that begins with the server's own.
    pub tls_cert: Option<PathBuf>,
    /// The key of that certificate, a PEM file.
    pub tls_key: Option<PathBuf>,
    /// Whether addresses beyond this machine may be served without TLS, for those behind a proxy that has it.
    pub allow_plaintext: bool,
    /// Origins of other sites whose pages may ask, such as `https://ops.example.com`.
    pub allowed_origins: Vec<String>,
    /// Names besides those of this machine by which requests without a token may call the server.
    pub allowed_hosts: Vec<String>,
    /// How long somebody who signed in on the page stays signed in; 12 hours if absent.
    #[serde(deserialize_with = "optional_duration")]
    pub session_length: Option<Duration>,
    /// How long requests that are being answered may take at shutdown; 5 s if absent.
    #[serde(deserialize_with = "optional_duration")]
    pub shutdown_grace: Option<Duration>,
    /// Limits.
    pub limits: ServerLimits,
}

/// `[server.limits]`. What is absent has the server's own default; none may be 0.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerLimits {
    /// Connections at a time; 5,000 if absent.
    pub connections_max: Option<usize>,
    /// Connections of one address at a time; 2,500 if absent.
    pub connections_per_address_max: Option<usize>,
    /// Bytes of the headers of a request, with its first line; 32 KiB if absent.
    pub header_bytes_max: Option<usize>,
    /// Headers of a request; 100 if absent.
    pub headers_max: Option<usize>,
    /// How long the headers of a request may take to come, and a connection may stay unused; 15 s if absent.
    #[serde(deserialize_with = "optional_duration")]
    pub header_timeout: Option<Duration>,
    /// Bytes of a body; 256 MiB if absent.
    pub body_bytes_max: Option<usize>,
    /// How long a body may take to come, besides a second for each MiB; 30 s if absent.
    #[serde(deserialize_with = "optional_duration")]
    pub body_timeout: Option<Duration>,
    /// How long a client may take none of its answer; 30 s if absent.
    #[serde(deserialize_with = "optional_duration")]
    pub write_timeout: Option<Duration>,
    /// Requests of one token, or of one address without one, in a second; 10,000 if absent.
    pub requests_per_second_max: Option<u32>,
    /// Requests of one address without a valid token that are answered in a minute; 60 if absent.
    pub refusals_per_minute_max: Option<u32>,
    /// Event streams at a time; 4,000 if absent.
    pub streams_max: Option<usize>,
    /// Event streams of one token, or of one address without one, at a time; 1,500 if absent.
    pub streams_per_client_max: Option<usize>,
    /// Namespaces besides `default`, each with a host of its own; 32 if absent.
    pub namespaces_max: Option<usize>,
}

impl ServerConfig {
    /// Makes relative paths relative to `dir`.
    pub(super) fn anchor(&mut self, dir: &Path) {
        self.tls_cert.iter_mut().chain(&mut self.tls_key).for_each(|path| *path = dir.join(&*path));
    }
}
