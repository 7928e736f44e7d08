//! Who is to blame: what is said about calls that were in a worker when it ended.

use super::process::End;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::payload::Payload;
use semver::Version;
use serde_json::{Map, Value, json};

/// Why a worker was killed by its host.
#[derive(Clone, Debug)]
pub(crate) enum Killed {
    /// It said something that is not allowed.
    Broken(String),
    /// A call that was given up did not return.
    Stuck {
        /// The step that called.
        step: String,
    },
    /// It did not open its plugin in time.
    StartTimeout,
    /// It did not take the state of another version over in time.
    StateTimeout,
    /// It was told to end and did not.
    Lingering,
    /// The host ends.
    HostEnds,
}

/// The end of a worker.
pub(crate) struct Crash<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) version: &'a Version,
    pub(crate) pid: u32,
    pub(crate) killed: Option<Killed>,
    pub(crate) end: End,
    /// What it said last.
    pub(crate) lines: Vec<String>,
    /// Calls that were in it.
    pub(crate) calls: usize,
}

impl Crash<'_> {
    /// What happened, as it follows on "the worker of plugin `x 1.0.0` ".
    pub(crate) fn what(&self) -> String {
        match (&self.killed, self.end) {
            (Some(Killed::Broken(how)), _) => format!("was ended because it sent {how}"),
            (Some(Killed::Stuck { step }), _) => {
                format!("was ended because a call of step `{step}` did not return after it was given up")
            }
            (Some(Killed::StartTimeout), _) => "did not open the plugin in time and was ended".into(),
            (Some(Killed::StateTimeout), _) => "did not take the state over in time and was ended".into(),
            (Some(Killed::Lingering), _) => "did not end when it was told to".into(),
            (Some(Killed::HostEnds), _) => "was ended with its host".into(),
            (None, End::Signal(signal)) => match name(signal) {
                Some(name) => format!("was ended by signal {signal} ({name})"),
                None => format!("was ended by signal {signal}"),
            },
            (None, End::Exit(code)) => format!("exited with code {code}"),
            (None, End::Silent) => "closed its connection to the host and was ended".into(),
        }
    }

    /// The failure of each call that was in it.
    pub(crate) fn failure(&self) -> Failure {
        let message = format!("the worker of plugin `{} {}` {}", self.plugin, self.version, self.what());
        let kind = match self.killed {
            Some(Killed::HostEnds) => kind::PLUGIN_UNAVAILABLE,
            _ => kind::PLUGIN_CRASH,
        };
        Failure { details: Payload::encode(&self.details()), ..Failure::new(kind, message) }
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        details.insert("plugin".into(), self.plugin.into());
        details.insert("version".into(), self.version.to_string().into());
        details.insert("pid".into(), self.pid.into());
        match (&self.killed, self.end) {
            (None, End::Signal(signal)) => {
                details.insert("signal".into(), signal.into());
                details.insert("signal_name".into(), json!(name(signal)));
            }
            (None, End::Exit(code)) => {
                details.insert("exit_code".into(), code.into());
            }
            _ => {}
        }
        details.insert("calls_in_flight".into(), self.calls.into());
        details.insert("last_lines".into(), json!(self.lines));
        details
    }
}

/// The signals that end programs.
fn name(signal: i32) -> Option<&'static str> {
    use rustix::process::Signal;
    let names = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
        (Signal::SYS, "SIGSYS"),
    ];
    names.iter().find(|(known, _)| known.as_raw() == signal).map(|(_, name)| *name)
}
