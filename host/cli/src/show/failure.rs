//! The end of a failed run: the step, its error, what it printed last, and what to try.

use crate::printer::{Printer, Tone};
use jackfield::Failure;

/// Most characters of details that are shown.
const DETAILS_CHARS_MAX: usize = 400;

/// The lines to print; `output` is what the step printed last.
pub(crate) fn lines(failure: &Failure, output: &[String], printer: &Printer) -> Vec<String> {
    let at = match (&*failure.step, failure.attempts) {
        ("", _) => "the run".to_owned(),
        (step, 0 | 1) => format!("step `{step}`"),
        (step, attempts) => format!("step `{step}` ({attempts} attempts)"),
    };
    let word = printer.paint(Tone::Bad, "failed");
    let mut lines = vec![
        format!("{word}: {}", printer.paint(Tone::Strong, &at)),
        format!("  {}: {}", failure.kind, failure.message),
    ];
    if !failure.details.is_null() {
        lines.push(format!("  details: {}", cut(failure.details.as_str())));
    }
    if !output.is_empty() {
        lines.push("  its last output:".to_owned());
        lines.extend(output.iter().map(|line| format!("  {} {line}", printer.paint(Tone::Dim, "|"))));
    }
    let label = printer.paint(Tone::Hint, "try");
    lines.push(format!("  {label}: {}", advice(failure)));
    lines
}

fn advice(failure: &Failure) -> String {
    match &*failure.kind {
        "timeout" if failure.step.is_empty() => "a longer `timeout` of the workflow".to_owned(),
        "timeout" => "a longer `timeout` of the step, or `max_retries` if it hangs now and then".to_owned(),
        "plugin.unavailable" => {
            "`jackfield plugin list`, which names files that could not be used".to_owned()
        }
        "plugin.panic" | "plugin.crash" => {
            "`jackfield plugin info` for its version, and a report to its author; `-vv` shows more".to_owned()
        }
        "validation" => {
            "`jackfield plugin info PLUGIN`, which shows what the method takes and returns".to_owned()
        }
        "expression" => {
            "`has(x)` or `.?x.orValue(y)` for what may be missing; `--until` to look at the data before"
                .to_owned()
        }
        "payload.too_large" => {
            "smaller pieces with `foreach`, or a larger `payload_bytes_max` under [engine]".to_owned()
        }
        "internal" => "a report of this; it is a defect of jackfield".to_owned(),
        _ => "`--json` for the results of all steps, `-v` for logs; `max_retries` if it may pass".to_owned(),
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= DETAILS_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(DETAILS_CHARS_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Global, When};

    #[test]
    fn a_failure_names_step_error_output_and_a_way_out() {
        let printer = Printer::new(&Global { color: When::Never, ..Global::default() });
        let mut failure = Failure::new("timeout", "took longer than 50 ms");
        failure.step = "probe[3].fetch".into();
        failure.attempts = 4;
        let shown = lines(&failure, &["connecting".to_owned()], &printer).join("\n");
        let expected = "failed: step `probe[3].fetch` (4 attempts)\n  timeout: took longer than 50 ms\n  \
             its last output:\n  | connecting\n  try: a longer `timeout` of the step, or `max_retries` if it \
             hangs now and then";
        assert_eq!(shown, expected);
    }

    #[test]
    fn long_details_are_cut() {
        let printer = Printer::new(&Global { color: When::Never, ..Global::default() });
        let mut failure = Failure::new("x", "y");
        failure.details = jackfield::Payload::encode(&"ä".repeat(1000));
        let lines = lines(&failure, &[], &printer);
        assert!(lines[2].ends_with("ä…"));
        assert!(lines[2].chars().count() < 420);
    }
}
