//! What is handed to those who install and run Jackfield: example configuration, unit, manual pages, completions.

use jackfield::Config;
use jackfield_tests::Bench;
use std::collections::BTreeSet;
use std::path::Path;

fn text_of(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The example configuration with everything in it that is commented out.
fn whole() -> String {
    let text = text_of("jackfield.toml");
    let is_option = |line: &str| {
        line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    let lines =
        text.lines().map(|line| line.strip_prefix('#').filter(|rest| is_option(rest)).unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// The keys that a table of the configuration may have: an unknown one is refused with their names.
fn keys_of(table: &str) -> BTreeSet<String> {
    let refused = Config::parse(&format!("{table}\n\"?\" = 1\n")).expect_err("no key is called like that");
    let (_, expected) = refused.split_once("expected").expect("the keys are named");
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_example_configuration_has_every_option_and_each_is_understood() {
    let text = text_of("jackfield.toml");
    let said: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert!(said.is_empty(), "as it is, it changes nothing: {said:?}");
    let whole: toml::Table = whole().parse().expect("it is TOML");
    Config::parse(&toml::to_string(&whole).unwrap()).unwrap_or_else(|why| panic!("{why}"));
    let tables = [
        "",
        "[engine]",
        "[loader]",
        "[loader.sessions]",
        "[trust]",
        "[isolation]",
        "[isolation.workers]",
        "[plugins.fs]",
        "[plugins.fs.grant]",
        "[plugins.fs.limits]",
        "[pools.narrow]",
        "[log]",
        "[telemetry]",
        "[server]",
        "[server.limits]",
    ];
    for table in tables {
        let names = table.trim_matches(['[', ']']).split('.').filter(|name| !name.is_empty());
        let there = names.fold(&whole, |at, name| at[name].as_table().expect("a table"));
        let missing: Vec<_> = keys_of(table).into_iter().filter(|key| !there.contains_key(key)).collect();
        // the workers of all plugins have a table of their own
        let missing: Vec<_> =
            missing.iter().filter(|key| !(table == "[isolation]" && *key == "workers")).collect();
        assert!(missing.is_empty(), "{table} of the example lacks {missing:?}");
    }
}

#[test]
fn the_command_writes_its_manual_and_what_completes_it() {
    let bench = Bench::new(&[]);
    let man = bench.dir().join("man");
    let said = bench.cli(&["man", man.to_str().unwrap()]).exits(0).stderr;
    assert!(said.contains("jackfield.1"), "{said}");
    for (page, word) in
        [("jackfield.1", "SUBCOMMANDS"), ("jackfield-serve.1", "listen"), ("jackfield-runs-retry.1", "from")]
    {
        let text = std::fs::read_to_string(man.join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.contains(word), "{page}: {text}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = bench.cli(&["completions", shell]).exits(0).stdout;
        assert!(text.contains("schedule") && text.contains("data-dir"), "{shell}: {text}");
    }
    let refused = bench.cli(&["completions", "tcsh"]).exits(2).stderr;
    assert!(refused.contains("bash") && refused.contains("tcsh"), "{refused}");
}

#[test]
fn the_unit_starts_what_the_command_understands() {
    let unit = text_of("jackfield.service");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/"))
        .expect("it starts something");
    let mut words: Vec<&str> = line.split(' ').skip(1).collect();
    words.push("--help");
    let bench = Bench::new(&[]);
    let said = bench.cli(&words).exits(0).stdout;
    assert!(said.contains("Own the journal"), "{said}");
}
