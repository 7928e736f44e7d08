//! What earlier starts found out about files, so that an unchanged file is neither read nor hashed again. It is a help
//! and no truth: without it, or with a damaged one, every file is looked at as if for the first time.

use crate::refusal::Refused;
use crate::stamp::Stamp;
use crate::store::{Hash, write_replacing};
use jackfield_plugin_api::abi::JF_ABI_MAJOR;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The form of the file. Raise it when [`Notes`], or what inspection accepts, changes.
const FORMAT: u32 = 1;
/// A larger file is not read.
const BYTES_MAX: u64 = 64 << 20;
/// Files that are noted, at most; then what other processes have noted is dropped.
const FILES_MAX: usize = 10_000;

/// What a file was found to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finding {
    /// A plugin, by the hash of the file, with its static manifest.
    Plugin { hash: Hash, manifest: String },
    /// No plugin that this host can use.
    Refused(Refused),
}

/// The cache of one data directory. Several processes may use it at once: each replaces the file as a whole and takes
/// over what the others have noted. If two write at the same moment the notes of one are lost, and made again.
pub(crate) struct Cache {
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    notes: Notes,
    has_news: bool,
}

/// What stands in the file.
#[derive(Default, Serialize, Deserialize)]
struct Notes {
    /// By canonical path.
    files: BTreeMap<String, FileNote>,
    /// Stored copies whose contents had their hash, as they were then.
    intact: BTreeMap<Hash, Stamp>,
}

#[derive(Clone, Serialize, Deserialize)]
struct FileNote {
    stamp: Stamp,
    found: Finding,
}

/// The notes and what they depend on.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    format: u32,
    host: String,
    /// Hash of the text of `notes`.
    sha256: Hash,
    #[serde(borrow)]
    notes: &'a RawValue,
}

/// Another host may judge the same file otherwise.
fn host() -> String {
    let (version, abi) = (env!("CARGO_PKG_VERSION"), JF_ABI_MAJOR);
    format!("{version}, ABI {abi}, {} {}", std::env::consts::OS, std::env::consts::ARCH)
}

impl Cache {
    /// Reads the file; what cannot be read is as if it were not there.
    pub(crate) fn open(file: PathBuf) -> Self {
        let state = Mutex::new(State { notes: read(&file).unwrap_or_default(), has_news: false });
        Self { file, state }
    }

    /// What the file at `path`, which now has `stamp`, was found to be.
    pub(crate) fn finding(&self, path: &Path, stamp: &Stamp) -> Option<Finding> {
        let state = self.state.lock();
        let note = state.notes.files.get(path.to_str()?)?;
        (note.stamp == *stamp).then(|| note.found.clone())
    }

    /// Notes what the file at `path` is as long as it has `stamp`. A path that is no text is not noted.
    pub(crate) fn note(&self, path: &Path, stamp: Stamp, found: Finding) {
        let Some(path) = path.to_str() else { return };
        let mut state = self.state.lock();
        state.notes.files.insert(path.to_owned(), FileNote { stamp, found });
        state.has_news = true;
    }

    /// Whether a file besides `path` was found to have this hash, and is still there.
    pub(crate) fn knows_elsewhere(&self, hash: Hash, path: &Path) -> bool {
        let mut state = self.state.lock();
        state.notes.take_over(read(&self.file).unwrap_or_default());
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut files = state.notes.files.iter();
        files.any(|(other, note)| note.hash() == Some(hash) && Path::new(other) != path)
    }

    /// Whether the stored copy with this name has been verified when it had `stamp`.
    pub(crate) fn is_intact(&self, hash: Hash, stamp: &Stamp) -> bool {
        self.state.lock().notes.intact.get(&hash) == Some(stamp)
    }

    /// Notes that the stored copy is what its name says as long as it has `stamp`.
    pub(crate) fn note_intact(&self, hash: Hash, stamp: Stamp) {
        let mut state = self.state.lock();
        state.notes.intact.insert(hash, stamp);
        state.has_news = true;
    }

    /// Writes the file if there is anything new. A failure costs time at the next start and nothing else.
    pub(crate) fn save(&self) {
        let mut state = self.state.lock();
        if !std::mem::take(&mut state.has_news) {
            return;
        }
        state.notes.take_over(read(&self.file).unwrap_or_default());
        if let Err(reason) = write(&self.file, &state.notes) {
            tracing::debug!(%reason, "what is known about plugin files was not written down");
        }
    }
}

impl Notes {
    /// Adds what others know, and forgets files that are gone.
    fn take_over(&mut self, others: Self) {
        if self.files.len() + others.files.len() <= FILES_MAX {
            for (path, note) in others.files {
                self.files.entry(path).or_insert(note);
            }
        }
        self.files.retain(|path, _| Path::new(path).exists());
        for (hash, stamp) in others.intact {
            self.intact.entry(hash).or_insert(stamp);
        }
        let noted: BTreeSet<Hash> = self.files.values().filter_map(FileNote::hash).collect();
        self.intact.retain(|hash, _| noted.contains(hash));
    }
}

impl FileNote {
    fn hash(&self) -> Option<Hash> {
        match self.found {
            Finding::Plugin { hash, .. } => Some(hash),
            Finding::Refused(_) => None,
        }
    }
}

fn read(file: &Path) -> Option<Notes> {
    let opened = File::open(file).ok()?;
    let size = opened.metadata().ok()?.len();
    if size > BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).ok()? + 1);
    opened.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let envelope: Envelope<'_> = serde_json::from_slice(&bytes).ok()?;
    let notes = envelope.notes.get();
    let fits =
        envelope.format == FORMAT && envelope.host == host() && envelope.sha256 == Hash::of(notes.as_bytes());
    if fits { serde_json::from_str(notes).ok() } else { None }
}

fn write(file: &Path, notes: &Notes) -> Result<(), String> {
    let notes = serde_json::value::to_raw_value(notes).map_err(|error| error.to_string())?;
    let sha256 = Hash::of(notes.get().as_bytes());
    let envelope = Envelope { format: FORMAT, host: host(), sha256, notes: &notes };
    let text = serde_json::to_vec(&envelope).map_err(|error| error.to_string())?;
    write_replacing(file, &text).map_err(|error| error.to_string())
}
