//! What was done outside of the journal, written down as it happened: it is what a crash cannot take back.

use jackfield_core::ports::Call;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// A file that processes append lines to, one system call each.
#[derive(Debug)]
pub(crate) struct EffectLog(File);

impl EffectLog {
    pub(crate) fn open(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Self(file.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    fn line(&self, text: &str) {
        (&self.0).write_all(text.as_bytes()).expect("there is room for a line");
    }

    pub(crate) fn born(&self) {
        self.line("born\n");
    }

    pub(crate) fn begun(&self, call: &Call, is_pure: bool) {
        let kind = if is_pure { "pure" } else { "call" };
        self.line(&format!("{kind} {} {}\n", call.attempt, call.idempotency_key()));
    }

    pub(crate) fn acknowledged(&self, what: &str) {
        self.line(&format!("told {what}\n"));
    }
}

/// A call that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Idempotency key, without the id of the run.
    pub path: String,
    /// Which attempt.
    pub attempt: u32,
    /// Whether its method says that it has no effects.
    pub is_pure: bool,
}

/// What one process did.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// The calls that it began, in order.
    pub calls: Vec<Called>,
    /// What it told those who asked: `started`, `ended`.
    pub told: Vec<String>,
}

impl Effects {
    /// What the processes of a case did, one after the other.
    ///
    /// # Panics
    /// If the file is none of ours.
    #[must_use]
    pub fn read(dir: &Path) -> Vec<Self> {
        let text = std::fs::read_to_string(dir.join(super::file::EFFECTS)).unwrap_or_default();
        let mut lives: Vec<Self> = Vec::new();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            if word == "born" {
                lives.push(Self::default());
                continue;
            }
            let life = lives.last_mut().expect("a process says first that it lives");
            if word == "told" {
                life.told.push(rest.to_owned());
                continue;
            }
            let (attempt, key) = rest.split_once(' ').expect("a call has an attempt and a key");
            let (_, path) = key.split_once('/').expect("a key is run and step");
            let attempt = attempt.parse().expect("attempts are numbers");
            life.calls.push(Called { path: path.to_owned(), attempt, is_pure: word == "pure" });
        }
        lives
    }

    /// How often each call was begun.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        self.calls.iter().for_each(|call| *counts.entry(&*call.path).or_default() += 1);
        counts
    }
}
