//! What payloads promise.

use super::{Payload, Segment};

fn parse(text: &str) -> Payload {
    Payload::parse(text).unwrap()
}

fn path(segments: &[&str]) -> Vec<Segment> {
    segments.iter().map(|s| s.parse().map_or_else(|_| Segment::Key((*s).into()), Segment::Index)).collect()
}

#[test]
fn is_one_pointer_wide_and_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Payload>();
    assert_eq!(size_of::<Payload>(), size_of::<usize>());
}

#[test]
fn a_path_is_found_in_the_text_without_parsing() {
    let value = parse(r#" {"a" : {"b\n": [1, "x]}\"", {"c": null}], "b": 2 } , "d":[] } "#);
    for (segments, expected) in [
        (vec!["a", "b"], Some("2")),
        (vec!["a", "b\n", "1"], Some(r#""x]}\"""#)),
        (vec!["a", "b\n", "2", "c"], Some("null")),
        (vec!["a", "b\n", "3"], None),
        (vec!["d", "0"], None),
        (vec!["d"], Some("[]")),
        (vec!["d", "x"], None),
        (vec!["e"], None),
    ] {
        let found = value.path(&path(&segments));
        assert_eq!(found.as_ref().map(Payload::as_str), expected, "{segments:?}");
    }
    assert!(value.parsed().is_none());
}

#[test]
fn the_first_of_equal_keys_counts_for_scanner_and_tree_alike() {
    let value = parse(r#"{"a":1,"a":2}"#);
    assert_eq!(value.path(&path(&["a"])).unwrap().as_str(), "1");
    assert_eq!(value.value()["a"], 1);
}

#[test]
fn a_large_part_shares_memory_and_a_small_one_does_not() {
    let value = parse(&format!(r#"{{"big":"{}","small":[1]}}"#, "x".repeat(4000)));
    let big = value.path(&path(&["big"])).unwrap();
    assert_eq!(big.as_str().as_ptr(), value.as_str()[7..].as_ptr());
    let small = value.path(&path(&["small"])).unwrap();
    assert_eq!(small.as_str(), "[1]");
    assert!(!value.as_bytes().as_ptr_range().contains(&small.as_bytes().as_ptr()));
}

#[test]
fn broken_or_too_deep_text_is_refused() {
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(&nested(127)).value().is_array());
    let deep = nested(128);
    for text in ["", "{", "1 2", "nul", "\"a", deep.as_str()] {
        assert!(Payload::parse(text).is_err(), "{text:.20}");
        assert!(Payload::adopt(Box::new(text.as_bytes().to_vec())).is_err(), "{text:.20}");
    }
    assert!(Payload::adopt(Box::new(b"\"\xff\"".to_vec())).is_err());
}

#[test]
fn a_number_beyond_the_range_of_a_double_is_refused() {
    let digits = "9".repeat(400);
    for text in ["[1e400]", "{\"a\":-1E+999}", digits.as_str()] {
        assert!(Payload::parse(text).is_err(), "{text:.20}");
    }
    for text in ["[1e300]", "[1e-400]", "\"1e400\"", &format!("\"{digits}\""), &"9".repeat(290)] {
        assert!(!parse(text).value().is_null(), "{text:.20}");
    }
}

#[test]
fn null_is_null_whatever_space_surrounds_it() {
    assert!(parse(" null\n").is_null());
    assert!(Payload::adopt(Box::new(b" null ".to_vec())).unwrap().is_null());
    assert_eq!(Payload::adopt(Box::new(b" [1] ".to_vec())).unwrap().as_str(), "[1]");
}

#[test]
fn arrays_and_objects_are_joined_from_texts() {
    let (one, text) = (Payload::from(1_i64), Payload::from("a\"\u{1}b"));
    assert_eq!(Payload::array([&one, &text, &Payload::null()]).as_str(), r#"[1,"a\"\u0001b",null]"#);
    assert_eq!(Payload::object([("k\n", &one), ("t", &text)]).as_str(), r#"{"k\n":1,"t":"a\"\u0001b"}"#);
    assert_eq!(Payload::array([]).as_str(), "[]");
}

#[test]
fn the_elements_of_an_array_are_payloads() {
    for (text, expected) in [
        ("[]", vec![]),
        ("[ ]", vec![]),
        (r#"[1, [2,3] ,"a,]",null]"#, vec!["1", "[2,3]", r#""a,]""#, "null"]),
        (r#"{"a":1}"#, vec![]),
        ("5", vec![]),
    ] {
        let elements = parse(text).elements();
        assert_eq!(elements.iter().map(Payload::as_str).collect::<Vec<_>>(), expected, "{text}");
    }
}

#[test]
fn debug_cuts_long_values_short() {
    let long = Payload::string(&"ä".repeat(2000));
    assert!(format!("{long:?}").len() < 600);
    assert!(format!("{long:?}").ends_with("(4002 bytes)"));
}
