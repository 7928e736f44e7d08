//! Several versions, several files, plugins that need each other.

use crate::support::{COUNTERS, Home, call, echo, run};
use jackfield_core::payload::Payload;
use jackfield_core::ports::Methods;
use jackfield_loader::Registry;
use semver::{Version, VersionReq};

fn next(registry: &Registry, version: &str) -> Payload {
    let version = Version::parse(version).expect("the test writes versions");
    let method = registry.bind("counter", &version, "next", None).expect("it is there");
    method.call(&call("{}")).expect("it works")
}

#[test]
fn the_same_file_twice_is_one_plugin() {
    let home = Home::new();
    home.put(&echo(), "echo");
    home.put(&echo(), "echo-again");
    let registry = home.registry();
    assert_eq!(registry.catalog().versions("echo").len(), 1);
    assert_eq!(registry.faults().len(), 0);
    assert_eq!(home.stored().len(), 1);
}

#[test]
fn two_versions_stand_side_by_side_with_statics_of_their_own() {
    let home = Home::new();
    home.put(&COUNTERS.one, "one");
    home.put(&COUNTERS.two, "two");
    let registry = home.registry();
    assert_eq!(next(&registry, "1.0.0"), Payload::trusted("\"1.0.0:1\""));
    assert_eq!(next(&registry, "1.0.0"), Payload::trusted("\"1.0.0:2\""));
    assert_eq!(next(&registry, "2.0.0"), Payload::trusted("\"2.0.0:1\""));
    let catalog = registry.catalog();
    let resolve = |range: &str| {
        let range = VersionReq::parse(range).unwrap();
        catalog.resolve("counter", &[&range]).map(|plugin| plugin.version.to_string())
    };
    assert_eq!(resolve("*").as_deref(), Some("2.0.0"));
    assert_eq!(resolve("^1").as_deref(), Some("1.0.0"));
    assert_eq!(resolve("^3"), None);
}

#[test]
fn another_file_of_the_same_version_is_left_out_and_named() {
    let home = Home::new();
    home.put(&COUNTERS.one, "a-one");
    let mut other = std::fs::read(&COUNTERS.one).unwrap();
    other.extend_from_slice(b"a trailer that changes the hash");
    home.put_bytes(&other, "b-other");
    let registry = home.registry();
    let faults = registry.faults();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].code(), "plugin.conflict");
    assert_eq!(registry.catalog().versions("counter").len(), 1);
}

#[test]
fn a_missing_dependency_is_named_and_its_arrival_repairs_it() {
    let home = Home::new();
    home.put(&COUNTERS.needy, "needy");
    let registry = home.registry();
    assert_eq!(registry.faults()[0].code(), "plugin.missing_dependency");
    assert!(registry.catalog().versions("needy").is_empty());
    let refused = registry.bind("needy", &Version::new(1, 0, 0), "next", None).err().unwrap();
    assert_eq!(&*refused.kind, "plugin.unavailable");
    assert!(refused.message.contains("requires `counter ^2`"), "{}", refused.message);

    home.put(&COUNTERS.one, "one");
    registry.rescan();
    let fault = registry.faults()[0].to_string();
    assert!(fault.contains("and only `counter 1.0.0` is there"), "{fault}");

    let catalog = registry.catalog();
    let [needy] = catalog.unusable() else { panic!("{:?}", catalog.unusable()) };
    assert_eq!((&*needy.name, &needy.version), ("needy", &Some(Version::new(1, 0, 0))));
    assert_eq!(&*needy.reason, "it requires `counter ^2`, and only `counter 1.0.0` is there");
    assert!(needy.remedy.contains("`counter` within `^2`"), "{}", needy.remedy);

    home.put(&COUNTERS.two, "two");
    registry.rescan();
    assert_eq!(registry.faults().len(), 0);
    assert!(registry.catalog().unusable().is_empty());
    assert!(run(&registry, "needy", "next", "{}").is_ok());
}

#[test]
fn adding_a_plugin_that_lacks_something_changes_nothing() {
    let home = Home::new();
    let registry = home.registry();
    assert_eq!(registry.add(&COUNTERS.needy).unwrap_err().code(), "plugin.missing_dependency");
    assert_eq!(registry.faults().len(), 0);
    assert_eq!(registry.add(&COUNTERS.two).unwrap(), ("counter".to_owned(), Version::new(2, 0, 0)));
    assert!(registry.add(&COUNTERS.needy).is_ok());
    registry.rescan();
    assert_eq!(registry.catalog().plugins().len(), 2);
}

#[test]
fn schemas_are_known_after_loading_and_at_the_next_start_without_opening() {
    let home = Home::new();
    home.put(&echo(), "echo");
    let registry = home.registry();
    let parameters = |registry: &Registry| {
        registry.catalog().versions("echo")[0].method("sleep").unwrap().parameters.clone()
    };
    assert!(parameters(&registry).is_null());
    registry.load(&["echo", "unheard-of"]).unwrap();
    assert_eq!(parameters(&registry).value()["properties"]["ms"]["type"], "number");
    let echo_method = registry.catalog().versions("echo")[0].method("echo").unwrap().clone();
    assert!(echo_method.pure && echo_method.parameters.is_null() && echo_method.output.is_null());
    drop(registry);

    // without the file in the store nothing can be opened, so that the schemas must come from the note
    let second = home.registry();
    for file in home.stored() {
        std::fs::remove_file(home.dir.path().join("data/plugins/store").join(file)).unwrap();
    }
    second.load(&["echo"]).unwrap();
    assert_eq!(parameters(&second).value()["properties"]["ms"]["type"], "number");
}
