//! The methods: ordinary functions, which know nothing of how a host calls them.

use jackfield_plugin_api::prelude::*;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

/// What the host's configuration says about this plugin.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
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
pub struct Greet {
    /// A name; not empty.
    name: String,
}

/// The greeting.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Greeting {
    /// A sentence.
    text: String,
}

// `inline`: so cheap, and never waiting, that the engine's own thread may call it. The comments of
// types and fields become the schema.
pub fn greet(ctx: &Context, p: Greet) -> Result<Greeting, Error> {
    if p.name.is_empty() {
        return Err(Error::validation("`name` is empty"));
    }
    let config = ctx.config::<Config>();
    let greeting = config.map_or("hello", |config| &config.greeting);
    Ok(Greeting {
        text: format!("{greeting} {}", p.name),
    })
}

/// Which file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountLines {
    /// A text file.
    path: PathBuf,
}

/// What was counted.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Counted {
    /// Lines, with or without a line end after the last one.
    lines: u64,
    /// The longest line in bytes, without its end.
    longest: usize,
}

/// How many lines go by between two looks at whether to stop.
const CANCEL_LOOK_LINES: u64 = 4_096;

// neither `inline` nor `async`: it may block, so it runs on a thread that may wait
pub fn count_lines(ctx: &Context, p: CountLines) -> Result<Counted, Error> {
    // an error of reading becomes one of the type `io.not_found` and the like
    let file = File::open(&p.path)?;
    let mut counted = Counted {
        lines: 0,
        longest: 0,
    };
    for line in BufReader::new(file).split(b'\n') {
        if counted.lines.is_multiple_of(CANCEL_LOOK_LINES) && ctx.is_cancelled() {
            return Err(Error::cancelled());
        }
        counted.lines += 1;
        counted.longest = counted.longest.max(line?.len());
    }
    ctx.log(Level::Debug, "counted", &counted);
    Ok(counted)
}

// these tests call the functions themselves: the test kit only lends them a context
#[cfg(test)]
mod tests {
    use super::*;
    use jackfield_plugin_api::testing::TestCall;
    use std::io::Write;

    fn text(content: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    }

    #[test]
    fn lines_are_counted_and_logged() {
        let file = text("one\nthree\n\nlast");
        let path = file.path().into();
        let call = TestCall::new();
        let counted = call.run(|ctx| count_lines(ctx, CountLines { path }));
        let (lines, longest) = (4, 5);
        assert_eq!(counted, Ok(Counted { lines, longest }));
        assert_eq!(call.logs()[0].fields, r#"{"lines":4,"longest":5}"#);
    }

    #[test]
    fn a_cancelled_count_stops() {
        let file = text("a line\n");
        let path = file.path().into();
        let call = TestCall::new();
        call.cancel();
        let stopped = call.run(|ctx| count_lines(ctx, CountLines { path }));
        assert_eq!(stopped.unwrap_err().kind(), "cancelled");
    }
}
