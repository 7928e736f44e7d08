//! CSV files as they come, read.

use super::*;
use serde_json::json;

fn parameters(value: Value) -> Load {
    let mut value = value;
    value.as_object_mut().unwrap().entry("path").or_insert(json!("memory.csv"));
    serde_json::from_value(value).unwrap()
}

fn parsed(value: Value, text: &str) -> Result<Loaded, Error> {
    parse(&parameters(value), text, &|| false)
}

fn rows(loaded: &Loaded) -> Value {
    serde_json::to_value(&loaded.rows).unwrap()
}

#[test]
fn fields_become_numbers_booleans_and_null() {
    let loaded = parsed(json!({}), "a,b,c,d\n1,2.5,true,\n\"x, y\",007,False,\"\"\n").unwrap();
    assert_eq!(
        rows(&loaded),
        json!([{"a": 1, "b": 2.5, "c": true, "d": null}, {"a": "x, y", "b": "007", "c": false, "d": null}])
    );
    assert_eq!((loaded.columns.join(""), loaded.row_count), ("abcd".to_owned(), 2));
}

#[test]
fn rows_with_a_wrong_number_of_fields_are_listed_with_line_and_text() {
    let loaded = parsed(json!({}), "a,b\n1,2\n\n\n3\n4,5,6\n7,8\n").unwrap();
    assert_eq!(rows(&loaded), json!([{"a": 1, "b": 2}, {"a": 7, "b": 8}]));
    let bad: Vec<_> =
        loaded.bad_rows.iter().map(|bad| (bad.line, bad.raw.as_str(), bad.reason.as_str())).collect();
    assert_eq!(bad, [(5, "3", "1 fields instead of 2"), (6, "4,5,6", "3 fields instead of 2")]);
}

#[test]
fn bad_rows_are_counted_even_when_they_are_skipped_and_fail_on_request() {
    let text = "a,b\n1\n2,3\n";
    let skipped = parsed(json!({"on_bad_row": "skip"}), text).unwrap();
    assert_eq!((skipped.bad_row_count, skipped.bad_rows.len(), skipped.row_count), (1, 0, 1));
    let error = parsed(json!({"on_bad_row": "fail"}), text).unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), ("csv.malformed", false));
    assert!(error.message().contains("line 2"), "{error}");
}

#[test]
fn an_open_quote_is_named_as_the_reason() {
    let loaded = parsed(json!({}), "a,b\n1,2\n\"3,4\n5,6\n").unwrap();
    assert_eq!(loaded.row_count, 1);
    assert_eq!(loaded.bad_rows[0].line, 3);
    assert!(loaded.bad_rows[0].reason.contains("never closed"), "{:?}", loaded.bad_rows);
}

#[test]
fn columns_are_selected_ordered_and_renamed() {
    let loaded = parsed(json!({"columns": ["c", "a"], "rename": {"c": "last"}}), "a,b,c\n1,2,3\n").unwrap();
    assert_eq!(loaded.columns, ["last", "a"]);
    assert_eq!(rows(&loaded), json!([{"last": 3, "a": 1}]));
    let error = parsed(json!({"columns": ["z"]}), "a\n1\n").unwrap_err();
    assert_eq!(error.kind(), "csv.header");
    assert!(error.message().contains("`z`") && error.message().contains("`a`"), "{error}");
}

#[test]
fn a_field_that_is_not_of_the_wanted_type_makes_a_bad_row() {
    let loaded =
        parsed(json!({"types": {"zip": "string", "t": "number"}}), "zip,t\n123,4\n456,hot\n").unwrap();
    assert_eq!(rows(&loaded), json!([{"zip": "123", "t": 4}]));
    assert_eq!(loaded.bad_rows[0].reason, "`hot` in column `t` is no number");
}

#[test]
fn files_without_header_get_numbered_columns() {
    let loaded = parsed(json!({"header": false, "delimiter": ";"}), "1;2\n3;4\n").unwrap();
    assert_eq!(loaded.columns, ["column_1", "column_2"]);
    assert_eq!(loaded.row_count, 2);
}

#[test]
fn a_column_name_that_stands_twice_is_refused() {
    assert_eq!(parsed(json!({}), "a,a\n1,2\n").unwrap_err().kind(), "csv.header");
}

#[test]
fn limits_cut_or_fail() {
    let text = "a\n1\n2\n3\n";
    assert_eq!(parsed(json!({"limit": 2, "max_rows": 2}), text).unwrap().row_count, 2);
    assert_eq!(parsed(json!({"max_rows": 2}), text).unwrap_err().kind(), "csv.too_large");
    assert_eq!(parsed(json!({"max_rows": 3}), text).unwrap().row_count, 3);
}

#[test]
fn cancelling_stops_a_long_file() {
    let text = format!("a\n{}", "1\n".repeat(ROWS_PER_LOOK + 1));
    assert_eq!(parse(&parameters(json!({})), &text, &|| true).unwrap_err().kind(), "cancelled");
}

#[test]
fn an_empty_file_has_no_columns_and_no_rows() {
    let loaded = parsed(json!({}), "").unwrap();
    assert!(loaded.columns.is_empty() && loaded.rows.is_empty() && loaded.bad_rows.is_empty());
}

#[test]
fn a_missing_file_is_named_and_not_worth_a_retry() {
    let error = load(&parameters(json!({"path": "/no/such/file.csv"})), &|| false).unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), ("csv.not_found", false));
    assert!(error.message().contains("/no/such/file.csv"), "{error}");
}

#[test]
fn a_misspelt_parameter_is_refused() {
    assert!(serde_json::from_value::<Load>(json!({"path": "a", "delimeter": ";"})).is_err());
}
