//! Values given on the command line: JSON, files with JSON, and single keys.

use anyhow::{Context, Result, anyhow, bail};
use jackfield::Timestamp;
use serde_json::{Map, Value};
use std::fs;
use std::io::{self, Read};
use std::time::Duration;

/// The input of a run from `--input` and `--set`; an empty object if there is neither.
pub(crate) fn run_input(input: Option<&str>, sets: &[String]) -> Result<Value> {
    let mut value = match input {
        Some(text) => json_argument("--input", text)?,
        None => Value::Object(Map::new()),
    };
    for set in sets {
        apply(&mut value, set)?;
    }
    Ok(value)
}

/// JSON, `@FILE` or `@-`.
pub(crate) fn json_argument(option: &str, text: &str) -> Result<Value> {
    let (json, from) = match text.strip_prefix('@') {
        None => (text.to_owned(), option.to_owned()),
        Some("-") => {
            let mut json = String::new();
            io::stdin().read_to_string(&mut json).context("cannot read stdin")?;
            (json, "stdin".to_owned())
        }
        Some(path) => {
            (fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))?, format!("`{path}`"))
        }
    };
    serde_json::from_str(&json).with_context(|| format!("{from} is not JSON"))
}

/// Puts `key=value` into an object; `a.b=1` reaches into objects and makes those that are missing.
fn apply(target: &mut Value, set: &str) -> Result<()> {
    let Some((key, text)) = set.split_once('=') else {
        bail!("--set `{set}` has no `=`; write key=value");
    };
    let names: Vec<&str> = key.split('.').collect();
    if names.contains(&"") {
        bail!("--set `{set}` has an empty key");
    }
    let mut place = target;
    for (depth, name) in names.iter().enumerate() {
        let Value::Object(object) = place else {
            let what =
                if depth == 0 { "the input".to_owned() } else { format!("`{}`", names[..depth].join(".")) };
            bail!("--set `{set}` cannot be: {what} is not an object");
        };
        let missing = if depth + 1 == names.len() { Value::Null } else { Value::Object(Map::new()) };
        place = object.entry(*name).or_insert(missing);
    }
    *place = serde_json::from_str(text).unwrap_or_else(|_| text.into());
    Ok(())
}

/// A point in time, RFC 3339.
pub(crate) fn point_in_time(option: &str, text: &str) -> Result<Timestamp> {
    Timestamp::from_rfc3339(text)
        .ok_or_else(|| anyhow!("{option}: `{text}` is no point in time, such as 2026-01-31T08:00:00Z"))
}

/// A length of time as documents write it, such as `12h`; a number is milliseconds.
pub(crate) fn length_of_time(text: &str) -> Result<Duration> {
    let value = text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from);
    jackfield::model::duration::of_json(&value)
        .map_err(|problem| anyhow!("`{text}` is no length of time such as 12h or 90m: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn input(input: Option<&str>, sets: &[&str]) -> Result<Value> {
        run_input(input, &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_options_the_input_is_an_empty_object() {
        assert_eq!(input(None, &[]).unwrap(), json!({}));
    }

    #[test]
    fn a_value_is_json_if_it_can_be_and_a_string_else() {
        let sets = ["n=3", "s=three", "list=[1,2]", "t=true", "quoted=\"3\"", "empty=", "eq=a=b"];
        let expected = json!({
            "n": 3, "s": "three", "list": [1, 2], "t": true, "quoted": "3", "empty": "", "eq": "a=b"
        });
        assert_eq!(input(None, &sets).unwrap(), expected);
    }

    #[test]
    fn dotted_keys_reach_into_the_input_and_later_ones_win() {
        let value =
            input(Some(r#"{"db":{"host":"a","port":1}}"#), &["db.host=b", "db.tls.on=true", "db.port=2"]);
        assert_eq!(value.unwrap(), json!({ "db": { "host": "b", "port": 2, "tls": { "on": true } } }));
    }

    #[test]
    fn faults_name_the_option() {
        for (given, sets, expected) in [
            (Some("{"), vec![], "--input is not JSON"),
            (Some("@/nowhere.json"), vec![], "cannot read `/nowhere.json`"),
            (None, vec!["a"], "--set `a` has no `=`; write key=value"),
            (None, vec!["a..b=1"], "--set `a..b=1` has an empty key"),
            (Some("[]"), vec!["a=1"], "--set `a=1` cannot be: the input is not an object"),
            (None, vec!["a=1", "a.b=1"], "--set `a.b=1` cannot be: `a` is not an object"),
        ] {
            assert_eq!(input(given, &sets).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.json");
        fs::write(&path, "[1]").unwrap();
        let value = json_argument("--input", &format!("@{}", path.display()));
        assert_eq!(value.unwrap(), json!([1]));
    }
}
