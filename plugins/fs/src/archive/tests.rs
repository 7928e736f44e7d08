//! What is packed, that it is the same every time, and that other programs read it.

use crate::exported_plugin;
use jackfield_plugin_api::Error;
use jackfield_plugin_api::testing::TestCall;
use serde_json::{Value, json};
use std::cell::Cell;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

const NAMES: [&str; 2] = ["a.zip", "a.tar.gz"];

fn archive(p: Value) -> Result<Value, Error> {
    TestCall::new().call(exported_plugin(), "archive", &p)
}

/// A directory with names of all sorts, an empty directory and a file that may be executed.
fn source(dir: &Path) {
    for folder in ["src/empty", "src/two words"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    for (name, text) in
        [("b.csv", "b"), ("Äpfel & 梨.txt", "fruit"), ("two words/c d.csv", "1,2"), ("run", "#!")]
    {
        fs::write(dir.join("src").join(name), text).unwrap();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(dir.join("src/run"), fs::Permissions::from_mode(0o700)).unwrap();
    }
}

const EXPECTED: [&str; 6] = ["b.csv", "empty/", "run", "two words/", "two words/c d.csv", "Äpfel & 梨.txt"];

fn output(program: &str, arguments: &[&str], dir: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(dir).output();
    let output = output.unwrap_or_else(|error| panic!("`{program}` is needed for this test: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    // a warning is a fault too
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{program} {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tar_reads_what_was_packed() {
    let dir = tempfile::tempdir().unwrap();
    source(dir.path());
    let long = "long/".repeat(60) + "name.txt";
    fs::create_dir_all(dir.path().join("src").join(&long).parent().unwrap()).unwrap();
    fs::write(dir.path().join("src").join(&long), vec![7; 1300]).unwrap();
    archive(json!({"from": dir.path().join("src"), "to": dir.path().join("a.tgz")})).unwrap();
    let listed = output("tar", &["--quoting-style=literal", "-tzf", "a.tgz"], dir.path());
    let short: Vec<&str> = listed.lines().filter(|line| !line.starts_with("long/")).collect();
    assert_eq!(short, EXPECTED);
    assert!(listed.lines().any(|line| line == long), "{listed}");

    let details = output("tar", &["--utc", "-tvzf", "a.tgz"], dir.path());
    let dated = details.lines().filter(|line| line.contains(" 0/0 ") && line.contains(" 1980-01-01 00:00 "));
    assert_eq!(dated.count(), listed.lines().count(), "{details}");

    fs::create_dir(dir.path().join("out")).unwrap();
    assert_eq!(output("tar", &["-xzf", "../a.tgz"], &dir.path().join("out")), "");
    assert_eq!(output("diff", &["-r", "src", "out"], dir.path()), "");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name: &str| fs::metadata(dir.path().join("out").join(name)).unwrap().permissions().mode();
        assert_eq!((mode("run") & 0o100, mode("b.csv") & 0o100), (0o100, 0));
    }
}

#[test]
fn another_program_reads_the_zip_that_was_packed() {
    let dir = tempfile::tempdir().unwrap();
    source(dir.path());
    archive(json!({"from": dir.path().join("src"), "to": dir.path().join("a.zip")})).unwrap();
    let program = "import sys, zipfile
archive = zipfile.ZipFile('a.zip')
assert archive.testzip() is None
archive.extractall('out')
sys.stdout.buffer.write('\\n'.join(archive.namelist()).encode())";
    let listed = output("python3", &["-c", program], dir.path());
    assert_eq!(listed.lines().collect::<Vec<_>>(), EXPECTED);
    assert_eq!(output("diff", &["-r", "src", "out"], dir.path()), "");
}

#[test]
fn the_same_files_give_the_same_bytes_at_any_time_and_place() {
    for name in NAMES {
        let hashes = [1_000_000_000, 1_500_000_000].map(|seconds| {
            let dir = tempfile::tempdir().unwrap();
            source(dir.path());
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            File::open(dir.path().join("src/b.csv")).unwrap().set_modified(time).unwrap();
            let to = dir.path().join(name);
            let packed = archive(json!({"from": dir.path().join("src"), "to": to})).unwrap();
            let hashed = TestCall::new().call(exported_plugin(), "hash", &json!({"path": to})).unwrap();
            assert_eq!(packed["sha256"], hashed["sha256"]);
            assert_eq!(packed["bytes_out"], hashed["bytes"]);
            assert_eq!((&packed["entries"], &packed["bytes_in"]), (&json!(6), &json!(11)));
            assert_eq!(packed["format"], &name[2..]);
            hashed["sha256"].clone()
        });
        assert_eq!(hashes[0], hashes[1], "{name}");
    }
}

#[test]
fn an_archive_in_the_directory_that_is_packed_is_left_out_of_itself() {
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        source(dir.path());
        let p = json!({"from": dir.path().join("src"), "to": dir.path().join("src").join(name)});
        let (first, second) = (archive(p.clone()).unwrap(), archive(p).unwrap());
        assert_eq!((&first["entries"], &first["sha256"]), (&json!(6), &second["sha256"]));
        let same = dir.path().join("src").join(name);
        let error = archive(json!({"from": same, "to": same})).unwrap_err();
        assert_eq!(error.kind(), "validation");
    }
}

#[test]
fn a_pattern_chooses_by_the_name_in_the_archive() {
    let dir = tempfile::tempdir().unwrap();
    source(dir.path());
    let entries = |glob: &str| {
        let p = json!({"from": dir.path().join("src"), "to": dir.path().join("a.zip"), "glob": glob});
        archive(p).map(|packed| packed["entries"].as_u64().unwrap())
    };
    assert_eq!(entries("*.csv").unwrap(), 1);
    assert_eq!(entries("**/*.csv").unwrap(), 2);
    assert_eq!(entries("nothing").unwrap(), 0);
    assert_eq!(entries("[").unwrap_err().kind(), "validation");
}

#[test]
fn one_file_is_packed_under_its_name() {
    let dir = tempfile::tempdir().unwrap();
    source(dir.path());
    let p = json!({"from": dir.path().join("src/b.csv"), "to": dir.path().join("x"), "format": "tar.gz"});
    assert_eq!(archive(p.clone()).unwrap()["entries"], 1);
    assert_eq!(output("tar", &["-tzf", "x"], dir.path()), "b.csv\n");
    let p = json!({"from": dir.path().join("src/b.csv"), "to": dir.path().join("x")});
    assert_eq!(archive(p).unwrap_err().kind(), "validation");
    let p = json!({"from": dir.path().join("missing"), "to": dir.path().join("x.zip")});
    assert_eq!(archive(p).unwrap_err().kind(), "fs.not_found");
}

#[test]
fn what_is_there_is_replaced_only_if_that_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    source(dir.path());
    fs::write(dir.path().join("a.zip"), "old").unwrap();
    let p = json!({"from": dir.path().join("src"), "to": dir.path().join("a.zip"), "overwrite": false});
    assert_eq!(archive(p).unwrap_err().kind(), "fs.already_exists");
    assert_eq!(fs::read(dir.path().join("a.zip")).unwrap(), b"old");
    let p = json!({"from": dir.path().join("src"), "to": dir.path().join("x/y/a.zip")});
    assert_eq!(archive(p.clone()).unwrap_err().kind(), "fs.not_found");
    let mut p = p;
    p["create_dirs"] = json!(true);
    archive(p).unwrap();
}

#[cfg(unix)]
#[test]
fn links_are_an_error_or_left_out_but_never_followed() {
    let dir = tempfile::tempdir().unwrap();
    source(dir.path());
    std::os::unix::fs::symlink("/etc", dir.path().join("src/link")).unwrap();
    for name in NAMES {
        let mut p = json!({"from": dir.path().join("src"), "to": dir.path().join(name)});
        let error = archive(p.clone()).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), ("fs.special_file", false));
        assert!(error.message().contains("`link`"), "{error}");
        p["skip_special"] = json!(true);
        let packed = archive(p).unwrap();
        assert_eq!((&packed["entries"], &packed["skipped"]), (&json!(6), &json!(1)));
    }
    // the directory itself may be named by a link
    std::os::unix::fs::symlink(dir.path().join("src/two words"), dir.path().join("way")).unwrap();
    let p = json!({"from": dir.path().join("way"), "to": dir.path().join("b.zip")});
    assert_eq!(archive(p).unwrap()["entries"], 1);
}

#[test]
fn more_than_the_limits_is_refused_and_leaves_nothing() {
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        source(dir.path());
        let with = |key: &str, limit: u64| {
            archive(json!({"from": dir.path().join("src"), "to": dir.path().join(name), key: limit}))
        };
        assert_eq!(with("max_bytes", 10).unwrap_err().kind(), "fs.too_large");
        assert_eq!(with("max_entries", 5).unwrap_err().kind(), "fs.too_many");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        with("max_bytes", 11).unwrap();
        with("max_entries", 6).unwrap();
    }
}

#[test]
fn wherever_it_is_cancelled_nothing_is_left() {
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        source(dir.path());
        fs::write(dir.path().join("src/large"), vec![b'x'; 5_000_000]).unwrap();
        let to = dir.path().join(name);
        let p = serde_json::from_value(json!({"from": dir.path().join("src"), "to": to})).unwrap();
        let mut cancelled = 0;
        loop {
            let looks = Cell::new(0);
            let is_cancelled = || looks.replace(looks.get() + 1) == cancelled;
            match super::archive(&p, &is_cancelled) {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind(), "cancelled"),
            }
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{name}: litter at {cancelled}");
            cancelled += 1;
        }
        assert!(cancelled > 30, "{name}: looked {cancelled} times");
        assert!(to.exists());
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_told_and_may_be_tried_again() {
    for name in NAMES {
        for len in [400_000, 600_000] {
            let dir = tempfile::tempdir().unwrap();
            let [from, to] = ["large", name].map(|name| dir.path().join(name));
            fs::write(&from, vec![1; 500_000]).unwrap();
            let p = serde_json::from_value(json!({"from": from, "to": to})).unwrap();
            let looks = Cell::new(0);
            let change = || {
                // the first look is before the file is found, the second before its first block is read
                if looks.replace(looks.get() + 1) == 2 {
                    File::options().write(true).open(&from).unwrap().set_len(len).unwrap();
                }
                false
            };
            let error = super::archive(&p, &change).unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), ("fs.changed", true));
            assert!(!to.exists());
        }
    }
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_is_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    fs::write(dir.path().join("src").join(OsStr::from_bytes(b"a\xff")), "1").unwrap();
    let p = json!({"from": dir.path().join("src"), "to": dir.path().join("a.zip")});
    assert_eq!(archive(p).unwrap_err().kind(), "fs.not_utf8");
}
