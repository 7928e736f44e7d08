//! `download`: a file that appears under its name only when it is complete and, if a hash is given, the right one.
//! What has arrived of an interrupted download stands beside it as `NAME.part`.

use crate::FILES;
use crate::client::{Client, Limits, without_secrets};
use crate::request::{headers, unexpected};
use jackfield_plugin_api::prelude::*;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http;

/// Bytes that are read at a time.
const CHUNK_LEN: usize = 64 * 1024;

/// What to fetch, and where it goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Download {
    /// Absolute address, `http` or `https`.
    url: String,
    /// The file; what was there before is replaced.
    path: PathBuf,
    /// SHA-256 of the content, in hexadecimal. Other content is an error and leaves the file as it was.
    sha256: Option<String>,
    /// Whether to go on with what an interrupted download left, if the server can.
    #[serde(default)]
    resume: bool,
    /// Whether missing directories on the way are made.
    #[serde(default)]
    create_dirs: bool,
    /// Limit of the whole exchange, in milliseconds; that of the step if it is shorter.
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
    /// Redirects to follow.
    #[serde(default = "redirects_max")]
    redirects_max: u32,
    /// Largest file, in bytes.
    #[serde(default = "max_bytes")]
    max_bytes: u64,
}

/// What was fetched.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Downloaded {
    /// The file.
    path: PathBuf,
    /// Its length, in bytes.
    bytes: u64,
    /// SHA-256 of its content, in hexadecimal.
    sha256: String,
    /// Bytes that an earlier attempt had fetched.
    resumed: u64,
}

fn timeout_ms() -> u64 {
    600_000
}

fn redirects_max() -> u32 {
    5
}

fn max_bytes() -> u64 {
    4 * 1024 * 1024 * 1024
}

pub(crate) fn download(ctx: &Context, p: &Download) -> Result<Downloaded, Error> {
    let part = part_of(&p.path);
    if let Some(dir) = p.path.parent().filter(|_| p.create_dirs) {
        fs::create_dir_all(dir).map_err(|error| FILES.error("cannot create", dir, error))?;
    }
    let had = if p.resume { fs::metadata(&part).map_or(0, |found| found.len()) } else { 0 };
    let limits = Limits { timeout: Duration::from_millis(p.timeout_ms), redirects_max: p.redirects_max };
    let client = Client::new(ctx, &limits);
    let mut request = http::Request::get(&p.url).header("accept-encoding", "identity");
    if had > 0 {
        request = request.header("range", format!("bytes={had}-"));
    }
    let request = request.body(()).map_err(|error| Error::validation(format!("`{}`: {error}", p.url)))?;
    let mut response = client.agent.run(request).map_err(|error| client.error(&p.url, &error))?;
    let status = response.status().as_u16();
    let resumed = match status {
        200 => 0,
        206 if had > 0 && starts_at(response.headers(), had) => had,
        // what is there is all there is, or has nothing to do with it: the next attempt begins anew
        _ => {
            if status == 416 && part.exists() {
                fs::remove_file(&part).map_err(|error| FILES.error("cannot remove", &part, error))?;
            }
            let found = headers(response.headers());
            let body = response.body_mut().with_config().limit(1_024).read_to_vec().unwrap_or_default();
            return Err(unexpected(&p.url, status, &found, &body).retryable(status == 416 || status >= 500));
        }
    };
    let expected = response.body().content_length().map(|length| length + resumed);
    let reader = response.body_mut().with_config().limit(u64::MAX).reader();
    let bytes = receive(ctx, p, &part, reader, Extent { resumed, expected })
        .map_err(|error| error.context(without_secrets(&p.url)))?;
    let sha256 = hash(&part)?;
    check_hash(p, &part, &sha256)?;
    fs::rename(&part, &p.path).map_err(|error| FILES.error("cannot replace", &p.path, error))?;
    Ok(Downloaded { path: p.path.clone(), bytes, sha256, resumed })
}

/// What is there already, and how much there will be, as far as the server says.
#[derive(Clone, Copy)]
struct Extent {
    resumed: u64,
    expected: Option<u64>,
}

/// Appends what arrives to the part file; returns its length.
fn receive(
    ctx: &Context,
    p: &Download,
    part: &Path,
    mut reader: impl Read,
    extent: Extent,
) -> Result<u64, Error> {
    let failed = |error| FILES.error("cannot write", part, error);
    let mut file = if extent.resumed > 0 {
        OpenOptions::new().append(true).open(part).map_err(failed)?
    } else {
        File::create(part).map_err(failed)?
    };
    let mut bytes = extent.resumed;
    let mut chunk = vec![0; CHUNK_LEN];
    loop {
        if ctx.is_cancelled() {
            return Err(Error::cancelled());
        }
        let len = reader.read(&mut chunk).map_err(|error| {
            Error::new("http.interrupted", format!("the download broke off after {bytes} bytes: {error}"))
        })?;
        if len == 0 {
            break;
        }
        bytes += len as u64;
        if bytes > p.max_bytes {
            return Err(FILES.too_large(&p.path, p.max_bytes));
        }
        file.write_all(&chunk[..len]).map_err(failed)?;
        if let Some(expected) = extent.expected.filter(|expected| *expected > 0) {
            ctx.progress(bytes as f64 / expected as f64, "downloading");
        }
    }
    file.sync_all().map_err(failed)?;
    match extent.expected {
        Some(expected) if bytes < expected => {
            let message = format!("the download broke off after {bytes} of {expected} bytes");
            Err(Error::new("http.interrupted", message))
        }
        _ => Ok(bytes),
    }
}

fn check_hash(p: &Download, part: &Path, found: &str) -> Result<(), Error> {
    let Some(wanted) = p.sha256.as_ref().filter(|wanted| !wanted.eq_ignore_ascii_case(found)) else {
        return Ok(());
    };
    fs::remove_file(part).map_err(|error| FILES.error("cannot remove", part, error))?;
    let message = format!("`{}` has the SHA-256 {found}, expected {wanted}", without_secrets(&p.url));
    Err(Error::new("http.hash_differs", message).permanent())
}

fn hash(path: &Path) -> Result<String, Error> {
    let failed = |error| FILES.error("cannot read", path, error);
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK_LEN];
    loop {
        let len = file.read(&mut chunk).map_err(failed)?;
        if len == 0 {
            return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(&chunk[..len]);
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Whether a partial answer begins where the part file ends.
fn starts_at(headers: &http::HeaderMap, had: u64) -> bool {
    let range = headers.get("content-range").and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {had}-")))
}
