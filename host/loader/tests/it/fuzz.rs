//! The corpus of the fuzz targets, and variations of it, on any compiler.

#[expect(unreachable_pub, reason = "the file is a crate of its own as well")]
#[path = "../../../../tests/fuzz/src/lib.rs"]
mod targets;

use fastrand::Rng;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Variations of each file.
const VARIATIONS: u32 = 4_000;
/// The same, where there is time.
const MORE_VARIATIONS: u32 = 40_000;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
    let files =
        fs::read_dir(&dir).expect("the corpus is there").map(|file| file.expect("it can be read").path());
    let mut files: Vec<(PathBuf, Vec<u8>)> =
        files.map(|file| (file.clone(), fs::read(file).expect("it can be read"))).collect();
    files.sort();
    assert!(files.len() >= 3, "{}", dir.display());
    files
}

/// Changes a few places: bytes, numbers, runs of bytes that are left out, doubled or taken from another file.
fn vary(bytes: &mut Vec<u8>, others: &[(PathBuf, Vec<u8>)], rng: &mut Rng) {
    for _ in 0..rng.usize(1..=4) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.usize(..bytes.len());
        let end = (at + rng.usize(1..=64)).min(bytes.len());
        match rng.u8(..8) {
            0 => bytes[at] ^= 1 << rng.u8(..8),
            1 => bytes[at] = rng.u8(..),
            2 => bytes[at..end.min(at + 8)].fill([0, 0x7f, 0x80, 0xff][rng.usize(..4)]),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let run = bytes[at..end].to_vec();
                bytes.splice(at..at, run.repeat(rng.usize(1..=3)));
            }
            6 => {
                let other = &others[rng.usize(..others.len())].1;
                let from = rng.usize(..=other.len());
                let run = other[from..(from + 64).min(other.len())].to_vec();
                bytes.splice(at..end, run);
            }
            _ => {
                // digits and marks that JSON and TOML are made of
                let marks = b"{}[]\",:=\\.-0123456789eE\n# tfn";
                bytes[at] = marks[rng.usize(..marks.len())];
            }
        }
    }
}

/// Runs a target on all of its corpus and the variations; a panic is reported with the bytes that lead to it.
fn run(target: fn(&[u8]), name: &str, variations: u32) {
    let files = corpus(name);
    for (number, (file, bytes)) in (0_u64..).zip(&files) {
        let mut rng = Rng::with_seed(number);
        let try_it = |bytes: &[u8], what: &str| {
            if catch_unwind(|| target(bytes)).is_err() {
                panic!("{what} of {}: {:?}", file.display(), String::from_utf8_lossy(bytes));
            }
        };
        try_it(bytes, "the contents");
        for _ in 0..variations {
            let mut varied = bytes.clone();
            vary(&mut varied, &files, &mut rng);
            try_it(&varied, "a variation");
        }
    }
}

#[test]
fn no_manifest_breaks_its_reader() {
    run(targets::manifest, "manifest", VARIATIONS);
}

#[test]
fn no_plugin_file_breaks_its_inspection() {
    run(targets::section, "section", VARIATIONS);
}

#[test]
fn no_frames_break_their_reader() {
    run(targets::frames, "frames", VARIATIONS);
}

#[test]
fn no_lock_breaks_its_reader() {
    run(targets::lock, "lock", VARIATIONS);
}

#[test]
#[ignore = "slow: minutes of the same with more variations"]
fn more_variations_break_no_reader() {
    run(targets::manifest, "manifest", MORE_VARIATIONS);
    run(targets::section, "section", MORE_VARIATIONS);
    run(targets::frames, "frames", MORE_VARIATIONS);
    run(targets::lock, "lock", MORE_VARIATIONS);
}

#[test]
fn the_corpus_holds_what_can_be_read() {
    let read = |target: &str, name: &str| fs::read(corpus(target)[0].0.with_file_name(name)).unwrap();
    assert!(jackfield_plugin_api::manifest::Manifest::parse(&read("manifest", "full.json")).is_ok());
    let lock = String::from_utf8(read("lock", "one.toml")).unwrap();
    assert_eq!(jackfield_loader::Lock::parse(&lock).unwrap().plugins().len(), 1);
    for file in ["later.toml", "no-toml.toml", "twice.toml"] {
        let lock = String::from_utf8(read("lock", file)).unwrap();
        assert!(jackfield_loader::Lock::parse(&lock).is_err(), "{file}");
    }
    for file in ["later.json", "twice.json", "wrong-name.json"] {
        assert!(jackfield_plugin_api::manifest::Manifest::parse(&read("manifest", file)).is_err(), "{file}");
    }
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let inspected = jackfield_loader::inspect_file(Path::new("p"), &read("section", "library.elf"));
        assert_eq!(inspected.unwrap().name, "p");
    }
}
