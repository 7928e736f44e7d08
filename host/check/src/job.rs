//! What the tool and the process that meets the plugin say to each other. The process reads one [`Job`] from its standard
//! input and writes [`Seen`] lines to a file that was opened before any code of the plugin ran: standard output and
//! standard error are watched, not used.

use jackfield_plugin_api::manifest::MethodKind;
use jackfield_plugin_api::worker::Sandbox;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Bytes of a result that are handed to the tool; of a longer one only its size is.
pub(crate) const RESULT_BYTES_MAX: usize = 4 << 20;

/// One life of a process with the plugin.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) plugin: String,
    pub(crate) library: PathBuf,
    /// Where [`Seen`] lines go.
    pub(crate) report: PathBuf,
    /// The working directory of the plugin: the one place that it may write to.
    pub(crate) scratch: PathBuf,
    /// `None` if the process is not one for this job alone.
    pub(crate) sandbox: Option<Sandbox>,
    /// The configuration of instances, as JSON.
    pub(crate) config: String,
    /// How long opening, describing, making and ending an instance may take each.
    pub(crate) patience_ms: u64,
    /// How long a call goes on before it is told to stop.
    pub(crate) cancel_after_ms: u64,
    /// How long it may take to stop then.
    pub(crate) grace_ms: u64,
    pub(crate) task: Task,
}

/// What is done with the plugin once it is open.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Ask twice what it offers.
    Describe,
    /// Make instances with each of these configurations and end them.
    Create { configs: Vec<String> },
    /// Make and end an instance so many times.
    Lives { rounds: u32 },
    /// Call one method with each of these parameters in turn, for so long at most.
    Calls { method: Method, params: Vec<String>, time_max_ms: u64 },
    /// Call one method again and again with these: for memory, with two instances, from two threads.
    Steady { method: Method, params: Vec<String>, threads: bool, time_max_ms: u64 },
}

/// A method as the static manifest has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Method {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) kind: MethodKind,
    pub(crate) pure: bool,
}

/// What was seen, in the order in which it happened.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Seen {
    /// The sandbox cannot be put in force, or the process cannot do its work: nothing is known about the plugin.
    CannotCheck(String),
    /// What the system does not show of the process.
    Blind(String),
    /// Something begins that the process may not survive.
    Begins(String),
    /// It did not end in time; nothing more is done.
    Stuck(String),
    /// The library cannot be opened.
    OpenFailed { code: String, reason: String },
    /// The process just before and after the library was opened.
    Opened { before: State, after: State, manifest: String },
    /// What the plugin says that it offers.
    Described(End),
    /// An instance was made with the configuration of this number, or not.
    Created { config: usize, end: End },
    /// The process after the first instances were made and ended, and after many.
    Lived { first: State, last: State },
    /// The call of this number ended so, after so many microseconds.
    Called { call: usize, end: End, us: u64 },
    /// The time for calls was up after so many.
    Enough { calls: usize },
    /// Each call leaves about so many bytes allocated.
    Leaks(u64),
    /// An end that differs from the first one of a call with the same parameters.
    Differs { place: Place, call: usize, first: End, then: End },
    /// The process before the first instance was made and after the last one ended.
    Left { before: State, after: State },
    /// All was done.
    Done,
}

/// What others can notice of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Threads; `None` where the system does not say.
    pub(crate) threads: Option<u64>,
    /// Open descriptors.
    pub(crate) descriptors: Option<u64>,
    /// Signals that are caught or ignored.
    pub(crate) signals: Option<String>,
    /// The working directory.
    pub(crate) directory: Option<PathBuf>,
    /// Files in the scratch directory.
    pub(crate) files: Vec<String>,
    /// The environment.
    pub(crate) environment: BTreeMap<String, String>,
}

/// How something ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Text(String),
    /// A result that is no text; so many bytes.
    NoText(usize),
    /// A result of so many bytes, more than are looked at.
    Long(usize),
    Failed {
        kind: String,
        message: String,
    },
    Panicked(String),
    Unsupported(String),
    BadStatus(i32),
}

/// What made a call end differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    /// It was made again.
    Again,
    /// Another instance made it.
    SecondInstance,
    /// Two threads made it at once.
    Threads,
}

impl Place {
    /// In words.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Again => "called once more",
            Self::SecondInstance => "called on a second instance beside the first",
            Self::Threads => "called from two threads at once",
        }
    }
}
