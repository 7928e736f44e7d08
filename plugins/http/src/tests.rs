//! Requests and downloads against a real server on this machine.

use crate::exported_plugin;
use jackfield_plugin_api::testing::TestCall;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// What the server answers to each path.
fn answer(path: &str, range: Option<&str>, body: &str, stream: &mut TcpStream) -> std::io::Result<()> {
    let mut send = |head: &str, body: &str| {
        write!(stream, "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    };
    match (path, range) {
        ("/json?q=a%26b", _) => send("200 OK\r\ncontent-type: application/json", r#"{"temp": 3.5}"#),
        ("/echo", _) => send("200 OK", body),
        ("/busy", _) => send("503 Service Unavailable\r\nretry-after: 7", "later"),
        ("/away", _) => send("302 Found\r\nlocation: http://127.0.0.1:1/", ""),
        ("/big", _) => send("200 OK", &"x".repeat(5_000)),
        ("/file", Some("bytes=4-")) => send("206 Partial Content\r\ncontent-range: bytes 4-9/10", "456789"),
        ("/file", _) => send("200 OK", "0123456789"),
        ("/short", _) => write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123"),
        ("/slow", _) => {
            std::thread::sleep(Duration::from_secs(3));
            Ok(())
        }
        _ => send("404 Not Found", "nothing here"),
    }
}

/// Starts a server; returns its address.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}

fn serve(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut range, mut length) = (None, 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match &*name.to_lowercase() {
            "range" => range = Some(value.to_owned()),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    answer(&path, range.as_deref(), &String::from_utf8(body).ok()?, &mut stream).ok()
}

fn call(method: &str, parameters: Value) -> Result<Value, jackfield_plugin_api::Error> {
    let call = TestCall::new().config(&json!({ "allow_private": true }));
    call.call(exported_plugin(), method, &parameters)
}

#[test]
fn a_json_answer_is_parsed_and_the_query_encoded() {
    let p = json!({ "url": format!("{}/json", server()), "query": { "q": "a&b" } });
    let answer = call("request", p).unwrap();
    assert_eq!(
        (&answer["status"], &answer["body"]["temp"], &answer["bytes"]),
        (&json!(200), &json!(3.5), &json!(13))
    );
    assert_eq!(answer["headers"]["content-type"], "application/json");
}

#[test]
fn a_json_body_arrives() {
    let p = json!({ "url": format!("{}/echo", server()), "method": "POST", "json": { "a": [1] } });
    assert_eq!(call("request", p).unwrap()["body"], r#"{"a":[1]}"#);
}

#[test]
fn an_unexpected_status_is_an_error_of_that_type_with_retry_hints() {
    let server = server();
    let busy = call("request", json!({ "url": format!("{server}/busy") })).unwrap_err();
    assert_eq!((busy.kind(), busy.is_retryable()), ("http.503", true));
    assert!(busy.details_json().contains(r#""retry_after":"7""#), "{}", busy.details_json());
    let missing = call("request", json!({ "url": format!("{server}/none") })).unwrap_err();
    assert_eq!((missing.kind(), missing.is_retryable()), ("http.404", false));
    let wanted = json!({ "url": format!("{server}/none"), "expect_status": [404] });
    assert_eq!(call("request", wanted).unwrap()["body"], "nothing here");
}

#[test]
fn a_refused_connection_names_the_address_and_may_be_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = call("request", json!({ "url": format!("http://{address}/?key=secret") })).unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), ("http.connect", true));
    assert!(error.message().contains(&address.to_string()), "{}", error.message());
    assert!(!error.message().contains("secret"), "{}", error.message());
}

#[test]
fn private_addresses_are_blocked_unless_the_configuration_allows_them() {
    for url in ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://169.254.169.254/"] {
        let error = TestCall::new().call(exported_plugin(), "request", &json!({ "url": url })).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), ("http.blocked_address", false), "{url}");
        assert!(error.message().contains("allow_private"), "{}", error.message());
    }
}

#[test]
fn redirects_are_followed_unless_none_are_wanted() {
    let server = server();
    let error = call("request", json!({ "url": format!("{server}/away") })).unwrap_err();
    assert_eq!(error.kind(), "http.connect", "it went to port 1");
    let p = json!({ "url": format!("{server}/away"), "redirects_max": 0, "expect_status": [302] });
    assert_eq!(call("request", p).unwrap()["status"], 302);
}

#[test]
fn a_slow_server_ends_in_a_timeout() {
    let p = json!({ "url": format!("{}/slow", server()), "timeout_ms": 50 });
    let error = call("request", p).unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), ("http.timeout", true));
}

#[test]
fn an_answer_beyond_the_limit_is_an_error() {
    let p = json!({ "url": format!("{}/big", server()), "max_bytes": 4_000 });
    assert_eq!(call("request", p).unwrap_err().kind(), "http.too_large");
}

#[test]
fn a_download_is_complete_and_has_the_right_hash() {
    let dir = tempfile::tempdir().unwrap();
    let (path, server) = (dir.path().join("new/file"), server());
    let sha256 = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    let p = json!({ "url": format!("{server}/file"), "path": path, "create_dirs": true, "sha256": sha256 });
    let downloaded = call("download", p).unwrap();
    assert_eq!(
        (&downloaded["bytes"], &downloaded["sha256"], &downloaded["resumed"]),
        (&json!(10), &json!(sha256), &json!(0))
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "0123456789");
    let p = json!({ "url": format!("{server}/echo"), "path": path, "sha256": sha256 });
    assert_eq!(call("download", p).unwrap_err().kind(), "http.hash_differs");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "0123456789", "the file is as it was");
}

#[test]
fn an_interrupted_download_goes_on_where_it_broke_off() {
    let dir = tempfile::tempdir().unwrap();
    let (path, server) = (dir.path().join("file"), server());
    let p = json!({ "url": format!("{server}/short"), "path": path, "resume": true });
    let error = call("download", p).unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), ("http.interrupted", true));
    assert!(!path.exists(), "nothing appears under its name before it is complete");
    let p = json!({ "url": format!("{server}/file"), "path": path, "resume": true });
    let downloaded = call("download", p).unwrap();
    assert_eq!((&downloaded["resumed"], &downloaded["bytes"]), (&json!(4), &json!(10)));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "0123456789");
}
