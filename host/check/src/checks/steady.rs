//! What shows in numbers: memory that is not given back, a second instance, calls from two threads.

use super::calls::Subject;
use super::{CheckError, Session, shown};
use crate::job::{End, Place, Seen, Task};
use crate::report::Code;
use std::time::Duration;

/// Each of the parts is cut short after so long.
const PART_MAX: Duration = Duration::from_millis(1500);
impl Session<'_> {
    /// Calls the method many times with `params`, each of which has come back before.
    pub(super) fn steady(&mut self, subject: &Subject, params: Vec<String>) -> Result<(), CheckError> {
        let name = subject.method.name.clone();
        if self.is_spent(&name) {
            return Ok(());
        }
        let task = Task::Steady {
            method: subject.method.clone(),
            params: params.clone(),
            threads: !subject.is_serial,
            time_max_ms: PART_MAX.as_millis() as u64,
        };
        let life = self.live(task, &name, 20 * PART_MAX)?;
        for seen in &life.seen {
            match seen {
                Seen::Leaks(bytes) => {
                    let message = format!("about {bytes} bytes of each call are not given back");
                    self.findings.add(Code::Memory, &name, message);
                }
                Seen::Differs { place, call, first, then } => {
                    let params = params.get(*call).map(|it| shown(it)).unwrap_or_default();
                    let message = format!(
                        "{}: {} where it was {} before; parameters: {params}",
                        place.as_str(),
                        in_words(then),
                        in_words(first)
                    );
                    let code = match place {
                        Place::Again => Code::Pure,
                        Place::SecondInstance => Code::SecondInstance,
                        Place::Threads => Code::Threads,
                    };
                    self.findings.add(code, &name, message);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn in_words(end: &End) -> String {
    match end {
        End::Text(text) => shown(text),
        End::NoText(bytes) | End::Long(bytes) => format!("a result of {bytes} bytes"),
        End::Failed { kind, message } => format!("the error `{kind}` ({})", shown(message)),
        End::Panicked(message) => format!("a panic ({})", shown(message)),
        End::Unsupported(_) => "no such method".to_owned(),
        End::BadStatus(status) => format!("the status {status}"),
    }
}
