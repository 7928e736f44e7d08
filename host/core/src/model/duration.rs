//! Durations as people write them: `1h30m`, `500ms`, `1.5s`, `3d`, or ISO 8601 such as `PT30S`. Arithmetic is
//! exact and checked; nothing is rounded except fractions below a nanosecond, which are refused.

use std::time::Duration;

/// The longest duration that the format takes: 36,500 days.
pub const MAX: Duration = Duration::from_secs(36_500 * 86_400);

const SECOND: u128 = 1_000_000_000;

/// Longest first, so that formatting takes what fits.
const UNITS: [(&str, u128); 8] = [
    ("w", 604_800 * SECOND),
    ("d", 86_400 * SECOND),
    ("h", 3_600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads a duration. Units are `w`, `d`, `h`, `m`, `s`, `ms`, `us` and `ns`, each at most once and longest first.
///
/// # Errors
/// A lower-case fragment that says what is wrong with `text`.
pub fn parse(text: &str) -> Result<Duration, String> {
    let nanos = match text.strip_prefix(['P', 'p']) {
        Some(rest) => parse_iso(rest)?,
        None => parse_units(text, &["w", "d", "h", "m", "s", "ms", "us", "ns"])?,
    };
    let duration = u64::try_from(nanos).map(Duration::from_nanos).ok().filter(|duration| *duration <= MAX);
    duration.ok_or_else(|| "is longer than 36,500 days".to_owned())
}

/// Reads a whole number of milliseconds.
///
/// # Errors
/// A lower-case fragment if it is negative or too long.
pub fn from_millis(millis: i64) -> Result<Duration, String> {
    let millis = u64::try_from(millis).map_err(|_| "is negative".to_owned())?;
    Some(Duration::from_millis(millis))
        .filter(|it| *it <= MAX)
        .ok_or_else(|| "is longer than 36,500 days".to_owned())
}

/// Reads a duration from a JSON value: whole milliseconds, or text as [`parse`] takes it.
///
/// # Errors
/// A lower-case fragment that says what is wrong with `value`.
pub fn of_json(value: &serde_json::Value) -> Result<Duration, String> {
    match value {
        serde_json::Value::String(text) => parse(text),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(millis) => from_millis(millis),
            None => Err("is no whole number of milliseconds".to_owned()),
        },
        _ => Err("is no duration".to_owned()),
    }
}

/// The shortest text that [`parse`] reads as `duration`, such as `1h30m`; `0s` for zero.
#[must_use]
pub fn display(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (unit, nanos) in UNITS.into_iter().skip(1) {
        if rest >= nanos {
            text.push_str(&(rest / nanos).to_string());
            text.push_str(unit);
            rest %= nanos;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn parse_iso(text: &str) -> Result<u128, String> {
    let (days, time) = match text.split_once(['T', 't']) {
        Some((_, "")) => return Err("ends after `T`".to_owned()),
        Some((days, time)) => (days, Some(time)),
        None => (text, None),
    };
    if days.contains(['Y', 'y', 'M', 'm']) {
        return Err("counts years or months, which differ in length".to_owned());
    }
    if days.is_empty() && time.is_none() {
        return Err("has no number".to_owned());
    }
    let mut total = 0;
    if !days.is_empty() {
        total = parse_units(&days.to_ascii_lowercase(), &["w", "d"])?;
    }
    if let Some(time) = time {
        total = add(total, parse_units(&time.to_ascii_lowercase(), &["h", "m", "s"])?)?;
    }
    Ok(total)
}

/// Reads `<number><unit>` again and again; `allowed` is in the order in which units may follow each other.
fn parse_units(text: &str, mut allowed: &[&str]) -> Result<u128, String> {
    if text.starts_with('-') {
        return Err("is negative".to_owned());
    }
    let mut rest = text;
    let mut total = 0;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        if number.is_empty() {
            return Err("has no number before its unit".to_owned());
        }
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if unit.is_empty() {
            return Err("has no unit".to_owned());
        }
        let place = allowed.iter().position(|candidate| *candidate == unit);
        let place = place.ok_or_else(|| format!("has the unit `{unit}` where it cannot stand"))?;
        allowed = &allowed[place + 1..];
        total = add(total, scaled(number, nanos_of(unit))?)?;
        if after.is_empty() {
            return Ok(total);
        }
        rest = after;
    }
}

fn nanos_of(unit: &str) -> u128 {
    UNITS.iter().find(|(name, _)| *name == unit).map_or(0, |(_, nanos)| *nanos)
}

/// `number` times `unit` nanoseconds, exactly.
fn scaled(number: &str, unit: u128) -> Result<u128, String> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return Err(format!("has the number `{number}`"));
    }
    let fraction = fraction.trim_end_matches('0');
    if whole.len() > 20 || fraction.len() > 15 {
        return Err(format!("has too many digits in `{number}`"));
    }
    // at most 10^20 units of 7 * 10^14 ns, and a fraction of at most 15 digits: both fit 128 bits
    let digits = |text: &str| text.bytes().fold(0_u128, |sum, byte| sum * 10 + u128::from(byte - b'0'));
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let part = digits(fraction) * unit;
    if !part.is_multiple_of(scale) {
        return Err(format!("is finer than a nanosecond in `{number}`"));
    }
    Ok(digits(whole) * unit + part / scale)
}

fn add(a: u128, b: u128) -> Result<u128, String> {
    a.checked_add(b).ok_or_else(|| "is longer than 36,500 days".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_is_read_exactly() {
        for (text, millis) in [
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("0.25s", 250),
            ("3d", 259_200_000),
            ("1w", 604_800_000),
            ("0s", 0),
            ("PT30S", 30_000),
            ("PT0.5S", 500),
            ("P1DT2H3M4S", 93_784_000),
            ("P2W", 1_209_600_000),
            ("pt1m", 60_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("1us"), Ok(Duration::from_micros(1)));
        assert_eq!(parse("36500d"), Ok(MAX));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "has no number before its unit"),
            ("5", "has no unit"),
            ("-5s", "is negative"),
            ("5 s", "has the unit ` s` where it cannot stand"),
            ("5x", "has the unit `x` where it cannot stand"),
            ("1m1h", "has the unit `h` where it cannot stand"),
            ("1s1s", "has the unit `s` where it cannot stand"),
            ("1.2.3s", "has the number `1.2.3`"),
            (".5s", "has the number `.5`"),
            ("0.5ns", "is finer than a nanosecond in `0.5`"),
            ("P1Y", "counts years or months, which differ in length"),
            ("P1M", "counts years or months, which differ in length"),
            ("PT", "ends after `T`"),
            ("P", "has no number"),
            ("P1H", "has the unit `h` where it cannot stand"),
            ("36501d", "is longer than 36,500 days"),
            ("99999999999999999999w", "is longer than 36,500 days"),
            ("999999999999999999999w", "has too many digits in `999999999999999999999`"),
            ("1é", "has the unit `é` where it cannot stand"),
        ] {
            assert_eq!(parse(text).unwrap_err(), reason, "{text}");
        }
        assert_eq!(of_json(&serde_json::json!(1.5)).unwrap_err(), "is no whole number of milliseconds");
        assert_eq!(of_json(&serde_json::json!(null)).unwrap_err(), "is no duration");
        assert_eq!(of_json(&serde_json::json!(250)), Ok(Duration::from_millis(250)));
        assert!(from_millis(-1).is_err() && from_millis(i64::MAX).is_err());
    }

    #[test]
    fn displaying_is_the_inverse_of_parsing() {
        for nanos in [0, 1, 999, 1_000, 1_500_000_000, 90_061_001_002_003, 3_600_000_000_000] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(parse(&display(duration)), Ok(duration));
        }
        assert_eq!(display(Duration::from_secs(5400)), "1h30m");
    }
}
