//! The Jackfield plugin `my-plugin`: what it exports. What it does stands in `methods`.

mod methods;

use jackfield_plugin_api::prelude::*;
use methods::{Config, count_lines, greet};

export_plugin! {
    name: "my-plugin",
    config: Config,
    fs_read: &["**"],
    methods: [
        greet { inline, pure, description: "greets somebody" },
        count_lines { idempotent, timeout: "1m", description: "counts the lines of a text file" },
    ],
}

// these tests call as a host does, through the exported table: JSON in, JSON out, panics caught
#[cfg(test)]
mod tests {
    use super::exported_plugin;
    use jackfield_plugin_api::testing::TestCall;
    use serde_json::json;

    #[test]
    fn a_greeting_begins_as_configured() {
        let call = TestCall::new().config(&json!({ "greeting": "ahoy" }));
        let greeting = call.call(exported_plugin(), "greet", &json!({ "name": "Ada" }));
        assert_eq!(greeting, Ok(json!({ "text": "ahoy Ada" })));
    }

    #[test]
    fn wrong_parameters_are_refused_and_missing_files_named() {
        let error = |method, params| {
            let result = TestCall::new().call(exported_plugin(), method, &params);
            result.unwrap_err().kind().to_owned()
        };
        assert_eq!(error("greet", json!({ "name": "" })), "validation");
        assert_eq!(error("greet", json!({ "nmae": "Ada" })), "validation");
        let missing = json!({ "path": "/no/such/file" });
        assert_eq!(error("count_lines", missing), "io.not_found");
    }
}
