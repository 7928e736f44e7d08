//! Schedules: what is written about them, checked once and made into something that answers when the next run is due and
//! what its input is. Who starts the runs is the engine.

mod input;
#[cfg(test)]
mod tests;
mod times;

pub use crate::model::Overlap;
pub use input::{Input, Occasion};
pub use times::{CronTimes, EVERY_MIN, JITTER_MAX, When, jitter};

use crate::diagnostic::{Code, Finding, nearest};
use crate::model::{At, Schedule, duration, parse_schedule};
use crate::payload::Payload;
use crate::time::Timestamp;
use chrono::DateTime;
use chrono_tz::{TZ_VARIANTS, Tz};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A schedule that has been checked.
#[derive(Debug)]
pub struct Spec {
    /// As it was written.
    pub text: Arc<str>,
    /// What makes it due.
    pub when: When,
    /// Input of the runs, if anything is said about it.
    pub input: Option<Input>,
    /// Whether it is in force from the beginning.
    pub enabled: bool,
    /// What happens when a run of it has not ended.
    pub overlap: Overlap,
    /// How far back missed starts are made up for.
    pub catch_up: Duration,
    /// Delay of a start, at most.
    pub jitter: Duration,
}

impl Spec {
    /// Checks a text that is a `schedule` by itself. `config_keys` are what `config.<key>` can name, anything if absent.
    ///
    /// # Errors
    /// Everything that is wrong with it, by its place.
    pub fn parse(text: &str, config_keys: Option<&BTreeSet<Box<str>>>) -> Result<Self, Vec<Finding>> {
        let (schedule, mut findings) = parse_schedule(text.as_bytes());
        let spec = schedule.and_then(|schedule| compile(&schedule, config_keys, &mut findings));
        findings.sort_by_key(|finding| finding.at);
        spec.filter(|_| findings.is_empty()).ok_or(findings)
    }

    /// The first occurrence after `after` of the schedule, if it has been as it is since `since`.
    #[must_use]
    pub fn next(&self, since: Timestamp, after: Timestamp) -> Option<Timestamp> {
        self.when.next(since, after)
    }

    /// When the run of the occurrence at `at` of the schedule `id` starts.
    #[must_use]
    pub fn due(&self, id: &str, at: Timestamp) -> Timestamp {
        at.after(jitter(id, at, self.jitter))
    }

    /// The occurrences after `after` that are due at `now` and not later than `late_max` behind their time, oldest first; the
    /// newest `count_max` of them if there are more. And whether some were left out.
    #[must_use]
    pub fn due_between(
        &self,
        id: &str,
        (since, after, now): (Timestamp, Timestamp, Timestamp),
        late_max: impl Fn(Timestamp) -> Duration,
        count_max: usize,
    ) -> DueNow {
        let mut found = DueNow::default();
        let mut until = now;
        while let Some(at) = self.when.previous(since, until).filter(|at| *at > after) {
            let due = self.due(id, at);
            if due > now {
                // it waits for its time, and those behind it for it
                found = DueNow::default();
            } else if found.start.len() == count_max || now.since(due) > late_max(due) {
                found.last.get_or_insert(at);
                found.has_missed = true;
                break;
            } else {
                found.last.get_or_insert(at);
                found.start.push(at);
            }
            let Some(before) = at.0.checked_sub(1) else { break };
            until = Timestamp(before);
        }
        found.start.reverse();
        found
    }
}

/// What is to be done about a schedule at some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueNow {
    /// Occurrences that start, oldest first.
    pub start: Vec<Timestamp>,
    /// The newest one that is behind, whether it starts or was missed.
    pub last: Option<Timestamp>,
    /// Whether any was missed.
    pub has_missed: bool,
}

/// Checks what was read, adds what is wrong to `findings`.
pub fn compile(
    schedule: &Schedule,
    config_keys: Option<&BTreeSet<Box<str>>>,
    findings: &mut Vec<Finding>,
) -> Option<Spec> {
    let mut check = Check { findings };
    let zone = check.zone(schedule);
    let when = check.when(schedule, zone.unwrap_or(Tz::UTC));
    check.meaning(schedule);
    let jitter = check.jitter(schedule);
    let input = check.input(schedule, config_keys);
    Some(Spec {
        text: (&*schedule.json.text).into(),
        when: when.filter(|_| zone.is_some())?,
        input: input?,
        enabled: schedule.enabled.unwrap_or(true),
        overlap: schedule.overlap.unwrap_or_default(),
        catch_up: schedule.catch_up.as_ref().map_or(Duration::ZERO, |it| it.value),
        jitter: jitter?,
    })
}

struct Check<'f> {
    findings: &'f mut Vec<Finding>,
}

impl Check<'_> {
    fn report<T>(
        &mut self,
        code: Code,
        at: u32,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<T> {
        self.findings.push(Finding { code, at, message: message.into(), hint: hint.into() });
        None
    }

    fn zone(&mut self, schedule: &Schedule) -> Option<Tz> {
        let Some(name) = &schedule.timezone else { return Some(Tz::UTC) };
        if let Ok(zone) = name.value.parse() {
            return Some(zone);
        }
        let guess = nearest(&name.value, TZ_VARIANTS.iter().map(|zone| zone.name()));
        let hint = match guess {
            Some(guess) => format!("Did you mean `{guess}`?"),
            None => "Write an IANA name such as \"Europe/Vienna\", or \"UTC\".".to_owned(),
        };
        let message = format!("`timezone`: there is no time zone `{}`", name.value);
        self.report(Code::BadValue, name.at, message, hint)
    }

    fn when(&mut self, schedule: &Schedule, zone: Tz) -> Option<When> {
        let Schedule { cron, every, moment, on_event, .. } = schedule;
        if let Some(cron) = cron {
            return match CronTimes::parse(&cron.value, zone) {
                Ok(times) => Some(When::Cron(Box::new(times))),
                Err(why) => {
                    let message = format!("`cron`: `{}` is no cron expression: {why}", cron.value);
                    let hint = "The fields are minute, hour, day of month, month and day of week, such as \"*/15 * * * *\" or \
                                \"30 8 * * MON-FRI\"; seconds may stand in front.";
                    self.report(Code::BadValue, cron.at, message, hint)
                }
            };
        }
        if let Some(every) = every {
            if every.value < EVERY_MIN {
                let message = format!(
                    "`every`: {} is shorter than a second, which is the least",
                    duration::display(every.value)
                );
                return self.report(Code::BadValue, every.at, message, "Write \"1s\" or more.");
            }
            return Some(When::Every(every.value));
        }
        if let Some(moment) = moment {
            return self.moment(moment).map(When::At);
        }
        // that there is none of them has been reported
        on_event.as_ref().map(|name| When::Event(name.value.clone()))
    }

    fn moment(&mut self, moment: &At<Box<str>>) -> Option<Timestamp> {
        let at = DateTime::parse_from_rfc3339(&moment.value).ok();
        let at = at.and_then(|at| u64::try_from(at.timestamp_nanos_opt()?).ok());
        if let Some(at) = at {
            return Some(Timestamp(at));
        }
        let message = format!("`at`: `{}` is no time from 1970 to 2262 by RFC 3339", moment.value);
        let hint = "Write it like \"2030-01-31T08:00:00Z\" or \"2030-01-31T09:00:00+01:00\".";
        self.report(Code::BadValue, moment.at, message, hint)
    }

    /// Fields that are fine in themselves but say nothing about this kind of schedule.
    fn meaning(&mut self, schedule: &Schedule) {
        let mut without = |field: Option<u32>, name: &str, why: &str| {
            if let Some(at) = field {
                let message = format!("`{name}` has no meaning here: {why}");
                self.report::<()>(Code::NoMeaningHere, at, message, "Remove it.");
            }
        };
        if schedule.cron.is_none() {
            let why = "only the times of `cron` are those of a place";
            without(schedule.timezone.as_ref().map(|it| it.at), "timezone", why);
        }
        if schedule.on_event.is_some() {
            let why = "an event starts a run when it comes";
            without(schedule.catch_up.as_ref().map(|it| it.at), "catch_up", why);
            without(schedule.jitter.as_ref().map(|it| it.at), "jitter", why);
        }
    }

    fn jitter(&mut self, schedule: &Schedule) -> Option<Duration> {
        let Some(jitter) = &schedule.jitter else { return Some(Duration::ZERO) };
        if jitter.value <= JITTER_MAX {
            return Some(jitter.value);
        }
        let message =
            format!("`jitter`: {} is longer than 24h, which is the most", duration::display(jitter.value));
        self.report(Code::BadValue, jitter.at, message, "")
    }

    fn input(
        &mut self,
        schedule: &Schedule,
        config_keys: Option<&BTreeSet<Box<str>>>,
    ) -> Option<Option<Input>> {
        let Some(json) = &schedule.input else { return Some(None) };
        match Input::compile(&json.text, config_keys) {
            Ok(input) => Some(Some(input)),
            Err(faults) => {
                for fault in faults {
                    let at = json.at.saturating_add(u32::try_from(fault.offset).unwrap_or(u32::MAX));
                    self.report::<()>(fault.kind.code(), at, fault.message, fault.hint);
                }
                None
            }
        }
    }
}

/// What a run is started with if nothing is said: an empty object, or the data of the event.
#[must_use]
pub fn input_default(when: &When, event: &Payload) -> Payload {
    match when {
        When::Event(_) => event.clone(),
        _ => Payload::trusted("{}"),
    }
}
