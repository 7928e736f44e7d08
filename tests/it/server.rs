//! `jackfield serve --listen`: the real process, asked over TCP.

mod attacks;
mod described;
mod events;
mod load;
mod reach;
mod remote;
mod tokens;
mod traces;

use jackfield::{Value, json};
use jackfield_tests::{Bench, CliOutput};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long a test waits for something that ought to happen at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that serves; it is killed when this is dropped.
pub(crate) struct Service {
    pub(crate) bench: Arc<Bench>,
    child: Mutex<Child>,
    pub(crate) url: String,
    said: Arc<Mutex<String>>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn wait_until(mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < patience, "it never came true");
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The answer as a problem of this status and code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(
            (self.status, &problem["status"], &problem["code"]),
            (status, &json!(status), &json!(code)),
            "{self:?}"
        );
        problem["detail"].as_str().expect("a text").to_owned()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!((200..300).contains(&self.status), "{self:?}");
        self
    }

    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|it| it.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { status: status.expect("a status"), headers, body: body.to_owned() }
    }
}

impl Service {
    /// Serves an address of this machine.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// The same with more in the configuration.
    pub(crate) fn with(config: &str) -> Self {
        let bench = Bench::new(&["echo"]);
        bench.write("jackfield.toml", format!("[isolation]\ndefault = \"in_process\"\n{config}"));
        Self::on(bench, &["serve", "--listen", "127.0.0.1:0"])
    }

    /// Starts a command that serves, and waits until it does.
    pub(crate) fn on(bench: impl Into<Arc<Bench>>, command: &[&str]) -> Self {
        let bench = bench.into();
        let mut command = bench.command(command);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts");
        let said = Arc::new(Mutex::new(String::new()));
        listen(child.stderr.take().expect("it is piped"), said.clone());
        let mut service = Self { bench, child: Mutex::new(child), url: String::new(), said };
        wait_until(|| {
            assert!(!service.has_ended(), "{}", service.said());
            service.said().contains("Ctrl-C ends it")
        });
        let said = service.said();
        let url = said.lines().find_map(|line| line.strip_prefix("listening on "));
        service.url = url.unwrap_or_default().to_owned();
        service
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().expect("nobody panics with it")
    }

    fn has_ended(&self) -> bool {
        self.child().try_wait().expect("it is ours").is_some()
    }

    /// What the process has said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("nobody panics with it").clone()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let (_, address) = self.url.split_once("://").expect("a URL");
        address.parse().expect("an address")
    }

    /// Makes a token by the command.
    pub(crate) fn token(&self, name: &str, scope: &str, more: &[&str]) -> String {
        let mut command = vec!["token", "create", name, "--scope", scope];
        command.extend(more);
        self.bench.cli(&command).exits(0).stdout.trim().to_owned()
    }

    /// Asks by a real client.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        ask_at(&self.url, method, path, headers, body)
    }

    /// The same with a token, unless it is empty.
    fn ask_with(&self, method: &str, path: &str, token: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let shown = [("authorization", bearer.as_str())];
        self.ask(method, path, if token.is_empty() { &[] } else { &shown }, body)
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> Answer {
        self.ask_with("GET", path, token, "")
    }

    pub(crate) fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.ask_with("POST", path, token, &body.to_string())
    }

    pub(crate) fn delete(&self, path: &str, token: &str) -> Answer {
        self.ask_with("DELETE", path, token, "")
    }

    /// Sends bytes as they are, and reads until the other end closes.
    pub(crate) fn raw(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("it is taken");
        Answer::parse(&rest(&mut stream))
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is taken");
        stream
    }

    /// Whether a connection of its own is taken and answered.
    pub(crate) fn connect_and_ask(&self, token: &str) -> bool {
        self.get("/healthz", token).status == 200
    }

    /// Registers a workflow of one step by the socket.
    pub(crate) fn register(&self, id: &str) {
        self.bench.write("w.json", one_step(id).to_string());
        self.bench.cli(&["workflow", "register", "w.json"]).exits(0).stdout.clear();
    }

    /// Whatever was done to it, it answers good requests, and the process is the same.
    #[track_caller]
    pub(crate) fn is_well(&self, token: &str) {
        assert!(!self.has_ended(), "{}", self.said());
        self.get("/readyz", token).ok();
        let listed = self.get("/api/v1/runs", token).ok();
        assert!(listed.json()["runs"].is_array(), "{listed:?}");
    }

    pub(crate) fn audit(&self) -> Vec<Value> {
        let text =
            std::fs::read_to_string(self.bench.data_dir().join("audit.jsonl")).expect("there is a log");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Ends the process as a system does, and waits for that.
    pub(crate) fn terminate(&self) -> Option<i32> {
        let mut child = self.child();
        let sent = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
        child.wait().expect("it ends").code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // it may have ended by itself
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// One step that says its input.
pub(crate) fn one_step(id: &str) -> Value {
    json!({ "id": id, "version": "1.0.0", "steps": [
        { "id": "say", "plugin": "echo", "method": "echo", "parameters": { "got": "${input}" } },
    ]})
}

/// What comes until the other end closes; a connection that it breaks off has closed, too.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    while let Ok(len @ 1..) = stream.read(&mut part) {
        bytes.extend_from_slice(&part[..len]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn ask_at(url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
    let agent: ureq::Agent = config.timeout_global(Some(PATIENCE)).build().into();
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{url}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.to_owned()).expect("a request");
    let mut answered = agent.run(request).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    let headers = answered
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("?").to_owned()));
    Answer {
        status: answered.status().as_u16(),
        headers: headers.collect(),
        body: answered.body_mut().read_to_string().expect("text"),
    }
}

/// Keeps reading what the process says.
fn listen(stderr: ChildStderr, said: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut said = said.lock().expect("nobody panics with it");
            said.push_str(&line);
            said.push('\n');
        }
    });
}

/// A command that is meant to fail before it serves.
#[track_caller]
pub(crate) fn refuses(bench: &Bench, command: &[&str], wanted: &[&str]) -> CliOutput {
    let output = bench.cli(command).exits(2);
    for text in wanted {
        assert!(output.stderr.contains(text), "{text} is not in {}", output.stderr);
    }
    output
}
