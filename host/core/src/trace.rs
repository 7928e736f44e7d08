//! W3C trace context (<https://www.w3.org/TR/trace-context/>, version 00): `00-<trace>-<span>-<flags>`; and spans that have
//! ended, on their way to whoever collects them.

use crate::time::Timestamp;
use std::fmt;
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

/// A span in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext {
    /// Id of the trace; not 0.
    pub trace: u128,
    /// Id of the span; not 0.
    pub span: u64,
    /// Flags of the trace.
    pub flags: u8,
}

impl SpanContext {
    const SAMPLED: u8 = 1;

    /// Reads a `traceparent`; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        fault(text).is_none().then_some(())?;
        let trace = u128::from_str_radix(text.get(3..35)?, 16).ok()?;
        let span = u64::from_str_radix(text.get(36..52)?, 16).ok()?;
        let flags = u8::from_str_radix(text.get(53..55)?, 16).ok()?;
        Some(Self { trace, span, flags })
    }

    /// What stands above the first span of a trace of its own, made from `what`: nothing is known of it but its trace.
    #[must_use]
    pub fn root(what: &impl Hash, is_sampled: impl FnOnce(u128) -> bool) -> Self {
        let half = |nth: u8| {
            let mut hasher = DefaultHasher::new();
            (nth, what).hash(&mut hasher);
            hasher.finish()
        };
        let trace = (u128::from(half(1)) << 64 | u128::from(half(2))).max(1);
        let flags = if is_sampled(trace) { Self::SAMPLED } else { 0 };
        Self { trace, span: half(3).max(1), flags }
    }

    /// The context of a span below this one, as [`child`].
    #[must_use]
    pub fn child(self, what: &impl Hash) -> Self {
        let mut text = String::with_capacity(LEN);
        child(&self.to_string(), what, &mut text);
        Self::parse(&text).unwrap_or(self)
    }

    /// Whether its spans are recorded.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.flags & Self::SAMPLED != 0
    }
}

impl fmt::Display for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// A span that has ended.
#[derive(Clone, Debug)]
pub struct Span {
    /// Which.
    pub context: SpanContext,
    /// The span that it is below; `None` for the first of a trace.
    pub parent: Option<u64>,
    /// What it is below is another program's.
    pub is_parent_remote: bool,
    /// What was done in it is done by another process.
    pub is_call_out: bool,
    /// For people.
    pub name: String,
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// What is known of it.
    pub fields: Vec<(&'static str, SpanField)>,
    /// What went wrong in it, if anything.
    pub error: Option<Box<str>>,
}

/// A value of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanField {
    /// A text.
    Text(Box<str>),
    /// A number.
    Number(i64),
}

impl From<&str> for SpanField {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for SpanField {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u32> for SpanField {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

/// Takes spans that have ended. Called from many threads, also under locks: it must not block.
pub trait SpanSink: Send + Sync + fmt::Debug {
    /// Whether a trace that begins here is recorded.
    fn samples(&self, trace: u128) -> bool;

    /// Takes a span.
    fn take(&self, span: Span);
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
    fn a_context_is_the_same_as_text_and_as_numbers() {
        let context = SpanContext::parse(PARENT).unwrap();
        assert_eq!((context.to_string().as_str(), context.is_sampled()), (PARENT, true));
        let mut text = String::new();
        child(PARENT, &"one", &mut text);
        assert_eq!(context.child(&"one").to_string(), text);
        let root = SpanContext::root(&("run", 1), |_| false);
        assert!(!root.is_sampled() && fault(&root.to_string()).is_none(), "{root}");
        assert_eq!(root, SpanContext::root(&("run", 1), |_| false));
        assert_ne!(root.trace, SpanContext::root(&("run", 2), |_| false).trace);
        assert_eq!(SpanContext::parse("00-0-0-00"), None);
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
