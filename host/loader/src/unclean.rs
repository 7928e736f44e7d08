//! Which plugins were open in the process of a host that did not end as it should. A host notes each library before it opens it,
//! in a file that it holds locked, and removes the file at its end; whoever starts and finds one that nobody holds knows that its
//! host was ended by something else. That costs calls nothing, and so it cannot tell which call it was.

use parking_lot::Mutex;
use semver::Version;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A host that did not end as it should: it crashed, was killed, or its machine stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UncleanExit {
    /// Its process.
    pub pid: u32,
    /// The plugins that were open in it, `name version`, in the order in which they were opened.
    pub plugins: Vec<String>,
}

/// The notes of the hosts of one data directory.
pub(crate) struct Notes {
    directory: PathBuf,
    own: Mutex<Option<Note>>,
    found: Vec<UncleanExit>,
}

struct Note {
    /// Locked for as long as it is open.
    file: File,
    path: PathBuf,
    plugins: Vec<String>,
}

impl Notes {
    /// Looks for notes of hosts that are gone, says so, and removes them.
    pub(crate) fn open(directory: PathBuf) -> Self {
        let found = left_behind(&directory);
        found.iter().for_each(UncleanExit::warn);
        Self { directory, own: Mutex::default(), found }
    }

    pub(crate) fn found(&self) -> &[UncleanExit] {
        &self.found
    }

    /// A plugin is about to be opened in this process. A note that cannot be written is no reason not to open it.
    pub(crate) fn opening(&self, plugin: &str, version: &Version) {
        let line = format!("{plugin} {version}");
        let mut own = self.own.lock();
        let noted = match &mut *own {
            Some(note) => note.add(line),
            None => Note::new(&self.directory).and_then(|mut note| {
                let added = note.add(line);
                *own = Some(note);
                added
            }),
        };
        if let Err(error) = noted {
            tracing::debug!(%error, plugin, "it could not be noted that a plugin is open");
        }
    }

    /// This host ends as it should.
    pub(crate) fn clear(&self) {
        if let Some(note) = self.own.lock().take() {
            // a note that stays names plugins that are not to blame, which does no more harm than that
            let _ = fs::remove_file(&note.path);
        }
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Note {
    /// A new one, which is locked before anybody can find it.
    fn new(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        // several hosts may live in one process
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let name = format!("{}-{since}", std::process::id());
        let (fresh, path) = (directory.join(format!("{name}.new")), directory.join(format!("{name}.open")));
        let file = File::create_new(&fresh)?;
        file.lock()?;
        fs::rename(fresh, &path)?;
        Ok(Self { file, path, plugins: Vec::new() })
    }

    fn add(&mut self, line: String) -> io::Result<()> {
        if self.plugins.contains(&line) {
            return Ok(());
        }
        self.plugins.push(line.clone());
        self.file.write_all(format!("{line}\n").as_bytes())
    }
}

fn left_behind(directory: &Path) -> Vec<UncleanExit> {
    let Ok(files) = fs::read_dir(directory) else { return Vec::new() };
    let files = files.filter_map(|file| Some(file.ok()?.path()));
    let mut found: Vec<_> = files.filter_map(|path| of_note(&path)).collect();
    found.sort_by_key(|exit| exit.pid);
    found
}

/// What a note says that nobody holds any more; it is removed.
fn of_note(path: &Path) -> Option<UncleanExit> {
    if path.extension()? != "open" {
        return None;
    }
    let pid = path.file_stem()?.to_str()?.split_once('-')?.0.parse().ok()?;
    let file = File::open(path).ok()?;
    match file.try_lock() {
        Ok(()) => {}
        // its host is alive; where there are no locks nobody can tell
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => return None,
    }
    let text = fs::read_to_string(path).ok()?;
    fs::remove_file(path).ok()?;
    Some(UncleanExit { pid, plugins: text.lines().map(str::to_owned).collect() })
}

impl UncleanExit {
    /// What happened, who may have done it, and what to do about it: sentences.
    #[must_use]
    pub fn message(&self) -> String {
        let names = self.plugins.iter().map(|plugin| format!("`{plugin}`")).collect::<Vec<_>>().join(", ");
        let first = self.plugins.first().map_or("NAME", |plugin| plugin.split(' ').next().unwrap_or(plugin));
        let (candidates, remedy) = match self.plugins.len() {
            1 => ("one plugin was", "If it crashed it"),
            _ => ("these plugins were", "If one of them crashed it"),
        };
        format!(
            "process {} ended without a shutdown while {candidates} open in it: {names}. {remedy}, run that one in a process of \
             its own: `isolation = \"worker\"` under [plugins.{first}] in the configuration",
            self.pid
        )
    }

    fn warn(&self) {
        tracing::warn!("{}", self.message());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_ended_as_it_should_leaves_nothing_and_one_that_did_not_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Notes::open(dir.path().join("open"));
        let version = Version::new(1, 0, 0);
        let first = open();
        for plugin in ["a", "b", "a"] {
            first.opening(plugin, &version);
        }
        assert_eq!(open().found(), [], "its host is alive");
        // as if the process had gone: the lock is lost, the file stays
        let note = first.own.lock().take().unwrap();
        drop(note);
        let second = open();
        let plugins = ["a 1.0.0", "b 1.0.0"].map(str::to_owned).to_vec();
        assert_eq!(second.found(), [UncleanExit { pid: std::process::id(), plugins }]);
        assert!(second.found()[0].message().contains("`a 1.0.0`, `b 1.0.0`"));
        second.opening("c", &version);
        second.clear();
        assert_eq!(open().found(), []);
    }
}
