//! The process of the server that is measured.

use super::super::job::Job;
use crate::settings::{Settings, this_program};
use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tempfile::TempDir;

/// How long it may take until it listens.
const PATIENCE: Duration = Duration::from_secs(30);
/// What it said last, for errors.
const LINES: usize = 10;

/// A server with a data directory of its own; both are gone when this is dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<VecDeque<String>>>,
    _dir: TempDir,
}

impl Served {
    /// Starts one on a free port of this machine. Of the configuration it has where plugins are, which run in it; all limits are those of a
    /// server without any.
    pub(crate) fn start(settings: &Settings, job: &Job) -> Result<Self> {
        let dir = settings.scratch_dir("bench")?;
        let config = dir.path().join("jackfield.toml");
        let text = format!("[engine]\nthreads = {}\n[isolation]\ndefault = \"in_process\"\n", job.threads);
        fs::write(&config, text).with_context(|| format!("cannot write `{}`", config.display()))?;
        let mut command = Command::new(this_program());
        command.arg("--config").arg(&config).arg("--data-dir").arg(dir.path());
        for path in settings.plugin_paths() {
            command.arg("--plugin-path").arg(path);
        }
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start a server")?;
        let stderr = child.stderr.take();
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (tell, told) = mpsc::channel();
        let kept = said.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr?).lines() {
                let line = line.ok()?;
                if let Some(address) = line.strip_prefix("listening on http://") {
                    // nobody waits any more if it took too long
                    let _ = tell.send(address.parse::<SocketAddr>());
                }
                let mut kept = kept.lock();
                if kept.len() == LINES {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
            Some(())
        });
        let listens = told.recv_timeout(PATIENCE);
        let mut served = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), said, _dir: dir };
        match listens {
            Ok(address) => served.address = address.context("the server does not say where it listens")?,
            Err(_) => bail!("the server did not start: {}", served.last_words()),
        }
        Ok(served)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said last.
    pub(crate) fn last_words(&self) -> String {
        let said: Vec<_> = self.said.lock().iter().cloned().collect();
        format!("the server said last: {}", said.join(" | "))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // nothing of it is needed any more; if it has ended already there is nothing to do
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
