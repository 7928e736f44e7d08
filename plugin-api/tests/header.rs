//! `include/jackfield.h` is what cbindgen makes of the tables. `JACKFIELD_BLESS=1` writes it anew.

use std::path::Path;
use std::process::Command;

const PREAMBLE: &str = "\
/* Jackfield plugin ABI 1. Generated from plugin-api/src/abi/{tables,extensions}.rs: do not edit.
 *
 * A plugin is a shared library that exports one constant:
 *
 *     JF_EXPORT const JfPlugin jf_plugin_v1 = { ... };
 *
 * and whose static manifest (JSON) stands in the section `.jfmf` (`__DATA,__jfmf` on macOS); `manifest` of the table
 * points to the same bytes. Text is UTF-8, values are JSON. Whoever produces a buffer frees it. Nothing may unwind or
 * jump across a function of these tables. */";

const TRAILER: &str = "\
#if defined(_WIN32)
#define JF_EXPORT __declspec(dllexport)
#else
#define JF_EXPORT __attribute__((visibility(\"default\")))
#endif

#ifdef __cplusplus
extern \"C\" {
#endif
/* What the plugin defines. */
JF_EXPORT extern const JfPlugin jf_plugin_v1;
#ifdef __cplusplus
}
#endif";

fn generated() -> String {
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        header: Some(PREAMBLE.into()),
        trailer: Some(TRAILER.into()),
        include_guard: Some("JACKFIELD_H".into()),
        style: cbindgen::Style::Both,
        cpp_compat: true,
        usize_is_size_t: true,
        no_includes: true,
        sys_includes: vec!["stddef.h".into(), "stdint.h".into()],
        documentation_style: cbindgen::DocumentationStyle::C99,
        ..cbindgen::Config::default()
    };
    config.export.include = ["JfPlugin", "JfHost", "JfCancel", "JfState"].map(String::from).to_vec();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/abi");
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(source.join("tables.rs"))
        .with_src(source.join("extensions.rs"))
        .generate()
        .expect("the tables are plain C types");
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).expect("cbindgen writes UTF-8")
}

fn header() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include/jackfield.h")
}

#[test]
fn the_checked_in_header_is_that_of_the_tables() {
    let generated = generated();
    if std::env::var_os("JACKFIELD_BLESS").is_some() {
        std::fs::write(header(), &generated).unwrap();
    }
    let checked_in = std::fs::read_to_string(header()).unwrap_or_default();
    assert!(
        checked_in == generated,
        "include/jackfield.h is out of date: run this test with JACKFIELD_BLESS=1"
    );
}

#[test]
fn the_header_compiles_as_c_and_the_tables_have_the_sizes_of_rust() {
    use jackfield_plugin_api::abi;
    let source = format!(
        "#include \"jackfield.h\"\n\
         _Static_assert(sizeof(JfPlugin) == {}, \"JfPlugin\");\n\
         _Static_assert(sizeof(JfHost) == {}, \"JfHost\");\n\
         _Static_assert(sizeof(JfCall) == {}, \"JfCall\");\n\
         _Static_assert(sizeof(JfResult) == {}, \"JfResult\");\n\
         _Static_assert(offsetof(JfCall, deadline_left_ns) == {}, \"deadline_left_ns\");\n\
         _Static_assert(offsetof(JfPlugin, manifest) == {}, \"manifest\");\n\
         _Static_assert(JF_ABI_MAJOR == 1 && JF_UNSUPPORTED == 3, \"constants\");\n",
        size_of::<abi::JfPlugin>(),
        size_of::<abi::JfHost>(),
        size_of::<abi::JfCall>(),
        size_of::<abi::JfResult>(),
        std::mem::offset_of!(abi::JfCall, deadline_left_ns),
        std::mem::offset_of!(abi::JfPlugin, manifest),
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("check.c");
    std::fs::write(&file, source).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let output = Command::new(compiler)
        .args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"])
        .arg(header().parent().unwrap())
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
