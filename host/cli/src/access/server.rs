//! The server that `--server` names.

use crate::args::Global;
use crate::printer::Printer;
use anyhow::{Context, Result, bail};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a connection may take to come about.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);

/// Where a server is, and what it is shown.
#[derive(Clone)]
pub(crate) struct ServerAddress {
    /// Without a slash at its end.
    url: String,
    is_tls: bool,
    token: Option<String>,
    trusted: Option<Vec<Certificate>>,
}

impl ServerAddress {
    /// What the global options say, if they name a server.
    pub(crate) fn of(global: &Global, printer: &Printer) -> Result<Option<Self>> {
        let Some(text) = global.server.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let wrong =
            |why: &str| format!("--server `{text}` {why}; give one such as https://jackfield.example.com");
        let url: Url = text.parse().with_context(|| wrong("is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            bail!(wrong("is no URL of a server"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            bail!(
                "--server has a name or a password in it, which Jackfield does not use; give a token with --token"
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            bail!(wrong("has more than an address and a path"));
        }
        let token = global.token.as_deref().map(read_token).transpose()?.filter(|token| !token.is_empty());
        let is_tls = url.scheme() == "https";
        if token.is_some() && !is_tls && !is_near(&url) {
            printer.warning("the token goes over the network as plain text; use https");
        }
        let trusted = global.ca.as_deref().map(read_ca).transpose()?;
        let url = url.as_str().trim_end_matches('/').to_owned();
        Ok(Some(Self { url, is_tls, token, trusted }))
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A client that trusts what was said to be trusted, and follows nobody elsewhere.
    pub(crate) fn client(&self) -> Result<Client> {
        use_tls();
        let builder = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT_PATIENCE);
        let builder = match (&self.trusted, self.is_tls) {
            (Some(trusted), _) => builder.tls_certs_only(trusted.clone()),
            // looking for what the system trusts takes time
            (None, false) => builder.tls_certs_only([]),
            (None, true) => builder,
        };
        builder.build().context("cannot make an HTTP client")
    }
}

/// How a server is.
pub(crate) struct Health {
    /// Status of `/readyz`.
    pub(crate) ready: u16,
    /// Status of a request that needs a token.
    pub(crate) asked: u16,
    /// What its clock shows.
    pub(crate) date: Option<SystemTime>,
}

/// Asks a server how it is.
///
/// # Errors
/// If it does not answer.
pub(crate) fn health(server: &ServerAddress) -> Result<Health> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = server.client()?;
    let asking = |path: &str| {
        let mut request = client.get(format!("{}{path}", server.url())).timeout(CONNECT_PATIENCE);
        if let Some(token) = server.token() {
            request = request.bearer_auth(token);
        }
        request.send()
    };
    // a request with a limit of time can only be made where there is a clock for it
    let ask = |path: &str| {
        let answer = runtime.block_on(async { asking(path).await });
        answer.with_context(|| format!("the server at {} does not answer", server.url()))
    };
    let ready = ask("/readyz")?;
    let date =
        ready.headers().get("date").and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    Ok(Health { ready: ready.status().as_u16(), asked: ask("/api/v1/stats")?.status().as_u16(), date })
}

/// Has this process speak TLS as the rest of Jackfield does.
pub(super) fn use_tls() {
    // a second time is refused, and changes nothing
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The token itself, or what a file says.
fn read_token(text: &str) -> Result<String> {
    let token = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some(path) => {
            fs::read_to_string(path).with_context(|| format!("cannot read the token in `{path}`"))?
        }
    };
    let token = token.trim();
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("--token is no token: those have no spaces and no letters beyond ASCII");
    }
    Ok(token.to_owned())
}

fn read_ca(path: &Path) -> Result<Vec<Certificate>> {
    let shown = path.display();
    let text = fs::read(path).with_context(|| format!("cannot read --ca `{shown}`"))?;
    let trusted =
        Certificate::from_pem_bundle(&text).with_context(|| format!("--ca `{shown}` is no PEM file"))?;
    if trusted.is_empty() {
        bail!("--ca `{shown}` holds no certificate in PEM");
    }
    Ok(trusted)
}

/// Whether nobody else is on the way.
fn is_near(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
