//! `jackfield doctor`: what is broken on purpose is found, and nothing else.

use crate::server::Service;
use jackfield::{Value, json};
use jackfield_tests::{Bench, CliOutput};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

const CALM: &str = "[isolation]\ndefault = \"in_process\"\nsandbox = \"best_effort\"\n";

fn bench() -> Bench {
    let bench = Bench::new(&["echo"]);
    bench.write("jackfield.toml", CALM);
    bench
}

/// What the command finds, and that the exit code is as it says.
#[track_caller]
fn doctor(bench: &Bench, more: &[&str]) -> Vec<Value> {
    let output = bench.cli(&[&["doctor", "--json"], more].concat());
    let said = output.json();
    let has_problems =
        said["checks"].as_array().expect("it is there").iter().any(|it| it["level"] == "problem");
    assert_eq!((output.code, &said["ok"]), (i32::from(has_problems), &json!(!has_problems)), "{output:#?}");
    said["checks"].as_array().expect("it is there").clone()
}

/// The problems, without what the machine of the test cannot do.
#[track_caller]
fn problems(bench: &Bench, more: &[&str]) -> Vec<String> {
    let is_ours =
        |it: &Value| it["level"] == "problem" && it["area"] != "isolation" && it["area"] != "limits";
    let all = doctor(bench, more);
    let ours = all.iter().filter(|it| is_ours(it));
    ours.map(|it| {
        format!(
            "{}: {} | {}",
            it["area"].as_str().expect("it is there"),
            it["message"].as_str().expect("it is there"),
            it["remedy"].as_str().unwrap_or("")
        )
    })
    .collect()
}

/// One problem is found, and it is this one.
#[track_caller]
fn finds(bench: &Bench, more: &[&str], words: &[&str]) {
    let found = problems(bench, more);
    assert_eq!(found.len(), 1, "{found:#?}");
    for word in words {
        assert!(found[0].contains(word), "{word} is not in {found:#?}");
    }
}

#[test]
fn a_sound_place_has_no_problems_and_every_area_is_looked_at() {
    let bench = bench();
    assert_eq!(problems(&bench, &[]), [""; 0]);
    bench.write(
        "w.json",
        json!({ "id": "w", "steps": [{ "id": "a", "type": "log", "message": "hi" }] }).to_string(),
    );
    let ran = bench.cli(&["run", "w.json", "--durable", "--json"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let all = doctor(&bench, &[]);
    for area in ["config", "clock", "limits", "isolation", "data", "journal", "plugins", "tools"] {
        assert!(all.iter().any(|it| it["area"] == area), "nothing of {area} in {all:#?}");
    }
    let says = |words: &str| all.iter().any(|it| it["message"].as_str().unwrap().contains(words));
    assert!(says("1 runs") && says("no process owns it") && says("echo 0."), "{all:#?}");
    let shown: CliOutput = bench.cli(&["doctor"]);
    assert!(shown.stdout.contains("ok       config"), "{shown:#?}");
}

#[test]
fn a_configuration_that_cannot_be_read_is_said_and_the_rest_is_looked_at_all_the_same() {
    let bench = bench();
    bench.write("jackfield.toml", "[engine]\nthraeds = 1\n");
    let found = problems(&bench, &[]);
    assert!(found.iter().any(|it| it.starts_with("config: ") && it.contains("thraeds")), "{found:#?}");
    assert!(doctor(&bench, &[]).iter().any(|it| it["area"] == "data"));
    bench.write("jackfield.toml", format!("{CALM}[secrets]\nkey = {{ file = \"nowhere\" }}\n"));
    finds(&bench, &[], &["config: secret `key`", "nowhere"]);
    bench.write("jackfield.toml", format!("plugin_paths = [\"lost\"]\n{CALM}"));
    finds(&bench, &[], &["config: plugins are looked for in", "lost"]);
    bench.write("jackfield.toml", format!("{CALM}[telemetry]\nendpoint = \"mill\"\n"));
    finds(&bench, &[], &["plugins: ", "`endpoint` of [telemetry] is `mill`"]);
}

#[test]
fn what_is_wrong_with_the_directory_for_data_is_said() {
    let bench = bench();
    fs::create_dir_all(bench.data_dir()).unwrap();
    fs::set_permissions(bench.data_dir(), fs::Permissions::from_mode(0o777)).unwrap();
    finds(&bench, &[], &["data: others than its owner may write", "chmod go-w"]);
    fs::remove_dir_all(bench.data_dir()).unwrap();
    fs::write(bench.data_dir(), "").unwrap();
    let found = problems(&bench, &[]);
    assert!(
        found.iter().any(|it| it.starts_with("data: ") && it.contains("cannot be written")),
        "{found:#?}"
    );
}

#[test]
fn a_journal_that_is_damaged_or_none_is_said() {
    let bench = bench();
    bench.write(
        "w.json",
        json!({ "id": "w", "steps": [{ "id": "a", "type": "log", "message": "hi" }] }).to_string(),
    );
    for _ in 0..20 {
        assert_eq!(bench.cli(&["run", "w.json", "--durable"]).code, 0);
    }
    // one file with all of it
    let copy = bench.dir().join("copy.db");
    assert_eq!(bench.cli(&["db", "backup", copy.to_str().unwrap()]).code, 0);
    fs::remove_dir_all(bench.data_dir()).unwrap();
    fs::create_dir(bench.data_dir()).unwrap();
    let journal = bench.data_dir().join("journal.db");
    let sound = fs::read(&copy).unwrap();
    let mut damaged = sound.clone();
    let middle = damaged.len() / 2;
    damaged[middle..].fill(0x5a);
    fs::write(&journal, &damaged).unwrap();
    let found = problems(&bench, &[]);
    assert!(found.iter().any(|it| it.starts_with("journal: ") && it.contains("backup")), "{found:#?}");
    fs::write(&journal, "something else altogether, and long enough to be read as the head of a file")
        .unwrap();
    let found = problems(&bench, &[]);
    assert!(found.iter().any(|it| it.starts_with("journal: ")), "{found:#?}");
    fs::write(&journal, &sound).unwrap();
    assert_eq!(problems(&bench, &[]), [""; 0]);
}

#[test]
fn a_plugin_that_cannot_be_used_and_one_that_the_lock_misses_are_said() {
    let bench = bench();
    bench.put_bytes(b"no library", "broken");
    finds(&bench, &[], &["plugins: ", "broken"]);
    fs::remove_file(bench.plugin_file("broken")).unwrap();
    assert_eq!(bench.cli(&["plugin", "lock"]).code, 0);
    assert_eq!(problems(&bench, &[]), [""; 0]);
    fs::rename(bench.plugin_file("echo"), bench.dir().join("away")).unwrap();
    finds(&bench, &[], &["plugins: plugin `echo ", "in the lock and was not found"]);
}

#[test]
fn a_tool_that_a_plugin_needs_is_said_only_if_the_plugin_is_there() {
    let bench = bench();
    let mut command = bench.command(&["doctor", "--json"]);
    let output = command.env("PATH", "").output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tools: Vec<_> =
        said["checks"].as_array().unwrap().iter().filter(|it| it["area"] == "tools").collect();
    assert!(tools.iter().all(|it| it["level"] == "note") && tools.len() == 2, "{tools:#?}");
}

fn certificate(bench: &Bench, until: (i32, u8, u8)) {
    let key = KeyPair::generate().expect("a certificate");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a certificate");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    let cert = params.self_signed(&key).expect("a certificate");
    bench.write("cert.pem", cert.pem());
    bench.write("key.pem", key.serialize_pem());
}

#[test]
fn certificates_and_addresses_are_looked_at() {
    let bench = bench();
    let config = format!("{CALM}[server]\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n");
    bench.write("jackfield.toml", &config);
    certificate(&bench, (2099, 1, 1));
    assert_eq!(problems(&bench, &[]), [""; 0]);
    certificate(&bench, (2021, 1, 1));
    finds(&bench, &[], &["server: the certificate", "has expired"]);
    certificate(&bench, (2099, 1, 1));
    bench.write("key.pem", KeyPair::generate().unwrap().serialize_pem());
    finds(&bench, &[], &["server: the key", "cannot be used with the certificate"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    bench.write("jackfield.toml", format!("{CALM}[server]\nlisten = [\"{address}\"]\n"));
    finds(&bench, &[], &[&format!("names {address}, which cannot be used")]);
}

#[test]
fn a_server_is_asked_how_it_is_and_whether_it_knows_the_token() {
    let service = Service::new();
    let url = service.url.clone();
    let from = bench();
    assert_eq!(problems(&from, &["--server", &url]), [""; 0]);
    // who owns the journal there is told
    let there = doctor(&service.bench, &[]);
    assert!(
        there.iter().any(|it| it["message"].as_str().unwrap().contains("owns it") && it["level"] == "note")
    );
    let token = service.token("reader", "read", &[]);
    finds(&from, &["--server", &url], &["server: ", "does not know the token"]);
    assert_eq!(problems(&from, &["--server", &url, "--token", &token]), [""; 0]);
    drop(service);
    finds(&from, &["--server", &url, "--token", &token], &["server: ", "does not answer"]);
}
