//! The process under test: this binary again, with one test that reads on its standard input what to do.

use crate::actions::{Action, perform};
use jackfield_worker::sandbox::{Enforced, Sandbox, apply};
use serde::{Deserialize, Serialize};
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, thread};

/// Begins the line that holds the answer, among those of the test harness.
const MARK: &str = "ANSWER ";
/// Begins the line that says which signal ended the child.
const SIGNAL: &str = "SIGNAL ";

/// What a child is to do.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) sandbox: Sandbox,
    pub(crate) readable: Vec<PathBuf>,
    pub(crate) before: Before,
    pub(crate) actions: Vec<Action>,
    /// Handed to the child beside what the grant names.
    pub(crate) extra_env: Option<String>,
}

/// What a child does before it is restricted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) enum Before {
    #[default]
    Nothing,
    /// Starts a second thread.
    Thread,
    /// Has the kernel answer an error to a system call, as one does that lacks it.
    Lacks { call: i64, errno: i32 },
}

/// What became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// What is enforced, or why the worker must not run.
    pub(crate) applied: Result<Enforced, String>,
    /// What each action answered: a text, or a system error's number and text.
    pub(crate) results: Vec<Result<String, (Option<i32>, String)>>,
}

impl Answer {
    /// What the only action answered: a text, or a system error's number.
    #[track_caller]
    pub(crate) fn only(self) -> Result<String, i32> {
        self.applied.expect("the sandbox is applied");
        let [result] = <[_; 1]>::try_from(self.results).expect("there is one action");
        result.map_err(|(errno, text)| errno.unwrap_or_else(|| panic!("no error of the system: {text}")))
    }
}

/// The sandbox that a configuration describes.
#[track_caller]
pub(crate) fn sandbox(text: &str) -> Sandbox {
    toml::from_str(text).expect("the test writes a configuration")
}

/// Runs `actions` in a child with the sandbox of the configuration `text`.
#[track_caller]
pub(crate) fn run(text: &str, actions: &[Action]) -> Answer {
    order(&Order { sandbox: sandbox(text), actions: actions.to_vec(), ..Order::default() })
}

/// Carries out an order in a child. Panics if the child dies.
#[track_caller]
pub(crate) fn order(order: &Order) -> Answer {
    let output = start(order);
    let answer = output.lines().find_map(|line| line.split_once(MARK)).map(|(_, json)| json);
    let Some(answer) = answer else { panic!("the child gave no answer:\n{output}") };
    let answer: Answer = serde_json::from_str(answer).expect("the child answers in JSON");
    if let (Err(refusal), Before::Nothing) = (&answer.applied, &order.before) {
        let is_lack = refusal.starts_with("the sandbox cannot be enforced");
        assert!(!is_lack, "THIS KERNEL CANNOT BE TESTED, Linux 6.12 or newer is needed: {refusal}");
    }
    answer
}

/// Carries out an order that ends the child, and answers the signal that did it.
#[track_caller]
pub(crate) fn deadly(order: &Order) -> i32 {
    let output = start(order);
    let signal = output.lines().find_map(|line| line.strip_prefix(SIGNAL));
    let Some(signal) = signal else { panic!("the child lived:\n{output}") };
    signal.parse().unwrap()
}

/// Starts a child, waits for its end, and answers what it has written.
fn start(order: &Order) -> String {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "child::child", "--ignored", "--nocapture", "--test-threads=1"]);
    child.env_clear().envs(order.sandbox.grant.environment(env::vars_os()));
    if let Some(name) = &order.extra_env {
        child.env(name, "x");
    }
    child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(order).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

impl Before {
    fn perform(&self) {
        match self {
            Self::Nothing => {}
            Self::Thread => drop(thread::spawn(thread::park)),
            Self::Lacks { call, errno } => crate::calls::make_fail(*call, *errno),
        }
    }
}

#[test]
#[ignore = "what the other tests start; there is nothing to see in it by itself"]
fn child() {
    let mut order = String::new();
    io::stdin().read_to_string(&mut order).unwrap();
    let Ok(order) = serde_json::from_str::<Order>(&order) else { return };
    // the harness runs tests in a thread of their own
    let ended = crate::calls::in_child(|| obey(&order)).unwrap();
    if let Some(signal) = ended.terminating_signal() {
        writeln!(io::stdout(), "\n{SIGNAL}{signal}").unwrap();
    }
}

fn obey(order: &Order) {
    order.before.perform();
    let applied = apply(&order.sandbox, &order.readable).map_err(|error| error.to_string());
    let mut results = Vec::new();
    if applied.is_ok() {
        for action in &order.actions {
            let result = perform(action);
            results.push(result.map_err(|error| (error.raw_os_error(), error.to_string())));
        }
    }
    let answer = serde_json::to_string(&Answer { applied, results }).unwrap();
    let mut out = io::stdout();
    writeln!(out, "\n{MARK}{answer}").unwrap();
}
