//! The page: files that the binary holds, and the document that loads them.
//!
//! The files stand under a path that is made of all their contents, so that browsers keep them for good and never mix two
//! versions. The document that names the path is asked for each time.

use crate::problem::{Problem, ProblemKind};
use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::sync::LazyLock;

/// A file of the page as the binary holds it.
struct File {
    name: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(File { name: $name, bytes: include_bytes!(concat!("../page/", $name)) }),*]
    };
}

/// What `index.html` loads, and what that loads.
const FILES: &[File] = files![
    "actions.js",
    "api.js",
    "app.js",
    "form.js",
    "graph.js",
    "html.js",
    "icon.svg",
    "layout.js",
    "parts.js",
    "plugins.js",
    "router.js",
    "run.js",
    "runs.js",
    "schedules.js",
    "step.js",
    "steps.js",
    "style.css",
    "system.js",
    "timeline.js",
    "words.js",
    "workflows.js",
    "vendor/dagre.LICENSE",
    "vendor/dagre.js",
    "vendor/hooks.js",
    "vendor/htm.LICENSE",
    "vendor/htm.js",
    "vendor/preact.LICENSE",
    "vendor/preact.js",
    "vendor/uplot.LICENSE",
    "vendor/uplot.css",
    "vendor/uplot.js",
];
const INDEX: &str = include_str!("../page/index.html");
/// Stands in the document where the path of the files belongs.
const PLACE: &str = "__FILES__";
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// What is sent for a file.
struct Ready {
    kind: &'static str,
    tag: HeaderValue,
    plain: Bytes,
    /// Smaller by gzip.
    packed: Bytes,
}

struct Page {
    /// Part of the path of all files.
    version: String,
    index: Ready,
    files: Vec<(&'static str, Ready)>,
}

static PAGE: LazyLock<Page> = LazyLock::new(Page::new);

impl Page {
    fn new() -> Self {
        let mut all = Sha256::new();
        for file in FILES {
            all.update(file.name);
            all.update(file.bytes);
        }
        let version = short(&all.finalize());
        let index = INDEX
            .replace(PLACE, &format!("/page/{version}"))
            .replace("__VERSION__", env!("CARGO_PKG_VERSION"));
        let ready = |file: &File| (file.name, Ready::new(file.name, Bytes::from_static(file.bytes)));
        let files = FILES.iter().map(ready).collect();
        Self { index: Ready::new("index.html", index.into()), version, files }
    }
}

impl Ready {
    fn new(name: &str, plain: Bytes) -> Self {
        let tag = format!("\"{}\"", short(&Sha256::digest(&plain)));
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        // writing into memory cannot fail; a file that is not packed is sent as it is
        let packed = packer.write_all(&plain).and_then(|()| packer.finish()).unwrap_or_default();
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { kind: kind(name), tag, plain, packed: packed.into() }
    }

    fn answer(&self, asked: &HeaderMap, keep: HeaderValue) -> Response {
        let known = asked.get(header::IF_NONE_MATCH).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let is_known = known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == self.tag);
        let takes = asked.get(header::ACCEPT_ENCODING).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let is_packed = !self.packed.is_empty() && takes.split(',').any(takes_gzip);
        let mut response = match (is_known, is_packed) {
            (true, _) => StatusCode::NOT_MODIFIED.into_response(),
            (false, true) => self.packed.clone().into_response(),
            (false, false) => self.plain.clone().into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.tag.clone());
        headers.insert(header::CACHE_CONTROL, keep);
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if !is_known {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
            if is_packed {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
        }
        response
    }
}

/// Whether one of the encodings that a client lists is gzip, and not ruled out.
fn takes_gzip(listed: &str) -> bool {
    let (name, weight) = listed.split_once(';').unwrap_or((listed, ""));
    name.trim().eq_ignore_ascii_case("gzip")
        && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
}

fn short(digest: &[u8]) -> String {
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

/// The page at `/` and at every path below `/ui`, where it shows what the path names; its files below `/page`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(index))
        .route("/ui", get(|| async { Redirect::permanent("/") }))
        .route("/ui/{*path}", get(index))
        .route("/page/{version}/{*name}", get(file))
}

async fn index(asked: HeaderMap) -> Response {
    PAGE.index.answer(&asked, ASK_AGAIN)
}

async fn file(Path((version, name)): Path<(String, String)>, asked: HeaderMap) -> Result<Response, Problem> {
    let found = PAGE.files.iter().find(|(known, _)| *known == name).filter(|_| version == PAGE.version);
    let missing = || {
        let detail =
            format!("there is no file `{name}` of version `{version}` of the page; load the page again");
        Problem::new(ProblemKind::NotFound, detail)
    };
    found.map(|(_, ready)| ready.answer(&asked, FOR_GOOD)).ok_or_else(missing)
}
