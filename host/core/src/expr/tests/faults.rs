//! Faults of the text: found when it is compiled, with place and hint.

use super::{Expression, FaultKind, World};

#[test]
fn a_fault_has_a_kind_a_place_and_a_message() {
    use FaultKind::{Secret, Syntax, TooLarge, UnknownFunction, UnknownName};
    for (source, kind, offset, message) in [
        ("", Syntax, 0, "the expression is empty"),
        ("  ", Syntax, 0, "the expression is empty"),
        ("1 +", Syntax, 3, "the expression ends too early"),
        ("input.a = 1", Syntax, 8, "unexpected `=`"),
        ("(1", Syntax, 2, "missing `)` at the end"),
        ("'ä' + )", Syntax, 7, "unexpected `)`"),
        ("inptu.a + 1", UnknownName, 0, "unknown name `inptu`"),
        ("inptu.a", UnknownName, 0, "unknown name `inptu`"),
        ("'ä' + nope", UnknownName, 7, "unknown name `nope`"),
        ("[1].map(x, y)", UnknownName, 11, "unknown name `y`"),
        ("[1].map(x, x) + x", UnknownName, 16, "unknown name `x`"),
        ("sise(input)", UnknownFunction, 0, "unknown function `sise`"),
        ("'a'.startswith('b')", UnknownFunction, 4, "unknown function `startswith`"),
        ("math.max(1)", UnknownFunction, 5, "unknown function `math.max`"),
        ("size()", UnknownFunction, 0, "`size` does not take 0 arguments"),
        ("'a'.contains()", UnknownFunction, 4, "`contains` does not take 0 arguments"),
        ("contains('a', 'b')", UnknownFunction, 0, "`contains` is called as `text.contains(part)`"),
        ("secret(input.a)", Secret, 6, "the name of a secret must be written out"),
        ("secret('forbidden')", Secret, 6, "no secrets here"),
        ("'a'.matches('(')", Syntax, 11, "`(` is no regular expression: unclosed group"),
        ("b'x'", Syntax, 0, "bytes are not supported"),
        ("has(1)", Syntax, 3, "`has` needs a field selection"),
        ("Thing{a: 1}", Syntax, 5, "there is no message type `Thing`"),
        ("[1].map(1, 2)", Syntax, 8, "a loop variable must be a plain name"),
        (&"(".repeat(100), TooLarge, 31, "the expression nests deeper than 64 levels"),
    ] {
        let fault = World::new("{}").fault(source);
        assert_eq!((fault.kind, fault.offset, fault.message.as_str()), (kind, offset, message), "{source}");
    }
}

#[test]
fn hints_name_what_was_probably_meant() {
    for (source, hint) in [
        ("'a'.startswith('b')", "Did you mean `startsWith`?"),
        ("sise(input)", "Did you mean `size`?"),
        ("input.a = 1", "Equality is written `==`."),
        ("size(1, 2)", "It is called as `size(x) or x.size()`."),
        ("[1].filtr(x, true)", "Did you mean `filter`?"),
    ] {
        let faults = Expression::compile(source, &mut World::new("{}")).unwrap_err();
        assert!(faults.iter().any(|fault| fault.hint == hint), "{source}: {faults:?}");
    }
}

#[test]
fn all_faults_are_found_at_once() {
    let faults = Expression::compile("nope + sise(1) + other.x", &mut World::new("{}")).unwrap_err();
    let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(messages, ["unknown name `nope`", "unknown function `sise`", "unknown name `other`"]);
}

#[test]
fn a_local_name_hides_a_function_namespace_and_a_name() {
    assert_eq!(World::new("{}").eval("[{'abs': 1}].map(math, math.abs)").unwrap(), "[1]");
    assert_eq!(World::new("{}").eval("[[1, 2]].map(math, math.size())").unwrap(), "[2]");
}
