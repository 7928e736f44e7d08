//! Templates: JSON in, JSON out.

use super::{FaultKind, Template, World};
use crate::expr::{Hole, HoleKind};
use serde_json::json;

const INPUT: &str = r#"{"n":5,"s":"a\"b","l":[1,2],"o":{"k":null}}"#;

#[test]
fn holes_are_filled_and_everything_else_stays() {
    for (json, expected) in [
        (r#" { "a" : 1, "b":[ true , null ] } "#, r#"{"a":1,"b":[true,null]}"#),
        (r#""${input.n}""#, "5"),
        (r#""${ input.l }""#, "[1,2]"),
        (
            r#"{"x":"${input.o}","y":"n=${input.n}; ${input.s}; ${input.l}"}"#,
            r#"{"x":{"k":null},"y":"n=5; a\"b; [1,2]"}"#,
        ),
        (r#"{"${input.n}":1}"#, r#"{"${input.n}":1}"#),
        (
            r#"["$${input.n}","$$${input.n}","$ {","cost: 5$"]"#,
            r#"["${input.n}","$${input.n}","$ {","cost: 5$"]"#,
        ),
        (r#""${input.s == 'a\"b' ? 'yes' : 'no'}""#, r#""yes""#),
        (r#""${input.s == \"a\\\"b\"}""#, "true"),
        (r#""\u0024{input.n}""#, "5"),
        (r#""${'}' + string({'a': {'b': 1}}.a)}""#, r#""}{\"b\":1}""#),
        (r#""x${1 + 1}y${'\\n'}""#, r#""x2y\n""#),
        (r#""in ${duration('90s')} at ${now()}""#, r#""in 90s at 2023-11-14T22:13:20Z""#),
        (r#""tab\tand ${input.n}""#, r#""tab\tand 5""#),
        (r#"{"a":{"b":["${input.n}",{"c":"${input.l[1]}"}]}}"#, r#"{"a":{"b":[5,{"c":2}]}}"#),
        (r#""${secret('api')}""#, r#""<api>""#),
        ("null", "null"),
        ("12.50", "12.50"),
    ] {
        assert_eq!(World::new(INPUT).render(json).as_deref(), Ok(expected), "{json}");
    }
}

#[test]
fn a_whole_reference_that_is_a_string_goes_into_text_as_it_is() {
    for (input, expected) in [
        (r#""plain""#, r#""<plain>""#),
        (r#""a\"b""#, r#""<a\"b>""#),
        (r#" "spaced" "#, r#""<spaced>""#),
        ("[\"x\"]", r#""<[\"x\"]>""#),
    ] {
        assert_eq!(World::new(input).render(r#""<${input}>""#).as_deref(), Ok(expected), "{input}");
    }
}

#[test]
fn a_template_without_references_is_ready_made() {
    let mut world = World::new(INPUT);
    for (json, expected) in [
        ("[1, {\"a\": 2}]", Some(r#"[1,{"a":2}]"#)),
        (r#"{"a":"${1 + 1}","b":"x${'y'}"}"#, Some(r#"{"a":2,"b":"xy"}"#)),
        (r#""${input.n}""#, None),
        (r#""${uuid()}""#, None),
    ] {
        let template = Template::compile(json, &mut world).unwrap();
        assert_eq!(template.constant().map(crate::payload::Payload::as_str), expected, "{json}");
    }
}

#[test]
fn a_whole_reference_is_handed_on_without_copying() {
    let mut world = World::new(INPUT);
    let template = Template::compile(r#""${input}""#, &mut world).unwrap();
    assert!(std::ptr::eq(template.render(&world).unwrap().as_str(), world.values[0].1.as_str()));
}

#[test]
fn faults_point_into_the_json_text() {
    for (json, kind, at) in [
        (r#"{"a":"${nope}"}"#, FaultKind::UnknownName, "nope"),
        (r#"{"ä":"tab\t\"é\u00e4 ${ nope + 1}"}"#, FaultKind::UnknownName, "nope"),
        (r#"["\ud83d\ude00${nope}"]"#, FaultKind::UnknownName, "nope"),
        (r#"["x ${input.n"]"#, FaultKind::Syntax, "${"),
        (r#"["${1 + }"]"#, FaultKind::Syntax, "}\"]"),
        (r#"["${sise(1)}"]"#, FaultKind::UnknownFunction, "sise"),
    ] {
        let fault = Template::compile(json, &mut World::new(INPUT)).unwrap_err().remove(0);
        assert_eq!((fault.kind, fault.offset), (kind, json.find(at).unwrap()), "{json}: {}", fault.message);
    }
    let faults = Template::compile(r#"["${a}","${b}"]"#, &mut World::new(INPUT)).unwrap_err();
    assert_eq!(faults.len(), 2);
    let fault = Template::compile("{\n\"a\": }", &mut World::new(INPUT)).unwrap_err().remove(0);
    assert_eq!((fault.kind, fault.offset), (FaultKind::Syntax, 7));
}

#[test]
fn the_skeleton_shows_what_is_known_before_the_run() {
    let mut world = World::new(INPUT);
    let json = r#"{"a/b":"${input.n}","t":"x ${input.n}","c":[1,{"d":"${input.s}"},"k${1}"]}"#;
    let (value, holes) = Template::compile(json, &mut world).unwrap().skeleton();
    assert_eq!(value, json!({"a/b": null, "t": null, "c": [1, {"d": null}, "k1"]}));
    let hole = |pointer: &str, kind| Hole { pointer: pointer.into(), kind };
    assert_eq!(
        holes,
        [hole("/a~1b", HoleKind::Any), hole("/t", HoleKind::Text), hole("/c/1/d", HoleKind::Any)]
    );
    let (value, holes) = Template::compile(r#""${input}""#, &mut world).unwrap().skeleton();
    assert_eq!((value, holes), (json!(null), vec![hole("", HoleKind::Any)]));
}

#[test]
fn references_and_secrets_of_a_template_are_known() {
    let mut world = World::new(INPUT);
    let template =
        Template::compile(r#"["${input.n}","${steps.load.output}","${input.s}${secret('k')}"]"#, &mut world)
            .unwrap();
    assert_eq!(template.references().iter().map(|r| r.0).collect::<Vec<_>>(), [0, 1]);
    assert!(template.uses_secrets());
    assert!(!Template::compile(r#""${input.n}""#, &mut world).unwrap().uses_secrets());
}

#[test]
fn a_failure_names_the_expression_of_its_hole() {
    let mut world = World::new(INPUT);
    let template = Template::compile(r#"{"a":"${input.n}","b":"${input.zz}"}"#, &mut world).unwrap();
    let error = template.render(&world).unwrap_err();
    assert_eq!((error.message(), error.expression()), ("`input` has no key `zz`", "input.zz"));
}
