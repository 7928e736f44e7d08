//! Many clients at a time, over TCP: nothing that was acknowledged is lost when the process is killed under them, and nothing is
//! left behind however long it goes on.

use super::{PATIENCE, Service, wait_until};
use jackfield::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Clients that start runs.
const STARTERS: usize = 6;
/// Clients that follow one run each.
const FOLLOWERS: usize = 3;
/// Starts that are acknowledged before each kill, and behind the last.
const STARTS: usize = 150;

/// Steps one after the other, some of which take a moment, so that runs are under way at any time.
fn short() -> Value {
    let step = |id: &str, method: &str, parameters: Value| json!({ "id": id, "plugin": "echo", "method": method, "parameters": parameters });
    json!({ "id": "short", "version": "1.0.0", "output": "${steps.say.output}", "steps": [
        step("begin", "echo", json!({})),
        step("rest", "sleep", json!({ "ms": 2 })),
        step("say", "echo", json!({ "got": "${input}" })),
    ]})
}

/// Something happens in it every few milliseconds, `times` times.
fn long(times: u32) -> Value {
    json!({ "id": "long", "version": "1.0.0", "output": null, "steps": [
        { "id": "again", "type": "repeat", "max_iterations": times, "until": format!("iteration >= {times}"), "steps": [
            { "id": "tick", "plugin": "echo", "method": "sleep", "parameters": { "ms": 5 } },
        ]},
    ]})
}

fn start_body(run_id: &str, nth: usize) -> Value {
    json!({ "run_id": run_id, "attach": true, "input": { "nth": nth } })
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_connect(Some(PATIENCE)).build().into()
}

/// One request; an error is a connection that broke off or is not taken.
fn ask(agent: &ureq::Agent, method: &str, url: &str, body: &Value) -> Result<(u16, Value), ureq::Error> {
    let request = ureq::http::Request::builder().method(method).uri(url);
    let mut answered = agent.run(request.body(body.to_string()).expect("a request"))?;
    let text = answered.body_mut().read_to_string()?;
    Ok((answered.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null)))
}

/// Where somebody stands who follows a run and comes back whenever the connection breaks off.
struct Follower {
    url: String,
    agent: ureq::Agent,
    /// Records that it has got.
    next: u64,
    breaks: usize,
}

impl Follower {
    /// Follows until the run has ended; every record has to come once, in order. The status at the end.
    fn follow(&mut self, has_long: Instant) -> String {
        loop {
            assert!(Instant::now() < has_long, "{} does not end", self.url);
            match self.listen() {
                Some(status) => return status,
                None => {
                    self.breaks += 1;
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
    }

    /// Listens as long as the connection holds; how the run ended, if it did.
    fn listen(&mut self) -> Option<String> {
        let mut request = self.agent.get(&self.url);
        if let Some(last) = self.next.checked_sub(1) {
            request = request.header("last-event-id", last.to_string());
        }
        let mut answered = request.call().ok()?;
        assert_eq!(answered.status().as_u16(), 200, "{}", self.url);
        let mut name = String::new();
        for line in BufReader::new(answered.body_mut().as_reader()).lines() {
            let line = line.ok()?;
            match line.split_once(": ") {
                Some(("event", said)) => said.clone_into(&mut name),
                Some(("id", said)) => {
                    assert_eq!(said, self.next.to_string(), "{}: records come once and in order", self.url);
                    self.next += 1;
                }
                Some(("data", said)) if name == "end" => return Some(said.to_owned()),
                _ => {}
            }
        }
        None
    }
}

/// Everybody asks this address, whichever process is behind it.
struct Crowd {
    base: String,
    acknowledged: Mutex<BTreeSet<String>>,
    is_over: AtomicBool,
}

impl Crowd {
    /// Starts runs one after the other; a start that was not answered is sent once more, with the same id, until it is.
    fn start_runs(&self, who: usize) {
        let agent = agent();
        let url = format!("{}/workflows/short/runs", self.base);
        for nth in 0.. {
            let id = format!("run-{who}-{nth}");
            let answered = loop {
                if self.is_over.load(Ordering::Relaxed) {
                    return;
                }
                match ask(&agent, "POST", &url, &start_body(&id, nth)) {
                    Ok(answered) => break answered,
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            assert_eq!(answered.0, 201, "{answered:?}");
            self.acknowledged.lock().expect("nobody panics with it").insert(id);
        }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().expect("nobody panics with it").len()
    }
}

#[test]
fn what_was_acknowledged_is_there_after_kills_under_load() {
    let service = Service::with("[engine]\nfinished_runs_max = 200\n");
    let address = service.address().to_string();
    let bench = service.bench.clone();
    for document in [short(), long(100)] {
        bench.write("w.json", document.to_string());
        bench.cli(&["workflow", "register", "w.json"]).exits(0).stdout.clear();
    }
    let crowd = Crowd {
        base: format!("{}/api/v1", service.url),
        acknowledged: Mutex::default(),
        is_over: AtomicBool::new(false),
    };
    let followed: Vec<String> = (0..FOLLOWERS).map(|nth| format!("followed-{nth}")).collect();
    for id in &followed {
        let url = format!("{}/workflows/long/runs", crowd.base);
        assert_eq!(ask(&agent(), "POST", &url, &start_body(id, 0)).expect("it is answered").0, 201);
    }
    let has_long = Instant::now() + PATIENCE * 2;
    let mut service = Some(service);
    std::thread::scope(|scope| {
        let starters: Vec<_> = (0..STARTERS)
            .map(|who| {
                scope.spawn({
                    let crowd = &crowd;
                    move || crowd.start_runs(who)
                })
            })
            .collect();
        let followers: Vec<_> = followed
            .iter()
            .map(|id| {
                let url = format!("{}/runs/{id}/stream?from=0", crowd.base);
                scope.spawn(move || {
                    let mut follower = Follower { url, agent: agent(), next: 0, breaks: 0 };
                    let status = follower.follow(has_long);
                    (status, follower.next, follower.breaks)
                })
            })
            .collect();
        for _ in 0..2 {
            let before = crowd.count();
            wait_until(|| crowd.count() >= before + STARTS);
            // SIGKILL
            drop(service.take());
            service = Some(Service::on(bench.clone(), &["serve", "--listen", &address]));
        }
        let before = crowd.count();
        wait_until(|| crowd.count() >= before + STARTS);
        crowd.is_over.store(true, Ordering::Relaxed);
        starters.into_iter().for_each(|it| it.join().expect("starts are answered"));
        let ends: Vec<_> = followers.into_iter().map(|it| it.join().expect("records come")).collect();
        for (status, records, breaks) in &ends {
            assert_eq!(status, "completed");
            // the run begins, ends, and says something of each call
            assert!(*records > 100, "{ends:?}");
            assert!(*breaks >= 1, "nobody was cut off: {ends:?}");
        }
    });
    let service = service.expect("the last one runs");
    for id in crowd.acknowledged.lock().expect("nobody panics with it").iter() {
        let report = service.get(&format!("/api/v1/runs/{id}?wait=30s"), "").json();
        let nth: usize = id.rsplit('-').next().and_then(|nth| nth.parse().ok()).expect("a number");
        assert_eq!(
            (&report["status"], &report["output"]["got"]["nth"], &report["completed_steps"]),
            (&json!("completed"), &json!(nth), &json!(3)),
            "{report}"
        );
    }
    service.is_well("");
}

/// What the process of a service holds: memory in bytes, open files, threads.
#[derive(Clone, Copy, Debug)]
struct Held {
    memory: u64,
    files: usize,
    threads: usize,
}

impl Held {
    fn of(pid: u32) -> Self {
        let count = |dir: &str| std::fs::read_dir(format!("/proc/{pid}/{dir}")).expect("it runs").count();
        let pages = std::fs::read_to_string(format!("/proc/{pid}/statm")).expect("it runs");
        let pages: u64 = pages.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a number");
        Self { memory: pages * 4096, files: count("fd"), threads: count("task") }
    }
}

/// One of those who do a bit of everything.
struct Mixed<'a> {
    base: &'a str,
    agent: ureq::Agent,
    who: usize,
    done: &'a AtomicUsize,
}

impl Mixed<'_> {
    /// An answer with one of these statuses.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value, statuses: &[u16]) -> Value {
        let answered = ask(&self.agent, method, &format!("{}{path}", self.base), body);
        let (status, told) = answered.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert!(statuses.contains(&status), "{method} {path}: {status} {told}");
        self.done.fetch_add(1, Ordering::Relaxed);
        told
    }

    fn round(&self, nth: usize) {
        let id = |what: &str| format!("{what}-{}-{nth}", self.who);
        let (short, waits, fails) = (id("short"), id("waits"), id("fails"));
        let ended = self.ask("POST", "/workflows/short/runs?wait=30s", &start_body(&short, nth), &[201]);
        assert_eq!(ended["output"]["got"]["nth"], nth, "{ended}");
        self.ask("POST", "/workflows/waits/runs", &start_body(&waits, nth), &[201]);
        let failed = self.ask("POST", "/workflows/fails/runs?wait=30s", &start_body(&fails, nth), &[201]);
        assert_eq!(failed["status"], "failed", "{failed}");
        self.ask("GET", "/runs?limit=20", &Value::Null, &[200]);
        self.ask("GET", "/runs?status=failed&q=fails", &Value::Null, &[200]);
        self.ask("GET", &format!("/runs/{short}/history"), &Value::Null, &[200]);
        self.ask("GET", "/stats", &Value::Null, &[200]);
        self.ask("GET", "/runs/nobody", &Value::Null, &[404]);
        if nth.is_multiple_of(2) {
            self.ask("POST", &format!("/runs/{waits}/cancel"), &json!({}), &[200]);
        } else {
            self.ask(
                "POST",
                &format!("/runs/{waits}/signal"),
                &json!({ "name": "go", "data": nth }),
                &[200, 204],
            );
        }
        let ended = self.ask("GET", &format!("/runs/{waits}?wait=30s"), &Value::Null, &[200]);
        let wanted = if nth.is_multiple_of(2) { "cancelled" } else { "completed" };
        assert_eq!(ended["status"], wanted, "{ended}");
        let url = format!("{}/runs/{waits}/stream?from=0", self.base);
        let mut follower = Follower { url, agent: self.agent.clone(), next: 0, breaks: 0 };
        assert_eq!(follower.follow(Instant::now() + PATIENCE), wanted);
        if nth.is_multiple_of(3) {
            self.ask("DELETE", &format!("/runs/{short}"), &Value::Null, &[200, 204]);
        }
    }
}

/// How much more memory the process may have at the end than after the first fifth.
const GROWTH_BYTES_MAX: u64 = 24 << 20;

/// Files and threads that the process may keep open for what comes next.
const FILES_KEPT_MAX: usize = 8;
const THREADS_KEPT_MAX: usize = 8;

#[test]
#[ignore = "slow: mixed load for a minute, or JACKFIELD_SOAK_SECONDS"]
fn mixed_load_leaves_nothing_behind() {
    let seconds =
        std::env::var("JACKFIELD_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let service = Service::with("[engine]\nfinished_runs_max = 200\n");
    let waits = json!({ "id": "waits", "version": "1.0.0", "output": null, "steps": [
        { "id": "w", "type": "wait_for_event", "event": "go" } ]});
    let fails = json!({ "id": "fails", "version": "1.0.0", "steps": [
        { "id": "f", "plugin": "echo", "method": "fail_times", "parameters": { "n": 5 } } ]});
    for document in [short(), waits, fails] {
        service.bench.write("w.json", document.to_string());
        service.bench.cli(&["workflow", "register", "w.json"]).exits(0).stdout.clear();
    }
    let (base, done, is_over) =
        (format!("{}/api/v1", service.url), AtomicUsize::new(0), AtomicBool::new(false));
    let pid = service.child().id();
    let before = Held::of(pid);
    let mut samples = Vec::new();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|who| {
                let mixed = Mixed { base: &base, agent: agent(), who, done: &done };
                let is_over = &is_over;
                scope.spawn(move || {
                    (0..).take_while(|_| !is_over.load(Ordering::Relaxed)).for_each(|nth| mixed.round(nth));
                })
            })
            .collect();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(seconds) && !clients.iter().any(|it| it.is_finished()) {
            std::thread::sleep(Duration::from_millis(250));
            samples.push(Held::of(pid));
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|it| it.join().expect("everything is answered as it ought to be"));
    });
    let fifth = samples.len() / 5;
    let median = |part: &[Held]| {
        let mut all: Vec<u64> = part.iter().map(|it| it.memory).collect();
        all.sort_unstable();
        all[all.len() / 2]
    };
    let (early, late) = (median(&samples[fifth..2 * fifth]), median(&samples[samples.len() - fifth..]));
    println!(
        "{} requests in {seconds} s; memory {} MiB before, {} MiB in the second fifth, {} MiB in the last; {:?} at most",
        done.load(Ordering::Relaxed),
        before.memory >> 20,
        early >> 20,
        late >> 20,
        samples.iter().map(|it| (it.files, it.threads)).max(),
    );
    assert!(late < early + GROWTH_BYTES_MAX, "memory grows from {early} to {late} bytes");
    // connections are closed when their clients are gone; readers of the journal and threads that answer stay for a while
    let patience = Instant::now() + PATIENCE;
    loop {
        let held = Held::of(pid);
        if held.files <= before.files + FILES_KEPT_MAX && held.threads <= before.threads + THREADS_KEPT_MAX {
            break;
        }
        assert!(Instant::now() < patience, "{held:?} is left of {before:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    service.is_well("");
}
