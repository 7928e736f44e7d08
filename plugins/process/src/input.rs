//! What a program reads.

use jackfield_child::Input;
use jackfield_plugin_api::prelude::*;
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ChildStdin;

/// What the program reads from its standard input; nothing if absent. One of the three.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Stdin {
    /// A text.
    Text(String),
    /// A value, as JSON text.
    Json(Value),
    /// A file.
    File(PathBuf),
}

/// What is still to be written, if anything.
pub(crate) type Feed = Option<Vec<u8>>;

/// Where the program's input comes from.
pub(crate) fn open(stdin: Option<Stdin>) -> Result<(Input, Feed), Error> {
    Ok(match stdin {
        None => (Input::Empty, None),
        Some(Stdin::Text(text)) => (Input::Piped, Some(text.into_bytes())),
        Some(Stdin::Json(value)) => (Input::Piped, Some(serde_json::to_vec(&value)?)),
        Some(Stdin::File(path)) => {
            let failed = |error: std::io::Error| {
                let kind = Error::from(error);
                Error::new("process.stdin", format!("cannot read `{}`: {}", path.display(), kind.message()))
                    .permanent()
            };
            let file = File::open(&path).map_err(failed)?;
            if file.metadata().map_err(failed)?.is_dir() {
                let message = format!("cannot read `{}`: it is a directory", path.display());
                return Err(Error::new("process.stdin", message).permanent());
            }
            (Input::File(file), None)
        }
    })
}

/// Writes on a thread of its own, so that a program that does not read holds nobody up. One that closes its input early has read
/// enough, which is no error.
pub(crate) fn feed(feed: Feed, to: Option<ChildStdin>) -> Result<(), Error> {
    let (Some(bytes), Some(mut to)) = (feed, to) else { return Ok(()) };
    let writer = std::thread::Builder::new().name("jf-child-in".into());
    writer.spawn(move || drop(to.write_all(&bytes)))?;
    Ok(())
}
