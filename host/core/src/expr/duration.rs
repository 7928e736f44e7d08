//! Durations as expressions write them: `1h30m`, `1.5s`, `250ms`, `-90s`; shown in seconds, `90s`.

use chrono::TimeDelta;

const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("d", 86_400_000_000_000),
];
/// Digits after the point beyond these do not matter to any unit.
const FRACTION_DIGITS_MAX: usize = 15;

/// The duration that `text` says, to the nanosecond; `None` if it says none or one beyond 292 years.
pub(super) fn parse(text: &str) -> Option<TimeDelta> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() && rest != "0" {
        let (amount, after) = part(rest)?;
        nanos = nanos.checked_add(amount)?;
        rest = after;
    }
    let nanos = i64::try_from(if negative { -nanos } else { nanos }).ok()?;
    Some(TimeDelta::nanoseconds(nanos))
}

/// One number with its unit, in nanoseconds, and what follows.
fn part(text: &str) -> Option<(i128, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole_len = digits(text);
    let (whole, mut rest) = text.split_at(whole_len);
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        let (found, after) = after.split_at(digits(after));
        fraction = found;
        rest = after;
    }
    if whole.is_empty() && fraction.is_empty() || whole.len() > 18 {
        return None;
    }
    let (unit, size) = UNITS.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
    let fraction = &fraction[..fraction.len().min(FRACTION_DIGITS_MAX)];
    let mut nanos = whole.parse::<i128>().unwrap_or(0) * size;
    if !fraction.is_empty() {
        nanos += fraction.parse::<i128>().ok()? * size / 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    }
    Some((nanos, &rest[unit.len()..]))
}

/// In seconds with the digits needed, such as `90s` or `-0.25s`.
pub(super) fn format(span: TimeDelta) -> String {
    let nanos = i128::from(span.num_seconds()) * 1_000_000_000 + i128::from(span.subsec_nanos());
    let (sign, size) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let (seconds, fraction) = (size / 1_000_000_000, size % 1_000_000_000);
    if fraction == 0 {
        return format!("{sign}{seconds}s");
    }
    let digits = format!("{fraction:09}");
    format!("{sign}{seconds}.{}s", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown_in_seconds() {
        for (text, expected) in [
            ("90s", "90s"),
            ("1h30m", "5400s"),
            ("1.5s", "1.5s"),
            ("250ms", "0.25s"),
            ("-2m", "-120s"),
            ("0", "0s"),
            ("1us5ns", "0.000001005s"),
            ("1d", "86400s"),
            (".5h", "1800s"),
        ] {
            assert_eq!(parse(text).map(format).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "-", "5", "s", "1x", "1h 3m", "999999999999999999h", ".s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
