//! What authors of plugins are given: a plugin to begin with that works as it is, and documentation of what they wrote.

use jackfield::{Value, json};
use jackfield_tests::{Bench, CliOutput, jackfield_command, workspace};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

const BUNDLED: [&str; 8] = ["csv", "echo", "fault", "fs", "http", "json", "process", "table"];
const AUTHOR: &str = "Your Name <you@example.org>";

fn api() -> PathBuf {
    workspace::root().join("plugin-api")
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// `plugin new` with an author and more arguments, in the directory of the bench.
fn new(bench: &Bench, arguments: &[&str]) -> CliOutput {
    bench.cli(&[&["plugin", "new", "--author", AUTHOR], arguments].concat())
}

/// Runs a command in a directory to its end; whether it succeeded, and what it said.
fn run(command: &mut Command, directory: &Path) -> (bool, String) {
    command.current_dir(directory);
    let output = loop {
        match command.output() {
            // a process that another test has started holds the file that was just written, until it has begun its own program
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            output => break output.expect("the command is there"),
        }
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// All files below a directory but what builds leave, by their paths.
fn files_in(directory: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for item in fs::read_dir(directory).expect("the directory is there") {
        let path = item.expect("it can be read").path();
        let name = path.file_name().expect("it has a name").to_str().expect("it is text").to_owned();
        if path.is_file() {
            if name != "Cargo.lock" {
                files.insert(name, fs::read_to_string(&path).expect("it is text"));
            }
        } else if name != "target" {
            files.extend(files_in(&path).into_iter().map(|(file, text)| (format!("{name}/{file}"), text)));
        }
    }
    files
}

#[cfg(unix)]
#[test]
fn a_new_plugin_in_c_builds_passes_its_tests_and_works() {
    let bench = Bench::new(&[]);
    let made = new(&bench, &["shout-it", "--lang", "c"]).exits(0);
    assert_eq!(made.stdout, "made shout-it\n");
    let directory = bench.dir().join("shout-it");
    let make = |target: &str| {
        let mut make = Command::new("make");
        make.arg(target).arg("CFLAGS=-O1 -Werror").env("JACKFIELD", jackfield_command());
        run(make.env("HOME", bench.dir()), &directory)
    };
    let (passed, said) = make("test");
    assert!(passed && said.matches("ok: ").count() == 7, "{said}");

    let with = ["--plugin-path", "shout-it/build"];
    let call =
        [&with[..], &["plugin", "call", "shout-it.upper", "--params", r#"{"text": "hello"}"#]].concat();
    assert_eq!(bench.cli(&call).exits(0).json(), json!({ "text": "HELLO" }));
    let workflow = "shout-it/workflow.json";
    let ran = bench.cli(&[&with[..], &["run", workflow]].concat()).exits(0).json();
    assert_eq!(ran, json!({ "text": "TO BE OR NOT TO BE", "words": 6 }));
    let _ = bench.cli(&["fmt", "--check", workflow]).exits(0);
    let docs = bench.cli(&[&with[..], &["plugin", "docs", "shout-it"]].concat()).exits(0).stdout;
    assert!(docs.contains("| Authors | Your Name &lt;you@example.org> |"), "{docs}");

    // a defect in the plugin is found by the tests that came with it
    let source = directory.join("shout-it.c");
    let right = fs::read_to_string(&source).unwrap();
    fs::write(&source, right.replace("words++;", "words += 2;")).unwrap();
    let (passed, said) = make("test");
    assert!(!passed && said.contains("FAILED: count_words"), "{said}");
}

#[test]
#[ignore = "builds a crate with its dependencies: half a minute or more"]
fn a_new_plugin_in_rust_builds_passes_its_tests_and_works() {
    let bench = Bench::new(&[]);
    let _ = new(&bench, &["Word_Count", "--path", "made/it", "--api", text_of(&api())]).exits(0);
    let directory = bench.dir().join("made/it");
    fs::copy(workspace::root().join("Cargo.lock"), directory.join("Cargo.lock")).unwrap();
    // beside the bench, so that dependencies are built once
    let target = bench.dir().with_file_name("new-target");
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let (passed, said) = run(cargo.args(arguments).env("CARGO_TARGET_DIR", &target), &directory);
        assert!(passed, "{arguments:?}: {said}");
        said
    };
    fs::write(directory.join("rustfmt.toml"), "").unwrap();
    cargo(&["fmt", "--check"]);
    let said = cargo(&["test", "--quiet"]);
    assert!(said.contains("4 passed"), "{said}");
    cargo(&["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"]);
    cargo(&["build", "--quiet"]);

    let built = target.join("debug");
    let with = ["--plugin-path", text_of(&built)];
    let cli = |arguments: &[&str]| bench.cli(&[&with, arguments].concat()).exits(0);
    let greeted = cli(&["plugin", "call", "Word_Count.greet", "--params", r#"{"name": "Ada"}"#]).json();
    assert_eq!(greeted, json!({ "text": "hello Ada" }));
    assert_eq!(cli(&["run", "made/it/workflow.json", "--set", "name=Grace"]).json(), "hello Grace");
    let _ = bench.cli(&["fmt", "--check", "made/it/workflow.json"]).exits(0);
    let docs = cli(&["plugin", "docs", "Word_Count"]).stdout;
    assert!(docs.contains("| `name` | string | yes |  | A name; not empty. |"), "{docs}");
    assert!(docs.contains("## Configuration"), "{docs}");
}

#[test]
fn the_examples_are_what_plugin_new_makes() {
    let bench = Bench::new(&[]);
    fs::create_dir_all(bench.dir().join("plugin-api")).unwrap();
    fs::copy(api().join("Cargo.toml"), bench.dir().join("plugin-api/Cargo.toml")).unwrap();
    let _ = new(&bench, &["my-plugin", "--path", "examples/plugin-template", "--api", "."]).exits(0);
    let (made, kept) = (bench.dir().join("examples/plugin-template"), workspace::root().join("examples"));
    let (made, kept_template) = (files_in(&made), files_in(&kept.join("plugin-template")));
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made), names(&kept_template));
    let of =
        |manifest: &str| manifest.lines().find(|line| line.starts_with("rust-version")).map(str::to_owned);
    let api = of(&workspace::read("plugin-api/Cargo.toml"));
    assert!(api.is_some() && of(&made["Cargo.toml"]) == api, "a plugin needs no newer compiler than its API");
    for (file, text) in &made {
        assert_eq!(text, &kept_template[file], "examples/plugin-template/{file} differs from the template");
    }

    let author = ["plugin", "new", "words", "--lang", "c", "--author", "The Jackfield developers"];
    let _ = bench.cli(&author).exits(0);
    for (file, kept) in
        [("words.c", "examples/c-plugin/words.c"), ("jackfield.h", "plugin-api/include/jackfield.h")]
    {
        let made = fs::read_to_string(bench.dir().join("words").join(file)).unwrap();
        assert_eq!(made, workspace::read(kept), "{kept} differs from the template");
    }
}

#[test]
fn a_crate_takes_the_plugin_api_from_where_it_is_told_and_says_so() {
    let bench = Bench::new(&[]);
    for (name, api, line, words) in [
        ("a", "^0.1", "\"^0.1\"", "in version `^0.1` from the registry"),
        ("b", "https://x.org/y", "{ git = \"https://x.org/y\" }", "commit that file"),
        ("c", "https://x.org/y#v1", "{ git = \"https://x.org/y\", tag = \"v1\" }", "at the tag `v1`"),
        ("d", text_of(&api()), "{ path = \"", "a checkout of Jackfield"),
    ] {
        let made = new(&bench, &[name, "--json", "--api", api]).exits(0).json();
        let files: Vec<&str> =
            made["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
        let directory = bench.dir().join(name);
        assert!(files.iter().all(|file| directory.join(file).is_file()), "{made}");
        let read = |file: &str| fs::read_to_string(directory.join(file)).unwrap();
        let manifest = read("Cargo.toml");
        assert!(manifest.contains(&format!("\njackfield-plugin-api = {line}")), "{manifest}");
        assert!(read("README.md").contains(words), "{}", read("README.md"));
        // a path leads nowhere on a machine of a CI service
        assert_eq!(read(".github/workflows/ci.yml").contains("cargo add"), name == "d");
    }
}

#[test]
fn nothing_is_made_where_it_cannot_be_and_one_line_says_why() {
    let bench = Bench::new(&[]);
    fs::create_dir(bench.dir().join("full")).unwrap();
    bench.write("full/mine", "precious");
    bench.write("file", "");
    let root = api();
    let api = text_of(&root);
    for (arguments, part) in [
        (&["1st"][..], "`1st` cannot name a plugin"),
        (&["a.b"], "`a.b` cannot name a plugin"),
        (&[""], "`` cannot name a plugin"),
        (&["full"], "`full` is not empty"),
        (&["x", "--path", "full"], "`full` is not empty"),
        (&["file", "--lang", "c"], "`file` is a file"),
        (&["x", "--api", "full"], "--api `full` is no version, no URL, and no directory"),
        (&["x", "--lang", "c", "--api", api], "--api is for plugins in Rust"),
        (&["x", "--lang", "cobol"], "invalid value 'cobol'"),
        (&["x"], "there is no checkout of Jackfield"),
    ] {
        // above the bench lies the workspace, and with it the API; a directory elsewhere has none
        let elsewhere = tempfile::tempdir().unwrap();
        let mut command = bench.command(&[&["plugin", "new", "--author", AUTHOR], arguments].concat());
        if arguments == ["x"] {
            let program = elsewhere.path().join("jackfield");
            fs::copy(jackfield_command(), &program).unwrap();
            let (passed, said) = run(Command::new(program).args(command.get_args()), elsewhere.path());
            assert!(!passed && said.contains(part) && said.lines().count() == 1, "{said}");
            continue;
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
        assert!(said.lines().count() == 1 || arguments.contains(&"cobol"), "{arguments:?}: {said}");
    }
    let author = bench.cli(&["plugin", "new", "x", "--lang", "c", "--author", "a\nb"]).exits(2);
    assert!(author.stderr.contains("`a\\nb` cannot be an author"), "{}", author.stderr);
    assert!(!bench.dir().join("x").exists());
    assert_eq!(fs::read_to_string(bench.dir().join("full/mine")).unwrap(), "precious");
    assert_eq!(fs::read_dir(bench.dir().join("full")).unwrap().count(), 1);
}

#[test]
fn the_author_is_whom_git_knows_unless_somebody_is_named() {
    let bench = Bench::new(&[]);
    let made = |name: &str, config: &str| {
        bench.write("gitconfig", config);
        let mut command = bench.command(&["plugin", "new", name, "--lang", "c"]);
        command.env("GIT_CONFIG_GLOBAL", bench.dir().join("gitconfig")).env("GIT_CONFIG_NOSYSTEM", "1");
        // no repository around the bench has a say
        command.env("GIT_DIR", bench.dir().join("none"));
        let output = command.output().unwrap();
        assert!(output.status.success());
        let license = fs::read_to_string(bench.dir().join(name).join("LICENSE-MIT")).unwrap();
        let line = license.lines().find(|line| line.starts_with("Copyright")).unwrap().to_owned();
        (line, String::from_utf8(output.stderr).unwrap())
    };
    let (line, _) = made("a", "[user]\nname = Ada\nemail = ada@example.org\n");
    assert_eq!(line, "Copyright (c) Ada <ada@example.org>");
    let (line, _) = made("b", "[user]\nname = Ada\n");
    assert_eq!(line, "Copyright (c) Ada");
    let (line, said) = made("c", "");
    assert_eq!(line, "Copyright (c) The c developers");
    assert!(said.contains("--author"), "{said}");
}

#[test]
fn the_documentation_of_a_plugin_is_this() {
    let bench = Bench::new(&["csv"]);
    let docs = bench.cli(&["plugin", "docs", "csv"]).exits(0).stdout;
    assert_eq!(docs, workspace::read("tests/fixtures/docs/csv.md"), "\n{docs}");
}

/// The names of the parameters or fields that a schema has.
fn fields(schema: &Value) -> Vec<String> {
    schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

#[test]
fn every_method_of_every_bundled_plugin_is_documented() {
    let bench = Bench::new(&BUNDLED);
    let whole = bench.cli(&["plugin", "docs"]).exits(0).stdout;
    assert_eq!(bench.cli(&["plugin", "docs"]).exits(0).stdout, whole, "the same twice");
    let reversed: Vec<&str> = BUNDLED.into_iter().rev().collect();
    let named = bench.cli(&[&["plugin", "docs"], &reversed[..]].concat()).exits(0).stdout;
    assert_eq!(named, whole, "the order of the names is of no account");
    let wrote = bench.cli(&["plugin", "docs", "--out", "docs/plugins"]).exits(0).stdout;
    assert_eq!(wrote.lines().count(), BUNDLED.len(), "{wrote}");
    let mut count = 0;
    for plugin in BUNDLED {
        let page = fs::read_to_string(bench.dir().join(format!("docs/plugins/{plugin}.md"))).unwrap();
        assert!(whole.contains(&page), "{plugin}: one page is the same as its part of all");
        assert!(page.contains("| Authors | The Jackfield developers |"), "{page}");
        let info = bench.cli(&["plugin", "info", plugin, "--json"]).exits(0).json();
        for method in info["plugins"][0]["methods"].as_array().unwrap() {
            let name = method["name"].as_str().unwrap();
            let begin = page.find(&format!("\n### {name}\n")).unwrap_or_else(|| panic!("{plugin}.{name}"));
            let section = &page[begin + 1..];
            let section = &section[..section.find("\n### ").unwrap_or(section.len())];
            let (before, after) = section.split_once("**Result**").expect("results have a heading");
            let mut words = vec![method["kind"].as_str().unwrap()];
            words.extend(["pure", "idempotent", "serial"].iter().filter(|flag| method[**flag] == true));
            assert!(
                before.contains(&format!("Kind and flags: {};", words.join(", "))),
                "{plugin}: {section}"
            );
            for (part, schema) in [(before, &method["parameters"]), (after, &method["output"])] {
                for field in fields(schema) {
                    assert!(
                        part.contains(&format!("\n| `{field}` | ")),
                        "{plugin}.{name}: {field} in {part}"
                    );
                }
            }
            count += 1;
        }
    }
    assert!(count > 40, "only {count} methods were looked at");
}

#[test]
fn documentation_of_what_is_not_there_is_refused() {
    let bench = Bench::new(&["csv"]);
    let said = |plugin: &str| bench.cli(&["plugin", "docs", plugin]).exits(2).stderr;
    assert!(said("cvs").contains("there is no plugin `cvs`; did you mean `csv`?"), "{}", said("cvs"));
    let version = said("csv@9.0.0");
    assert!(version.contains("plugin `csv` is not there in version `9.0.0`, but in `0.1.0`"), "{version}");
    let all = bench.cli(&["plugin", "docs", "--json"]).exits(0).json();
    assert_eq!(all["plugins"][0]["license"], "MIT OR Apache-2.0");
}

#[cfg(target_os = "linux")]
#[test]
fn versions_are_documented_apart() {
    let bench = Bench::new(&[]);
    for version in ["1.0.0", "1.2.0"] {
        jackfield_tests::Counter::new("counter", version).compile(&bench.plugin_file(version));
    }
    let newest = bench.cli(&["plugin", "docs", "counter"]).exits(0).stdout;
    assert!(newest.starts_with("# counter 1.2.0\n") && !newest.contains("1.0.0"), "{newest}");
    let both = ["plugin", "docs", "counter@1.0.0", "counter", "counter@1.2.0", "--out", "docs"];
    let wrote = bench.cli(&both).exits(0).stdout;
    assert_eq!(wrote, "wrote docs/counter-1.2.0.md\nwrote docs/counter-1.0.0.md\n");
    let old = fs::read_to_string(bench.dir().join("docs/counter-1.0.0.md")).unwrap();
    assert!(old.starts_with("# counter 1.0.0\n"), "{old}");
}
