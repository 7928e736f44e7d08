//! Everything that reads bytes from strangers, as functions of bytes. None may panic, whatever the bytes are; what can be read must
//! survive being written and read again.
//!
//! `cargo +nightly fuzz run frames --fuzz-dir tests/fuzz` looks for bytes that break one. The ordinary tests of the loader include
//! this file and run the corpus, and thousands of variations of it, on every compiler.

use jackfield_loader::{Lock, inspect_file};
use jackfield_plugin_api::manifest::{Manifest, is_method_name, is_plugin_name};
use jackfield_plugin_api::worker::{
    Body, CallBody, FailureBody, HEAD_BYTES, Head, Hello, Kind, LineBody, LogBody, ProgressBody, Ready,
    Refusal, RequestBody,
};
use std::collections::BTreeSet;
use std::path::Path;

/// The manifest of a plugin, as it stands in a section or comes from `describe`.
pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes) {
        let methods: BTreeSet<&str> = manifest.methods.iter().map(|method| &*method.name).collect();
        assert!(is_plugin_name(&manifest.name) && methods.iter().all(|name| is_method_name(name)));
        assert_eq!(methods.len(), manifest.methods.len(), "a method stands in it twice");
        let written = serde_json::to_vec(&manifest).expect("a manifest has a JSON form");
        let again = Manifest::parse(&written).expect("what was written can be read");
        assert_eq!(written, serde_json::to_vec(&again).expect("a manifest has a JSON form"));
    }
}

/// A plugin file as a whole: headers, sections, the manifest in one of them.
pub fn section(bytes: &[u8]) {
    let inspected = inspect_file(Path::new("p"), bytes);
    if let Err(error) = inspected {
        assert!(!error.to_string().is_empty() && error.code().starts_with("plugin."));
    }
}

/// What a host and a worker send each other: heads, and the body of each kind.
pub fn frames(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((head, behind)) = rest.split_first_chunk::<HEAD_BYTES>() {
        let bytes_max = u32::try_from(behind.len()).unwrap_or(u32::MAX);
        let Ok(head) = Head::decode(head, |_| bytes_max) else { return };
        let again = Head::decode(&head.encode(), |_| bytes_max);
        assert_eq!(again.as_ref(), Ok(&head));
        let (body, behind) = behind.split_at(head.body_bytes as usize);
        read_body(head.kind, body);
        rest = behind;
    }
}

fn read_body(kind: Kind, bytes: &[u8]) {
    match kind {
        Kind::Hello => drop(Hello::decode(bytes).map(|hello| Hello::decode(&hello.encode()).expect("again"))),
        Kind::Ready => drop(Ready::decode(bytes).map(|ready| Ready::decode(&ready.encode()).expect("again"))),
        Kind::Refused => drop(Refusal::decode(bytes).map(|it| Refusal::decode(&it.encode()).expect("again"))),
        Kind::Call => {
            if let Ok(call) = CallBody::decode(bytes) {
                assert_eq!(format!("{}/{}", call.run_id(), call.step()), call.idempotency_key);
                assert_eq!(encoded(&call), bytes);
            }
        }
        Kind::Failed => same(FailureBody::decode(bytes), bytes),
        Kind::Log => same(LogBody::decode(bytes), bytes),
        Kind::Progress => same(ProgressBody::decode(bytes), bytes),
        Kind::Output => same(LineBody::decode(bytes), bytes),
        Kind::CallMethod => same(RequestBody::decode(bytes), bytes),
        Kind::AnswerFailed => same(FailureBody::decode(bytes), bytes),
        _ => {}
    }
}

/// There is one way to write each body.
fn same<'a, T: Body<'a>, E>(read: Result<T, E>, bytes: &[u8]) {
    if let Ok(body) = read {
        assert_eq!(encoded(&body), bytes);
    }
}

fn encoded<'a>(body: &impl Body<'a>) -> Vec<u8> {
    let mut bytes = Vec::new();
    body.encode(&mut bytes);
    bytes
}

/// A lock file.
pub fn lock(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Lock::parse(&text) {
        Ok(lock) => {
            let plugins: BTreeSet<_> = lock.plugins().iter().map(|it| (&it.name, &it.version)).collect();
            assert!(plugins.iter().all(|(name, _)| is_plugin_name(name)));
            assert_eq!(plugins.len(), lock.plugins().len(), "a plugin stands in it twice");
        }
        Err(reason) => assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}"),
    }
}
