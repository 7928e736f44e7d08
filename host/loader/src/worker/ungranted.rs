//! Whether a failure may come from the sandbox, and which key of the configuration would allow what was refused.

use jackfield_core::failure::{Failure, kind};
use jackfield_core::payload::Payload;
use jackfield_plugin_api::worker::{Grant, Hello, Policy, Sandbox};
use serde_json::{Value, json};

/// The keys that would allow something and do not yet.
type Missing = fn(&Grant) -> Vec<&'static str>;

/// Words of the system for a refusal, in small letters, and what may have been refused.
const REFUSALS: &[(&str, Missing)] = &[
    ("permission denied", files),
    ("(os error 13)", files),
    ("eacces", files),
    ("operation not permitted", calls),
    ("(os error 1)", calls),
    ("eperm", calls),
    ("name resolution", net),
    ("failed to lookup address", net),
];

/// Words of the system and of allocators when a limit is reached, in small letters, and its key. Limits hold under every policy.
const LIMITS: &[(&str, &str)] = &[
    ("memory allocation of", "limits.memory_bytes_max"),
    ("cannot allocate memory", "limits.memory_bytes_max"),
    ("out of memory", "limits.memory_bytes_max"),
    ("too many open files", "limits.open_files_max"),
];

/// The failure with `sandbox` added to its details, if a refusal of the sandbox may be behind it. Details that are neither absent
/// nor an object are left alone; then a log line says it.
pub(super) fn explain(Hello { plugin, sandbox, .. }: &Hello, failure: Failure) -> Failure {
    let keys = suspects(&failure, sandbox);
    if keys.is_empty() {
        return failure;
    }
    let keys_text = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let hint = format!(
        "the worker of the plugin runs in a sandbox, which may be what refused this. If the plugin is to be allowed it, set \
         under [plugins.{plugin}] of the configuration what it needs of: {keys_text}"
    );
    let explained = json!({ "keys": keys, "hint": hint });
    match failure.details.value() {
        Value::Null => Failure { details: Payload::encode(&json!({ "sandbox": explained })), ..failure },
        Value::Object(details) if !details.contains_key("sandbox") => {
            let mut details = details.clone();
            details.insert("sandbox".into(), explained);
            Failure { details: Payload::encode(&details), ..failure }
        }
        _ => {
            tracing::warn!(plugin = &**plugin, error = &*failure.message, hint, "a call failed");
            failure
        }
    }
}

/// Logs what is not in force of a sandbox that runs nevertheless.
pub(super) fn warn(plugin: &str, unenforced: &[String]) {
    if !unenforced.is_empty() {
        let lacking = crate::error::one_line(&unenforced.join("; "));
        tracing::warn!(plugin, lacking, "the sandbox of a worker is not in force as a whole");
    }
}

/// The keys that do not allow yet what the failure seems to be about.
fn suspects(failure: &Failure, sandbox: &Sandbox) -> Vec<&'static str> {
    if &*failure.kind == kind::PLUGIN_CRASH {
        let lines = failure.details.value()["last_lines"].as_array();
        return lines.into_iter().flatten().filter_map(Value::as_str).find_map(limit).into_iter().collect();
    }
    if let Some(key) = limit(&failure.message) {
        return vec![key];
    }
    if sandbox.policy == Policy::Off {
        return Vec::new();
    }
    let message = failure.message.to_lowercase();
    let found = REFUSALS.iter().find(|(words, _)| message.contains(words));
    found.map(|(_, keys)| keys(&sandbox.grant)).unwrap_or_default()
}

fn limit(said: &str) -> Option<&'static str> {
    let said = said.to_lowercase();
    LIMITS.iter().find(|(words, _)| said.contains(words)).map(|(_, key)| *key)
}

/// Which files are granted is known, but not which one was meant.
fn files(grant: &Grant) -> Vec<&'static str> {
    let mut keys = vec!["grant.fs.read", "grant.fs.write"];
    if !grant.exec {
        keys.push("grant.exec");
    }
    keys
}

fn calls(grant: &Grant) -> Vec<&'static str> {
    let keys = [("grant.net", grant.net), ("grant.exec", grant.exec)];
    keys.iter().filter(|(_, is_granted)| !is_granted).map(|(key, _)| *key).collect()
}

fn net(grant: &Grant) -> Vec<&'static str> {
    if grant.net { Vec::new() } else { vec!["grant.net"] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(sandbox: &Sandbox) -> Hello {
        Hello {
            protocol: 1,
            features: Vec::new(),
            plugin: "p".into(),
            library: "/p.so".into(),
            config: None,
            sandbox: sandbox.clone(),
            result_bytes_max: 1,
            threads_max: 1,
        }
    }

    fn keys(message: &str, sandbox: &Sandbox) -> Value {
        let failure = explain(&hello(sandbox), Failure::new("a.b", message));
        failure.details.value()["sandbox"]["keys"].clone()
    }

    #[test]
    fn refusals_name_the_keys_that_are_not_granted() {
        let nothing = Sandbox::default();
        let net = Sandbox { grant: Grant { net: true, ..Grant::default() }, ..Sandbox::default() };
        let off = Sandbox { policy: Policy::Off, ..Sandbox::default() };
        let files = json!(["grant.fs.read", "grant.fs.write", "grant.exec"]);
        assert_eq!(keys("x: Permission denied (os error 13)", &nothing), files);
        assert_eq!(
            keys("Operation not permitted (os error 1)", &nothing),
            json!(["grant.net", "grant.exec"])
        );
        assert_eq!(keys("Operation not permitted (os error 1)", &net), json!(["grant.exec"]));
        assert_eq!(keys("Temporary failure in name resolution", &nothing), json!(["grant.net"]));
        assert_eq!(keys("Temporary failure in name resolution", &net), Value::Null);
        assert_eq!(keys("Connection refused (os error 111)", &nothing), Value::Null);
        assert_eq!(keys("Permission denied", &off), Value::Null);
        assert_eq!(keys("Too many open files (os error 24)", &off), json!(["limits.open_files_max"]));
    }

    #[test]
    fn what_the_plugin_itself_says_stays() {
        let with = |details: Value| Failure {
            details: Payload::encode(&details),
            ..Failure::new("a.b", "permission denied")
        };
        let nothing = hello(&Sandbox::default());
        let object = explain(&nothing, with(json!({ "path": "/x" })));
        let details = object.details.value();
        assert_eq!(details["path"], "/x");
        assert!(details["sandbox"]["hint"].as_str().unwrap().contains("[plugins.p]"), "{details}");
        let list = explain(&nothing, with(json!([1])));
        assert_eq!(list.details.value(), &json!([1]));
    }
}
