//! Pictures of workflows, compared with golden ones and checked for what they must show.

use super::*;
use crate::model::Dialect;
use crate::sketch::draft;
use std::fmt::Write;

const ORDER: &str = include_str!("golden/order.json");

fn graph(source: &str) -> Graph {
    let (graph, diagnostics) = draft(source, Dialect::Json);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    graph.unwrap()
}

/// Compares with a file next to this one; `JACKFIELD_BLESS=1` writes it anew.
fn assert_golden(name: &str, actual: &str) {
    let path = format!("{}/src/graph/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("JACKFIELD_BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(actual, expected, "{name} differs");
}

fn chain(steps: usize) -> String {
    let mut document = String::from(r#"{"id":"chain","steps":["#);
    for step in 0..steps {
        let comma = if step == 0 { "" } else { "," };
        write!(document, r#"{comma}{{"id":"s{step}","type":"log","message":"x"}}"#).unwrap();
    }
    document + "]}"
}

#[test]
fn the_text_tree_is_as_it_was() {
    assert_golden("order.txt", &graph(ORDER).render(Format::Text).unwrap());
}

#[test]
fn the_input_for_graphviz_is_as_it_was() {
    assert_golden("order.dot", &graph(ORDER).render(Format::Dot).unwrap());
}

#[test]
fn the_input_for_mermaid_is_as_it_was() {
    assert_golden("order.mmd", &graph(ORDER).render(Format::Mermaid).unwrap());
}

#[test]
fn the_picture_is_as_it_was() {
    assert_golden("order.svg", &graph(ORDER).render(Format::Svg).unwrap());
}

#[test]
fn references_in_expressions_are_edges_unless_they_are_declared() {
    let graph = graph(ORDER);
    let id = |block: &Block, ix: usize| block.nodes[ix].id.clone();
    let references = |block: &Block| -> Vec<(String, String)> {
        let edges = block.edges.iter().filter(|edge| edge.kind == EdgeKind::Reference);
        edges.map(|edge| (id(block, edge.from), id(block, edge.to))).collect()
    };
    let root = &graph.blocks[0];
    assert_eq!(references(root), [("stock".to_owned(), "pay".to_owned())]);
    let prices = root.nodes.iter().find(|node| node.id == "prices").unwrap();
    assert_eq!(references(&prices.blocks[0]), [("look_up".to_owned(), "discount".to_owned())]);
}

#[test]
fn what_has_a_meaning_in_a_format_is_escaped() {
    let document =
        r#"{"id":"w","name":"</title>&\"'","steps":[{"id":"a","type":"log","message":"]\"; <b> \\ #"}]}"#;
    let graph = graph(document);
    let svg = graph.render(Format::Svg).unwrap();
    assert!(svg.contains("<title>&lt;/title&gt;&amp;&quot;&#39;</title>"), "{svg}");
    assert!(!svg.contains("<b>"), "{svg}");
    let mermaid = graph.render(Format::Mermaid).unwrap();
    let label =
        mermaid.lines().nth(1).unwrap().trim().strip_prefix("n1[\"").unwrap().strip_suffix("\"]").unwrap();
    assert!(!label.replace("<br>", "").contains(['"', '<', '[', ']', '\\']), "{mermaid}");
    let dot = graph.render(Format::Dot).unwrap();
    assert!(dot.contains(r#"]\\\"; <b> \\\\ #"#), "{dot}");
}

#[test]
fn a_picture_has_a_limit_and_other_formats_have_none() {
    let at_limit = graph(&chain(SVG_STEPS_MAX));
    assert!(at_limit.render(Format::Svg).is_ok());
    let beyond = graph(&chain(SVG_STEPS_MAX + 1));
    let error = beyond.render(Format::Svg).unwrap_err().to_string();
    assert!(error.starts_with("the workflow has 401 steps"), "{error}");
    assert_eq!(beyond.render(Format::Text).unwrap().lines().count(), SVG_STEPS_MAX + 2);
}

#[test]
fn a_document_with_faults_is_drawn_as_far_as_it_goes() {
    let faulty = r#"{"id":"w","steps":[{"id":"a","type":"log","message":"${nothing.here}"}]}"#;
    let (graph, diagnostics) = draft(faulty, Dialect::Json);
    assert!(graph.unwrap().render(Format::Text).unwrap().contains("a   log"));
    assert!(!diagnostics.is_empty());
}

#[test]
fn cutting_a_text_keeps_its_characters_whole() {
    assert_eq!(shorten("short", 5), "short");
    assert_eq!(shorten("äöü äöü", 5), "äöü …");
    assert_eq!(shorten("a\n  b", 10), "a b");
}
