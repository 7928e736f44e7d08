//! What `export_plugin!` makes of a declaration, seen from the host's side of the table.

use jackfield_plugin_api::manifest::{Manifest, MethodKind};
use jackfield_plugin_api::prelude::*;
use jackfield_plugin_api::testing::TestCall;
use serde_json::{Value, json};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

export_plugin! {
    name: "sample-plugin",
    version: "1.2.3-beta.1",
    description: "says \"quoted\", a \\ and a\ttab, and \u{e4}\u{f6}\u{fc}",
    authors: "Ada <ada@example.org>:Bob",
    net: true,
    fs_read: &["data/**"],
    isolation: Isolation::Worker,
    requires: &[("table", "^1")],
    optional: &[("cache", ">=2, <4")],
    config: Settings,
    methods: [
        double { inline, pure, description: "doubles" },
        twice = double { idempotent, serial, timeout: "90s" },
        settings,
        explode,
        fail,
        talk,
        later { async, timeout: "250ms" },
        leak_context,
        r#loop,
    ],
}

#[derive(Deserialize, Serialize, JsonSchema, Clone)]
struct Settings {
    #[serde(default = "default_depth")]
    depth: u32,
}

fn default_depth() -> u32 {
    3
}

#[derive(Deserialize, JsonSchema)]
struct Number {
    n: i64,
}

fn double(_ctx: &Context, p: Number) -> Result<i64, Error> {
    Ok(p.n * 2)
}

fn settings(ctx: &Context, _: NoParams) -> Result<Settings, Error> {
    ctx.config::<Settings>().cloned().ok_or_else(|| Error::other("no settings"))
}

fn explode(_ctx: &Context, p: Number) -> Result<(), Error> {
    panic!("exploded at {}", p.n)
}

fn fail(_ctx: &Context, _: NoParams) -> Result<(), Error> {
    Err(Error::new("sample.failed", "it failed").permanent().details(&json!({ "at": [1, 2] })))
}

fn talk(ctx: &Context, _: NoParams) -> Result<Value, Error> {
    ctx.log(Level::Debug, "working", &json!({ "rows": 2 }));
    ctx.progress(7.0, "beyond the end");
    ctx.output_line(Stream::Stdout, "out");
    Ok(json!({
        "attempt": ctx.attempt(),
        "key": ctx.idempotency_key(),
        "session": ctx.session(),
        "cancelled": ctx.is_cancelled(),
        "has_deadline": ctx.deadline().is_some_and(|left| left > Duration::from_secs(1)),
        "has_timeout": ctx.timeout() >= ctx.deadline() && ctx.timeout() <= Some(Duration::from_secs(60)),
    }))
}

async fn later(ctx: Context, p: Number) -> Result<String, Error> {
    ctx.info("later");
    Ok(format!("{} {}", ctx.step(), p.n))
}

static LEAK: LazyLock<(Sender<Context>, Mutex<Receiver<Context>>)> = LazyLock::new(|| {
    let (tx, rx) = channel();
    (tx, Mutex::new(rx))
});

async fn leak_context(ctx: Context, _: NoParams) -> Result<(), Error> {
    LEAK.0.send(ctx).or_fail("sample.closed")
}

fn r#loop(_ctx: &Context, _: NoParams) -> Result<(), Error> {
    Ok(())
}

fn call(method: &str, params: Value) -> Result<Value, Error> {
    TestCall::new().call(exported_plugin(), method, &params)
}

#[test]
fn the_static_manifest_says_what_was_declared() {
    let manifest = Manifest::parse(exported_plugin().manifest()).unwrap();
    assert_eq!(manifest.name, "sample-plugin");
    assert_eq!(manifest.version.to_string(), "1.2.3-beta.1");
    assert_eq!(manifest.description, "says \"quoted\", a \\ and a\ttab, and äöü");
    assert_eq!(manifest.authors, ["Ada <ada@example.org>", "Bob"]);
    assert_eq!(manifest.license, env!("CARGO_PKG_LICENSE"));
    assert_eq!(manifest.isolation, Some(Isolation::Worker));
    assert!(manifest.capabilities.net && !manifest.capabilities.exec);
    assert_eq!(manifest.capabilities.fs_read, ["data/**"]);
    let requires: Vec<_> =
        manifest.requires.iter().map(|r| (r.name.as_str(), r.version.to_string(), r.optional)).collect();
    assert_eq!(requires, [("table", "^1".to_owned(), false), ("cache", ">=2, <4".to_owned(), true)]);
    assert!(manifest.config.is_none() && manifest.methods.iter().all(|method| method.params.is_none()));
}

#[test]
fn the_flags_of_methods_are_kept_and_kinds_follow_from_the_functions() {
    let methods = Manifest::parse(exported_plugin().manifest()).unwrap().methods;
    let find = |name: &str| methods.iter().find(|method| method.name == name).unwrap();
    let double = find("double");
    assert_eq!((double.kind, double.pure, double.serial), (MethodKind::Inline, true, false));
    assert_eq!(double.description, "doubles");
    let twice = find("twice");
    assert_eq!((twice.kind, twice.idempotent, twice.serial), (MethodKind::Blocking, true, true));
    assert_eq!(twice.timeout_ms, Some(90_000));
    assert_eq!((find("later").kind, find("later").timeout_ms), (MethodKind::Async, Some(250)));
    assert_eq!(find("leak_context").kind, MethodKind::Async);
    assert_eq!(find("loop").kind, MethodKind::Blocking);
}

#[test]
fn describe_adds_the_schemas_of_the_types() {
    let full = exported_plugin().describe().unwrap();
    let manifest: Value = serde_json::from_slice(full.as_bytes()).unwrap();
    assert!(Manifest::parse(full.as_bytes()).is_ok());
    assert_eq!(manifest["config"]["properties"]["depth"]["type"], "integer");
    assert_eq!(manifest["methods"][0]["params"]["required"], json!(["n"]));
    assert_eq!(manifest["methods"][0]["output"]["type"], "integer");
    // a field with a default may be left out by who writes it, and is always there when it is read
    assert!(manifest["config"].get("required").is_none());
    assert_eq!(manifest["methods"][2]["output"]["required"], json!(["depth"]));
}

#[test]
fn calls_go_by_name_and_results_come_back() {
    assert_eq!(call("double", json!({ "n": 21 })), Ok(json!(42)));
    assert_eq!(call("twice", json!({ "n": -1 })), Ok(json!(-2)));
    assert_eq!(call("loop", json!({})), Ok(json!(null)));
    assert_eq!(call("later", json!({ "n": 5 })), Ok(json!("step 5")));
}

#[test]
fn parameters_that_do_not_fit_name_the_place() {
    for (method, params) in [("double", json!({ "n": "x" })), ("later", json!({ "n": "x" }))] {
        let error = call(method, params).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), ("validation", false));
        assert!(error.message().contains("at `n`"), "{error}");
        assert_eq!(error.details_json(), "{\"path\":\"n\"}");
    }
}

#[test]
fn a_panic_becomes_an_error_with_its_message() {
    let error = call("explode", json!({ "n": 9 })).unwrap_err();
    assert_eq!((error.kind(), error.message()), ("plugin.panic", "exploded at 9"));
}

#[test]
fn an_error_crosses_the_border_whole() {
    let error = call("fail", json!({})).unwrap_err();
    assert_eq!((error.kind(), error.message(), error.is_retryable()), ("sample.failed", "it failed", false));
    assert_eq!(error.details_json(), "{\"at\":[1,2]}");
}

#[test]
fn the_configuration_is_read_and_a_wrong_one_refused() {
    assert_eq!(call("settings", json!({})), Ok(json!({ "depth": 3 })));
    let configured =
        |config: Value| TestCall::new().config(&config).call(exported_plugin(), "settings", &json!({}));
    assert_eq!(configured(json!({ "depth": 8 })), Ok(json!({ "depth": 8 })));
    let error = configured(json!({ "depth": -8 })).unwrap_err();
    assert!(
        error.message().contains("configuration is not valid") && error.message().contains("`depth`"),
        "{error}"
    );
}

#[test]
fn the_context_answers_and_what_is_said_is_heard() {
    let call = TestCall::new().step("r7", "a[1].b").attempt(3).session("s").deadline(Duration::from_secs(60));
    call.cancel();
    let answer = call.call(exported_plugin(), "talk", &json!({})).unwrap();
    let expected = json!({
        "attempt": 3, "key": "r7/a[1].b", "session": "s", "cancelled": true, "has_deadline": true, "has_timeout": true,
    });
    assert_eq!(answer, expected);
    assert_eq!((call.logs()[0].level, call.logs()[0].fields.as_str()), (Level::Debug, "{\"rows\":2}"));
    assert_eq!(call.progress(), [(1.0, "beyond the end".to_owned())]);
    assert_eq!(call.output(), [(Stream::Stdout, "out".to_owned())]);
}

#[test]
fn a_context_that_outlives_its_call_reaches_the_host_no_more() {
    let call = TestCall::new().step("r", "s");
    call.call(exported_plugin(), "leak_context", &json!({})).unwrap();
    let context = LEAK.1.lock().unwrap().recv().unwrap();
    context.info("too late");
    assert!(call.logs().is_empty());
    assert!(context.is_cancelled());
    assert_eq!(context.deadline(), Some(Duration::ZERO));
    assert_eq!(context.idempotency_key(), "r/s");
}

#[test]
fn a_method_that_does_not_exist_is_refused() {
    assert_eq!(call("doubel", json!({})).unwrap_err().kind(), "validation");
}

#[test]
fn the_root_symbol_is_the_one_that_abi_stable_looks_for() {
    assert_eq!(jackfield_plugin_api::abi::ROOT_SYMBOL, abi_stable::library::ROOT_MODULE_LOADER_NAME);
}
