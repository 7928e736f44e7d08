//! The directory for data, and the journals in it.

use super::findings::Findings;
use crate::settings::Settings;
use jackfield::{JOURNAL_FILE, Journal, RunQuery, Timestamp};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const AREA: &str = "data";
const JOURNAL: &str = "journal";

/// Less room than this is a problem.
#[cfg(unix)]
const ROOM_MIN: u64 = 100 << 20;
/// Less than this is worth knowing.
#[cfg(unix)]
const ROOM_GOOD: u64 = 1 << 30;
/// Larger journals are not read through.
const READ_MAX: u64 = 2 << 30;
/// A run that began so much later than now says that the clock went back.
const CLOCK_SLACK: Duration = Duration::from_secs(120);

pub(super) fn check(settings: &Settings, findings: &mut Findings) {
    let dir = match settings.data_place() {
        Ok(dir) => dir,
        Err(error) => return findings.problem(AREA, error.to_string(), ""),
    };
    let shown = dir.display();
    if !dir.exists() {
        let above = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
        match writable(above) {
            Ok(()) => {
                findings.note(AREA, format!("{shown} is not there yet; it is made when it is needed"), "")
            }
            Err(why) => findings.problem(
                AREA,
                format!("{shown} is not there, and cannot be made: {why}"),
                "Make it and give it to this user, or name another with --data-dir or `data_dir`.",
            ),
        }
        return room(above, findings);
    }
    match writable(&dir) {
        Ok(()) => findings.ok(AREA, format!("{shown} can be written")),
        Err(why) => findings.problem(
            AREA,
            format!("{shown} cannot be written: {why}"),
            "Give it to this user, or name another with --data-dir or `data_dir`.",
        ),
    }
    foreign(&dir, findings);
    room(&dir, findings);
    for journal in journals(&dir) {
        check_journal(&journal, findings);
    }
}

/// Whether a file can be made in a directory.
fn writable(dir: &Path) -> Result<(), String> {
    tempfile::Builder::new()
        .prefix(".jackfield-doctor-")
        .tempfile_in(dir)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Whoever may write there decides what runs do.
#[cfg(unix)]
fn foreign(dir: &Path, findings: &mut Findings) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(dir).map_or(0, |data| data.permissions().mode());
    if mode & 0o022 != 0 {
        findings.problem(
            AREA,
            format!("others than its owner may write to {} (mode {:o})", dir.display(), mode & 0o777),
            format!("Say `chmod go-w {}`.", dir.display()),
        );
    }
}

#[cfg(not(unix))]
fn foreign(_: &Path, _: &mut Findings) {}

#[cfg(unix)]
fn room(dir: &Path, findings: &mut Findings) {
    let Ok(system) = rustix::fs::statvfs(dir) else { return };
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let message = format!("{} MiB are free in {}", free >> 20, dir.display());
    match free {
        ..ROOM_MIN => findings.problem(
            AREA,
            message,
            "Free some space: without room for the journal durable runs wait. `jackfield runs prune` deletes old ones.",
        ),
        ROOM_MIN..ROOM_GOOD => findings.note(AREA, message, "Durable runs wait when nothing is left."),
        _ => findings.ok(AREA, message),
    }
}

#[cfg(not(unix))]
fn room(_: &Path, _: &mut Findings) {}

/// That of the directory itself, and those of namespaces.
fn journals(dir: &Path) -> Vec<PathBuf> {
    let spaces = fs::read_dir(dir.join("namespaces")).into_iter().flatten().flatten();
    let mut all: Vec<_> = spaces.map(|space| space.path().join(JOURNAL_FILE)).collect();
    all.sort();
    all.insert(0, dir.join(JOURNAL_FILE));
    all.retain(|path| path.exists());
    all
}

fn check_journal(path: &Path, findings: &mut Findings) {
    let shown = path.display();
    match Journal::owner(path) {
        Ok(None) => findings.ok(JOURNAL, format!("{shown}: no process owns it")),
        Ok(Some(pid)) => findings.note(
            JOURNAL,
            format!("{shown}: process {pid} owns it"),
            "Commands talk to it by themselves; a second `jackfield serve` on it is refused.",
        ),
        Err(error) => findings.problem(JOURNAL, error.to_string(), "Give its lock file to this user."),
    }
    let journal = match Journal::open_reader(path) {
        Ok(journal) => journal,
        Err(error) => {
            return findings.problem(
                JOURNAL,
                error.to_string(),
                "If it is damaged, take a backup in its place.",
            );
        }
    };
    clock(&journal, path, findings);
    let stats = match journal.stats() {
        Ok(stats) => stats,
        Err(error) => {
            return findings.problem(JOURNAL, error.to_string(), "See what `jackfield db check` says.");
        }
    };
    let bytes = stats.file_len + stats.wal_len;
    if bytes > READ_MAX {
        let message = format!("{shown}: {} runs, {} MiB, not read through", stats.runs, bytes >> 20);
        return findings.note(JOURNAL, message, "`jackfield db check` reads all of it.");
    }
    match journal.check_quickly() {
        Ok(faults) if faults.is_empty() => {
            findings.ok(JOURNAL, format!("{shown}: {} runs, {} MiB, sound", stats.runs, bytes >> 20));
        }
        Ok(faults) => findings.problem(
            JOURNAL,
            format!("{shown} is damaged: {}", faults.join("; ")),
            "Take a backup in its place; `jackfield db check` says all that is wrong.",
        ),
        Err(error) => findings.problem(JOURNAL, error.to_string(), "Take a backup in its place."),
    }
}

/// Timers and schedules go by the clock.
fn clock(journal: &Journal, path: &Path, findings: &mut Findings) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::default().after(now);
    let query = RunQuery { limit: 1, ..RunQuery::default() };
    let newest = journal.query(&query).ok().and_then(|page| page.runs.into_iter().next());
    if let Some(run) = newest.filter(|run| run.started_at.since(now) > CLOCK_SLACK) {
        findings.problem(
            "clock",
            format!(
                "run {} of {} began at {}, which is later than now",
                run.run_id,
                path.display(),
                run.started_at.to_rfc3339()
            ),
            "Set the clock of this machine: timers and schedules go by it.",
        );
    }
}
