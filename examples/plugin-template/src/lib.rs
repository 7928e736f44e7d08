//! A Jackfield plugin to copy: two methods, a configuration, errors, tests. Rename it in `Cargo.toml` and below.

use jackfield_plugin_api::prelude::*;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

export_plugin! {
    name: "my-plugin",
    config: Config,
    fs_read: &["**"],
    methods: [
        greet { inline, pure, description: "greets somebody" },
        count_lines { idempotent, timeout: "1m", description: "counts the lines of a text file" },
    ],
}

/// What the host's configuration says about this plugin.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What to say before the name.
    #[serde(default = "hello")]
    greeting: String,
}

fn hello() -> String {
    "hello".to_owned()
}

/// Who is greeted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greet {
    /// A name; not empty.
    name: String,
}

/// The greeting.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct Greeting {
    /// A sentence.
    text: String,
}

// `inline`: so cheap, and never waiting, that the engine's own thread may call it. Doc comments above become the schema.
fn greet(ctx: &Context, p: Greet) -> Result<Greeting, Error> {
    if p.name.is_empty() {
        return Err(Error::validation("`name` is empty"));
    }
    let greeting = ctx.config::<Config>().map_or("hello", |config| &config.greeting);
    Ok(Greeting { text: format!("{greeting} {}", p.name) })
}

/// Which file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CountLines {
    /// A text file.
    path: PathBuf,
}

/// What was counted.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct Counted {
    /// Lines, with or without a line end after the last one.
    lines: u64,
    /// The longest line in bytes, without its end.
    longest: usize,
}

/// How many lines go by between two looks at whether to stop.
const CANCEL_LOOK_LINES: u64 = 4_096;

// neither `inline` nor `async`: it may block, so it runs on a thread that may wait
fn count_lines(ctx: &Context, p: CountLines) -> Result<Counted, Error> {
    // an error of reading becomes one of the type `io.not_found` and the like
    let file = File::open(&p.path)?;
    let mut counted = Counted { lines: 0, longest: 0 };
    for line in BufReader::new(file).split(b'\n') {
        if counted.lines % CANCEL_LOOK_LINES == 0 && ctx.is_cancelled() {
            return Err(Error::cancelled());
        }
        counted.lines += 1;
        counted.longest = counted.longest.max(line?.len());
    }
    ctx.log(Level::Debug, "counted", &counted);
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jackfield_plugin_api::testing::TestCall;
    use serde_json::json;

    // a method is an ordinary function: the test kit only lends it a context ...
    #[test]
    fn lines_are_counted_and_logged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text");
        std::fs::write(&path, "one\nthree\n\nlast").unwrap();
        let call = TestCall::new();
        let counted = call.run(|ctx| count_lines(ctx, CountLines { path }));
        assert_eq!(counted, Ok(Counted { lines: 4, longest: 5 }));
        assert_eq!(call.logs()[0].fields, r#"{"lines":4,"longest":5}"#);
    }

    #[test]
    fn a_cancelled_count_stops() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a line\n").unwrap();
        let call = TestCall::new();
        call.cancel();
        let error = call.run(|ctx| count_lines(ctx, CountLines { path: file.path().into() })).unwrap_err();
        assert_eq!(error.kind(), "cancelled");
    }

    // ... or calls it as a host does, through the exported table: JSON in, JSON out, panics caught
    #[test]
    fn a_greeting_begins_as_configured() {
        let call = TestCall::new().config(&json!({ "greeting": "ahoy" }));
        let greeting = call.call(exported_plugin(), "greet", &json!({ "name": "Ada" }));
        assert_eq!(greeting, Ok(json!({ "text": "ahoy Ada" })));
    }

    #[test]
    fn wrong_parameters_are_refused_and_missing_files_named() {
        let error = |method, params| TestCall::new().call(exported_plugin(), method, &params).unwrap_err();
        assert_eq!(error("greet", json!({ "name": "" })).kind(), "validation");
        assert_eq!(error("greet", json!({ "nmae": "Ada" })).kind(), "validation");
        assert_eq!(error("count_lines", json!({ "path": "/no/such/file" })).kind(), "io.not_found");
    }
}
