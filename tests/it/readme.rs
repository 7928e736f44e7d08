//! What README.md and the guides tell readers to do works, word for word.

use jackfield::json;
use jackfield_tests::{Bench, workspace};
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The first block of code in `language` behind `heading` in README.md.
fn block(heading: &str, language: &str) -> String {
    let text = workspace::read("README.md");
    let from = text.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let fence = format!("\n```{language}\n");
    let start = from + text[from..].find(&fence).unwrap_or_else(|| panic!("no {language}")) + fence.len();
    let end = start + text[start..].find("\n```\n").expect("the block is closed") + 1;
    text[start..end].to_owned()
}

#[test]
#[ignore = "builds a crate with its dependencies: half a minute or more"]
fn the_first_plugin_and_the_first_workflow_work_as_they_are_typed() {
    let bench = Bench::new(&["fs"]);
    let words = bench.dir().join("words");
    fs::create_dir_all(words.join("src")).unwrap();
    let api = workspace::root().join("plugin-api");
    let manifest =
        block("Your first plugin", "toml").replace("../jackfield/plugin-api", api.to_str().unwrap());
    // a workspace of its own, though it lies in the target directory of this one here
    fs::write(words.join("Cargo.toml"), manifest + "\n[workspace]\n").unwrap();
    fs::write(words.join("src/lib.rs"), block("Your first plugin", "rust")).unwrap();
    fs::copy(workspace::root().join("Cargo.lock"), words.join("Cargo.lock")).unwrap();
    for command in ["test", "build"] {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args([command, "--quiet", "--target-dir"]).arg(words.join("target")).current_dir(&words);
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let dir = words.join("target/debug");
    let with = ["--plugin-path", dir.to_str().unwrap()];
    let call = [&with[..], &["plugin", "call", "words.count", "--params", r#"{"text": "a stitch in time"}"#]];
    let counted = bench.cli(&call.concat()).exits(0).json();
    assert_eq!(counted, json!({ "words": 4, "longest": "stitch" }));

    bench.write("readme.json", block("Your first workflow", "json"));
    bench.write("README.md", "one two three");
    let run = [&with[..], &["run", "readme.json"]].concat();
    let output = bench.cli(&run).exits(0);
    assert_eq!(output.json(), json!({ "file": "README.md", "words": 3 }));
    let many = [&run[..], &["--set", "many=2"]].concat();
    let output = bench.cli(&many).exits(0);
    assert!(output.stderr.contains("README.md is long: 3 words"), "{}", output.stderr);
    bench.write("README.md", " ");
    assert_eq!(bench.cli(&run).exits(0).json()["words"], 0, "the empty text is caught");
}

#[test]
fn links_in_the_documents_lead_to_files() {
    let mut checked = 0;
    for document in ["README.md", "docs/workflows.md"] {
        let text = workspace::read(document);
        let dir = workspace::root().join(Path::new(document).parent().unwrap());
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.contains("://") || link.starts_with('#') {
                continue;
            }
            assert!(dir.join(link.split('#').next().unwrap()).exists(), "{document}: {link}");
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} links were found");
}
