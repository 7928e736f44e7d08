//! What is unpacked, what is refused, and that what is refused leaves nothing.

use crate::exported_plugin;
use flate2::Compression;
use flate2::write::GzEncoder;
use jackfield_plugin_api::Error;
use jackfield_plugin_api::testing::TestCall;
use serde_json::{Value, json};
use std::cell::Cell;
use std::fs;
use std::io::{Cursor, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const NAMES: [&str; 2] = ["a.zip", "a.tar.gz"];

fn call(method: &str, p: Value) -> Result<Value, Error> {
    TestCall::new().call(exported_plugin(), method, &p)
}

/// What a crafted archive holds.
enum Entry<'a> {
    File(&'a str, &'a [u8]),
    Link(&'a str, &'a str),
}
use Entry::{File, Link};

/// An archive with these entries, whatever they are called.
fn craft(path: &Path, entries: &[Entry<'_>]) {
    let bytes = if path.extension().is_some_and(|end| end == "zip") { zip(entries) } else { tar_gz(entries) };
    fs::write(path, bytes).unwrap();
}

fn zip(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    for entry in entries {
        match entry {
            File(name, content) => {
                zip.start_file(name, options).unwrap();
                zip.write_all(content).unwrap();
            }
            Link(name, target) => zip.add_symlink(name, target, options).unwrap(),
        }
    }
    zip.finish().unwrap().into_inner()
}

fn tar_gz(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        let (name, content) = match entry {
            File(name, content) => (name, *content),
            Link(name, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_link_name(target).unwrap();
                (name, &b""[..])
            }
        };
        // not `set_path`, which refuses what is tested here
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append(&header, content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// All below `dir`: names with contents.
fn tree(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in walkdir::WalkDir::new(dir).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let content = if entry.file_type().is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        all.push((entry.path().strip_prefix(dir).unwrap().to_path_buf(), content));
    }
    all
}

#[test]
fn what_was_packed_comes_back_as_it_was() {
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        let [src, out, file] = ["src", "out", name].map(|name| dir.path().join(name));
        fs::create_dir_all(src.join("deep er/empty")).unwrap();
        let noise: Vec<u8> =
            (0..5_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        fs::write(src.join("large.bin"), &noise).unwrap();
        fs::write(src.join("deep er/Grüße 梨.txt"), "hello").unwrap();
        fs::write(src.join("nothing"), "").unwrap();
        let packed = call("archive", json!({"from": src, "to": file})).unwrap();
        let found = call("extract", json!({"from": file, "to": out})).unwrap();
        assert_eq!(tree(&src), tree(&out));
        let expected = json!({
            "path": out, "format": &name[2..], "entries": 5, "skipped": 0,
            "bytes_in": packed["bytes_out"], "bytes_out": 5_000_005,
        });
        assert_eq!(found, expected);
        assert_eq!((&packed["bytes_in"], &packed["entries"]), (&found["bytes_out"], &found["entries"]));
    }
}

#[cfg(unix)]
#[test]
fn what_could_be_executed_still_can_be() {
    use std::os::unix::fs::PermissionsExt;
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("run"), "#!").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o100;
        for bit in [0o100, 0] {
            fs::set_permissions(dir.path().join("run"), fs::Permissions::from_mode(0o600 | bit)).unwrap();
            let [file, out] = [name, "out"].map(|name| dir.path().join(name));
            call("archive", json!({"from": dir.path().join("run"), "to": file})).unwrap();
            call("extract", json!({"from": file, "to": out})).unwrap();
            assert_eq!(mode(&out.join("run")), bit);
            fs::remove_dir_all(out).unwrap();
        }
    }
}

#[test]
fn archives_of_other_programs_are_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("src/sub")).unwrap();
    let long = "n".repeat(200);
    fs::write(dir.path().join("src/sub").join(&long), "1").unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).current_dir(dir.path()).status();
        let status = status.unwrap_or_else(|error| panic!("`{program}` is needed for this test: {error}"));
        assert!(status.success(), "{program} {arguments:?}");
    };
    run("tar", &["--format=gnu", "-czf", "gnu.tgz", "-C", "src", "."]);
    run("tar", &["--format=pax", "-czf", "pax.tar.gz", "-C", "src", "."]);
    run("python3", &["-c", "import shutil; shutil.make_archive('python', 'zip', 'src')"]);
    for name in ["gnu.tgz", "pax.tar.gz", "python.zip"] {
        let out = dir.path().join(name).with_extension("out");
        call("extract", json!({"from": dir.path().join(name), "to": out})).unwrap();
        assert_eq!(tree(&out), tree(&dir.path().join("src")), "{name}");
    }
}

#[test]
fn entries_that_would_leave_the_directory_are_refused() {
    for name in NAMES {
        for bad in ["../evil", "ok/../../evil", "ok/../evil", "/evil", "..", "./../evil"] {
            let dir = tempfile::tempdir().unwrap();
            let [file, out] = [name, "out"].map(|name| dir.path().join(name));
            craft(&file, &[File("good", b"1"), File(bad, b"2")]);
            let error = call("extract", json!({"from": file, "to": out})).unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), ("fs.unsafe_entry", false), "{name} {bad}");
            assert!(error.message().contains(bad), "{error}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{name} {bad} leaves something");
        }
    }
}

#[test]
fn links_are_refused_or_left_out_and_never_made() {
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        let [file, out] = [name, "out"].map(|name| dir.path().join(name));
        craft(&file, &[Link("way", "/tmp"), File("good", b"1")]);
        let mut p = json!({"from": file, "to": out});
        assert_eq!(call("extract", p.clone()).unwrap_err().kind(), "fs.special_file");
        assert!(!out.exists());
        p["skip_special"] = json!(true);
        let found = call("extract", p.clone()).unwrap();
        assert_eq!((&found["entries"], &found["skipped"]), (&json!(1), &json!(1)));
        assert_eq!(tree(&out), [("good".into(), b"1".to_vec())]);
        // nor does a file go through a link that is in the archive before it
        craft(&file, &[Link("way", dir.path().to_str().unwrap()), File("way/evil", b"1")]);
        p["to"] = json!(dir.path().join("out2"));
        call("extract", p).unwrap();
        assert!(dir.path().join("out2/way/evil").exists() && !dir.path().join("evil").exists());
    }
}

#[cfg(unix)]
#[test]
fn a_link_in_the_directory_is_not_followed() {
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        let [file, out, other] = [name, "out", "other"].map(|name| dir.path().join(name));
        fs::create_dir(&out).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(other.join("kept"), "old").unwrap();
        std::os::unix::fs::symlink(&other, out.join("way")).unwrap();
        std::os::unix::fs::symlink(other.join("kept"), out.join("file")).unwrap();
        craft(&file, &[File("way/evil", b"1")]);
        let error = call("extract", json!({"from": file, "to": out, "overwrite": true})).unwrap_err();
        assert_eq!(error.kind(), "fs.unsafe_entry");
        craft(&file, &[File("file", b"new")]);
        call("extract", json!({"from": file, "to": out, "overwrite": true})).unwrap();
        assert_eq!(fs::read(out.join("file")).unwrap(), b"new");
        assert_eq!(tree(&other), [("kept".into(), b"old".to_vec())]);
    }
}

#[test]
fn a_bomb_ends_at_the_limit_and_leaves_nothing() {
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        let [file, out] = [name, "deep/out"].map(|name| dir.path().join(name));
        let zeros = vec![0; 20_000_000];
        craft(&file, &[File("one", b"1"), File("bomb", &zeros)]);
        assert!(fs::metadata(&file).unwrap().len() < 200_000);
        let with = |key: &str, limit: u64| {
            call("extract", json!({"from": file, "to": out, "create_dirs": true, key: limit}))
        };
        let error = with("max_bytes", 20_000_000).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), ("fs.too_large", false));
        assert_eq!(with("max_entries", 1).unwrap_err().kind(), "fs.too_many");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        with("max_bytes", 20_000_001).unwrap();
        fs::remove_dir_all(&out).unwrap();
        with("max_entries", 2).unwrap();
    }
}

#[test]
fn directories_that_stand_in_names_only_count_too() {
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        let [file, out] = [name, "out"].map(|name| dir.path().join(name));
        craft(&file, &[File("a/b/c/d/e", b"1"), File("a/b/c/d/f", b"1")]);
        let with = |limit: u64| call("extract", json!({"from": file, "to": out, "max_entries": limit}));
        assert_eq!(with(5).unwrap_err().kind(), "fs.too_many");
        assert!(!out.exists());
        assert_eq!(with(6).unwrap()["entries"], 2);
    }
}

#[test]
fn headers_without_end_are_not_kept_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let [file, out] = ["a.tgz", "out"].map(|name| dir.path().join(name));
    for files_before in [0, 1] {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut header = tar::Header::new_gnu();
        for _ in 0..files_before {
            header.set_mode(0o644);
            header.set_size(1);
            tar.append_data(&mut header, "a", &b"1"[..]).unwrap();
        }
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(8_000_000);
        header.set_cksum();
        tar.append(&header, std::io::repeat(b'a').take(8_000_000)).unwrap();
        fs::write(&file, tar.into_inner().unwrap().finish().unwrap()).unwrap();
        let error = call("extract", json!({"from": file, "to": out})).unwrap_err();
        assert_eq!(error.kind(), "fs.bad_archive");
        assert!(error.message().contains("too long"), "{error}");
    }
    // the directory of a zip file is read as a whole, too: here of few entries with long names
    let file = dir.path().join("a.zip");
    let names: Vec<String> = (0..17).map(|n| format!("{n:065000}")).collect();
    craft(&file, &names.iter().map(|name| File(name, b"")).collect::<Vec<_>>());
    let error = call("extract", json!({"from": file, "to": out, "max_entries": 17})).unwrap_err();
    assert_eq!(error.kind(), "fs.too_many");
}

#[test]
fn files_that_are_there_stay_unless_they_may_be_replaced() {
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        let [file, out] = [name, "out"].map(|name| dir.path().join(name));
        craft(&file, &[File("a", b"new"), File("sub/b", b"new"), File("sub/new/c", b"new")]);
        fs::create_dir_all(out.join("sub")).unwrap();
        fs::write(out.join("sub/b"), "old").unwrap();
        fs::write(out.join("other"), "old").unwrap();
        let before = tree(&out);
        let mut p = json!({"from": file, "to": out});
        let error = call("extract", p.clone()).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), ("fs.already_exists", false));
        assert!(error.message().contains("sub/b"), "{error}");
        assert_eq!(tree(&out), before);
        p["overwrite"] = json!(true);
        call("extract", p).unwrap();
        let now: Vec<(String, String)> = tree(&out)
            .into_iter()
            .map(|(name, text)| (name.to_str().unwrap().to_owned(), String::from_utf8(text).unwrap()))
            .collect();
        let expected = [
            ("a", "new"),
            ("other", "old"),
            ("sub", ""),
            ("sub/b", "new"),
            ("sub/new", ""),
            ("sub/new/c", "new"),
        ];
        assert_eq!(now, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_is_replaced_hands_on_its_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let [file, out] = ["a.zip", "out"].map(|name| dir.path().join(name));
    craft(&file, &[File("a", b"new")]);
    let p = json!({"from": file, "to": out, "overwrite": true});
    call("extract", p.clone()).unwrap();
    fs::set_permissions(out.join("a"), fs::Permissions::from_mode(0o750)).unwrap();
    call("extract", p).unwrap();
    assert_eq!(fs::metadata(out.join("a")).unwrap().permissions().mode() & 0o777, 0o750);
}

#[test]
fn what_cannot_be_read_or_named_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let [zip_file, tar_file, out] = ["a.zip", "a.tgz", "out"].map(|name| dir.path().join(name));
    let mut rare = zip(&[File("a", b"1")]);
    let central = rare.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    for at in [8, central + 10] {
        // the number of bzip2
        rare[at] = 12;
    }
    fs::write(&zip_file, rare).unwrap();
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..2].copy_from_slice(b"a\xff");
    header.set_mode(0o644);
    header.set_size(0);
    header.set_cksum();
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    tar.append(&header, &b""[..]).unwrap();
    fs::write(&tar_file, tar.into_inner().unwrap().finish().unwrap()).unwrap();
    for (file, kind) in [(zip_file, "fs.unsupported"), (tar_file, "fs.not_utf8")] {
        let error = call("extract", json!({"from": file, "to": out})).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (kind, false), "{error}");
        assert!(!out.exists());
    }
}

#[test]
fn a_file_and_a_directory_do_not_replace_each_other() {
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        let [file, out] = [name, "out"].map(|name| dir.path().join(name));
        fs::create_dir_all(out.join("a")).unwrap();
        fs::write(out.join("b"), "old").unwrap();
        let fails = |entry: &str| {
            // the first one has nothing in its way, but does not move before the others are looked at
            craft(&file, &[File("0", b"new"), File(entry, b"new")]);
            let error = call("extract", json!({"from": file, "to": out, "overwrite": true})).unwrap_err();
            error.kind().to_owned()
        };
        assert_eq!(fails("a"), "fs.is_a_directory");
        assert_eq!(fails("b/c"), "fs.not_a_directory");
        assert_eq!(tree(&out).len(), 2);
    }
}

#[test]
fn wherever_it_is_cancelled_nothing_is_left() {
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        let [file, out] = [name, "x/out"].map(|name| dir.path().join(name));
        craft(&file, &[File("a", b"1"), File("large", &vec![1; 5_000_000]), File("sub/b", b"2")]);
        let p = json!({"from": file, "to": out, "create_dirs": true});
        let p = serde_json::from_value(p).unwrap();
        let mut cancelled = 0;
        loop {
            let looks = Cell::new(0);
            let is_cancelled = || looks.replace(looks.get() + 1) == cancelled;
            match super::extract(&p, &is_cancelled) {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind(), "cancelled"),
            }
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{name}: litter at {cancelled}");
            cancelled += 1;
        }
        assert!(cancelled > 20, "{name}: looked {cancelled} times");
        assert_eq!(tree(&out).len(), 4);
    }
}

#[test]
fn a_damaged_archive_is_told_and_leaves_nothing() {
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        let [file, out] = [name, "out"].map(|name| dir.path().join(name));
        let noise: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        craft(&file, &[File("a", &noise), File("b", b"2")]);
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0x55;
        let cut = whole[..whole.len() - 4].to_vec();
        let half = whole[..whole.len() / 2].to_vec();
        for bytes in [flipped, cut, half, b"no archive at all".to_vec(), Vec::new()] {
            fs::write(&file, &bytes).unwrap();
            let error = call("extract", json!({"from": file, "to": out})).unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), ("fs.bad_archive", false), "{name}: {error}");
            assert!(!out.exists());
        }
    }
}

#[test]
fn two_entries_of_one_name_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [zip, tar, out] = ["a.zip", "a.tgz", "out"].map(|name| dir.path().join(name));
    craft(&tar, &[File("a", b"1"), File("./a", b"2")]);
    craft(&zip, &[File("a", b"1"), File("./a", b"2")]);
    let mut same = super::tests::zip(&[File("one", b"1"), File("two", b"2")]);
    for at in 0..same.len() - 3 {
        if &same[at..at + 3] == b"two" {
            same[at..at + 3].copy_from_slice(b"one");
        }
    }
    let other = dir.path().join("b.zip");
    fs::write(&other, same).unwrap();
    for file in [zip, tar, other] {
        let error = call("extract", json!({"from": file, "to": out})).unwrap_err();
        assert_eq!(error.kind(), "fs.bad_archive", "{error}");
        assert!(error.message().contains("same name"), "{error}");
    }
}

#[test]
fn what_is_missing_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let [file, out] = ["a.zip", "x/out"].map(|name| dir.path().join(name));
    let p = json!({"from": file, "to": out});
    assert_eq!(call("extract", p.clone()).unwrap_err().kind(), "fs.not_found");
    craft(&file, &[File("a", b"1")]);
    let error = call("extract", p).unwrap_err();
    assert_eq!(error.kind(), "fs.not_found");
    assert!(error.message().contains("x/out"), "{error}");
    let p = json!({"from": dir.path().join("a.rar"), "to": out});
    assert_eq!(call("extract", p).unwrap_err().kind(), "validation");
}
