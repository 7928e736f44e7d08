//! When a schedule is due: pure arithmetic on points in time.

use crate::run::mix;
use crate::time::{Nanos, Timestamp};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use std::time::Duration;

/// Shortest time between two starts.
pub const EVERY_MIN: Duration = Duration::from_secs(1);
/// Longest jitter: occurrences are started in their order, so that one with much of it holds up those behind it.
pub const JITTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// What makes a schedule due.
#[derive(Clone, Debug)]
pub enum When {
    /// The wall clock of a place.
    Cron(Box<CronTimes>),
    /// Time that has passed, whatever clocks say.
    Every(Duration),
    /// One point in time.
    At(Timestamp),
    /// An event that a step emits to all.
    Event(Box<str>),
}

/// A cron expression and its time zone.
#[derive(Clone, Debug)]
pub struct CronTimes {
    cron: Cron,
    zone: Tz,
}

impl CronTimes {
    /// Reads an expression of 5 fields, of 6 with seconds in front, or a nickname such as `@daily`. A day of the month and a
    /// day of the week together mean either.
    ///
    /// # Errors
    /// A lower-case fragment that says what is wrong with `text`.
    pub fn parse(text: &str, zone: Tz) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| uncapitalized(&error.to_string()))?;
        let times = Self { cron, zone };
        // leap days and days of the week come round within 40 years
        if times.next(Timestamp(0)).is_none() {
            return Err("there is no such day".to_owned());
        }
        Ok(times)
    }

    /// Its time zone.
    #[must_use]
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }

    fn local(&self, at: Timestamp) -> DateTime<Tz> {
        let nanos = i64::try_from(at.0).unwrap_or(i64::MAX);
        DateTime::<Utc>::from_timestamp_nanos(nanos).with_timezone(&self.zone)
    }

    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        timestamp(&self.cron.find_next_occurrence(&self.local(after), false).ok()?)
    }

    fn previous(&self, until: Timestamp) -> Option<Timestamp> {
        timestamp(&self.cron.find_previous_occurrence(&self.local(until), true).ok()?)
    }
}

fn timestamp(time: &DateTime<Tz>) -> Option<Timestamp> {
    u64::try_from(time.timestamp_nanos_opt()?).ok().map(Timestamp)
}

fn uncapitalized(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let text = text.strip_prefix("Component error: ").unwrap_or(text);
    let text = text.strip_prefix("Invalid pattern: ").unwrap_or(text);
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

impl When {
    /// The first occurrence after `after` of a schedule that has been as it is since `since`; none if there will be none, and
    /// for events.
    #[must_use]
    pub fn next(&self, since: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let after = after.max(since);
        match self {
            Self::Cron(times) => times.next(after),
            Self::Every(period) => {
                let period = Nanos::from(*period).0.max(1);
                let passed = (after.0 - since.0) / period;
                let next = passed.checked_add(1)?.checked_mul(period)?.checked_add(since.0)?;
                i64::try_from(next).ok().map(|_| Timestamp(next))
            }
            Self::At(at) => Some(*at).filter(|at| *at > after),
            Self::Event(_) => None,
        }
    }

    /// The last occurrence at `until` or earlier, and after `since`.
    #[must_use]
    pub fn previous(&self, since: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let found = match self {
            Self::Cron(times) => times.previous(until)?,
            Self::Every(period) => {
                let period = Nanos::from(*period).0.max(1);
                let passed = until.0.checked_sub(since.0)? / period;
                Timestamp(since.0 + passed * period)
            }
            Self::At(at) => Some(*at).filter(|at| *at <= until)?,
            Self::Event(_) => return None,
        };
        Some(found).filter(|found| *found > since)
    }

    /// The name of the event that it waits for.
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        match self {
            Self::Event(name) => Some(name),
            _ => None,
        }
    }
}

/// How much later than its time the occurrence at `at` of the schedule `id` starts: below `most`, and always the same.
#[must_use]
pub fn jitter(id: &str, at: Timestamp, most: Duration) -> Duration {
    let most = Nanos::from(most).0;
    if most == 0 {
        return Duration::ZERO;
    }
    let seed = id.bytes().fold(0, |seed, byte| mix(seed, u64::from(byte)));
    Duration::from_nanos(mix(seed, at.0) % most)
}
