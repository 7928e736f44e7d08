//! Files that are no usable plugins: one line with a code each, and nothing registered.

use crate::calls::identity;
use crate::support::{Home, bind, c_source, call, compile_c, echo, run};
use jackfield_core::catalog::Unusable;
use jackfield_core::payload::Payload;
use jackfield_core::ports::Methods;
use std::path::Path;
use std::time::Duration;

/// Adds `bytes` as a file and answers the code of the refusal, after checking that nothing is left behind.
fn refusal(bytes: &[u8]) -> &'static str {
    let home = Home::new();
    let registry = home.registry();
    let file = home.put_bytes(bytes, "candidate");
    let fault = registry.add(&file).expect_err("it is no plugin");
    assert!(!fault.to_string().contains('\n'), "one line: {fault}");
    assert!(registry.catalog().plugins().is_empty());
    assert_eq!(home.stored(), Vec::<String>::new());
    fault.code()
}

#[test]
fn a_missing_file_a_directory_and_an_empty_file_are_told_apart() {
    let home = Home::new();
    let registry = home.registry();
    assert_eq!(registry.add(Path::new("/no/such/file.so")).unwrap_err().code(), "plugin.not_found");
    assert_eq!(registry.add(home.dir.path()).unwrap_err().code(), "plugin.is_directory");
    assert_eq!(refusal(b""), "plugin.empty");
}

#[test]
fn text_and_random_bytes_are_no_plugins() {
    assert_eq!(refusal(b"hello, this is a text"), "plugin.not_a_plugin");
    let mut state = 7_u32;
    let noise: Vec<u8> = (0..10_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    assert_eq!(refusal(&noise), "plugin.not_a_plugin");
}

#[test]
fn a_program_is_no_plugin() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(refusal(&program), "plugin.not_a_plugin");
}

#[test]
fn a_library_that_was_cut_anywhere_is_refused_unopened() {
    let whole = std::fs::read(echo()).unwrap();
    let early = [1, 4, 15, 16, 40, 63, 64, 65, 120, 200, 1_000, 4_095, 4_096, 4_097];
    let spread = (1..40).map(|part| whole.len() * part / 40);
    let late = [1, 7, 8, 63, 64, 65, 1_000].map(|missing| whole.len() - missing);
    for len in early.into_iter().chain(spread).chain(late) {
        let code = refusal(&whole[..len]);
        let expected = if len < 4 { "plugin.not_a_plugin" } else { "plugin.truncated" };
        assert_eq!(code, expected, "cut at {len} of {}", whole.len());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_for_another_machine_is_refused() {
    let mut library = std::fs::read(echo()).unwrap();
    let other = if cfg!(target_arch = "aarch64") { 62_u16 } else { 183 };
    library[18..20].copy_from_slice(&other.to_ne_bytes());
    assert_eq!(refusal(&library), "plugin.wrong_architecture");
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_without_a_manifest_is_no_plugin() {
    let home = Home::new();
    let source = home.dir.path().join("empty.c");
    std::fs::write(&source, "int nothing(void) { return 0; }\n").unwrap();
    let library = home.dir.path().join("empty.so");
    compile_c(&source, &library, &[]);
    assert_eq!(refusal(&std::fs::read(library).unwrap()), "plugin.not_a_plugin");
}

/// Echo with a part of its manifest replaced by something of the same length.
fn with_manifest(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut library = std::fs::read(echo()).expect("the library was built");
    let places: Vec<usize> = library
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from.as_bytes())
        .map(|(place, _)| place)
        .collect();
    assert!(!places.is_empty());
    for place in places {
        library[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
    library
}

#[test]
fn a_manifest_that_cannot_be_understood_is_named() {
    let broken = with_manifest("{\"manifest\":1,\"abi\"", "{\"manifest\":1 \"abi\"");
    assert_eq!(refusal(&broken), "plugin.manifest_invalid");
    let bad_name = with_manifest("\"name\":\"echo\",\"version\"", "\"name\":\"ec/o\",\"version\"");
    assert_eq!(refusal(&bad_name), "plugin.manifest_invalid");
}

#[test]
fn a_plugin_for_another_abi_is_refused_by_its_manifest() {
    let abi = "\"abi\":{\"min\":1,\"max\":1}";
    assert_eq!(refusal(&with_manifest(abi, "\"abi\":{\"min\":2,\"max\":2}")), "plugin.abi_too_new");
    assert_eq!(refusal(&with_manifest(abi, "\"abi\":{\"min\":0,\"max\":0}")), "plugin.abi_too_old");
}

/// The plugins that cannot be used, with their versions, for a directory with one such file called `name`.
fn unusable(name: &str, bytes: &[u8]) -> Vec<(String, Option<String>)> {
    let home = Home::new();
    home.put_bytes(bytes, name);
    let registry = home.registry();
    assert_eq!(registry.faults().len(), 1);
    let catalog = registry.catalog();
    let named = |it: &Unusable| (it.name.to_string(), it.version.as_ref().map(ToString::to_string));
    catalog.unusable().iter().map(named).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_refused_file_is_known_by_its_manifest_and_otherwise_by_its_name() {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let echo_plugin = vec![("echo".to_owned(), Some(version))];
    let new_abi = with_manifest("\"abi\":{\"min\":1,\"max\":1}", "\"abi\":{\"min\":2,\"max\":2}");
    assert_eq!(unusable("any", &new_abi), echo_plugin);
    let mut foreign = std::fs::read(echo()).unwrap();
    foreign[18..20]
        .copy_from_slice(&(if cfg!(target_arch = "aarch64") { 62_u16 } else { 183 }).to_ne_bytes());
    assert_eq!(unusable("any", &foreign), echo_plugin);
    let cut = &std::fs::read(echo()).unwrap()[..10_000];
    assert_eq!(unusable("libecho", cut), [("echo".to_owned(), None)]);
    let newer = with_manifest("{\"manifest\":1,", "{\"manifest\":7,");
    assert_eq!(unusable("any", &newer), echo_plugin);
}

#[test]
fn a_refused_file_of_a_plugin_that_is_there_as_well_hides_nothing() {
    let home = Home::new();
    home.put(&echo(), "good");
    home.put_bytes(&with_manifest("\"abi\":{\"min\":1,\"max\":1}", "\"abi\":{\"min\":2,\"max\":2}"), "newer");
    let registry = home.registry();
    assert_eq!((registry.faults().len(), registry.catalog().plugins().len()), (1, 1));
    assert_eq!(registry.catalog().unusable(), []);
}

#[test]
fn a_file_above_the_limit_is_refused() {
    let home = Home::new();
    let mut config = home.config();
    config.file_bytes_max = 1_000;
    let registry = jackfield_loader::Registry::open(config).unwrap();
    assert_eq!(registry.add(&echo()).unwrap_err().code(), "plugin.too_large");
}

#[test]
fn bad_files_in_a_directory_do_not_hide_good_ones() {
    let home = Home::new();
    home.put_bytes(b"text", "a-text");
    home.put_bytes(b"", "b-empty");
    home.put(&echo(), "c-echo");
    std::fs::write(home.plugins().join("notes.txt"), "no plugin, and not looked at").unwrap();
    let registry = home.registry();
    let codes: Vec<_> = registry.faults().iter().map(|fault| fault.code()).collect();
    assert_eq!(codes, ["plugin.not_a_plugin", "plugin.empty"]);
    assert_eq!(registry.catalog().plugins().len(), 1);
    assert_eq!(run(&registry, "echo", "echo", "{\"a\":1}"), Ok(Payload::trusted("{\"a\":1}")));
}

#[test]
fn replacing_or_removing_a_file_does_not_touch_the_loaded_plugin() {
    let home = Home::new();
    let file = home.put(&echo(), "echo");
    let registry = home.registry();
    let method = bind(&registry, "echo", "echo");
    std::fs::write(&file, b"overwritten in place").unwrap();
    assert_eq!(method.call(&call("[1]")), Ok(Payload::trusted("[1]")));
    registry.rescan();
    assert!(registry.catalog().versions("echo").is_empty());
    assert_eq!(method.call(&call("[2]")), Ok(Payload::trusted("[2]")));
}

#[test]
fn a_file_in_the_store_that_was_changed_is_not_opened() {
    let home = Home::new();
    home.put(&echo(), "echo");
    let registry = home.registry();
    let stored = home.dir.path().join("data/plugins/store").join(&home.stored()[0]);
    let mut bytes = std::fs::read(&stored).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&stored, bytes).unwrap();
    assert_eq!(registry.load(&["echo"]).unwrap_err().code(), "plugin.truncated");
}

#[cfg(target_os = "linux")]
#[test]
fn a_plugin_in_c_is_called_like_any_other() {
    let home = Home::new();
    compile_c(&c_source(), &home.file("upper"), &[]);
    let registry = home.registry();
    assert_eq!(run(&registry, "c-upper", "upper", "\"abc\""), Ok(Payload::trusted("\"ABC\"")));
    let failure = run(&registry, "c-upper", "upper", "1").unwrap_err();
    assert_eq!((&*failure.kind, &*failure.message), ("upper.no_text", "only text has upper case"));
    let identify = bind(&registry, "c-upper", "identify");
    assert_eq!(identity(&identify, Some(Duration::from_millis(1500))), "run/outer[3].inner 1500000000");
    assert_eq!(identity(&identify, None), "run/outer[3].inner for ever");
}

#[cfg(target_os = "linux")]
#[test]
fn a_plugin_whose_system_library_was_missing_loads_once_it_is_there() {
    let home = Home::new();
    let libraries = tempfile::tempdir().unwrap();
    let helper_source = libraries.path().join("helper.c");
    std::fs::write(
        &helper_source,
        "__attribute__((visibility(\"default\"))) int helper(void) { return 1; }\n",
    )
    .unwrap();
    let helper = libraries.path().join("libhelper.so");
    compile_c(&helper_source, &helper, &[]);
    let path = libraries.path().to_str().unwrap();
    let rpath = format!("-Wl,-rpath,{path}");
    compile_c(&c_source(), &home.file("upper"), &["-DWITH_HELPER", "-L", path, "-lhelper", &rpath]);
    let hidden = libraries.path().join("hidden");
    std::fs::rename(&helper, &hidden).unwrap();

    let registry = home.registry();
    let fault = registry.load(&["c-upper"]).unwrap_err();
    assert_eq!(fault.code(), "plugin.open_failed");
    assert!(fault.to_string().contains("libhelper.so"), "{fault}");

    std::fs::rename(&hidden, &helper).unwrap();
    assert_eq!(run(&registry, "c-upper", "upper", "\"ok\""), Ok(Payload::trusted("\"OK\"")));
}

#[test]
fn the_guide_for_authors_explains_every_code() {
    let source = concat!(
        include_str!("../../src/error.rs"),
        include_str!("../../src/installing.rs"),
        include_str!("../../src/trust/distrust.rs"),
    );
    let codes: Vec<&str> =
        source.split("=> \"plugin.").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(codes.len() > 10);
    let guide = include_str!("../../../../docs/plugins.md");
    for code in codes {
        assert!(
            guide.contains(&format!("\n| `plugin.{code}` | ")),
            "docs/plugins.md does not explain `plugin.{code}`"
        );
    }
}
