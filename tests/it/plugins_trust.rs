//! Lock, signatures, allow list: what is refused, and that nothing of it runs.
#![cfg(target_os = "linux")]

use jackfield::{Value, json};
use jackfield_tests::{Bench, CliOutput, Counter, worker_program};
use minisign::KeyPair;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// A bench on which every command has a configuration with this `[trust]`.
struct Desk {
    bench: Bench,
}

impl Desk {
    fn new(trust: &str) -> Self {
        let desk = Self { bench: Bench::new(&[]) };
        desk.configure(trust);
        desk
    }

    /// In this process, because a worker's sandbox would keep the mark from being made.
    fn configure(&self, trust: &str) {
        let config = format!("[isolation]\ndefault = 'in_process'\n[trust]\n{trust}\n");
        self.bench.write("jackfield.toml", config);
    }

    /// A plugin in the plugin directory that leaves a mark when it is opened.
    fn put(&self, name: &str, version: &str) -> PathBuf {
        let file = self.bench.plugin_file(&format!("{name}-{version}"));
        Counter::new(name, version).compile_with_mark(&file, &self.mark());
        file
    }

    fn mark(&self) -> PathBuf {
        self.bench.dir().join("it-was-run")
    }

    fn plugin(&self, words: &[&str]) -> CliOutput {
        self.bench.cli(&[&["plugin"], words].concat())
    }

    /// The code of the only problem, after making sure that no command runs anything of the plugin.
    #[track_caller]
    fn refusal(&self, plugin: &str) -> (String, String) {
        let _ = fs::remove_file(self.mark());
        let list = self.plugin(&["list", "--json"]).exits(0).json();
        let problems = list["problems"].as_array().expect("it is as the test has made it");
        assert_eq!(problems.len(), 1, "{list:#}");
        let text = |key: &str| problems[0][key].as_str().unwrap_or_default().to_owned();
        assert!(!text("remedy").is_empty(), "{list:#}");
        let info = self.plugin(&["info", plugin]).exits(2);
        assert!(info.stderr.contains(&text("message")) && info.stderr.contains(&text("remedy")), "{info:#?}");
        let call = self.plugin(&["call", &format!("{plugin}.next")]).exits(2);
        assert!(call.stderr.contains("cannot be used") || call.stderr.contains("no plugin"), "{call:#?}");
        let step = json!({ "id": "s", "plugin": plugin, "method": "next" });
        let file = self.bench.write("flow.json", json!({ "id": "w", "steps": [step] }).to_string());
        let run = self.bench.cli(&["run", file.to_str().expect("it is as the test has made it")]).exits(1);
        assert!(run.stderr.contains(&text("remedy")), "{run:#?}");
        let verify = self.plugin(&["verify"]).exits(1);
        assert!(verify.stdout.contains(&text("code")), "{verify:#?}");
        assert!(!self.mark().exists(), "code of a refused file was run");
        (text("code"), text("message"))
    }

    /// That the plugin can be called, which does run its code.
    #[track_caller]
    fn works(&self, plugin: &str) {
        let _ = fs::remove_file(self.mark());
        let _ = self.plugin(&["call", &format!("{plugin}.next")]).exits(0);
        assert!(self.mark().exists());
        let _ = self.plugin(&["verify"]).exits(0);
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.bench.dir().join("jackfield.lock")).expect("it is as the test has made it")
    }
}

fn sign(file: &Path, key: &KeyPair) {
    let bytes = fs::read(file).expect("it is as the test has made it");
    let comment = format!(
        "file:{}",
        file.file_name()
            .expect("it is as the test has made it")
            .to_str()
            .expect("it is as the test has made it")
    );
    let signature = minisign::sign(Some(&key.pk), &key.sk, Cursor::new(bytes), Some(&comment), None)
        .expect("it is as the test has made it");
    fs::write(signature_of(file), signature.into_string()).expect("it is as the test has made it");
}

fn signature_of(file: &Path) -> PathBuf {
    file.with_extension("so.minisig")
}

fn keypair() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().expect("it is as the test has made it")
}

#[test]
fn what_differs_from_the_lock_is_refused_before_any_of_its_code_runs() {
    let desk = Desk::new("");
    let file = desk.put("counter", "1.0.0");
    let locked = desk.plugin(&["lock"]).exits(0);
    assert!(
        locked.stdout.starts_with("locked counter 1.0.0 for x86_64") || cfg!(not(target_arch = "x86_64"))
    );
    assert!(!desk.mark().exists(), "locking runs nothing");
    // found beside the configuration, without being named
    desk.works("counter");

    let whole = fs::read(&file).unwrap();
    fs::write(&file, [&whole[..], b"x"].concat()).unwrap();
    let (code, message) = desk.refusal("counter");
    assert_eq!(code, "plugin.hash_differs");
    assert!(message.contains("`counter 1.0.0`") && message.contains("jackfield.lock"), "{message}");
    fs::write(&file, &whole).unwrap();
    desk.works("counter");

    let other = desk.put("other", "1.0.0");
    assert_eq!(desk.refusal("other").0, "plugin.not_locked");
    let _ = desk.plugin(&["lock"]).exits(0);
    desk.works("other");
    fs::remove_file(&other).unwrap();
    let verify = desk.plugin(&["verify"]).exits(1);
    assert!(verify.stdout.contains("missing  plugin `other 1.0.0`"), "{verify:#?}");
    let verify = desk.plugin(&["verify", "--json"]).exits(1).json();
    assert_eq!((&verify["ok"], &verify["missing"][0]["name"]), (&json!(false), &json!("other")));
    assert_eq!(verify["plugins"][0]["ok"], json!(true));
}

#[test]
fn a_lock_that_is_named_and_missing_or_damaged_lets_nothing_run() {
    let desk = Desk::new("lock = 'locks/jackfield.lock'");
    desk.put("counter", "1.0.0");
    let (code, message) = desk.refusal("counter");
    assert_eq!(code, "plugin.lock_unusable");
    assert!(message.contains("does not exist"), "{message}");
    fs::create_dir(desk.bench.dir().join("locks")).unwrap();
    let _ = desk.plugin(&["lock"]).exits(0);
    desk.works("counter");
    let lock = desk.bench.dir().join("locks/jackfield.lock");
    let text = fs::read_to_string(&lock).unwrap();
    fs::write(&lock, format!("{text}<<<<<<< mine\n")).unwrap();
    let (code, message) = desk.refusal("counter");
    assert_eq!(code, "plugin.lock_unusable");
    assert!(message.contains("line 9"), "{message}\n{text}");
    let kept = desk.plugin(&["lock"]).exits(2);
    assert!(
        kept.stderr.contains("plugin.lock_unusable"),
        "a lock that cannot be read is not replaced: {kept:#?}"
    );
}

#[test]
fn a_lock_is_enforced_in_the_current_directory_and_whatever_the_cache_says() {
    let bench = Bench::new(&[]);
    let mark = bench.dir().join("it-was-run");
    let file = bench.plugin_file("counter");
    Counter::new("counter", "1.0.0").compile_with_mark(&file, &mark);
    let verify = bench.cli(&["plugin", "verify"]).exits(2);
    assert!(
        verify.stderr.contains("nothing to verify") && verify.stderr.contains("plugin lock"),
        "{verify:#?}"
    );
    // called without a lock: it is in the store and in the cache
    for _ in 0..3 {
        let _ = bench.cli(&["plugin", "call", "counter.next"]).exits(0);
    }
    let _ = bench.cli(&["plugin", "lock"]).exits(0);
    let lock = bench.dir().join("jackfield.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let hash = text.rsplit('"').nth(1).unwrap().to_owned();
    fs::write(&lock, text.replace(&hash, &"0".repeat(64))).unwrap();
    fs::remove_file(&mark).unwrap();
    let call = bench.cli(&["plugin", "call", "counter.next"]).exits(2);
    assert!(call.stderr.contains("differs from the lock"), "{call:#?}");
    assert!(!mark.exists());
}

#[test]
fn locking_on_another_target_adds_to_the_entry_and_workflows_lock_what_they_need() {
    let desk = Desk::new("");
    for (name, requires) in [("a", r#"[{"name":"b","version":"^1"}]"#), ("b", "[]"), ("c", "[]"), ("d", "[]")]
    {
        Counter { requires, ..Counter::new(name, "1.0.0") }.compile(&desk.bench.plugin_file(name));
    }
    let _ = desk.plugin(&["lock"]).exits(0);
    let (here, all) = (jackfield_target(&desk.lock()), desk.lock());
    assert_eq!(all.matches("[[plugin]]").count(), 4);
    // as if it had been written on another machine
    desk.bench.write("jackfield.lock", all.replace(&here, "sparc-sun-solaris"));
    assert!(desk.plugin(&["verify"]).exits(1).stdout.contains(&format!("for {here}")));
    let document = json!({ "id": "w", "requires": { "c": "^1" }, "steps": [
        { "id": "s", "plugin": "a", "method": "next" }] });
    let flow = desk.bench.write("flow.json", document.to_string());
    let _ = desk.plugin(&["lock", flow.to_str().unwrap()]).exits(0);
    let lock: toml::Table = desk.lock().parse().unwrap();
    let targets = |plugin: &toml::Value| plugin["sha256"].as_table().unwrap().len();
    let plugins: Vec<(&str, usize)> = lock["plugin"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plugin| (plugin["name"].as_str().unwrap(), targets(plugin)))
        .collect();
    assert_eq!(plugins, [("a", 2), ("b", 2), ("c", 2), ("d", 1)]);
    let other = desk.bench.dir().join("other.lock");
    let said = desk.plugin(&["lock", "--lockfile", other.to_str().unwrap(), "--json"]).exits(0).json();
    assert_eq!((said["plugins"].as_array().map(Vec::len), other.exists()), (Some(4), true));
}

fn jackfield_target(lock: &str) -> String {
    let (_, rest) = lock.split_once("sha256 = { \"").expect("it is as the test has made it");
    rest.split('"').next().expect("it is as the test has made it").to_owned()
}

#[test]
fn what_no_trusted_key_has_signed_is_refused_before_any_of_its_code_runs() {
    let (ours, theirs) = (keypair(), keypair());
    let desk = Desk::new(&format!("keys = ['{}']\nrequire_signature = true", ours.pk.to_base64()));
    let file = desk.put("counter", "1.0.0");
    assert_eq!(desk.refusal("counter").0, "plugin.not_signed");
    sign(&file, &theirs);
    let (code, message) = desk.refusal("counter");
    assert_eq!(code, "plugin.unknown_key");
    let id = |key: &KeyPair| minisign_id(key);
    assert!(message.contains(&id(&theirs)), "{message}");

    let other = desk.bench.dir().join("other.so");
    Counter::new("counter", "1.1.0").compile(&other);
    sign(&other, &ours);
    fs::copy(signature_of(&other), signature_of(&file)).unwrap();
    let (code, message) = desk.refusal("counter");
    assert_eq!(code, "plugin.signature_invalid");
    assert!(message.contains("file:other.so"), "{message}");
    fs::write(signature_of(&file), "no signature").unwrap();
    let (code, message) = desk.refusal("counter");
    assert_eq!((code.as_str(), message.contains("damaged")), ("plugin.signature_invalid", true));
    fs::write(signature_of(&file), vec![b'x'; 100_000]).unwrap();
    assert_eq!(desk.refusal("counter").0, "plugin.signature_invalid");

    sign(&file, &ours);
    desk.works("counter");
    let locked = desk.plugin(&["lock"]).exits(0);
    assert!(locked.stdout.contains(&format!("signed by {}", id(&ours))), "{locked:#?}");
    assert!(desk.lock().contains(&format!("signer = \"{}\"", id(&ours))));
    desk.works("counter");
    let verify = desk.plugin(&["verify", "--json"]).exits(0).json();
    assert_eq!(verify["plugins"][0]["signer"], Value::from(id(&ours)));

    // both are trusted now, but the lock says who signed it
    let keys = format!("keys = ['{}', '{}']", ours.pk.to_base64(), theirs.pk.to_base64());
    desk.configure(&format!("{keys}\nrequire_signature = true"));
    desk.works("counter");
    sign(&file, &theirs);
    assert_eq!(desk.refusal("counter").0, "plugin.signer_differs");
    fs::remove_file(desk.bench.dir().join("jackfield.lock")).unwrap();
    desk.works("counter");
    let mut bytes = fs::read(&file).unwrap();
    bytes.push(0);
    fs::write(&file, bytes).unwrap();
    assert_eq!(desk.refusal("counter").0, "plugin.signature_invalid");
}

/// As minisign shows it.
fn minisign_id(key: &KeyPair) -> String {
    let comment = key.pk.to_box().expect("it is as the test has made it").into_string();
    comment
        .lines()
        .next()
        .expect("it is as the test has made it")
        .rsplit(' ')
        .next()
        .expect("it is as the test has made it")
        .to_owned()
}

#[test]
fn signatures_that_are_not_required_count_only_if_their_key_is_known() {
    let (ours, theirs) = (keypair(), keypair());
    let desk = Desk::new(&format!("keys = ['{}']", ours.pk.to_base64()));
    let file = desk.put("counter", "1.0.0");
    desk.works("counter");
    sign(&file, &theirs);
    desk.works("counter");
    sign(&file, &ours);
    let mut bytes = fs::read(&file).unwrap();
    bytes.push(0);
    fs::write(&file, bytes).unwrap();
    assert_eq!(desk.refusal("counter").0, "plugin.signature_invalid");

    desk.configure("require_signature = true");
    let refused = desk.plugin(&["list"]).exits(2);
    assert!(refused.stderr.contains("`keys`"), "{refused:#?}");
}

#[test]
fn what_is_not_on_the_allow_list_is_refused_by_name() {
    let desk = Desk::new("allow = ['counter@^1', 'vendor-*@^2']");
    desk.put("counter", "1.0.0");
    desk.works("counter");
    desk.put("vendor-x", "2.5.0");
    desk.works("vendor-x");
    let file = desk.put("counter", "2.0.0");
    let verify = desk.plugin(&["verify"]).exits(1);
    assert!(
        verify.stdout.contains("`counter 2.0.0` is not on the allow list [plugin.not_allowed]"),
        "{verify:#?}"
    );
    assert!(verify.stdout.contains("ok  counter 1.0.0"), "{verify:#?}");
    fs::remove_file(file).unwrap();
    let file = desk.put("vendor-y", "1.0.0");
    assert_eq!(desk.refusal("vendor-y").0, "plugin.not_allowed");
    fs::remove_file(file).unwrap();
    desk.configure("allow = []");
    let list = desk.plugin(&["list", "--json"]).exits(0).json();
    assert_eq!(
        (list["plugins"].as_array().map(Vec::len), list["problems"].as_array().map(Vec::len)),
        (Some(0), Some(2))
    );
}

#[test]
fn what_is_installed_is_judged_at_every_start_and_brings_its_signature_along() {
    let ours = keypair();
    let desk = Desk::new(&format!("keys = ['{}']\nrequire_signature = true", ours.pk.to_base64()));
    let file = desk.bench.dir().join("counter.so");
    Counter::new("counter", "1.0.0").compile_with_mark(&file, &desk.mark());
    let add = ["add", file.to_str().unwrap()];
    let refused = desk.plugin(&add).exits(2);
    assert!(refused.stderr.contains("plugin.not_signed"), "{refused:#?}");
    let store = fs::read_dir(desk.bench.data_dir().join("plugins/store")).unwrap();
    assert_eq!(store.count(), 0, "what is refused is not kept");
    sign(&file, &ours);
    let _ = desk.plugin(&add).exits(0);
    fs::remove_file(&file).unwrap();
    fs::remove_file(signature_of(&file)).unwrap();
    desk.works("counter");
    desk.configure(&format!("keys = ['{}']\nrequire_signature = true", keypair().pk.to_base64()));
    assert_eq!(desk.refusal("counter").0, "plugin.unknown_key");
    desk.configure("allow = ['csv']");
    assert_eq!(desk.refusal("counter").0, "plugin.not_allowed");
}

#[test]
fn a_plugin_can_be_locked_before_it_is_added_and_a_running_host_follows_the_lock() {
    let desk = Desk::new("");
    desk.put("first", "1.0.0");
    let _ = desk.plugin(&["lock"]).exits(0);
    let file = desk.bench.dir().join("counter.so");
    Counter::new("counter", "1.0.0").compile_with_mark(&file, &desk.mark());
    let path = file.to_str().unwrap();
    let refused = desk.plugin(&["add", path]).exits(2);
    assert!(
        refused.stderr.contains("plugin.not_locked") && refused.stderr.contains("--plugin-path"),
        "{refused:#?}"
    );
    let _ = desk.plugin(&["lock", "--plugin-path", path]).exits(0);
    let _ = desk.plugin(&["add", path]).exits(0);
    desk.works("counter");

    let config = desk.bench.dir().join("jackfield.toml");
    let builder = jackfield::Host::builder().config_file(config).threads(1).worker_path(worker_program());
    let host = builder.data_dir(desk.bench.data_dir()).plugin_path(desk.bench.plugin_dir()).build().unwrap();
    let flow = json!({ "id": "w", "steps": [{ "id": "s", "plugin": "first", "method": "next" }] });
    let workflow = host.parse(&flow.to_string()).unwrap();
    let lock = desk.lock();
    desk.bench.write("jackfield.lock", lock.replace("\"first\"", "\"another\""));
    assert_eq!(host.rescan().problems[0].code, "plugin.not_locked");
    let refused = host.start(&workflow, json!({})).err().unwrap();
    let jackfield::Error::Engine(error) = &refused else { panic!("{refused}") };
    let said = format!("{error:?}");
    assert!(said.contains("plugin.unavailable") && said.contains("it is not in the lock"), "{said}");
    desk.bench.write("jackfield.lock", lock);
    assert!(host.rescan().problems.is_empty());
    assert!(host.start(&workflow, json!({})).is_ok());
    host.shutdown();
}
