//! How lines lie on the disk: `journal.lines/RUN/FIRST.jsonl`, where FIRST is the number of the first line in the file, in twenty
//! digits, so that names are in order. A file is full after an eighth of what a run may have.

use super::{RUN_LINES_MAX, RunText, RunTexts, TextQuery};
use crate::Error;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Files of a run, at most.
const FILES_MAX: usize = 8;
/// Lines that one answer looks through, so that none takes long.
const LOOKED_AT_MAX: usize = 200_000;
/// Longest name of a directory that is the id of a run.
const NAME_LEN_MAX: usize = 160;

/// Where the lines of all runs lie.
#[derive(Clone, Debug)]
pub(super) struct Files {
    root: PathBuf,
}

/// The lines of one run, to be added to.
pub(super) struct Tail {
    directory: PathBuf,
    /// Numbers of the first lines of its files, oldest first.
    firsts: VecDeque<u64>,
    file: File,
    len: u64,
    next: u64,
}

impl Files {
    pub(super) fn beside(journal: &Path) -> Self {
        Self { root: super::beside(journal) }
    }

    fn directory(&self, run_id: &str) -> PathBuf {
        self.root.join(name_of(run_id))
    }

    /// Deletes what is kept of a run.
    pub(super) fn forget(&self, run_id: &str) {
        let directory = self.directory(run_id);
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(run_id, %error, "the lines of a deleted run cannot be removed from {}", directory.display());
            }
            _ => {}
        }
    }

    /// Lines that are on the disk; a line that is being written is not yet one.
    pub(super) fn read(&self, run_id: &str, query: &TextQuery) -> Result<RunTexts, Error> {
        let directory = self.directory(run_id);
        let failed = |source| Error::io("read", &directory, source);
        let firsts = firsts(&directory).map_err(failed)?;
        let limit = if query.limit == 0 { RUN_LINES_MAX } else { query.limit.min(RUN_LINES_MAX) };
        let begin = firsts.partition_point(|first| *first <= query.from).saturating_sub(1);
        let (mut found, mut looked_at) = (RunTexts { lines: Vec::new(), next: query.from }, 0);
        for first in firsts.into_iter().skip(begin) {
            let file = match File::open(file_in(&directory, first)) {
                Ok(file) => file,
                // it was the oldest
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            let mut reader = BufReader::new(file);
            let mut text = Vec::new();
            while reader.read_until(b'\n', &mut text).map_err(failed)? > 0 && text.ends_with(b"\n") {
                // one that was torn by the end of a host is left out
                if let Ok(line) = serde_json::from_slice::<RunText>(&text)
                    && line.seq >= query.from
                {
                    found.next = line.seq + 1;
                    looked_at += 1;
                    if query.wants(&line.step) {
                        found.lines.push(line);
                    }
                    if found.lines.len() >= limit || looked_at >= LOOKED_AT_MAX {
                        return Ok(found);
                    }
                }
                text.clear();
            }
        }
        Ok(found)
    }

    /// Opens the lines of a run to add to them.
    pub(super) fn open(&self, run_id: &str) -> io::Result<Tail> {
        let directory = self.directory(run_id);
        fs::create_dir_all(&directory)?;
        let mut firsts: VecDeque<u64> = firsts(&directory)?.into();
        let first = *firsts.back().unwrap_or(&0);
        if firsts.is_empty() {
            firsts.push_back(first);
        }
        let path = file_in(&directory, first);
        let (mut next, mut whole) = (first, 0);
        if path.is_file() {
            let bytes = fs::read(&path)?;
            // what was torn by the end of a host goes
            whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let last = bytes[..whole].split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
            let last = last.and_then(|line| serde_json::from_slice::<RunText>(line).ok());
            next = last.map_or(first, |line| line.seq + 1);
        }
        let file = File::options().create(true).append(true).open(&path)?;
        file.set_len(whole as u64)?;
        Ok(Tail { directory, firsts, file, len: whole as u64, next })
    }
}

impl Tail {
    /// Number of the next line.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Adds `count` lines.
    pub(super) fn add(&mut self, lines: &[u8], count: u64, bytes_max: u64) -> io::Result<()> {
        if self.len > 0 && self.len + lines.len() as u64 > bytes_max / FILES_MAX as u64 {
            self.file =
                File::options().create(true).append(true).open(file_in(&self.directory, self.next))?;
            self.firsts.push_back(self.next);
            self.len = 0;
            while self.firsts.len() > FILES_MAX {
                let oldest = self.firsts.pop_front().unwrap_or_default();
                fs::remove_file(file_in(&self.directory, oldest))?;
            }
        }
        self.file.write_all(lines)?;
        self.len += lines.len() as u64;
        self.next += count;
        Ok(())
    }
}

fn file_in(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}.jsonl"))
}

/// Numbers of the first lines of the files in a directory, in order; none if there is no directory.
fn firsts(directory: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut firsts = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        firsts.extend(name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse::<u64>().ok()));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// A name of a directory that stands for one id and no other, also where names do not tell capitals.
fn name_of(run_id: &str) -> String {
    let mut name = String::with_capacity(run_id.len());
    for byte in run_id.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if name.len() <= NAME_LEN_MAX {
        return name;
    }
    let hash = jackfield_core::journal::BlobId::of(run_id.as_bytes());
    // a percent sign with no digits behind it stands in no shorter name
    format!("{}%-{hash}", &name[..64])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_names_of_their_own_that_every_file_system_takes() {
        let long = "x".repeat(500);
        let ids = ["a", "A", "a/b", "a%2fb", "..", ".", "ü", &long, &long[..499], ""];
        let names: std::collections::BTreeSet<String> = ids.iter().map(|id| name_of(id)).collect();
        assert_eq!(names.len(), ids.len(), "{names:?}");
        for name in names {
            assert!(name.len() < 200 && !name.contains(['/', '.', '\\']), "{name}");
        }
    }
}
