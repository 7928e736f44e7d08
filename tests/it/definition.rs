//! Documents: what is taken and what is refused.

use jackfield::json;
use jackfield_tests::Bench;

#[test]
fn a_document_runs_on_the_bench_and_on_the_command_line() {
    let bench = Bench::new(&["echo"]);
    let document = json!({ "id": "hello", "steps": [
        { "id": "say", "plugin": "echo", "method": "echo", "parameters": { "to": "${input.name}" } }
    ] });
    let finished = bench.run(&document, json!({ "name": "you" })).completed();
    assert_eq!(finished.output(), &json!({ "to": "you" }));
    bench.write("hello.json", document.to_string());
    let output = bench.cli(&["run", "hello.json", "--json", "--set", "name=me"]).exits(0);
    assert_eq!(output.json()["output"], json!({ "to": "me" }));
}
