//! What a server is started with, checked: nothing is listened on that must not be.

use super::tls::{Tls, TlsError};
use crate::audit::Audit;
use crate::gate::{Gate, GateParts};
use crate::limits::Limits;
use crate::spaces::{OpenHost, Spaces};
use crate::tokens::{TokenError, Tokens};
use jackfield::Host;
use jackfield::config::ServerConfig;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// How long a session lasts where the configuration does not say.
const SESSION_LENGTH: Duration = Duration::from_secs(12 * 60 * 60);
/// How long requests may take at shutdown where the configuration does not say.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// What a server is made of.
pub struct ServerSetup {
    /// The directory for data, in which its tokens, audit log and namespaces are.
    pub data_dir: PathBuf,
    /// The host of the namespace `default`. Whoever built it shuts it down, after the server.
    pub host: Host,
    /// Builds the hosts of other namespaces.
    pub open: OpenHost,
    /// Where it listens.
    pub listen: Vec<String>,
    /// The rest of `[server]`; its `listen` is not looked at.
    pub config: ServerConfig,
}

/// Why a server cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// An address that is none.
    #[error("`{0}` is no address to listen on, such as 127.0.0.1:7070, localhost:0 or [::1]:7070")]
    BadAddress(String),
    /// An address that cannot be had.
    #[error("cannot listen on {address}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// An address beyond this machine without what that takes.
    #[error("cannot listen on {address}, which others than this machine can reach: {}", .lacks.join("; "))]
    Exposed {
        /// Which.
        address: SocketAddr,
        /// What is missing, and how to get it.
        lacks: Vec<&'static str>,
    },
    /// The configuration cannot be used.
    #[error("configuration: {0}")]
    Configuration(String),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The tokens cannot be read.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// A namespace cannot be opened.
    #[error("{0}")]
    Namespace(String),
    /// The system gives no threads.
    #[error("the system gives no threads for the server")]
    Runtime {
        /// Why not.
        source: io::Error,
    },
}

/// A server that only has to be let run.
pub(super) struct Ready {
    pub(super) runtime: Runtime,
    pub(super) listeners: Vec<(TcpListener, SocketAddr)>,
    pub(super) gate: Arc<Gate>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) grace: Duration,
    pub(super) warnings: Vec<String>,
}

const NO_TOKEN: &str = "it has no valid token; make one with `jackfield token create NAME --scope admin` in the same data directory";
const NO_TLS: &str = "it has no TLS, so that tokens could be read on their way; name a certificate by `tls_cert` and `tls_key` in \
                      [server], or say `allow_plaintext = true` there if a proxy before it has TLS";

pub(super) fn ready(setup: ServerSetup, closed: watch::Receiver<bool>) -> Result<Ready, ServerError> {
    let ServerSetup { data_dir, host, open, listen, config } = setup;
    let limits = Limits::of(&config.limits).map_err(|key| {
        ServerError::Configuration(format!(
            "`{key}` of [server.limits] is 0, with which nothing could be served; give it more, or leave it out"
        ))
    })?;
    config.allowed_origins.iter().try_for_each(|origin| check_origin(origin))?;
    let session_length = config.session_length.unwrap_or(SESSION_LENGTH);
    if session_length.is_zero() {
        let detail =
            "`session_length` of [server] is 0, so that nobody could sign in; give it more, or leave it out";
        return Err(ServerError::Configuration(detail.to_owned()));
    }
    let tls = match (config.tls_cert, config.tls_key) {
        (Some(cert), Some(key)) => Some(Arc::new(Tls::open(cert, key)?)),
        (None, None) => None,
        _ => {
            let detail = "`tls_cert` and `tls_key` of [server] belong together; name both or none";
            return Err(ServerError::Configuration(detail.to_owned()));
        }
    };
    let addresses = listen.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
    let tokens = Arc::new(Tokens::of(&data_dir));
    let book = tokens.current()?;
    for address in &addresses {
        let is_reached = !address.ip().to_canonical().is_loopback();
        let mut lacks = Vec::new();
        lacks.extend((!book.has_valid()).then_some(NO_TOKEN));
        lacks.extend((tls.is_none() && !config.allow_plaintext).then_some(NO_TLS));
        if is_reached && !lacks.is_empty() {
            return Err(ServerError::Exposed { address: *address, lacks });
        }
    }
    let mut warnings = Vec::new();
    if book.is_kept && !book.has_valid() {
        warnings.push(
            "no token is valid, so that all requests are refused; `jackfield token create` makes one"
                .to_owned(),
        );
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("jackfield-http").build();
    let runtime = runtime.map_err(|source| ServerError::Runtime { source })?;
    let listeners = bind(&runtime, addresses)?;
    let spaces = Arc::new(Spaces::new(&data_dir, host, open, limits.namespaces_max));
    if let Err(why) = spaces.open_existing() {
        spaces.close();
        return Err(ServerError::Namespace(why));
    }
    let gate = Arc::new(Gate::new(GateParts {
        tokens,
        spaces,
        audit: Audit::of(&data_dir),
        limits,
        allowed_origins: config.allowed_origins,
        allowed_hosts: config.allowed_hosts,
        session_length,
        closed,
    }));
    let grace = config.shutdown_grace.unwrap_or(SHUTDOWN_GRACE);
    Ok(Ready { runtime, listeners, gate, tls, grace, warnings })
}

fn address(text: &str) -> Result<SocketAddr, ServerError> {
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    match local.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).or_else(|| text.parse().ok()) {
        Some(address) => Ok(address),
        None => Err(ServerError::BadAddress(text.to_owned())),
    }
}

/// An origin as browsers write it.
fn check_origin(origin: &str) -> Result<(), ServerError> {
    let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let is_fine = rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.contains(|c: char| matches!(c, '/' | '*' | '?' | '#' | '@') || c.is_whitespace())
    });
    if is_fine && !origin.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(ServerError::Configuration(format!(
        "`{origin}` in `allowed_origins` of [server] is no origin as browsers write it, such as https://ops.example.com"
    )))
}

fn bind(
    runtime: &Runtime,
    addresses: Vec<SocketAddr>,
) -> Result<Vec<(TcpListener, SocketAddr)>, ServerError> {
    let bound = addresses.into_iter().map(|address| {
        let failed = |source| ServerError::Bind { address, source };
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(failed)?;
        let real = listener.local_addr().map_err(failed)?;
        Ok((listener, real))
    });
    bound.collect()
}
