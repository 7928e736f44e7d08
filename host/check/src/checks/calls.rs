//! One method, called with examples, with parameters that fit, with some that do not, and with what is no JSON.

use super::{CheckError, PLUGIN, Session, shown};
use crate::generate::{Generator, examples, no_json};
use crate::job::{End, Method, Seen, Task};
use crate::life::Ending;
use crate::report::{Code, MethodReport};
use jackfield_plugin_api::manifest::{Manifest, MethodKind};
use jsonschema::Validator;
use serde_json::Value;
use std::time::Duration;

/// How long the calls of one method may take in one process.
const TIME_MAX: Duration = Duration::from_secs(4);
/// After so many crashes a method is left alone.
const CRASHES_MAX: u32 = 3;
/// A result that is longer is refused by hosts, unless they are configured otherwise.
const RESULT_BYTES_MAX: usize = 64 << 20;
/// Parameters that come back faster are used for the checks with many calls.
const QUICK_US: u64 = 5_000;
/// So many of them.
const STEADY_MAX: usize = 6;
/// Types of errors that hosts use for what has happened to a call, or engines for their own.
const RESERVED: &[&str] = &[
    "timeout",
    "expression",
    "internal",
    "payload.too_large",
    "plugin.panic",
    "plugin.crash",
    "plugin.unavailable",
    "foreach.too_many_failures",
    "repeat.too_many_iterations",
];

/// What is to be expected of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// It works, at least if the method is pure.
    Example,
    /// It is not refused out of hand.
    Fitting,
    /// It is refused.
    Wrong,
    /// Hosts never send it: whatever comes of it, nothing may fall apart.
    NoJson,
}

/// A call that is to be made.
struct Planned {
    expected: Expected,
    params: String,
}

/// What is known about a method.
pub(super) struct Subject {
    pub(super) method: Method,
    pub(super) is_serial: bool,
    output: Option<Validator>,
    report: MethodReport,
}

impl Session<'_> {
    pub(super) fn method(&mut self, full: &Manifest, index: usize) -> Result<(), CheckError> {
        let described = &full.methods[index];
        let mut subject = Subject {
            method: Method {
                index: u32::try_from(index).unwrap_or(u32::MAX),
                name: described.name.clone(),
                kind: described.kind,
                pure: described.pure,
            },
            is_serial: described.serial,
            output: described.output.as_ref().and_then(|it| jsonschema::validator_for(it.as_value()).ok()),
            report: MethodReport { name: described.name.clone(), ..MethodReport::default() },
        };
        if described.kind == MethodKind::Stream {
            subject.report.notes.push("methods of the kind `stream` are not called by this version".into());
        } else {
            let any = Value::Bool(true);
            let schema = described.params.as_ref().map_or(&any, |schema| schema.as_value());
            let planned = self.plan(schema, &mut subject);
            let steady = self.calls(&mut subject, &planned)?;
            if !steady.is_empty() {
                self.steady(&subject, steady)?;
            }
        }
        self.findings.methods.push(subject.report);
        Ok(())
    }

    fn plan(&self, schema: &Value, subject: &mut Subject) -> Vec<Planned> {
        let Ok(validator) = jsonschema::validator_for(schema) else { return Vec::new() };
        let mut generator = Generator::new(schema, &validator, self.options.seed, &subject.method.name);
        let planned =
            |expected: Expected| move |value: Value| Planned { expected, params: value.to_string() };
        let examples = examples(schema).into_iter().filter(|example| validator.is_valid(example));
        let mut all: Vec<Planned> = examples.map(planned(Expected::Example)).collect();
        let has_examples = !all.is_empty();
        let fitting: Vec<Value> = (0..self.options.calls).filter_map(|_| generator.valid()).collect();
        if fitting.is_empty() && !has_examples {
            subject
                .report
                .notes
                .push("no parameters could be made from its schema: give it `examples`".into());
        }
        all.extend(fitting.into_iter().map(planned(Expected::Fitting)));
        let wrong = (0..self.options.calls / 2).filter_map(|_| generator.invalid());
        all.extend(wrong.map(planned(Expected::Wrong)));
        all.extend(no_json().into_iter().map(|params| Planned { expected: Expected::NoJson, params }));
        all
    }

    /// Makes the calls, in a new process after each crash. Answers with parameters of calls that came back quickly.
    fn calls(&mut self, subject: &mut Subject, planned: &[Planned]) -> Result<Vec<String>, CheckError> {
        let (mut from, mut crashes) = (0, 0);
        let (mut with_results, mut others) = (Vec::new(), Vec::new());
        while from < planned.len() {
            let part = &planned[from..];
            let task = Task::Calls {
                method: subject.method.clone(),
                params: part.iter().map(|it| it.params.clone()).collect(),
                time_max_ms: TIME_MAX.as_millis() as u64,
            };
            let life = self.live(task, &subject.method.name, TIME_MAX)?;
            let mut made = 0;
            let mut is_over = false;
            for seen in &life.seen {
                match seen {
                    Seen::Called { call, end, us } => {
                        made = call + 1;
                        self.called(subject, &part[*call], end);
                        if *us < QUICK_US && part[*call].expected != Expected::NoJson {
                            let is_result = matches!(end, End::Text(_));
                            let list = if is_result { &mut with_results } else { &mut others };
                            list.push(part[*call].params.clone());
                        }
                    }
                    Seen::Left { before, after } => self.left(subject, made, before, after),
                    Seen::Enough { calls } if *calls < part.len() => {
                        let note = format!("its calls are slow: only {calls} of {} were made", part.len());
                        subject.report.notes.push(note);
                        is_over = true;
                    }
                    Seen::Stuck(_) | Seen::OpenFailed { .. } | Seen::Created { .. } | Seen::Done => {
                        is_over = true
                    }
                    _ => {}
                }
            }
            let has_crashed = !is_over && !matches!(life.end, Ending::Killed);
            crashes += u32::from(has_crashed);
            if !has_crashed || crashes >= CRASHES_MAX {
                // what has brought the process down would do so again
                return Ok(if is_over && crashes == 0 { steady(with_results, others) } else { Vec::new() });
            }
            from += made + 1;
        }
        Ok(Vec::new())
    }

    fn left(
        &mut self,
        subject: &Subject,
        calls: usize,
        before: &crate::job::State,
        after: &crate::job::State,
    ) {
        let more =
            |before: Option<u64>, after: Option<u64>| after.unwrap_or(0).saturating_sub(before.unwrap_or(0));
        let name = &subject.method.name;
        let threads = more(before.threads, after.threads);
        if threads > 0 {
            let message = format!("{threads} threads are left after the instance has ended");
            self.findings.add(Code::ThreadsLeft, name, message);
        }
        let descriptors = more(before.descriptors, after.descriptors);
        // a few may be opened once for all
        if descriptors >= 8.max(calls as u64 / 10) {
            let message = format!("{descriptors} descriptors are left open after {calls} calls");
            self.findings.add(Code::DescriptorsLeft, name, message);
        }
    }

    fn called(&mut self, subject: &mut Subject, planned: &Planned, end: &End) {
        let report = &mut subject.report;
        report.calls += 1;
        match end {
            End::Text(_) | End::NoText(_) | End::Long(_) => report.results += 1,
            End::Failed { kind, .. } if kind == "validation" => report.refusals += 1,
            _ => report.errors += 1,
        }
        let name = subject.method.name.as_str();
        let with = format!("parameters: {}", shown(&planned.params));
        match end {
            End::Text(text) => match planned.expected {
                Expected::Wrong => {
                    self.findings.add(
                        Code::ParamsAccepted,
                        name,
                        format!("accepts what it must not; {with}"),
                    );
                }
                Expected::NoJson => {}
                Expected::Example | Expected::Fitting => self.result(subject, text, &with),
            },
            End::NoText(_) if planned.expected == Expected::NoJson => {}
            End::NoText(_) => {
                self.findings.add(Code::ResultJson, name, format!("the result is not UTF-8; {with}"))
            }
            End::Long(bytes) if *bytes > RESULT_BYTES_MAX => {
                let message = format!("the result has {bytes} bytes, hosts take {RESULT_BYTES_MAX}; {with}");
                self.findings.add(Code::ResultSize, name, message);
            }
            End::Long(_) => {}
            End::Failed { kind, message } => self.failed(subject, planned.expected, (kind, message), &with),
            End::Panicked(message) => {
                self.findings.add(Code::Panic, name, format!("{}; {with}", shown(message)));
            }
            End::Unsupported(message) => {
                let kind = subject.method.kind;
                let message = format!("cannot be called as `{kind:?}`: {}; {with}", shown(message));
                self.findings.add(Code::Kind, name, message);
            }
            End::BadStatus(status) => {
                self.findings.add(Code::Status, name, format!("answers with the status {status}; {with}"));
            }
        }
    }

    fn result(&mut self, subject: &Subject, text: &str, with: &str) {
        let name = &subject.method.name;
        let text = if text.is_empty() { "null" } else { text };
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => {
                let message = format!("the result is no JSON ({error}): {}; {with}", shown(text));
                return self.findings.add(Code::ResultJson, name, message);
            }
        };
        if let Some(Err(error)) = subject.output.as_ref().map(|output| output.validate(&value)) {
            let message = format!("{}: {}; {with}", shown(&error.to_string()), shown(text));
            self.findings.add(Code::ResultSchema, name, message);
        }
    }

    fn failed(&mut self, subject: &Subject, expected: Expected, (kind, message): (&str, &str), with: &str) {
        let name = &subject.method.name;
        if RESERVED.contains(&kind) {
            let message = format!("fails with the type `{kind}`, which is for hosts to use; {with}");
            self.findings.add(Code::ErrorType, name, message);
        } else if !is_type(kind) {
            let message =
                format!("fails with `{}`, which is no dotted name in small letters; {with}", shown(kind));
            self.findings.add(Code::ErrorType, name, message);
        } else if message.trim().is_empty() {
            self.findings.add(Code::ErrorType, name, format!("fails with `{kind}` and no message; {with}"));
        }
        let is_refusal = kind == "validation";
        match expected {
            Expected::Example if is_refusal || (subject.method.pure && kind != "cancelled") => {
                let message = format!("an example fails with `{kind}`: {}; {with}", shown(message));
                self.findings.add(Code::ExampleFails, name, message);
            }
            Expected::Wrong if !is_refusal => {
                let message =
                    format!("refuses with `{kind}` in place of `validation`: {}; {with}", shown(message));
                self.findings.add(Code::ParamsRefusal, name, message);
            }
            _ => {}
        }
    }

    /// Whether anything was found that makes more calls of the method senseless.
    pub(super) fn is_spent(&self, name: &str) -> bool {
        [Code::Crash, Code::Hang, Code::Cancel, Code::ThreadsLeft]
            .iter()
            .any(|code| self.findings.has(*code, name))
            || self.findings.has(Code::Open, PLUGIN)
    }
}

/// Parameters for many calls: those that give results first, and a refusal too, because errors are memory as well.
fn steady(mut with_results: Vec<String>, mut others: Vec<String>) -> Vec<String> {
    with_results.truncate(STEADY_MAX);
    others.truncate(STEADY_MAX - with_results.len().min(STEADY_MAX - 1));
    with_results.append(&mut others);
    with_results.truncate(STEADY_MAX + 1);
    with_results
}

/// Whether a text can be the type of an error, as `retry` and `catch` name it.
fn is_type(kind: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
    };
    kind.len() <= 128 && kind.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_errors_are_dotted_names() {
        for (kind, fits) in [
            ("csv.bad_row", true),
            ("http.503", true),
            ("a", true),
            ("", false),
            ("a..b", false),
            ("A.b", false),
            ("a b", false),
        ] {
            assert_eq!(is_type(kind), fits, "{kind}");
        }
    }
}
