//! What needs big packages: slow, and only where there is an index.

use super::lab_with_index;
use jackfield::json;

#[test]
#[ignore = "slow: downloads and installs some 400 MB of packages"]
fn the_built_in_profiles_are_really_installed() {
    let lab = lab_with_index!("");
    let imports = [
        // setuptools refuses to be imported behind pip
        ("base", "import setuptools, wheel, virtualenv, pip"),
        ("web", "import flask, requests, bs4"),
        ("data-science", "import numpy, pandas, matplotlib, scipy, sklearn"),
    ];
    for (profile, code) in imports {
        let made = lab.bench.host().start_call(
            "python",
            "env_create",
            json!({ "name": profile, "profile": profile }),
        );
        let made = made.unwrap_or_else(|error| panic!("{error}"));
        let limit = std::time::Duration::from_secs(600);
        let outcome = made.wait(Some(limit)).expect("it ends within its limit");
        assert!(outcome.is_completed(), "{:#?}", made.report(10));
        let p = json!({ "environment": profile, "code": code, "check": true, "timeout_ms": 120_000 });
        lab.ok("exec", p);
    }
    let code = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.figure()\nNone";
    let done = lab.ok("exec", json!({ "environment": "data-science", "code": code, "timeout_ms": 120_000 }));
    let figures = done["figures"].as_array().expect("a list");
    assert_eq!(figures.len(), 2, "{done}");
    let png = std::fs::read(figures[0]["path"].as_str().expect("a path")).expect("it outlives its session");
    assert!(png.starts_with(b"\x89PNG"));
    let code = "import numpy, pandas\npandas.DataFrame({'a': [1, 2], 'b': ['x', 'y']}).to_dict('records')";
    let done = lab.ok("exec", json!({ "environment": "data-science", "code": code, "timeout_ms": 120_000 }));
    assert_eq!(done["result"], json!([{ "a": 1, "b": "x" }, { "a": 2, "b": "y" }]));
}

#[test]
#[ignore = "slow: asks the index for the versions of many packages"]
fn the_profile_for_machine_learning_can_be_resolved() {
    let lab = lab_with_index!("");
    let tools = super::TOOLS.as_ref().expect("the lab has it");
    let unknown = lab.fails("env_create", json!({ "name": "x", "profile": "none" }));
    assert!(unknown.message.contains("machine-learning"));
    let file = lab.bench.write("ml.in", "torch\ntransformers\nsafetensors\naccelerate\ntokenizers\n");
    let mut uv = std::process::Command::new(&tools.uv);
    let said = super::output(uv.args(["pip", "compile", "--quiet", "--python-version", "3.12"]).arg(file));
    let said = said.unwrap_or_else(|error| panic!("{error}"));
    for package in ["torch==", "transformers==", "safetensors==", "accelerate==", "tokenizers=="] {
        assert!(said.contains(package), "{said}");
    }
}
