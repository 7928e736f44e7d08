//! What one version of a workflow changes of another, for people who are about to register it.

use jackfield_core::model::{self, Dialect};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One difference between two documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct DocumentChange {
    /// Where: names of fields, and ids of steps in their place, such as `steps.load.parameters.path`.
    pub path: String,
    /// What stood there; absent if it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What stands there now; absent if it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Everything that differs between two documents that are valid, in the order of the older one; nothing if they mean the same.
/// Comments, spaces, the order of fields and the version do not count. Steps are told apart by their ids.
pub(crate) fn changes(before: &str, after: &str) -> Vec<DocumentChange> {
    let mut found = Vec::new();
    let (mut before, mut after) = (canonical(before), canonical(after));
    for document in [&mut before, &mut after] {
        document.as_object_mut().and_then(|fields| fields.shift_remove("version"));
    }
    compare("", Some(&before), Some(&after), &mut found);
    found
}

/// The document as its model is written, so that two ways to say the same are one.
fn canonical(source: &str) -> Value {
    let model = model::parse(source.as_bytes(), Dialect::Jsonc).workflow;
    model.and_then(|model| serde_json::from_str(&model::to_json(&model)).ok()).unwrap_or_default()
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<DocumentChange>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            compare_fields(path, before, after, found)
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => match (by_id(old), by_id(new)) {
            (Some(steps_before), Some(steps_after)) => {
                compare_fields(path, &steps_before, &steps_after, found);
                let kept = |steps: &Map<String, Value>, others: &Map<String, Value>| -> Vec<Value> {
                    steps.keys().filter(|id| others.contains_key(*id)).map(|id| id.as_str().into()).collect()
                };
                let (old, new) = (kept(&steps_before, &steps_after), kept(&steps_after, &steps_before));
                if old != new {
                    let path = join(path, "order");
                    found.push(DocumentChange { path, before: Some(old.into()), after: Some(new.into()) });
                }
            }
            _ => found.push(change(path, before, after)),
        },
        _ => found.push(change(path, before, after)),
    }
}

fn compare_fields(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<DocumentChange>,
) {
    let added = after.keys().filter(|key| !before.contains_key(*key));
    for key in before.keys().chain(added) {
        compare(&join(path, key), before.get(key), after.get(key), found);
    }
}

/// The elements by their ids, if all have one.
fn by_id(elements: &[Value]) -> Option<Map<String, Value>> {
    elements.iter().map(|element| Some((element.get("id")?.as_str()?.to_owned(), element.clone()))).collect()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn change(path: &str, before: Option<&Value>, after: Option<&Value>) -> DocumentChange {
    DocumentChange { path: path.to_owned(), before: before.cloned(), after: after.cloned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OLD: &str = r#"{"id": "w", "version": "1.0.0", "steps": [
        {"id": "load", "plugin": "csv", "method": "load", "parameters": {"path": "a.csv", "limit": 3}},
        {"id": "wait", "type": "wait", "duration": "1s"},
        {"id": "note", "type": "log", "message": "x"}]}"#;

    fn seen(new: &str) -> Vec<(String, Option<Value>, Option<Value>)> {
        changes(OLD, new).into_iter().map(|it| (it.path, it.before, it.after)).collect()
    }

    #[test]
    fn another_version_other_spaces_and_another_order_of_fields_are_no_change() {
        let same = r#"{"version": "2.0.0", "id": "w", // the same
            "steps": [{"method": "load", "plugin": "csv", "id": "load", "parameters": {"path": "a.csv", "limit": 3}},
            {"id": "wait", "type": "wait", "duration": "1s"}, {"id": "note", "type": "log", "message": "x"}]}"#;
        assert_eq!(seen(same), []);
    }

    #[test]
    fn what_is_new_gone_and_different_is_named_by_the_ids_of_its_steps() {
        let new = r#"{"id": "w", "version": "1.1.0", "steps": [
            {"id": "load", "plugin": "csv", "method": "load", "parameters": {"path": "b.csv", "limit": 3}},
            {"id": "note", "type": "log", "message": "x"},
            {"id": "more", "type": "log", "message": "y"}], "timeout": "1m"}"#;
        let changes = seen(new);
        let paths: Vec<&str> = changes.iter().map(|(path, ..)| path.as_str()).collect();
        assert_eq!(
            paths,
            ["steps.load.parameters.path", "steps.wait", "steps.more", "timeout"],
            "{changes:?}"
        );
        assert_eq!((&changes[0].1, &changes[0].2), (&Some(json!("a.csv")), &Some(json!("b.csv"))));
        assert!(changes[1].2.is_none() && changes[2].1.is_none());
    }

    #[test]
    fn steps_that_change_places_are_told() {
        let new = r#"{"id": "w", "steps": [
            {"id": "wait", "type": "wait", "duration": "1s"},
            {"id": "load", "plugin": "csv", "method": "load", "parameters": {"path": "a.csv", "limit": 3}},
            {"id": "note", "type": "log", "message": "x"}]}"#;
        let changes = seen(new);
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!(changes[0].0, "steps.order");
        assert_eq!(changes[0].2, Some(json!(["wait", "load", "note"])));
    }
}
