//! The audit log: who did what only administrators may, and what was refused. One JSON object a line, for the owner of the
//! directory for data only. Nothing secret is in it, and it cannot fill the disk.

use crate::gate::Way;
use crate::private::private;
use crate::tokens::{Holder, TokenInfo, now};
use axum::http::{Method, StatusCode};
use governor::clock::MonotonicClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const FILE: &str = "audit.jsonl";
/// Held while a line is written.
const LOCK: &str = "audit.lock";
/// Bytes after which a file is put aside.
const BYTES_MAX: u64 = 10 << 20;
/// Files that were put aside and are kept: `audit.1.jsonl` is the newest.
const OLD_FILES_MAX: usize = 9;
/// Refusals that are written down in a minute; more are counted only.
const REFUSALS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("it is not 0");
/// Characters of a path that are written down.
const PATH_LEN_MAX: usize = 512;

/// Writes the audit log of a directory for data.
pub struct Audit {
    data_dir: PathBuf,
    refusals: RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Instant>>,
    /// Refusals that were only counted since the last that was written down.
    uncounted: AtomicU64,
}

/// A request that was answered.
pub(crate) struct Asked<'a> {
    pub(crate) holder: Option<&'a Holder>,
    pub(crate) way: Way,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) status: StatusCode,
    /// Something that only administrators may was not refused to whoever asked.
    pub(crate) is_admin: bool,
}

impl Audit {
    /// The log in `data_dir`, which is made when there is something to write.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            refusals: RateLimiter::new(
                Quota::per_minute(REFUSALS_PER_MINUTE),
                InMemoryState::default(),
                MonotonicClock,
            ),
            uncounted: AtomicU64::new(0),
        }
    }

    /// Notes what a command on this machine did with a token.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn token(&self, event: &str, token: &TokenInfo) -> io::Result<()> {
        self.write(json!({
            "time": now().to_rfc3339(),
            "event": event,
            "token": token.name,
            "scope": token.scope,
            "namespace": token.namespace,
            "expires_at": token.expires_at,
        }))
    }

    pub(crate) fn request(&self, asked: Asked<'_>) {
        let Asked { holder, way, method, path, status, is_admin } = asked;
        let mut line = json!({
            "time": now().to_rfc3339(),
            "event": if is_admin { "request" } else { "refusal" },
            "token": holder.map(|holder| &holder.name),
            "namespace": holder.map(|holder| &holder.namespace),
            "address": way.peer.to_canonical(),
            "method": method.as_str(),
            "path": path.chars().take(PATH_LEN_MAX).collect::<String>(),
            "status": status.as_u16(),
        });
        if !is_admin {
            if self.refusals.check().is_err() {
                self.uncounted.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let more = self.uncounted.swap(0, Ordering::Relaxed);
            if let (true, Value::Object(line)) = (more > 0, &mut line) {
                line.insert("refusals_not_written_before".to_owned(), more.into());
            }
        }
        if let Err(error) = self.write(line) {
            tracing::error!("the audit log in {} cannot be written: {error}", self.data_dir.display());
        }
    }

    fn write(&self, line: Value) -> io::Result<()> {
        let lock = private().create(true).truncate(false).write(true).open(self.data_dir.join(LOCK))?;
        // it is given back when the file is closed
        lock.lock()?;
        let path = self.data_dir.join(FILE);
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() >= BYTES_MAX) {
            self.put_aside(&path)?;
        }
        let mut file: File = private().create(true).append(true).open(&path)?;
        file.write_all(format!("{line}\n").as_bytes())
    }

    fn put_aside(&self, path: &Path) -> io::Result<()> {
        let old = |number: usize| self.data_dir.join(format!("audit.{number}.jsonl"));
        for number in (1..OLD_FILES_MAX).rev() {
            match fs::rename(old(number), old(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(path, old(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn refused(audit: &Audit, path: &str) {
        let way = Way { peer: Ipv4Addr::LOCALHOST.into(), is_loopback: true, is_tls: false };
        let (method, status) = (&Method::GET, StatusCode::UNAUTHORIZED);
        audit.request(Asked { holder: None, way, method, path, status, is_admin: false });
    }

    #[test]
    fn a_flood_of_refusals_is_counted_and_full_files_are_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::of(dir.path());
        for _ in 0..1_000 {
            refused(&audit, "/x");
        }
        let lines = fs::read_to_string(dir.path().join(FILE)).unwrap().lines().count();
        assert!((60..70).contains(&lines), "{lines}");
        assert!(audit.uncounted.load(Ordering::Relaxed) > 900);

        for round in 0..12_u8 {
            fs::write(dir.path().join(FILE), vec![round; usize::try_from(BYTES_MAX).unwrap()]).unwrap();
            audit.write(json!({ "round": round })).unwrap();
        }
        let files = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(files, 1 + OLD_FILES_MAX + 1, "the file, the old ones, the lock");
        assert_eq!(fs::read(dir.path().join("audit.1.jsonl")).unwrap()[0], 11);
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), "{\"round\":11}\n");
    }
}
