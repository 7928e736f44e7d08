//! `request`.

use crate::client::{Client, Limits, without_secrets};
use indexmap::IndexMap;
use jackfield_plugin_api::prelude::*;
use serde_json::Value;
use std::time::{Duration, Instant};
use ureq::http;

/// Length of the part of an unexpected answer that is put into the error, in bytes.
const EXCERPT_LEN: usize = 1_024;

/// What to ask for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// Absolute address, `http` or `https`.
    url: String,
    /// Method.
    #[serde(default)]
    method: Method,
    /// Headers.
    #[serde(default)]
    headers: IndexMap<String, String>,
    /// Parameters put behind the address, encoded as needed.
    #[serde(default)]
    query: IndexMap<String, Value>,
    /// Body as text.
    text: Option<String>,
    /// Body as JSON; sets `content-type`.
    json: Option<Value>,
    /// Limit of the whole exchange, in milliseconds; that of the step if it is shorter.
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
    /// Redirects to follow; 0 answers with the redirect itself.
    #[serde(default = "redirects_max")]
    redirects_max: u32,
    /// Status codes that are no error; 200 to 299 if absent.
    expect_status: Option<Vec<u16>>,
    /// Largest body of an answer, in bytes.
    #[serde(default = "max_bytes")]
    max_bytes: u64,
}

/// A method of HTTP.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    /// Read.
    #[default]
    Get,
    /// Read the headers only.
    Head,
    /// Send.
    Post,
    /// Replace.
    Put,
    /// Change.
    Patch,
    /// Remove.
    Delete,
}

/// What came back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Status code.
    status: u16,
    /// Headers, names in lower case; several of one name are joined by a comma.
    headers: IndexMap<String, String>,
    /// The body: parsed if it is JSON by its `content-type`, else text.
    body: Value,
    /// Length of the body, in bytes.
    bytes: usize,
    /// How long the exchange took, in milliseconds.
    elapsed_ms: f64,
}

fn timeout_ms() -> u64 {
    30_000
}

fn redirects_max() -> u32 {
    5
}

fn max_bytes() -> u64 {
    16 * 1024 * 1024
}

pub(crate) fn request(ctx: &Context, p: &Request) -> Result<Answer, Error> {
    let limits = Limits { timeout: Duration::from_millis(p.timeout_ms), redirects_max: p.redirects_max };
    let client = Client::new(ctx, &limits);
    let built = build(p)?;
    let started = Instant::now();
    let mut response = client.agent.run(built).map_err(|error| client.error(&p.url, &error))?;
    let status = response.status().as_u16();
    let headers = headers(response.headers());
    let body = response.body_mut().with_config().limit(p.max_bytes).read_to_vec();
    let body = body.map_err(|error| client.error(&p.url, &error))?;
    let elapsed_ms = started.elapsed().as_secs_f64() * 1_000.0;
    let expected = p.expect_status.as_ref().map_or((200..300).contains(&status), |all| all.contains(&status));
    if !expected {
        return Err(unexpected(&p.url, status, &headers, &body));
    }
    Ok(Answer { status, bytes: body.len(), body: read(&headers, &body), headers, elapsed_ms })
}

fn build(p: &Request) -> Result<http::Request<Vec<u8>>, Error> {
    if !p.url.starts_with("http://") && !p.url.starts_with("https://") {
        let message =
            format!("`url` is `{}`, expected an address that begins with http:// or https://", p.url);
        return Err(Error::validation(message));
    }
    let method = match p.method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
    };
    let mut builder = http::Request::builder().method(method).uri(address(p));
    for (name, value) in &p.headers {
        builder = builder.header(name, value);
    }
    let body = match (&p.text, &p.json) {
        (Some(_), Some(_)) => return Err(Error::validation("give `text` or `json`, not both")),
        (Some(text), None) => text.clone().into_bytes(),
        (None, Some(json)) => {
            if !p.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
                builder = builder.header("content-type", "application/json");
            }
            json.to_string().into_bytes()
        }
        (None, None) => Vec::new(),
    };
    builder.body(body).map_err(|error| Error::validation(format!("`{}`: {error}", without_secrets(&p.url))))
}

/// The address with the query behind it.
fn address(p: &Request) -> String {
    if p.query.is_empty() {
        return p.url.clone();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &p.query {
        query.append_pair(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let separator = if p.url.contains('?') { '&' } else { '?' };
    format!("{}{separator}{}", p.url, query.finish())
}

pub(crate) fn headers(map: &http::HeaderMap) -> IndexMap<String, String> {
    let mut headers: IndexMap<String, String> = IndexMap::new();
    for (name, value) in map {
        let value = String::from_utf8_lossy(value.as_bytes());
        let entry = headers.entry(name.as_str().to_owned());
        entry.and_modify(|all| *all = format!("{all}, {value}")).or_insert_with(|| value.into_owned());
    }
    headers
}

fn read(headers: &IndexMap<String, String>, body: &[u8]) -> Value {
    let kind = headers.get("content-type").map_or("", String::as_str);
    let is_json =
        kind.split(';').next().is_some_and(|kind| kind.ends_with("/json") || kind.ends_with("+json"));
    let parsed = if is_json { serde_json::from_slice(body).ok() } else { None };
    parsed.unwrap_or_else(|| Value::String(String::from_utf8_lossy(body).into_owned()))
}

/// The error `http.<status>`; worth another try if the server says that it is overloaded or broken.
pub(crate) fn unexpected(url: &str, status: u16, headers: &IndexMap<String, String>, body: &[u8]) -> Error {
    let excerpt = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_LEN)]).into_owned();
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    let message = format!("`{}` answered {status} {}", without_secrets(url), reason.unwrap_or_default());
    let details =
        serde_json::json!({ "status": status, "retry_after": headers.get("retry-after"), "body": excerpt });
    Error::new(&format!("http.{status}"), message.trim_end())
        .retryable(matches!(status, 408 | 425 | 429 | 500 | 502..=504))
        .details(&details)
}
