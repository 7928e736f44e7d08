//! Rules about the code itself: what depends on what, and what may stand where.

mod rules;
mod source;

use source::Source;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static FILES: LazyLock<Vec<Source>> = LazyLock::new(source::all);

/// The manifests of all crates, members of the workspace or not, by the name of the crate.
fn manifests() -> BTreeMap<String, toml::Table> {
    let files = FILES.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let parse = |file: &Source| file.text.parse::<toml::Table>().expect("cargo reads the manifest");
    let named = |manifest: toml::Table| (manifest["package"]["name"].as_str().map(str::to_owned), manifest);
    let all = files.map(|file| named(parse(file)));
    all.map(|(name, manifest)| (name.expect("a package has a name"), manifest)).collect()
}

fn members() -> BTreeMap<String, toml::Table> {
    let apart = |manifest: &toml::Table| manifest.contains_key("workspace");
    manifests().into_iter().filter(|(_, manifest)| !apart(manifest)).collect()
}

#[track_caller]
fn assert_kept<'a>(files: impl Iterator<Item = &'a Source>, rule: fn(&Source) -> Vec<String>) {
    let (mut count, mut broken) = (0, Vec::new());
    for file in files {
        count += 1;
        broken.extend(rule(file));
    }
    assert!(count > 100, "only {count} files were looked at");
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

fn rust() -> impl Iterator<Item = &'static Source> {
    FILES.iter().filter(|file| file.is_rust())
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let members = members();
    assert!(members.len() > 10, "only {} crates were found", members.len());
    let broken = rules::dependencies(&members);
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_crate_keeps_the_lints_of_the_workspace() {
    let broken = rules::lints(&members());
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn unsafe_code_stands_only_where_plugins_are_called_and_opened() {
    assert_kept(rust(), rules::unsafe_code);
}

#[test]
fn only_the_loader_opens_libraries() {
    assert_kept(rust(), rules::opening);
    let with = |manifest: &toml::Table| manifest["dependencies"].get("libloading").is_some();
    let depend: Vec<String> = members()
        .into_iter()
        .filter(|(_, manifest)| manifest.contains_key("dependencies") && with(manifest))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(depend, ["jackfield-loader"]);
}

#[test]
fn only_the_command_and_the_examples_print() {
    assert_kept(rust(), rules::printing);
}

#[test]
fn the_core_touches_no_files_clocks_or_threads() {
    assert_kept(rust(), rules::purity);
}

#[test]
fn no_file_of_code_is_longer_than_its_limit() {
    assert_kept(rust(), rules::length);
}

#[test]
fn every_module_says_what_it_is() {
    assert_kept(rust(), rules::module_comment);
}

#[test]
fn nothing_names_paths_of_one_machine() {
    assert_kept(FILES.iter(), rules::machine_paths);
}

#[test]
fn the_table_of_durable_cases_is_whole_and_names_tests_that_there_are() {
    assert_whole_table("docs/durable-cases.md", 1..=96);
}

#[test]
fn the_table_of_cases_of_python_is_whole_and_names_tests_that_there_are() {
    assert_whole_table("docs/python-cases.md", 1..=47);
}

/// A table of behaviours has a row for each of these numbers, and each row names tests that exist.
#[track_caller]
fn assert_whole_table(path: &str, behaviours: std::ops::RangeInclusive<usize>) {
    let table = FILES.iter().find(|file| file.path.ends_with(path)).expect("it is there");
    let rows: Vec<Vec<&str>> = table.text.lines().map(|line| line.split('|').collect()).collect();
    let rows = rows
        .iter()
        .filter(|cells| cells.len() == 5 && cells[1].trim().starts_with(|c: char| c.is_ascii_digit()));
    let (mut numbers, mut missing) = (std::collections::BTreeSet::new(), Vec::new());
    let code: String = rust().map(|file| file.text.as_str()).collect();
    for cells in rows {
        if !cells[1].contains("of") {
            numbers
                .extend(cells[1].split(',').map(|number| number.trim().parse::<usize>().expect("a number")));
        }
        for name in cells[3].split('`').skip(1).step_by(2).filter(|name| !name.contains(['/', '.'])) {
            let name = name.rsplit("::").next().unwrap_or(name);
            if name.contains('_') && !code.contains(&format!("fn {name}(")) {
                missing.push(name);
            }
        }
    }
    assert_eq!(numbers.into_iter().collect::<Vec<_>>(), behaviours.collect::<Vec<_>>());
    assert!(missing.is_empty(), "no such test: {missing:?}");
}
