//! W3C trace context (<https://www.w3.org/TR/trace-context/>, version 00): `00-<trace>-<span>-<flags>`.

use std::hash::{DefaultHasher, Hash, Hasher};

const LEN: usize = 55;

/// Why `text` is no `traceparent`; `None` if it is one.
#[must_use]
pub fn fault(text: &str) -> Option<&'static str> {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else {
        return Some("it is not `00-<32 digits>-<16 digits>-<2 digits>`");
    };
    let is_hex = |part: &str, len| {
        part.len() == len && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    match () {
        () if version != "00" => Some("only its version 00 is known"),
        () if !is_hex(trace, 32) => Some("its trace id is not 32 hexadecimal digits in lower case"),
        () if !is_hex(span, 16) => Some("its span id is not 16 hexadecimal digits in lower case"),
        () if !is_hex(flags, 2) => Some("its flags are not 2 hexadecimal digits in lower case"),
        () if is_zero(trace) || is_zero(span) => Some("an id of zeroes is none"),
        () => None,
    }
}

/// The context of a span below that of `parent`, written to `into`: the same trace and flags, and a span id made from the
/// parent's and `what`, which tells it from its siblings. Empty if `parent` is.
pub fn child(parent: &str, what: &impl Hash, into: &mut String) {
    into.clear();
    let (Some(head), Some(span), Some(flags)) = (parent.get(..36), parent.get(36..52), parent.get(52..LEN))
    else {
        return;
    };
    let mut hasher = DefaultHasher::new();
    span.hash(&mut hasher);
    what.hash(&mut hasher);
    // zero is no span
    let id = hasher.finish().max(1);
    into.push_str(head);
    for shift in (0..16).rev() {
        let digit = u32::try_from(id >> (shift * 4) & 0xf).unwrap_or_default();
        into.extend(char::from_digit(digit, 16));
    }
    into.push_str(flags);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_child_has_the_trace_and_the_flags_of_its_parent_and_a_span_of_its_own() {
        let (mut one, mut two, mut none) = (String::new(), String::new(), "x".to_owned());
        child(PARENT, &"one", &mut one);
        child(PARENT, &"two", &mut two);
        child("", &"one", &mut none);
        assert_eq!((fault(&one), fault(&two), &*none), (None, None, ""));
        assert_eq!((&one[..36], &one[52..]), (&PARENT[..36], "-01"));
        assert!(one[36..52] != two[36..52] && one != PARENT);
    }

    #[test]
    fn what_is_no_context_says_why() {
        assert_eq!(fault(PARENT), None);
        for (bad, why) in [
            ("", "it is not"),
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "version"),
            ("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "trace id"),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01", "span id"),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", "flags"),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "zeroes"),
        ] {
            assert!(fault(bad).is_some_and(|fault| fault.contains(why)), "{bad}");
        }
    }
}
