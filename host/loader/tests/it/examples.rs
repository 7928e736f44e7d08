//! The plugins that strangers copy, built as their instructions say and called.

use crate::support::{
    Home, Listener, bind, build_outside, call, call_with, failure, lock, outside, outside_target, run, write,
};
use jackfield_core::catalog::MethodKind;
use jackfield_core::ports::Methods;
use jackfield_loader::Registry;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Builds the plugin in C by the command that its README gives, with another place for the library.
#[cfg(target_os = "linux")]
fn words() -> (Home, Registry) {
    let directory = root().join("examples/c-plugin");
    let readme = read_to_string(directory.join("README.md")).expect("there is a README");
    let line = readme.lines().find(|line| line.starts_with("cc ")).expect("the README gives a command");
    let (command, library) = line.rsplit_once(" -o ").expect("the command names its output");
    assert_eq!(library, "words.so");
    let home = Home::new();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("{command} -Werror -o \"$1\""))
        .arg("sh")
        .arg(home.file("words"))
        .current_dir(directory)
        .output()
        .expect("there is a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let registry = home.registry();
    (home, registry)
}

#[cfg(target_os = "linux")]
#[test]
fn the_plugin_in_c_changes_letters_and_leaves_escapes_alone() {
    let (_home, registry) = words();
    for (text, expected) in [
        (r#"{"text":"hello"}"#, r#"{"text":"HELLO"}"#),
        (r#" { "text" : "a\nb\u00e4ü\\x\"y" } "#, r#"{"text":"A\nB\u00e4ü\\X\"Y"}"#),
        (r#"{"text":""}"#, r#"{"text":""}"#),
        (r#"{"text":"\\"}"#, r#"{"text":"\\"}"#),
    ] {
        assert_eq!(run(&registry, "words", "upper", text).unwrap().as_str(), expected);
    }
    let method = registry.catalog().versions("words")[0].method("upper").unwrap().clone();
    assert_eq!((method.kind, method.pure), (MethodKind::Inline, true));
    assert_eq!(method.parameters.value()["required"][0], "text");
}

#[cfg(target_os = "linux")]
#[test]
fn the_plugin_in_c_counts_words_and_tells_its_host() {
    let (_home, registry) = words();
    let listener = Arc::new(Listener::default());
    for (text, words) in [("to be or not", 4), ("  two\\n\\twords ", 2), ("", 0), (" ", 0)] {
        let call = call_with(&format!("{{\"text\":\"{text}\"}}"), "step", listener.clone());
        let counted = bind(&registry, "words", "count_words").call(&call).unwrap();
        assert_eq!(counted.value()["words"], words, "{text:?}");
    }
    assert_eq!(*listener.0.lock().unwrap(), ["Debug counted null"; 4]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_plugin_in_c_refuses_other_parameters() {
    let (_home, registry) = words();
    let method = bind(&registry, "words", "upper");
    for text in ["{}", "7", "\"text\"", r#"{"text":7}"#, r#"{"text":"a","more":1}"#, r#"{"other":"a"}"#] {
        let error = failure(method.call(&call(text)));
        assert_eq!((&*error.kind, error.retryable), ("validation", false), "{text}");
    }
}

/// A copy of what `jackfield plugin new` makes: elsewhere, and with another way to the API.
static TEMPLATE: LazyLock<PathBuf> = LazyLock::new(|| {
    let (template, copy) = (root().join("examples/plugin-template"), outside().join("template"));
    let manifest = read_to_string(template.join("Cargo.toml")).expect("the template is there");
    let path = "path = \"../../plugin-api\"";
    assert!(manifest.contains(path));
    let api = format!("path = \"{}\"", root().join("plugin-api").display());
    write(&copy.join("Cargo.toml"), &manifest.replace(path, &api));
    for file in ["src/lib.rs", "src/methods.rs"] {
        write(&copy.join(file), &read_to_string(template.join(file)).expect("the template is there"));
    }
    copy
});

#[test]
fn the_template_is_a_plugin_that_loads_and_works() {
    let home = Home::new();
    home.put(&build_outside(&TEMPLATE, "my-plugin"), "my-plugin");
    let mut config = home.config();
    config.plugins.insert("my-plugin".into(), serde_json::json!({ "greeting": "ahoy" }));
    let registry = Registry::open(config).unwrap();
    let greeting = run(&registry, "my-plugin", "greet", "{\"name\":\"Ada\"}").unwrap();
    assert_eq!(greeting.as_str(), "{\"text\":\"ahoy Ada\"}");
    let text = home.dir.path().join("text");
    std::fs::write(&text, "one\ntwo").unwrap();
    let parameters = serde_json::json!({ "path": text }).to_string();
    let counted = run(&registry, "my-plugin", "count_lines", &parameters).unwrap();
    assert_eq!(counted.as_str(), "{\"lines\":2,\"longest\":3}");
    let plugin = registry.catalog().versions("my-plugin")[0].clone();
    let description =
        &plugin.method("greet").unwrap().parameters.value()["properties"]["name"]["description"];
    assert_eq!(description, "A name; not empty.");
}

#[test]
fn the_tests_of_the_template_pass() {
    lock(&TEMPLATE);
    let output = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--target-dir"])
        .arg(outside_target())
        .current_dir(&*TEMPLATE)
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("4 passed"), "{said}");
}
