//! What is kept between starts: it saves the reading of files, and is believed only while they are unchanged.

use crate::support::{Home, bind, call, echo, run};
use jackfield_core::payload::Payload;
use jackfield_core::ports::Methods;
use jackfield_loader::{Hash, Registry, RegistryConfig};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn cache_file(home: &Home) -> PathBuf {
    home.dir.path().join("data/plugins/registry.json")
}

/// What the cache says, if its own hash says that it is whole.
fn notes(home: &Home) -> Option<Value> {
    let text = std::fs::read_to_string(cache_file(home)).ok()?;
    let envelope: Value = serde_json::from_str(&text).ok()?;
    let notes = text.split_once("\"notes\":")?.1.strip_suffix('}')?;
    assert_eq!(envelope["sha256"], Hash::of(notes.as_bytes()).to_string());
    serde_json::from_str(notes).ok()
}

/// Changes the cache as if an earlier start had found out something else.
fn edit(home: &Home, format: u32, change: impl FnOnce(&mut Value)) {
    let old: Value = serde_json::from_slice(&std::fs::read(cache_file(home)).expect("there is a cache"))
        .expect("it is whole");
    let mut notes = old["notes"].clone();
    change(&mut notes);
    let notes = notes.to_string();
    let sha256 = Hash::of(notes.as_bytes()).to_string();
    let (host, sha256) = (&old["host"], json!(sha256));
    let text = format!(r#"{{"format":{format},"host":{host},"sha256":{sha256},"notes":{notes}}}"#);
    std::fs::write(cache_file(home), text).expect("it can be written");
}

/// Starts until the cache says `enough`: files that were written a moment ago are not noted yet.
fn settle(home: &Home, start: impl Fn(), enough: impl Fn(&Value) -> bool) {
    let begin = Instant::now();
    while !notes(home).is_some_and(|notes| enough(&notes)) {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing is noted: {:?}", notes(home));
        start();
    }
}

fn settle_files(home: &Home, files: usize) {
    let all = |notes: &Value| notes["files"].as_object().is_some_and(|noted| noted.len() == files);
    settle(home, || drop(home.registry()), all);
}

fn note_of<'a>(notes: &'a mut Value, file: &Path) -> &'a mut Value {
    let path = file.canonicalize().expect("the file exists");
    &mut notes["files"][path.to_str().expect("the path is text")]
}

/// Makes the cache say of a plugin file what it would not say itself.
fn rename_in_cache(home: &Home, file: &Path, format: u32) {
    edit(home, format, |notes| {
        let manifest = &mut note_of(notes, file)["found"]["plugin"]["manifest"];
        let renamed =
            manifest.as_str().expect("it is noted").replace("\"name\":\"echo\"", "\"name\":\"cached\"");
        *manifest = renamed.into();
    });
}

fn names(registry: &Registry) -> Vec<String> {
    registry.catalog().plugins().iter().map(|plugin| plugin.name.to_string()).collect()
}

#[test]
fn an_unchanged_file_is_taken_from_the_cache_and_a_changed_one_is_looked_at() {
    let home = Home::new();
    let file = home.put(&echo(), "echo");
    settle_files(&home, 1);
    rename_in_cache(&home, &file, 1);
    assert_eq!(names(&home.registry()), ["cached"]);
    std::fs::write(&file, std::fs::read(echo()).unwrap()).unwrap();
    assert_eq!(names(&home.registry()), ["echo"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_was_changed_behind_its_size_and_time_is_looked_at() {
    let home = Home::new();
    let file = home.put(&echo(), "echo");
    settle_files(&home, 1);
    let before = std::fs::metadata(&file).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    // the machine in the header of an ELF file, or of whatever this system has
    bytes[18] ^= 0xff;
    std::fs::write(&file, bytes).unwrap();
    let opened = std::fs::File::options().write(true).open(&file).unwrap();
    opened.set_modified(before.modified().unwrap()).unwrap();
    let after = std::fs::metadata(&file).unwrap();
    assert_eq!((after.len(), after.modified().unwrap()), (before.len(), before.modified().unwrap()));
    assert_eq!(home.registry().faults().len(), 1);
}

#[test]
fn a_file_that_was_moved_into_the_place_of_another_is_looked_at() {
    let home = Home::new();
    let file = home.put(&echo(), "echo");
    let text = home.put_bytes(b"no plugin", "text");
    settle_files(&home, 2);
    std::fs::rename(&text, &file).unwrap();
    let registry = home.registry();
    assert_eq!((names(&registry).len(), registry.faults().len()), (0, 1));
}

#[test]
fn a_refusal_is_kept_until_the_file_changes() {
    let home = Home::new();
    let file = home.put_bytes(b"no plugin", "text");
    settle_files(&home, 1);
    edit(&home, 1, |notes| {
        note_of(notes, &file)["found"]["refused"]["why"] =
            json!({ "code": "truncated", "reason": "so it was noted" });
    });
    let said = |registry: Registry| (registry.faults()[0].code(), registry.faults()[0].to_string());
    let (code, message) = said(home.registry());
    assert_eq!(code, "plugin.truncated");
    assert!(message.contains("so it was noted") && message.contains("text"), "{message}");
    std::fs::write(&file, b"nor is this").unwrap();
    assert_eq!(said(home.registry()).0, "plugin.not_a_plugin");
}

#[test]
fn a_damaged_or_foreign_cache_is_made_anew() {
    type Damage = fn(&Home, &Path);
    let damages: [Damage; 7] = [
        |home, _| std::fs::write(cache_file(home), b"").unwrap(),
        |home, _| std::fs::write(cache_file(home), [0xff, 0, 7]).unwrap(),
        |home, _| {
            let whole = std::fs::read(cache_file(home)).unwrap();
            std::fs::write(cache_file(home), &whole[..whole.len() / 2]).unwrap();
        },
        |home, _| {
            let whole = std::fs::read_to_string(cache_file(home)).unwrap();
            let damaged = whole.replace("\\\"name\\\":\\\"echo\\\"", "\\\"name\\\":\\\"ecko\\\"");
            assert_ne!(whole, damaged);
            std::fs::write(cache_file(home), damaged).unwrap();
        },
        |home, file| rename_in_cache(home, file, 2),
        |home, file| {
            rename_in_cache(home, file, 1);
            let whole = std::fs::read_to_string(cache_file(home)).unwrap();
            std::fs::write(cache_file(home), whole.replace(", ABI ", ", other ABI ")).unwrap();
        },
        |home, file| edit(home, 1, |notes| note_of(notes, file)["found"]["plugin"]["manifest"] = "{}".into()),
    ];
    for (case, damage) in damages.iter().enumerate() {
        let home = Home::new();
        let file = home.put(&echo(), "echo");
        settle_files(&home, 1);
        let whole = notes(&home);
        damage(&home, &file);
        assert_eq!(names(&home.registry()), ["echo"], "case {case}");
        assert_eq!(notes(&home), whole, "case {case}");
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_no_fault() {
    let home = Home::new();
    home.put(&echo(), "echo");
    std::fs::create_dir_all(cache_file(&home).join("in the way")).unwrap();
    let registry = home.registry();
    assert_eq!((names(&registry).len(), registry.faults().len()), (1, 0));
    assert!(run(&registry, "echo", "echo", "1").is_ok());
}

#[test]
fn a_stored_copy_that_is_gone_or_cut_is_made_again() {
    let home = Home::new();
    home.put(&echo(), "echo");
    settle_files(&home, 1);
    let stored = home.dir.path().join("data/plugins/store").join(&home.stored()[0]);
    for is_cut in [false, true] {
        std::fs::remove_file(&stored).unwrap();
        if is_cut {
            std::fs::write(&stored, b"cut").unwrap();
        }
        let registry = home.registry();
        assert_eq!(std::fs::metadata(&stored).unwrap().len(), std::fs::metadata(echo()).unwrap().len());
        assert_eq!(run(&registry, "echo", "echo", "[1]"), Ok(Payload::trusted("[1]")));
    }
}

#[test]
fn a_stored_copy_that_changed_after_it_was_verified_is_not_opened() {
    let home = Home::new();
    home.put(&echo(), "echo");
    let open = || {
        let method = bind(&home.registry(), "echo", "echo");
        assert_eq!(method.call(&call("[1]")), Ok(Payload::trusted("[1]")));
    };
    settle(&home, open, |notes| notes["intact"].as_object().is_some_and(|noted| noted.len() == 1));
    open();
    // never written to in place: this process runs the code of the other file
    let stored = home.dir.path().join("data/plugins/store").join(&home.stored()[0]);
    let mut bytes = std::fs::read(&stored).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let other = home.dir.path().join("other");
    std::fs::write(&other, bytes).unwrap();
    std::fs::rename(&other, &stored).unwrap();
    let registry = home.registry();
    let version = registry.catalog().versions("echo")[0].version.clone();
    let refused = registry.bind("echo", &version, "echo", None).err().unwrap();
    assert!(refused.message.contains("do not have its hash"), "{}", refused.message);
}

#[test]
fn hosts_that_start_at_once_do_not_disturb_each_other() {
    let home = Home::new();
    home.put(&echo(), "echo");
    home.put_bytes(b"no plugin", "text");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let registry = home.registry();
                    assert_eq!((names(&registry).len(), registry.faults().len()), (1, 1));
                }
            });
        }
    });
    settle_files(&home, 2);
    let kept: Vec<_> = std::fs::read_dir(home.dir.path().join("data/plugins")).unwrap().collect();
    assert_eq!(kept.len(), 3, "{kept:?}");
}

#[test]
fn hosts_with_other_directories_keep_what_they_know_of_each_other() {
    let (home, other) = (Home::new(), Home::new());
    let file = home.put_bytes(b"no plugin", "here");
    let second = other.put_bytes(b"no plugin", "there");
    settle_files(&home, 1);
    let start = || {
        let config = RegistryConfig::new(home.dir.path().join("data")).directory(other.plugins());
        drop(Registry::open(config).unwrap());
    };
    let count = |notes: &Value| notes["files"].as_object().map_or(0, serde_json::Map::len);
    settle(&home, start, |notes| count(notes) == 2);
    // one that is gone is forgotten when there is something else to note
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&second, b"something else").unwrap();
    settle(&home, start, |notes| count(notes) == 1);
}
