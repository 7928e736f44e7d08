//! Installed plugins: added, removed, updated, and found at every start.
#![cfg(target_os = "linux")]

use jackfield::{Downgrade, Host, PluginVersion, RunStatus, json};
use jackfield_tests::{Bench, CliOutput, Counter};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A library outside of the plugin directory.
fn built(bench: &Bench, plugin: Counter<'_>) -> PathBuf {
    let name = format!("{}-{}-{}.so", plugin.name, plugin.version, plugin.method);
    let to = bench.dir().join(name);
    plugin.compile(&to);
    to
}

fn counter(version: &str) -> Counter<'_> {
    Counter::new("counter", version)
}

fn plugin(bench: &Bench, words: &[&str]) -> CliOutput {
    bench.cli(&[&["plugin"], words].concat())
}

fn add(bench: &Bench, file: &Path) -> CliOutput {
    plugin(bench, &["add", file.to_str().expect("it is as the test has made it")])
}

/// What can be called, as `name version`.
fn listed(bench: &Bench) -> Vec<String> {
    let list = plugin(bench, &["list", "--json"]).exits(0).json();
    let text = |value: &jackfield::Value| value.as_str().expect("it is as the test has made it").to_owned();
    let plugins = list["plugins"].as_array().expect("it is as the test has made it");
    plugins.iter().map(|it| format!("{} {}", text(&it["name"]), text(&it["version"]))).collect()
}

/// One line on stderr that says all of this.
#[track_caller]
fn says(output: CliOutput, parts: &[&str]) {
    let output = output.exits(2);
    assert_eq!(output.stderr.lines().count(), 1, "{output:#?}");
    for part in parts {
        assert!(output.stderr.contains(part), "{part} in {output:#?}");
    }
}

#[test]
fn an_added_plugin_is_there_at_every_start_without_its_file_and_goes_when_it_is_removed() {
    let bench = Bench::new(&[]);
    let (one, two) = (built(&bench, counter("1.0.0")), built(&bench, counter("2.0.0")));
    assert_eq!(add(&bench, &one).exits(0).stdout, "added counter 1.0.0\n");
    let added = plugin(&bench, &["add", two.to_str().unwrap(), "--json"]).exits(0).json();
    assert_eq!(added, json!({ "added": [{ "name": "counter", "version": "2.0.0" }] }));
    fs::remove_file(&one).unwrap();
    fs::remove_file(&two).unwrap();
    assert_eq!(listed(&bench), ["counter 2.0.0", "counter 1.0.0"]);
    assert_eq!(plugin(&bench, &["call", "counter.next"]).exits(0).json(), "2.0.0:1");

    says(plugin(&bench, &["remove", "counter"]), &["`counter 1.0.0`, `counter 2.0.0`", "counter@2.0.0"]);
    says(plugin(&bench, &["remove", "counter@3.0.0"]), &["plugin.not_installed", "`counter 1.0.0`"]);
    says(plugin(&bench, &["remove", "conuter"]), &["plugin.not_installed", "`conuter`"]);
    assert_eq!(stored(&bench), 2);
    assert_eq!(plugin(&bench, &["remove", "counter@2.0.0"]).exits(0).stdout, "removed counter 2.0.0\n");
    assert_eq!(stored(&bench), 1, "nothing else has its file");
    assert_eq!(listed(&bench), ["counter 1.0.0"]);
    let removed = plugin(&bench, &["remove", "counter", "--json"]).exits(0).json();
    assert_eq!(removed, json!({ "removed": { "name": "counter", "version": "1.0.0" } }));
    assert!(listed(&bench).is_empty());
    assert_eq!(stored(&bench), 0);
    // a file of the same contents in a plugin directory needs it
    let again = built(&bench, counter("1.0.0"));
    let _ = add(&bench, &again).exits(0);
    let found = bench.put_file(&again, "found");
    let _ = plugin(&bench, &["remove", "counter"]).exits(0);
    assert_eq!((listed(&bench), stored(&bench)), (vec!["counter 1.0.0".to_owned()], 1));
    fs::remove_file(found).unwrap();
}

/// Files in the store.
fn stored(bench: &Bench) -> usize {
    fs::read_dir(bench.data_dir().join("plugins/store")).expect("the store is there").count()
}

#[test]
fn a_directory_is_added_as_a_whole_or_not_at_all() {
    let bench = Bench::new(&[]);
    let dir = bench.dir().join("vendor");
    fs::create_dir(&dir).unwrap();
    says(add(&bench, &dir), &["no plugin file", ".so"]);
    let needs = r#"[{"name":"counter","version":"^2"}]"#;
    Counter { requires: needs, ..Counter::new("needy", "1.0.0") }.compile(&dir.join("a-needy.so"));
    says(add(&bench, &dir), &["requires `counter ^2`", "is not there", "Put a version"]);
    counter("2.0.0").compile(&dir.join("b-counter.so"));
    fs::write(dir.join("c-text.so"), "text").unwrap();
    says(add(&bench, &dir), &["plugin.not_a_plugin", "c-text.so"]);
    assert!(listed(&bench).is_empty());
    fs::remove_file(dir.join("c-text.so")).unwrap();
    assert_eq!(add(&bench, &dir).exits(0).stdout, "added needy 1.0.0\nadded counter 2.0.0\n");
    assert_eq!(add(&bench, &dir).exits(0).stdout, "");
    assert_eq!(listed(&bench), ["counter 2.0.0", "needy 1.0.0"]);

    says(
        plugin(&bench, &["remove", "counter"]),
        &["plugin.required", "`needy 1.0.0`", "`counter ^2`", "Remove"],
    );
    let other = built(&bench, counter("2.1.0"));
    let _ = add(&bench, &other).exits(0);
    let _ = plugin(&bench, &["remove", "counter@2.0.0"]).exits(0);
    let _ = plugin(&bench, &["remove", "needy"]).exits(0);
    let _ = plugin(&bench, &["remove", "counter"]).exits(0);
}

#[test]
fn another_file_of_an_installed_version_is_refused_and_a_damaged_one_is_named() {
    let bench = Bench::new(&[]);
    let one = built(&bench, counter("1.0.0"));
    let _ = add(&bench, &one).exits(0);
    let other = built(&bench, Counter { method: "other", ..counter("1.0.0") });
    says(add(&bench, &other), &["plugin.conflict", "counter-1.0.0-other.so", "raise the version"]);
    let stored = fs::read_dir(bench.data_dir().join("plugins/store")).unwrap();
    for file in stored.map(|item| item.unwrap().path()) {
        let mut bytes = fs::read(&file).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::remove_file(&file).unwrap();
        fs::write(&file, bytes).unwrap();
    }
    let list = plugin(&bench, &["list"]).exits(0);
    assert!(
        list.stderr.contains("plugin.damaged") && list.stderr.contains("Add its file again"),
        "{list:#?}"
    );
    assert_eq!(list.stdout, "");
    let _ = add(&bench, &one).exits(0);
    assert_eq!(listed(&bench), ["counter 1.0.0"]);

    let index = bench.data_dir().join("plugins/installed.json");
    fs::write(&index, "{").unwrap();
    says(add(&bench, &one), &["plugin.index_unusable", "installed.json"]);
    let list = plugin(&bench, &["list"]).exits(0);
    assert!(list.stderr.contains("plugin.index_unusable") && list.stderr.contains("delete it"), "{list:#?}");
}

#[test]
fn an_update_says_what_changes_and_does_not_go_back_by_accident() {
    let bench = Bench::new(&[]);
    let old = built(&bench, counter("1.0.0"));
    says(plugin(&bench, &["update", old.to_str().unwrap()]), &["not_installed", "plugin add FILE"]);
    let _ = add(&bench, &old).exits(0);
    let update =
        |file: &PathBuf, more: &[&str]| plugin(&bench, &[&["update", file.to_str().unwrap()], more].concat());
    assert!(update(&old, &[]).exits(0).stdout.contains("nothing has changed"));

    let minor = built(&bench, counter("1.1.0"));
    let said = update(&minor, &[]).exits(0);
    assert!(said.stdout.contains("added counter 1.1.0 beside 1.0.0: a compatible update"), "{said:#?}");
    let broken = built(&bench, Counter { method: "following", ..counter("1.2.0") });
    let said = update(&broken, &[]).exits(0);
    assert!(
        said.stdout.contains("+ counter.following") && said.stdout.contains("- counter.next"),
        "{said:#?}"
    );
    assert!(said.stderr.contains("calls itself compatible") && said.stderr.contains("`next`"), "{said:#?}");
    let major = built(&bench, Counter { method: "following", ..counter("2.0.0") });
    let said = update(&major, &["--json"]).exits(0).json();
    let expected = json!({ "plugin": { "name": "counter", "version": "2.0.0" }, "from": "1.2.0",
        "direction": "breaking", "methods_added": [], "methods_removed": [], "warning": null });
    assert_eq!(said, expected);

    let back = built(&bench, counter("1.0.5"));
    says(update(&back, &[]), &["plugin.downgrade", "older than `counter 2.0.0`", "--allow-downgrade"]);
    assert_eq!(listed(&bench).len(), 4);
    let said = update(&back, &["--allow-downgrade"]).exits(0);
    assert!(said.stdout.contains("a downgrade") && said.stdout.contains("- counter.following"), "{said:#?}");
    assert_eq!(listed(&bench).len(), 5);
}

#[test]
fn hosts_that_install_at_once_lose_nothing() {
    let bench = Bench::new(&[]);
    let files: Vec<PathBuf> = (0..6).map(|nth| built(&bench, counter(&format!("1.{nth}.0")))).collect();
    std::thread::scope(|scope| {
        for file in &files {
            let data_dir = bench.data_dir();
            scope.spawn(move || {
                let host = Host::builder().data_dir(data_dir).threads(1).build().unwrap();
                host.add_plugin(file).unwrap();
                host.shutdown();
            });
        }
    });
    assert_eq!(listed(&bench).len(), files.len());
}

#[test]
fn plugins_that_require_each_other_are_refused_with_the_way_round_and_optional_ones_hold_nothing_back() {
    let bench = Bench::new(&[]);
    let put = |name: &str, requires: &str| {
        Counter { requires, ..Counter::new(name, "1.0.0") }.compile(&bench.plugin_file(name));
    };
    put("a", r#"[{"name":"b","version":"*"}]"#);
    put("b", r#"[{"name":"c","version":"^1"}]"#);
    put("c", r#"[{"name":"a","version":"^1"}]"#);
    put("d", r#"[{"name":"a","version":"*"}]"#);
    put("e", r#"[{"name":"e","version":"*"}]"#);
    put("f", r#"[{"name":"g","version":"*","optional":true},{"name":"h","version":"^2","optional":true}]"#);
    put("g", r#"[{"name":"f","version":"*"}]"#);
    put("h", "[]");
    let list = plugin(&bench, &["list", "--json"]).exits(0).json();
    let problem = |name: &str| {
        let problems = list["problems"].as_array().unwrap();
        problems.iter().find(|it| it["plugin"] == name).unwrap_or_else(|| panic!("{name} in {list:#}"))
    };
    let way = "plugin `a 1.0.0` requires itself: `a 1.0.0` -> `b 1.0.0` -> `c 1.0.0` -> `a 1.0.0`";
    assert_eq!(problem("a")["message"], way);
    for name in ["a", "b", "c", "e"] {
        assert_eq!(problem(name)["code"], "plugin.cyclic_dependency");
        assert!(problem(name)["remedy"].as_str().unwrap().contains("optional"), "{list:#}");
    }
    assert!(problem("e")["message"].as_str().unwrap().ends_with("`e 1.0.0` -> `e 1.0.0`"));
    assert_eq!(problem("d")["code"], "plugin.missing_dependency");
    assert_eq!(listed(&bench), ["f 1.0.0", "g 1.0.0", "h 1.0.0"]);
    let call = plugin(&bench, &["call", "a.next"]).exits(2);
    assert!(call.stderr.contains("cannot be used: it requires itself"), "{call:#?}");
}

#[test]
fn a_plugin_is_not_removed_while_a_run_needs_it_and_drains_when_its_file_is_gone() {
    let bench = Bench::new(&["echo"]);
    let host = bench.host();
    let file = built(&bench, counter("1.0.0"));
    host.add_plugin(&file).unwrap();
    assert_eq!(host.installed_plugins().unwrap().len(), 1);
    let waiting = json!({ "id": "w", "steps": [
        { "id": "wait", "plugin": "echo", "method": "sleep", "parameters": { "ms": 600_000 }, "timeout": "1h" },
        { "id": "s", "plugin": "counter", "method": "next" } ] });
    let run = bench.start(&waiting, json!({}));
    let refused = host.remove_plugin("counter", None).unwrap_err().to_string();
    assert!(refused.contains("`counter 1.0.0` is needed by runs"), "{refused}");
    assert!(host.draining_plugins().is_empty());

    let newer = built(&bench, counter("1.1.0"));
    let update = host.update_plugin(&newer, Downgrade::Refused).unwrap();
    assert_eq!(
        (update.from.to_string(), update.plugin.to_string()),
        ("1.0.0".into(), "counter 1.1.0".into())
    );
    let fresh = json!({ "id": "n", "steps": [{ "id": "s", "plugin": "counter", "method": "next" }] });
    assert_eq!(bench.run(&fresh, json!({})).completed().step_output("s"), "1.1.0:1");

    // another process takes it off the list: this host sees that when it looks again
    let before = stored(&bench);
    let _ = plugin(&bench, &["remove", "counter@1.0.0"]).exits(0);
    assert_eq!(stored(&bench), before, "a run of this process has its file");
    let changes = host.rescan();
    let names = |list: &[PluginVersion]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (names(&changes.removed), names(&changes.draining)),
        (vec!["counter 1.0.0".into()], vec!["counter 1.0.0".into()])
    );
    assert_eq!(names(&host.draining_plugins()), ["counter 1.0.0"]);
    let pinned = json!({ "id": "p", "steps": [
        { "id": "s", "plugin": "counter", "method": "next", "plugin_version": "=1.0.0" }] });
    assert!(!bench.faults(&pinned).0.is_empty());

    run.run.cancel(jackfield::CancelMode::Kill, "enough");
    assert_eq!(run.finish().status(), RunStatus::Cancelled);
    let begin = Instant::now();
    while !host.draining_plugins().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it drains for ever");
        std::thread::yield_now();
    }
    host.remove_plugin("counter", None).unwrap();
    assert!(host.installed_plugins().unwrap().is_empty());
}
