//! One process: it runs a document, or goes on with it, and says what came of it, unless it dies before.

use super::effects::EffectLog;
use super::file;
use super::host::Lab;
use super::script::Script;
use super::store::Mortal;
use jackfield_store_sqlite::{Options, SqliteStore};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The run that all of this is about.
pub const RUN_ID: &str = "r";

/// No example takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Life {
    /// Where its journal lies, and where it works.
    pub dir: PathBuf,
    /// The document, from there.
    pub document: PathBuf,
    /// Where plugins are.
    pub plugins: PathBuf,
    /// What is remembered of them.
    pub data: PathBuf,
    /// What happens to it.
    pub script: Script,
}

impl Life {
    /// Lives it in a process of its own, which is `program`. The result document if it came to an end, nothing if it
    /// died as the script says.
    ///
    /// # Panics
    /// If it came to another end.
    #[must_use]
    pub fn live_apart(&self, program: &Path) -> Option<Value> {
        let text = serde_json::to_string(self).expect("it is plain data");
        let mut command = Command::new(program);
        command.arg(text).current_dir(&self.dir).stdin(Stdio::null()).stdout(Stdio::null());
        let output = command.stderr(Stdio::piped()).output().expect("the program was built");
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        if signal == Some(rustix::process::Signal::KILL.as_raw()) {
            return None;
        }
        assert!(output.status.success(), "{self:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = std::fs::read_to_string(self.dir.join(file::RESULT)).expect("it said what came of it");
        Some(serde_json::from_str(&text).expect("it wrote JSON"))
    }
}

/// Lives the life that is described by the JSON text `life`; the body of the program `crash-host`.
///
/// # Panics
/// If anything goes wrong that the script does not say.
pub fn live(life: &str) {
    let life: Life = serde_json::from_str(life).expect("the argument describes a life");
    let text = std::fs::read_to_string(life.dir.join(&life.document)).expect("the document is there");
    let lab = Lab::new(&life.plugins, &life.data);
    let mut options = Options::default();
    if life.script.is_kept {
        // what is written is copied from the log to the file every few writes, too
        options.checkpoint_len = 24 * 1024;
    }
    let request = lab.request(&text, RUN_ID);
    let store = SqliteStore::open(&life.dir.join(file::JOURNAL), options).expect("the journal opens");
    let kept = life.script.is_kept.then(|| life.dir.clone());
    let store = Arc::new(Mortal::new(store, life.script.kill, kept));
    let engine = lab.engine(store, &life.dir, &life.script).expect("the engine starts");
    let run = engine.start(request).expect("the run starts, or is there");
    let effects = EffectLog::open(&life.dir.join(file::EFFECTS));
    effects.acknowledged("started");
    assert!(run.wait(Some(PATIENCE)).is_some(), "it goes on: {:#?}", run.report(100));
    effects.acknowledged("ended");
    let report = serde_json::to_string(&run.report(usize::MAX)).expect("a report is JSON");
    std::fs::write(life.dir.join(file::RESULT), report).expect("there is room for the result");
    engine.shutdown();
}
