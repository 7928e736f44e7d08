//! Commands on a server: by `--server` they do and print what they do and print by the socket.

use super::{Service, refuses, wait_until};
use jackfield::{Value, json};
use jackfield_tests::{Bench, CliOutput};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// A machine without a journal, and a token for the server.
struct Elsewhere<'a> {
    bench: Bench,
    server: &'a str,
    token: String,
    more: Vec<String>,
}

impl Elsewhere<'_> {
    fn cli(&self, arguments: &[&str]) -> CliOutput {
        let mut line: Vec<&str> = arguments.to_vec();
        line.extend(["--server", self.server, "--token", &self.token]);
        line.extend(self.more.iter().map(String::as_str));
        self.bench.cli(&line)
    }
}

fn approval() -> String {
    let document = json!({ "id": "approval", "version": "1.0.0", "steps": [
        { "id": "ask", "type": "wait_for_event", "event": "approved" },
        { "id": "after", "plugin": "echo", "method": "echo", "parameters": { "by": "${steps.ask.output.by}" } },
    ]});
    document.to_string()
}

/// What differs from run to run.
fn steady(output: &CliOutput) -> (i32, Value) {
    let mut value: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| json!(output.stdout));
    if let Some(run) = value.as_object_mut() {
        run.remove("run_id");
        run.remove("started_at");
        run.remove("duration_ms");
        run.remove("steps");
    }
    (output.code, value)
}

#[test]
fn every_command_on_runs_does_by_a_server_what_it_does_by_the_socket() {
    let service = Service::new();
    let token = service.token("ops", "admin", &[]);
    let far = Elsewhere { bench: Bench::new(&[]), server: &service.url, token, more: Vec::new() };
    let echo = json!({ "id": "e", "steps": [{ "id": "a", "plugin": "echo", "method": "echo", "parameters": { "n": "${input.n}" } }] });
    let wrong = json!({ "id": "x", "steps": [{ "id": "a", "plugin": "echo", "methud": "echo" }] });
    let failing = json!({ "id": "f", "steps": [{ "id": "a", "type": "fail", "error": { "type": "own", "message": "no" } }] });
    for (name, text) in [
        ("approval.json", approval()),
        ("e.json", echo.to_string()),
        ("wrong.json", wrong.to_string()),
        ("failing.json", failing.to_string()),
    ] {
        far.bench.write(name, &text);
        service.bench.write(name, &text);
    }
    for line in [
        &["workflow", "register", "approval.json", "--dry-run"][..],
        &["workflow", "register", "approval.json"],
        &["workflow", "list"],
        &["workflow", "show", "approval"],
        &["run", "e.json", "--set", "n=4"],
        &["run", "e.json", "--set", "n=4", "--json"],
        &["run", "failing.json"],
        &["run", "wrong.json"],
        &["validate", "e.json"],
        &["validate", "wrong.json", "--json"],
        &["runs", "show", "none"],
        &["schedule", "list", "--json"],
    ] {
        let (there, mut near) = (far.cli(line), line.to_vec());
        if line[0] == "run" {
            near.push("--durable");
        }
        let near = service.bench.cli(&near);
        match (line, there.stdout.as_str()) {
            // it is a new one the first time
            (["workflow", "register", "approval.json"], said) => {
                assert_eq!((there.code, said), (0, "registered approval 1.0.0\n"));
            }
            (["workflow", "list"], said) => assert_eq!(said, near.stdout),
            _ => assert_eq!(steady(&there), steady(&near), "{line:?}\n{there:#?}\n{near:#?}"),
        }
    }
    assert!(far.cli(&["run", "wrong.json"]).stderr.contains("wrong.json:1:"));

    far.cli(&["workflow", "start", "approval", "--run-id", "r 1/ä"]).exits(0).stdout.clear();
    let status = || far.cli(&["runs", "show", "r 1/ä", "--json"]).exits(0).json()["status"].clone();
    wait_until(|| status() == "waiting");
    far.cli(&["runs", "pause", "r 1/ä"]).exits(0).stdout.clear();
    assert_eq!(status(), "paused");
    far.cli(&["runs", "resume", "r 1/ä"]).exits(0).stdout.clear();
    far.cli(&["runs", "signal", "r 1/ä", "approved", "--data", "{\"by\": \"ann\"}"]).exits(0).stdout.clear();
    assert_eq!(far.cli(&["runs", "wait", "r 1/ä"]).exits(0).json(), json!({ "by": "ann" }));
    for line in [
        &["runs", "history", "r 1/ä", "--json"][..],
        &["runs", "watch", "r 1/ä"],
        &["runs", "list", "--json"],
    ] {
        assert_eq!(far.cli(line).exits(0).stdout, service.bench.cli(line).exits(0).stdout, "{line:?}");
    }
    far.cli(&["runs", "export", "r 1/ä", "saved.jsonl"]).exits(0).stdout.clear();
    far.cli(&["runs", "import", "saved.jsonl", "--run-id", "copy"]).exits(0).stdout.clear();
    far.cli(&["runs", "fork", "copy", "--at", "after", "--run-id", "forked"]).exits(0).stdout.clear();
    assert_eq!(far.cli(&["runs", "wait", "forked"]).exits(0).json(), json!({ "by": "ann" }));
    far.cli(&["runs", "delete", "copy"]).exits(0).stdout.clear();
    assert_eq!(far.cli(&["runs", "show", "copy"]).code, 2);
    assert!(!far.bench.data_dir().join("journal.db").exists(), "nothing was done here");
}

#[test]
fn what_makes_no_sense_on_a_server_is_refused_and_bad_addresses_are_named() {
    let service = Service::new();
    let token = service.token("reader", "read", &[]);
    let far = Elsewhere { bench: Bench::new(&[]), server: &service.url, token, more: Vec::new() };
    for line in [
        &["db", "check"][..],
        &["serve"],
        &["token", "list"],
        &["plugin", "list"],
        &["bench", "--shape", "chain"],
    ] {
        let refused = far.cli(line).exits(2);
        assert!(refused.stderr.contains("works on this machine only"), "{line:?} {}", refused.stderr);
    }
    far.bench.write("e.json", json!({ "id": "e", "steps": [] }).to_string());
    assert!(far.cli(&["run", "e.json", "--dry-run"]).exits(2).stderr.contains("plugins of this machine"));
    assert!(far.cli(&["runs", "prune", "--older-than", "1d"]).exits(2).stderr.contains("scope `admin`"));
    // what needs no host works as ever
    far.cli(&["schema"]).exits(0).stdout.clear();
    let url = service.url.as_str();
    for (line, wanted) in [
        (&["runs", "list", "--server", url][..], "this server wants a token"),
        (&["runs", "list", "--server", url, "--token", "jf_x"], "the token is unknown or was revoked"),
        (&["runs", "list", "--server", url, "--token", "@none.txt"], "cannot read the token in `none.txt`"),
        (&["runs", "list", "--server", "nowhere"], "is no URL"),
        (&["runs", "list", "--server", "ftp://x"], "is no URL of a server"),
        (&["runs", "list", "--server", "http://a:b@x"], "give a token with --token"),
        (
            &["runs", "list", "--server", "http://127.0.0.1:1"],
            "the server at http://127.0.0.1:1 does not answer",
        ),
        (&["runs", "list", "--server", url, "--ca", "e.json"], "holds no certificate"),
    ] {
        refuses(&far.bench, line, &[wanted]);
    }
    // by the environment, too
    far.bench.write("token.txt", format!("{}\n", far.token));
    let mut command = far.bench.command(&["runs", "list", "--json"]);
    let output = command.env("JACKFIELD_SERVER", url).env("JACKFIELD_TOKEN", "@token.txt").output();
    let output = output.expect("the command starts");
    assert!(output.status.success(), "{output:?}");
    assert!(!far.bench.cli(&["--help"]).stdout.contains(&far.token));
}

/// A certificate for this machine and its key, and what it is trusted by.
fn certificate() -> (String, String, String) {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names are fine");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("a certificate");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let key = KeyPair::generate().expect("a key");
    let own =
        CertificateParams::new(names).expect("names").signed_by(&key, &authority).expect("a certificate");
    (own.pem(), key.serialize_pem(), authority.pem())
}

#[test]
fn a_server_with_a_certificate_is_reached_by_tls_only_and_takes_a_new_one_as_it_runs() {
    let bench = Bench::new(&["echo"]);
    let (cert, key, ca) = certificate();
    let (_, other_key, other_ca) = certificate();
    let config = "[server]\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n";
    bench.write("jackfield.toml", config);
    let here = ["serve", "--listen", "127.0.0.1:0"];
    refuses(&bench, &here, &["cannot read `tls_cert`", "cert.pem"]);
    bench.write("cert.pem", &cert);
    bench.write("key.pem", &other_key);
    refuses(&bench, &here, &["cannot be used with the certificate", "key.pem"]);
    bench.write("key.pem", "nothing");
    refuses(&bench, &here, &["holds no private key in PEM", "key.pem"]);
    bench.write("key.pem", &key);
    bench.write("cert.pem", &key);
    refuses(&bench, &here, &["holds no certificate in PEM", "cert.pem"]);
    bench.write("cert.pem", &cert);
    let token = bench.cli(&["token", "create", "ops", "--scope", "admin"]).exits(0).stdout.trim().to_owned();
    // with both it may be reached from elsewhere
    let service = Service::on(bench, &["serve", "--listen", "0.0.0.0:0"]);
    let url = service.url.replace("0.0.0.0", "127.0.0.1");
    assert!(url.starts_with("https://"), "{url}");
    let far =
        Elsewhere { bench: Bench::new(&[]), server: &url, token, more: vec!["--ca".into(), "ca.pem".into()] };
    far.bench.write("ca.pem", &ca);
    far.cli(&["runs", "list", "--json"]).exits(0).stdout.clear();
    // the cookie of the page is for TLS and this server alone
    let trusted = Certificate::from_pem(ca.as_bytes()).expect("a certificate");
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[trusted])).build();
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).build().into();
    let signed = agent.post(format!("{url}/api/v1/session")).send(json!({ "token": far.token }).to_string());
    let signed = signed.expect("it is taken");
    let cookie = signed.headers().get("set-cookie").and_then(|it| it.to_str().ok()).expect("a cookie");
    assert!(cookie.starts_with("__Host-jackfield_session=") && cookie.ends_with("; Secure"), "{cookie}");
    let refused =
        |far: &Elsewhere<'_>| far.cli(&["runs", "list"]).exits(2).stderr.contains("does not answer");
    far.bench.write("ca.pem", &other_ca);
    assert!(refused(&far), "another authority is not trusted");
    let plain = url.replace("https", "http");
    refuses(&far.bench, &["runs", "list", "--server", &plain], &["does not answer"]);
    refuses(&far.bench, &["runs", "list", "--server", &url, "--token", &far.token], &["does not answer"]);
    // another certificate, without a pause
    let (new_cert, new_key, new_ca) = certificate();
    service.bench.write("key.pem", &new_key);
    service.bench.write("cert.pem", &new_cert);
    far.bench.write("ca.pem", &new_ca);
    wait_until(|| far.cli(&["runs", "list"]).code == 0);
    // a broken one is not taken
    service.bench.write("cert.pem", "broken");
    wait_until(|| {
        far.cli(&["runs", "list"]).exits(0).stdout.clear();
        service.said().contains("the former certificate stays in use")
    });
}
