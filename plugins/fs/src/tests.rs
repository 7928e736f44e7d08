//! Files and directories, changed by each method, and what is refused.

use super::*;
use jackfield_plugin_api::testing::TestCall;
use serde_json::{Value, json};
use std::fs;

fn call(method: &str, p: Value) -> Result<Value, Error> {
    TestCall::new().call(exported_plugin(), method, &p)
}

#[test]
fn what_is_written_is_read_in_both_encodings_and_hashed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x/a.bin");
    call("write", json!({"path": path, "base64": "YWJj", "create_dirs": true})).unwrap();
    assert_eq!(call("read", json!({"path": path})).unwrap(), json!({"content": "abc", "bytes": 3}));
    let coded = call("read", json!({"path": path, "encoding": "base64"})).unwrap();
    assert_eq!(coded["content"], "YWJj");
    let hashed = call("hash", json!({"path": path})).unwrap();
    assert_eq!(hashed["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn reading_is_bounded_and_refuses_what_is_not_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    fs::write(&path, b"ab\xff").unwrap();
    assert_eq!(call("read", json!({"path": path, "max_bytes": 2})).unwrap_err().kind(), "fs.too_large");
    assert_eq!(call("read", json!({"path": path})).unwrap_err().kind(), "fs.not_utf8");
}

#[test]
fn a_pattern_finds_files_in_order_and_stays_within_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    for name in ["b.csv", "a.csv", "c.txt", "sub/d.csv"] {
        fs::write(dir.path().join(name), "12").unwrap();
    }
    let names = |p: Value| -> Vec<String> {
        let files = call("list", p).unwrap()["files"].as_array().unwrap().clone();
        files.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(json!({"glob": dir.path().join("*.csv")})), ["a.csv", "b.csv"]);
    assert_eq!(names(json!({"glob": dir.path().join("**/*.csv")})), ["a.csv", "b.csv", "d.csv"]);
    assert_eq!(names(json!({"dir": dir.path()})), ["a.csv", "b.csv", "c.txt", "sub"]);
    assert_eq!(names(json!({"dir": dir.path(), "recursive": true})).len(), 5);
    assert_eq!(call("list", json!({})).unwrap_err().kind(), "validation");
}

#[test]
fn copy_keeps_the_source_and_move_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| dir.path().join(name));
    fs::write(&a, "1").unwrap();
    call("copy", json!({"from": a, "to": b})).unwrap();
    assert!(a.exists() && b.exists());
    for method in ["copy", "move"] {
        let error = call(method, json!({"from": a, "to": b, "overwrite": false})).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), ("fs.already_exists", false));
    }
    assert_eq!(call("move", json!({"from": a, "to": c})).unwrap()["bytes"], 1);
    assert!(!a.exists() && c.exists());
}

#[test]
fn a_cancelled_copy_leaves_no_target() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
    fs::write(&a, "1").unwrap();
    let test = TestCall::new();
    test.cancel();
    let p = serde_json::from_value(json!({"from": a, "to": b})).unwrap();
    assert_eq!(test.run(|ctx| copy(ctx, p)).unwrap_err().kind(), "cancelled");
    assert!(!b.exists());
}

#[test]
fn deleting_what_is_missing_is_an_error_unless_it_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    assert_eq!(call("delete", json!({"path": path})).unwrap_err().kind(), "fs.not_found");
    assert_eq!(call("delete", json!({"path": path, "missing_ok": true})).unwrap()["deleted"], false);
    fs::write(&path, "1").unwrap();
    assert_eq!(call("delete", json!({"path": path})).unwrap()["deleted"], true);
    assert!(!path.exists());
}
