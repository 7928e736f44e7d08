//! One process with the plugin, from its start to its end, as it looks from outside.

use crate::child;
use crate::job::{Job, Seen};
use jackfield_loader::WorkerProgram;
use jackfield_plugin_api::worker::Grant;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often is looked whether the process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Bytes of what the plugin prints that are kept.
const PRINTED_BYTES_MAX: u64 = 16 << 10;
/// How long is waited for what a process has printed after its end: another process may hold the pipe.
const PRINTED_WAIT: Duration = Duration::from_millis(200);

/// What became of it.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) seen: Vec<Seen>,
    pub(crate) end: Ending,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, as it ought to.
    Clean,
    /// In another way: such as "was ended by signal 11".
    Crash(String),
    /// Not in time; it was killed.
    Killed,
}

impl Life {
    /// What had begun last.
    pub(crate) fn last_begun(&self) -> &str {
        let last = self.seen.iter().rev().find_map(|seen| match seen {
            Seen::Begins(what) => Some(what.as_str()),
            _ => None,
        });
        last.unwrap_or("starting")
    }
}

/// Starts a process, gives it the job, and waits for its end, for `patience` at most.
///
/// # Errors
/// If no process can be started or files cannot be written.
pub(crate) fn live(program: &WorkerProgram, job: &Job, patience: Duration) -> io::Result<Life> {
    fs::write(&job.report, "")?;
    let mut child = start(program)?;
    let stdout = child.stdout.take().map(collect).transpose()?;
    let stderr = child.stderr.take().map(collect).transpose()?;
    let said = child.stdin.take().map(|mut input| input.write_all(&serde_json::to_vec(job)?));
    // a process that does not read is one that has ended, which shows below
    drop(said);
    let status = wait(&mut child, &job.report, patience)?;
    let end = match status {
        None => Ending::Killed,
        Some(status) if status.success() => Ending::Clean,
        Some(status) => Ending::Crash(crash(status)),
    };
    let printed = |lines: Option<Receiver<String>>| {
        lines.and_then(|text| text.recv_timeout(PRINTED_WAIT).ok()).unwrap_or_default()
    };
    Ok(Life { seen: seen(&job.report)?, end, stdout: printed(stdout), stderr: printed(stderr) })
}

/// Does the job in this process, which ends with the plugin if that crashes.
///
/// # Errors
/// If files cannot be written.
pub(crate) fn live_here(job: &Arc<Job>) -> io::Result<Life> {
    fs::write(&job.report, "")?;
    let directory = std::env::current_dir()?;
    child::live(Arc::clone(job))?;
    std::env::set_current_dir(directory)?;
    Ok(Life { seen: seen(&job.report)?, end: Ending::Clean, stdout: String::new(), stderr: String::new() })
}

fn start(program: &WorkerProgram) -> io::Result<Child> {
    let mut command = Command::new(&program.path);
    command.args(&program.arguments);
    command.env_clear().envs(Grant::default().environment(std::env::vars_os()));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        if let Some(name) = &program.name {
            command.arg0(name);
        }
        command.process_group(0);
    }
    command.spawn()
}

/// Reads a stream to its end on a thread of its own; only the beginning is kept.
fn collect(mut stream: impl Read + Send + 'static) -> io::Result<Receiver<String>> {
    let (tx, rx) = channel();
    thread::Builder::new().name("printed".into()).spawn(move || {
        let mut kept = Vec::new();
        // an error ends what can be read
        let _ = (&mut stream).take(PRINTED_BYTES_MAX).read_to_end(&mut kept);
        let _ = io::copy(&mut stream, &mut io::sink());
        // nobody may wait for it any more
        let _ = tx.send(String::from_utf8_lossy(&kept).into_owned());
    })?;
    Ok(rx)
}

/// How the process ended; `None` if it had to be killed. One that says that it is stuck is given a short time only.
fn wait(child: &mut Child, report: &Path, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let until = Instant::now() + patience;
    loop {
        if has_ended(child)? {
            kill(child);
            return child.wait().map(Some);
        }
        if Instant::now() >= until || is_stuck(report) {
            kill(child);
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Whether it has ended. On Unix it is not reaped yet, so that its group can be killed by its number.
fn has_ended(child: &mut Child) -> io::Result<bool> {
    #[cfg(unix)]
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        return Ok(waitid(WaitId::Pid(pid), look)?.is_some());
    }
    Ok(child.try_wait()?.is_some())
}

fn is_stuck(report: &Path) -> bool {
    use std::io::{Seek, SeekFrom};
    let tail = || -> io::Result<Vec<u8>> {
        let mut file = fs::File::open(report)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(200)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = tail().unwrap_or_default();
    let last = tail.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    last.starts_with(b"{\"Stuck\":")
}

/// Kills what is left of the process and its group.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // nobody is left in it if this fails
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    // it has ended already if this fails
    let _ = child.kill();
}

fn crash(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was ended by signal {signal}");
    }
    match status.code() {
        Some(code) => format!("exited with code {code}"),
        None => "ended in an unknown way".into(),
    }
}

/// What was told; a last line that was cut off by the end is left out.
fn seen(report: &Path) -> io::Result<Vec<Seen>> {
    let text = fs::read(report)?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.map_while(|line| serde_json::from_slice(line).ok()).collect())
}
