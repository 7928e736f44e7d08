//! Losses of power: of what was written since the last commit that was acknowledged, any sectors may be on the disk and
//! others not. Every such state of the files has to hold one commit or the other, whole.

use super::case::Case;
use super::stage::Stage;
use jackfield_core::journal::{RunQuery, Store};
use jackfield_store_sqlite::SqliteStore;
use jackfield_tests::crash::{Effects, Script, file};
use std::fs;
use std::path::{Path, PathBuf};

/// What a disk writes as a whole.
const SECTOR: usize = 512;
/// Bytes at the start of a write-ahead log that say which of its frames count.
const WAL_HEAD: usize = 32;
/// States of a kind that are tried between two commits.
const TRIES: u64 = 4;

/// The files of a journal.
#[derive(Clone, PartialEq)]
struct Files {
    journal: Vec<u8>,
    wal: Vec<u8>,
}

/// A generator of numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit.max(1)
    }
}

impl Files {
    fn read(dir: &Path) -> Self {
        let read = |name| fs::read(dir.join(name)).unwrap_or_default();
        Self { journal: read(file::JOURNAL), wal: read(file::WAL) }
    }

    fn write(&self, dir: &Path) {
        fs::create_dir_all(dir).expect("there is room");
        fs::write(dir.join(file::JOURNAL), &self.journal).expect("there is room");
        fs::write(dir.join(file::WAL), &self.wal).expect("there is room");
    }
}

/// `old` with some of the sectors in which `new` differs: those that `is_there` says.
fn mix(old: &[u8], new: &[u8], mut is_there: impl FnMut(usize, usize) -> bool) -> Vec<u8> {
    let sectors = new.len().div_ceil(SECTOR);
    let differs = |at: &usize| {
        let range = at * SECTOR..((at + 1) * SECTOR).min(new.len());
        old.get(range.clone()) != Some(&new[range])
    };
    let changed: Vec<usize> = (0..sectors).filter(differs).collect();
    let mut mixed = old.to_vec();
    let count = changed.len();
    for (_, at) in changed.into_iter().enumerate().filter(|(nth, _)| is_there(*nth, count)) {
        let end = ((at + 1) * SECTOR).min(new.len());
        if mixed.len() < end {
            mixed.resize(end, 0);
        }
        mixed[at * SECTOR..end].copy_from_slice(&new[at * SECTOR..end]);
    }
    mixed
}

/// Mixtures of two contents: torn off somewhere, and with any sectors missing.
fn mixtures(old: &[u8], new: &[u8], dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for _ in 0..TRIES {
        let cut = dice.below(1_000);
        all.push(mix(old, new, |nth, count| nth * 1_000 < cut * count));
        let share = 1 + dice.below(99);
        all.push(mix(old, new, |_, _| dice.below(100) < share));
    }
    // all but the last sector, and nothing but it
    all.push(mix(old, new, |nth, count| nth + 1 < count));
    all.push(mix(old, new, |nth, count| nth + 1 == count));
    all
}

/// What may be on the disk between two commits.
fn between(old: &Files, new: &Files, dice: &mut Dice) -> Vec<Files> {
    // a log that begins anew has its head synced before anything else of it is written
    let mut begun = old.wal.clone();
    if let (Some(head), Some(new_head)) = (begun.get_mut(..WAL_HEAD), new.wal.get(..WAL_HEAD)) {
        head.copy_from_slice(new_head);
    }
    let mut wals = mixtures(&begun, &new.wal, dice);
    wals.push(begun);
    let mut states: Vec<_> = wals.into_iter().map(|wal| Files { wal, ..old.clone() }).collect();
    if old.journal != new.journal {
        // the log is synced before anything is copied from it to the file
        let journals = mixtures(&old.journal, &new.journal, dice);
        states.extend(journals.into_iter().map(|journal| Files { journal, ..new.clone() }));
    }
    states
}

/// Everything that a journal says, as text; it must be sound.
fn content(files: &Files, dir: &Path) -> String {
    files.write(dir);
    let store = SqliteStore::open(&dir.join(file::JOURNAL), Default::default());
    let store = store.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(store.check().expect("it can be read"), Vec::<String>::new());
    let query = RunQuery { limit: 100, ..RunQuery::default() };
    let runs = store.list(&query).expect("it can be read").runs;
    let load = |id: &str| {
        let run = store.load(id).expect("it can be read").expect("it is in the list");
        let document = store.document(run.row.document).expect("it can be read");
        format!("{:?} {:?} {} {:?}", run.row, run.standing, run.batches, (run.pieces.concat(), document))
    };
    let text = runs.iter().map(|line| load(&line.run_id)).collect();
    drop(store);
    fs::remove_dir_all(dir).expect("nobody uses it any more");
    text
}

/// Takes the power away between all commits of an example; how often.
pub(super) fn lose_power(stage: &Stage, name: &str, seed: u64) -> usize {
    let expected = stage.reference(name);
    let dir = stage.directory();
    let script = Script { is_kept: true, ..Script::default() };
    stage.live(&dir, name, &script).expect("nobody kills it");
    let kept = |write: u64| dir.join(file::KEPT).join(write.to_string());
    let mut dice = Dice(seed);
    let mut losses = 0;
    for write in 2.. {
        if !kept(write).exists() {
            break;
        }
        let (old, new) = (Files::read(&kept(write - 1)), Files::read(&kept(write)));
        let scratch = dir.join("scratch");
        let whole = [content(&old, &scratch), content(&new, &scratch)];
        let states = between(&old, &new, &mut dice);
        for (nth, state) in states.iter().enumerate() {
            let found = content(state, &scratch);
            assert!(whole.contains(&found), "{name}: write {write}, state {nth} is neither before nor after");
        }
        losses += states.len();
        let state = &states[dice.below(states.len())];
        go_on(stage, name, &kept(write), state).judge(&expected);
    }
    fs::remove_dir_all(&dir).expect("nobody uses it any more");
    losses
}

/// Goes on with a run from these files of its journal, after what had been done when `kept` was kept.
fn go_on(stage: &Stage, name: &str, kept: &Path, state: &Files) -> Case {
    let dir: PathBuf = stage.directory();
    state.write(&dir);
    fs::copy(kept.join(file::EFFECTS), dir.join(file::EFFECTS)).expect("there is room");
    if kept.join("target").exists() {
        fs::rename(kept.join("target"), dir.join("target")).expect("both lie in one directory");
    }
    let at_death = Some(stage.look(&dir));
    let result = stage.live(&dir, name, &Script::default());
    let lives = Effects::read(&dir);
    fs::remove_dir_all(&dir).expect("nobody uses it any more");
    Case { name: format!("{name} after a loss of power"), at_death, result, lives }
}
