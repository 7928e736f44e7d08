//! Environments and packages, with the `uv` of the machine.

use super::{cancel, lab, lab_with_index, wait, wait_until};
use jackfield::{Value, json};
use std::path::Path;

fn path_of(environment: &Value) -> &Path {
    Path::new(environment["path"].as_str().expect("a path"))
}

#[test]
fn interpreters_are_listed_and_a_broken_one_with_its_error() {
    let lab = lab!("");
    let found = lab.ok("discover", json!({}));
    let all = found["interpreters"].as_array().expect("a list");
    let working: Vec<_> = all.iter().filter(|it| it["error"].is_null()).collect();
    assert!(!working.is_empty(), "{found}");
    for it in working {
        assert!(it["version"].as_str().is_some_and(|it| it.contains('.')) && it["arch"].is_string(), "{it}");
        assert!(Path::new(it["path"].as_str().expect("a path")).exists());
    }
    // in a process of its own, whose PATH has one that does not work
    let dir = lab.bench.dir().join("broken");
    std::fs::create_dir_all(&dir).expect("it is new");
    let program = dir.join("python3.12");
    std::fs::write(&program, "#!/bin/sh\necho 'I am broken' >&2\nexit 3\n").expect("it is ours");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("it is ours");
    let tools = super::TOOLS.as_ref().expect("the lab has it");
    let config = format!(
        "[isolation]\ndefault = \"in_process\"\n[plugins.python.config]\ndir = {:?}\nuv = {:?}\n",
        lab.bench.dir().join("python"),
        tools.uv
    );
    lab.bench.write("jackfield.toml", config);
    let path = std::env::join_paths(
        [dir.clone()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").expect("it is set"))),
    );
    let mut command = lab.bench.command(&["plugin", "call", "python.discover", "--params", "{}"]);
    let output = command.env("PATH", path.expect("it is a path")).output().expect("the command was built");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let broken = found["interpreters"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|it| it["path"] == program.display().to_string());
    let broken = broken.unwrap_or_else(|| panic!("{found}"));
    assert!(broken["error"].as_str().is_some_and(|it| it.contains("I am broken")), "{broken}");
}

#[test]
fn an_environment_is_made_once_and_the_same_name_for_something_else_is_refused() {
    let lab = lab!("");
    let made = lab.environment("work");
    assert_eq!(
        (&made["created"], &made["name"], &made["packages"]),
        (&json!(true), &json!("work"), &json!([]))
    );
    assert!(path_of(&made).join("pyvenv.cfg").is_file());
    let version = made["version"].as_str().expect("a version");
    let again = lab.ok("env_create", json!({ "name": "work", "python": version }));
    assert_eq!((&again["created"], &again["path"]), (&json!(false), &made["path"]));
    let other = lab.fails("env_create", json!({ "name": "work", "packages": ["six"] }));
    assert_eq!(&*other.kind, "python.environment_exists");
    assert!(other.message.contains("`packages`"), "{}", other.message);
    let other = lab.fails("env_create", json!({ "name": "work", "python": "2.6" }));
    assert!(other.message.contains("2.6"), "{}", other.message);
    let listed = lab.ok("env_list", json!({}));
    assert_eq!(
        (&listed["environments"][0]["name"], &listed["environments"][0]["version"]),
        (&json!("work"), &made["version"])
    );
    let none = lab.fails("env_create", json!({ "name": "older", "python": "3.1.1" }));
    assert_eq!(&*none.kind, "python.no_interpreter");
    assert!(none.message.contains("python_install"), "{}", none.message);
}

#[test]
fn profiles_are_installed_and_an_unknown_one_makes_nothing() {
    let lab = lab_with_index!("profiles = { tiny = ['six==1.16.0'] }");
    let unknown = lab.fails("env_create", json!({ "name": "x", "profile": "tinny" }));
    assert_eq!(&*unknown.kind, "python.unknown_profile");
    for known in ["base", "data-science", "machine-learning", "web", "tiny"] {
        assert!(unknown.message.contains(known), "{}", unknown.message);
    }
    assert_eq!(lab.ok("env_list", json!({}))["environments"], json!([]));
    let made = lab.ok("env_create", json!({ "name": "x", "profile": "tiny", "packages": ["idna==3.7"] }));
    assert_eq!(made["packages"], json!(["idna==3.7", "six==1.16.0"]));
    let done = lab.ok("exec", json!({ "environment": "x", "code": "import six\nsix.__version__" }));
    assert_eq!(done["result"], "1.16.0");
}

#[test]
fn a_package_that_cannot_be_had_leaves_no_environment_unless_it_is_to_stay() {
    let lab = lab_with_index!("");
    let p = json!({ "name": "x", "packages": ["six==1.16.0", "jackfield-no-such-package-zz"] });
    let failed = lab.fails("env_create", p);
    assert_eq!(&*failed.kind, "python.not_found");
    assert!(failed.message.contains("jackfield-no-such-package-zz"), "{}", failed.message);
    assert_eq!(lab.ok("env_list", json!({}))["environments"], json!([]));
    let dir = lab.ok("diagnostics", json!({ "discover": false }))["environment_dir"].clone();
    assert!(!Path::new(dir.as_str().expect("a path")).join("x").exists());
    let p = json!({ "name": "x", "packages": ["jackfield-no-such-package-zz"], "keep_failed": true });
    let failed = lab.fails("env_create", p);
    assert!(failed.message.contains("was kept"), "{}", failed.message);
    assert_eq!(lab.ok("env_list", json!({}))["environments"][0]["name"], "x");
}

#[test]
fn without_a_network_it_fails_within_its_limit_and_offline_takes_the_cache_alone() {
    let lab = lab!("index_url = 'http://127.0.0.1:1/simple'");
    lab.environment("x");
    let p = json!({ "environment": "x", "packages": ["jackfield-not-cached-zz"], "timeout_ms": 20_000 });
    let failed = lab.fails("install", p);
    assert!(
        matches!(&*failed.kind, "python.no_network" | "python.uv_timeout"),
        "{}: {}",
        failed.kind,
        failed.message
    );
    assert!(failed.message.contains("reach"), "{}", failed.message);
    let p = json!({ "environment": "x", "packages": ["jackfield-not-cached-zz"], "offline": true });
    let failed = lab.fails("install", p);
    assert_eq!(&*failed.kind, "python.offline", "{}", failed.message);
    let lab = lab_with_index!("offline = true");
    lab.environment("x");
    let done = lab.ok("install", json!({ "environment": "x", "packages": ["six==1.16.0"] }));
    assert_eq!(done["packages"][0]["version"], "1.16.0", "the test has put it into the cache");
}

#[test]
fn installing_tells_of_each_package_and_quotes_the_resolver() {
    let lab = lab_with_index!("");
    lab.environment("x");
    lab.ok("session_open", json!({ "session": "s", "environment": "x" }));
    let done = lab.ok("install", json!({ "environment": "x", "packages": ["six==1.16.0", "IDNA==3.7"] }));
    let expected = json!([
        { "requested": "six==1.16.0", "name": "six", "version": "1.16.0", "status": "installed" },
        { "requested": "IDNA==3.7", "name": "idna", "version": "3.7", "status": "installed" },
    ]);
    assert_eq!(done["packages"], expected, "{done}");
    assert_eq!(done["restart_sessions"], json!(["s"]));
    assert_eq!(lab.exec_in("s", "import six\nsix.__version__")["result"], "1.16.0");
    let again = lab.ok("install", json!({ "environment": "x", "packages": ["six"] }));
    assert_eq!((&again["packages"][0]["status"], &again["changes"]), (&json!("unchanged"), &json!([])));
    let failed =
        lab.fails("install", json!({ "environment": "x", "packages": ["jackfield-no-such-package-zz"] }));
    assert_eq!(&*failed.kind, "python.not_found");
    assert!(failed.message.contains("No solution found"), "{}", failed.message);
    let details = failed.details.value().to_string();
    assert!(details.contains("\"exit_code\":1"), "{details}");
    let option = lab.fails("install", json!({ "environment": "x", "packages": ["--help"] }));
    assert_eq!(&*option.kind, "validation");
}

#[test]
fn packages_are_removed_brought_up_to_date_listed_frozen_and_synced() {
    let lab = lab_with_index!("");
    lab.ok("env_create", json!({ "name": "x", "packages": ["six==1.16.0", "idna==3.7"] }));
    let frozen = lab.ok("freeze", json!({ "environment": "x" }));
    assert_eq!(
        (&frozen["packages"], &frozen["text"]),
        (&json!(["idna==3.7", "six==1.16.0"]), &json!("idna==3.7\nsix==1.16.0\n"))
    );
    let removed = lab.ok("uninstall", json!({ "environment": "x", "packages": ["six", "none-such"] }));
    let status: Vec<_> =
        removed["packages"].as_array().expect("a list").iter().map(|it| it["status"].clone()).collect();
    assert_eq!(status, ["removed", "absent"]);
    let listed = lab.ok("packages", json!({ "environment": "x" }));
    assert_eq!(listed["packages"], json!([{ "name": "idna", "version": "3.7" }]));
    let file = lab.bench.write("requirements.txt", "# ours\nsix==1.16.0\n");
    let synced = lab.ok("sync", json!({ "environment": "x", "file": file }));
    let changes = json!([
        { "name": "idna", "before": "3.7", "after": null },
        { "name": "six", "before": null, "after": "1.16.0" },
    ]);
    assert_eq!(synced["changes"], changes);
    let upgraded = lab.ok("upgrade", json!({ "environment": "x" }));
    assert_eq!(upgraded["packages"][0]["status"], "updated", "{upgraded}");
    let file = lab.bench.write("bad.txt", "six==1.16.0\n\nthis is nothing\n");
    let bad = lab.fails("sync", json!({ "environment": "x", "file": file }));
    assert!(bad.message.contains("line 3") && bad.message.contains("this is nothing"), "{}", bad.message);
}

#[test]
fn a_copy_has_the_same_packages_and_a_life_of_its_own() {
    let lab = lab_with_index!("");
    lab.ok("env_create", json!({ "name": "x", "packages": ["six==1.16.0"] }));
    let copied = lab.ok("env_clone", json!({ "from": "x", "to": "y" }));
    assert_eq!(copied["packages"], json!(["six==1.16.0"]));
    let freeze = |name: &str| lab.ok("freeze", json!({ "environment": name }))["packages"].clone();
    assert_eq!(freeze("x"), freeze("y"));
    lab.ok("uninstall", json!({ "environment": "y", "packages": ["six"] }));
    assert_eq!((freeze("x"), freeze("y")), (json!(["six==1.16.0"]), json!([])));
    let taken = lab.fails("env_clone", json!({ "from": "x", "to": "y" }));
    assert_eq!(&*taken.kind, "python.environment_exists");
}

#[test]
fn an_environment_with_sessions_is_deleted_by_force_only_the_administrators_and_an_unknown_one_never() {
    let lab = lab!("");
    let made = lab.environment("x");
    lab.environment("admin");
    lab.ok("session_open", json!({ "session": "s", "environment": "x" }));
    let pid = lab.exec_in("s", "import os\nos.getpid()")["result"].as_u64().expect("a number");
    let refused = lab.fails("env_delete", json!({ "name": "x" }));
    assert_eq!(&*refused.kind, "python.environment_in_use");
    assert!(refused.message.contains('s'), "{}", refused.message);
    let deleted = lab.ok("env_delete", json!({ "name": "x", "force": true }));
    assert_eq!(deleted["closed_sessions"], json!(["s"]));
    assert!(!super::is_alive(pid) && !path_of(&made).exists());
    let admin = lab.fails("env_delete", json!({ "name": "admin", "force": true }));
    assert_eq!(&*admin.kind, "python.admin_environment");
    let unknown = lab.fails("env_delete", json!({ "name": "x" }));
    assert_eq!(&*unknown.kind, "python.no_environment");
    assert!(unknown.message.contains("there are admin"), "{}", unknown.message);
}

#[test]
fn a_directory_that_cannot_be_removed_is_an_error_that_names_it() {
    let lab = lab!("");
    let made = lab.environment("x");
    let kept = path_of(&made).join("lib");
    // root may remove what is only write-protected, so the file is made immutable there
    let immutable = |flag: &str| {
        std::process::Command::new("chattr").arg(flag).arg(&kept).status().is_ok_and(|it| it.success())
    };
    let writable = |is_writable: bool| {
        let mode = if is_writable { 0o755 } else { 0o555 };
        std::fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(mode))
            .expect("it is ours");
    };
    writable(false);
    let is_immutable = immutable("+i");
    let probe = std::fs::write(kept.join("probe"), "");
    if !is_immutable && probe.is_ok() {
        eprintln!("skipped: nothing keeps this user from removing files here");
        return;
    }
    let failed = lab.fails("env_delete", json!({ "name": "x" }));
    if is_immutable {
        assert!(immutable("-i"));
    }
    writable(true);
    assert_eq!(&*failed.kind, "python.io");
    assert!(failed.message.contains(made["path"].as_str().expect("a path")), "{}", failed.message);
    assert_eq!(lab.ok("env_list", json!({}))["environments"], json!([]), "what is left is no environment");
    assert_eq!(lab.ok("maintain", json!({}))["removed_environments"], json!(["x"]));
}

#[test]
fn of_many_who_make_one_environment_one_makes_it_and_the_others_get_it() {
    let lab = lab!("");
    let runs: Vec<_> = (0..6).map(|_| lab.start("env_create", json!({ "name": "x" }))).collect();
    let made: Vec<Value> = runs.iter().map(|run| wait(run).expect("it is made")).collect();
    assert_eq!(made.iter().filter(|it| it["created"] == true).count(), 1, "{made:?}");
    assert_eq!(lab.ok("exec", json!({ "environment": "x", "code": "1 + 1" }))["result"], 2);
}

#[test]
fn names_that_lead_elsewhere_are_refused_by_every_method() {
    let lab = lab!("");
    for name in ["..", "../x", "a/b", "a\u{0}b", "nul", ""] {
        for (method, parameters) in [
            ("env_create", json!({ "name": name })),
            ("env_delete", json!({ "name": name })),
            ("env_clone", json!({ "from": "x", "to": name })),
            ("env_use", json!({ "environment": name })),
            ("install", json!({ "environment": name, "packages": ["six"] })),
            ("exec", json!({ "environment": name, "code": "1" })),
        ] {
            assert_eq!(&*lab.fails(method, parameters).kind, "validation", "{method} {name:?}");
        }
    }
}

#[test]
fn installing_tells_how_far_it_is_and_a_cancelled_one_leaves_no_process_and_no_environment() {
    let lab = lab_with_index!("");
    lab.environment("x");
    lab.ok("install", json!({ "environment": "x", "packages": ["six==1.16.0"] }));
    assert!(lab.lines().iter().any(|line| line.contains("six==1.16.0")), "{:?}", lab.lines());
    assert!(!lab.heard.progress.lock().expect("nobody panics with it").is_empty());
    // an index that takes calls and never answers
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let url = format!("http://{}/simple", listener.local_addr().expect("it has one"));
    let lab = lab!(&format!("index_url = '{url}'"));
    let run = lab.start("env_create", json!({ "name": "y", "packages": ["jackfield-never-there-zz"] }));
    let _asked = listener.accept().expect("uv asks");
    cancel(&run);
    assert!(run.wait(Some(super::WAIT_MAX)).is_some());
    let dir = lab.ok("diagnostics", json!({ "discover": false }))["environment_dir"].clone();
    let dir = Path::new(dir.as_str().expect("a path")).join("y");
    wait_until("the half of it is removed", || !dir.exists());
    let marker = dir.display().to_string();
    wait_until("no process works on it", || !processes().iter().any(|command| command.contains(&marker)));
}

/// The command lines of all processes.
fn processes() -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("Linux has it").flatten();
    let commands = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    commands.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ")).collect()
}
