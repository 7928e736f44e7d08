//! Where hosts die: plugins that all of them share, and a directory for each.

use super::case::Case;
use super::judge::{Reference, facts, may_differ};
use jackfield_tests::crash::{Effects, Lab, Life, RUN_ID, Script, file};
use jackfield_tests::{Bench, workspace};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Examples that do not come to the same end when something is done twice or takes longer, which is no fault: there is nothing
/// to compare them with.
const UNLIKE: &[&str] = &[
    // the undo deletes a file, and fails when it is gone
    "book-trip.json",
    // its step is under way while what catches its failure is
    "catch.json",
    // how often files are asked for, which of several steps fails first, and who wins, is a matter of time
    "climate-report.json",
    "race.json",
    "retry.json",
    "timeout.json",
];

pub(super) struct Stage {
    bench: Bench,
    lab: Lab,
    cases: AtomicUsize,
}

impl Stage {
    pub(super) fn new() -> Self {
        let bench = Bench::new(&["csv", "echo", "fault", "fs", "http", "json", "table"]);
        for part in ["data", "secrets", "workflows"] {
            link(&workspace::root().join("examples").join(part), &bench.dir().join("examples").join(part));
        }
        let lab = Lab::new(&bench.plugin_dir(), &bench.data_dir());
        Self { bench, lab, cases: AtomicUsize::new(0) }
    }

    /// File names of all examples that are one document.
    pub(super) fn examples(&self) -> Vec<String> {
        let files = fs::read_dir(self.bench.dir().join("examples/workflows")).expect("they were copied");
        let mut names: Vec<_> = files
            .map(|file| file.expect("the directory can be read").file_name().to_string_lossy().into_owned())
            .collect();
        names.retain(|name| !UNLIKE.contains(&name.as_str()));
        names.sort();
        assert!(names.len() >= 27, "only {} examples", names.len());
        names
    }

    pub(super) fn document(&self, name: &str) -> Value {
        let path = self.bench.dir().join("examples/workflows").join(name);
        let text = fs::read_to_string(path).expect("the example is there");
        serde_json::from_str(&text).expect("examples are JSON")
    }

    /// What an example comes to if nothing happens to it, as far as that is the same each time; and what it calls.
    pub(super) fn reference(&self, name: &str) -> Reference {
        let once = || {
            let case = self.play(name, &Script::default());
            (facts(case.result.as_ref().expect("nobody kills it")), case.lives[0].clone())
        };
        let ((mut stable, effects), (again, _)) = (once(), once());
        stable.retain(|what, value| again.get(what) == Some(value) && !may_differ(name, what));
        Reference { facts: stable, effects }
    }

    /// Runs an example in a process to which what `script` says happens, and goes on with it in another one.
    pub(super) fn play(&self, name: &str, script: &Script) -> Case {
        let dir = self.directory();
        let result = self.live(&dir, name, script);
        let (at_death, result) = match result {
            Some(result) => (None, Some(result)),
            None => (Some(self.look(&dir)), self.live(&dir, name, &Script::default())),
        };
        let lives = Effects::read(&dir);
        fs::remove_dir_all(&dir).expect("nobody uses it any more");
        Case { name: format!("{name}, {script:?}"), at_death, result, lives }
    }

    /// A directory with the examples.
    pub(super) fn directory(&self) -> PathBuf {
        let nth = self.cases.fetch_add(1, Ordering::Relaxed);
        let dir = self.bench.dir().join(format!("cases/{nth}"));
        for part in ["data", "secrets", "workflows"] {
            link(&self.bench.dir().join("examples").join(part), &dir.join("examples").join(part));
        }
        dir
    }

    /// Runs an example in a process, or goes on with it.
    pub(super) fn live(&self, dir: &Path, name: &str, script: &Script) -> Option<Value> {
        let life = Life {
            dir: dir.to_owned(),
            document: PathBuf::from("examples/workflows").join(name),
            plugins: self.bench.plugin_dir(),
            data: self.bench.data_dir(),
            script: script.clone(),
        };
        life.live_apart(Path::new(env!("CARGO_BIN_EXE_crash-host")))
    }

    /// What the journal of a dead host says of the run. It is a copy that is looked at: looking may write.
    pub(super) fn look(&self, dir: &Path) -> Option<Value> {
        let copy = dir.join("look");
        fs::create_dir(&copy).expect("the directory is new");
        for file in [file::JOURNAL, file::WAL] {
            if dir.join(file).exists() {
                fs::copy(dir.join(file), copy.join(file)).expect("there is room");
            }
        }
        let journal = copy.join(file::JOURNAL);
        let store = jackfield_store_sqlite::SqliteStore::open(&journal, Default::default());
        let store = store.expect("the journal of a dead host opens");
        assert_eq!(store.check().expect("it can be read"), Vec::<String>::new());
        let engine = self.lab.reader(Arc::new(store)).expect("a reader starts");
        let report = engine.get(RUN_ID).ok().map(|run| run.report(usize::MAX));
        report.map(|report| serde_json::to_value(report).expect("a report is JSON"))
    }
}

/// The files of a directory in another one; where that works without copying them.
fn link(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the bench can be written");
    for entry in fs::read_dir(from).expect("it is there") {
        let path = entry.expect("the directory can be read").path();
        let target = to.join(path.file_name().expect("entries have names"));
        if fs::hard_link(&path, &target).is_err() {
            fs::copy(&path, &target).expect("the bench can be written");
        }
    }
}
