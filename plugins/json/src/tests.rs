//! Every method through its exported table.

use crate::exported_plugin;
use jackfield_plugin_api::testing::TestCall;
use serde_json::{Value, json};

fn call(method: &str, parameters: Value) -> Result<Value, (String, String)> {
    let answer = TestCall::new().call(exported_plugin(), method, &parameters);
    answer.map_err(|error| (error.kind().to_owned(), error.message().to_owned()))
}

#[test]
fn what_was_saved_can_be_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/a.json");
    let value = json!({ "b": [1, 2.5, null], "a": "ü" });
    let saved = call("save", json!({ "path": path, "value": value, "create_dirs": true })).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        (saved["bytes"].as_u64(), text.trim_end()),
        (Some(text.len() as u64), value.to_string().as_str())
    );
    assert_eq!(call("load", json!({ "path": path })).unwrap(), value);
    call("save", json!({ "path": path, "value": value, "pretty": true })).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("\n  \"b\""));
}

#[test]
fn a_file_that_is_no_json_is_an_error_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    std::fs::write(&path, "{\n  \"a\": }").unwrap();
    let (kind, message) = call("load", json!({ "path": path })).unwrap_err();
    assert_eq!(kind, "json.malformed");
    assert!(message.contains("line 2"), "{message}");
    assert_eq!(call("load", json!({ "path": path, "max_bytes": 3 })).unwrap_err().0, "json.too_large");
    assert_eq!(call("load", json!({ "path": dir.path().join("none") })).unwrap_err().0, "json.not_found");
}

#[test]
fn a_query_finds_values_in_document_order() {
    let value = json!({ "rows": [{ "t": 31, "d": "a" }, { "t": 3, "d": "b" }, { "t": 35, "d": "c" }] });
    let found = call("query", json!({ "value": value, "path": "$.rows[?@.t > 30].d" })).unwrap();
    assert_eq!(found, json!({ "values": ["a", "c"], "count": 2 }));
    assert_eq!(call("query", json!({ "value": value, "path": "rows[" })).unwrap_err().0, "validation");
}

#[test]
fn merge_replaces_or_goes_deep() {
    let values = json!([{ "a": { "x": 1 }, "b": 1 }, null, { "a": { "y": 2 } }]);
    assert_eq!(call("merge", json!({ "values": values })).unwrap(), json!({ "a": { "y": 2 }, "b": 1 }));
    let deep = call("merge", json!({ "values": values, "deep": true })).unwrap();
    assert_eq!(deep, json!({ "a": { "x": 1, "y": 2 }, "b": 1 }));
    assert!(call("merge", json!({ "values": [[1]] })).unwrap_err().1.contains("values[0]"));
}

#[test]
fn validate_names_every_place_that_does_not_fit() {
    let schema = json!({ "type": "object", "required": ["id"], "properties": { "n": { "minimum": 0 } } });
    assert_eq!(call("validate", json!({ "value": { "id": 1 }, "schema": schema })).unwrap()["valid"], true);
    let checked = call("validate", json!({ "value": { "n": -1 }, "schema": schema })).unwrap();
    let pointers: Vec<_> =
        checked["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!((&checked["valid"], pointers.len()), (&json!(false), 2));
    assert!(pointers.contains(&json!("/n")), "{pointers:?}");
    assert_eq!(call("validate", json!({ "value": 1, "schema": { "type": 7 } })).unwrap_err().0, "validation");
}
