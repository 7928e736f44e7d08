//! Diagnostics with the line they are about.

use crate::printer::{Printer, Tone};
use anyhow::Result;
use jackfield::Invalid;
use jackfield::diagnostic::{Diagnostic, Severity};
use serde_json::{Value, json};

/// Most characters of a source line that are shown; documents without line breaks are common.
const LINE_CHARS_MAX: usize = 100;

/// Prints everything that is wrong: JSON to stdout if that is wanted, else text to stderr.
pub(crate) fn report(invalid: &Invalid, printer: &Printer) -> Result<()> {
    if printer.is_json() {
        let list: Vec<Value> = invalid.diagnostics.iter().map(|it| to_json(&invalid.name, it)).collect();
        printer.result_json(&json!({ "diagnostics": list }))?;
        return Ok(());
    }
    for diagnostic in &invalid.diagnostics {
        printer.to_stderr(render(&invalid.name, &invalid.source, diagnostic, printer).as_bytes());
    }
    printer.error(&format!("`{}` is not valid: {}", invalid.name, counts(&invalid.diagnostics)));
    Ok(())
}

/// A diagnostic with the name of its file.
pub(crate) fn to_json(file: &str, diagnostic: &Diagnostic) -> Value {
    let mut value = json!({ "file": file });
    if let (Value::Object(object), Ok(Value::Object(fields))) = (&mut value, serde_json::to_value(diagnostic))
    {
        object.extend(fields);
    }
    value
}

/// How many errors and warnings there are, in words.
pub(crate) fn counts(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|it| it.severity == severity).count();
    let word = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, warnings) => word(warnings, "warning"),
        (errors, 0) => word(errors, "error"),
        (errors, warnings) => format!("{}, {}", word(errors, "error"), word(warnings, "warning")),
    }
}

/// One diagnostic as several lines, with an empty one at the end.
pub(crate) fn render(file: &str, source: &str, diagnostic: &Diagnostic, printer: &Printer) -> String {
    let (tone, word) = match diagnostic.severity {
        Severity::Error => (Tone::Bad, "error"),
        Severity::Warning => (Tone::Warning, "warning"),
    };
    let head = printer.paint(tone, &format!("{word}[{}]", diagnostic.code));
    let message = printer.paint(Tone::Strong, &diagnostic.message);
    let number = diagnostic.line.to_string();
    let margin = " ".repeat(number.len());
    let bar = printer.paint(Tone::Dim, "|");
    let arrow = printer.paint(Tone::Dim, "-->");
    let mut text = format!("{head}: {message}\n");
    text.push_str(&format!("{margin}{arrow} {file}:{}:{}", diagnostic.line, diagnostic.column));
    if !diagnostic.pointer.is_empty() {
        text.push_str(&printer.paint(Tone::Dim, &format!("  {}", diagnostic.pointer)));
    }
    text.push('\n');
    let line_ix = (diagnostic.line as usize).saturating_sub(1);
    if let Some(line) = source.lines().nth(line_ix) {
        let (shown, caret, width) = excerpt(line, (diagnostic.column as usize).saturating_sub(1));
        let number = printer.paint(Tone::Dim, &number);
        let marks = printer.paint(tone, &"^".repeat(width));
        text.push_str(&format!("{margin} {bar}\n{number} {bar} {shown}\n"));
        text.push_str(&format!("{margin} {bar} {}{marks}\n", " ".repeat(caret)));
    }
    if !diagnostic.hint.is_empty() {
        let label = printer.paint(Tone::Hint, "help");
        text.push_str(&format!("{margin} {} {label}: {}\n", printer.paint(Tone::Dim, "="), diagnostic.hint));
    }
    text.push('\n');
    text
}

/// The part of `line` to show, where the mark stands in it, and how wide the mark is; `column` counts characters
/// from 0.
fn excerpt(line: &str, column: usize) -> (String, usize, usize) {
    let flat = |c: char| if c.is_control() { ' ' } else { c };
    let chars: Vec<char> = line.chars().map(flat).collect();
    let column = column.min(chars.len());
    let start = if chars.len() <= LINE_CHARS_MAX { 0 } else { column.saturating_sub(LINE_CHARS_MAX / 3) };
    let end = chars.len().min(start + LINE_CHARS_MAX);
    let width = token_width(&chars[column..end]);
    let (before, after) = (if start > 0 { "…" } else { "" }, if end < chars.len() { "…" } else { "" });
    let shown: String =
        before.chars().chain(chars[start..end].iter().copied()).chain(after.chars()).collect();
    (shown, column - start + before.chars().count(), width)
}

/// Length of the JSON token that begins here; 1 for brackets and at the end of a line.
fn token_width(rest: &[char]) -> usize {
    let Some(first) = rest.first() else { return 1 };
    if *first == '"' {
        let mut escaped = false;
        for (ix, c) in rest.iter().enumerate().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return ix + 1,
                _ => {}
            }
        }
        return rest.len();
    }
    let word = |c: &&char| c.is_alphanumeric() || matches!(c, '-' | '+' | '.' | '_');
    rest.iter().take_while(word).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_covers_the_token() {
        let line = r#"  "timeout": -12.5, "a": "x\"y", {"#;
        for (needle, width) in [(r#""timeout""#, 9), ("-12.5", 5), (r#""x\"y""#, 6), ("{", 1)] {
            let column = line.find(needle).unwrap();
            let (shown, caret, marks) = excerpt(line, column);
            assert_eq!((shown.as_str(), caret, marks), (line, column, width), "{needle}");
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let line = format!("{}\"here\"{}", " ".repeat(500), "x".repeat(500));
        let (shown, caret, width) = excerpt(&line, 500);
        assert!(shown.starts_with('…') && shown.ends_with('…'));
        assert_eq!(shown.chars().skip(caret).take(width).collect::<String>(), "\"here\"");
        assert_eq!(shown.chars().count(), LINE_CHARS_MAX + 2);
    }

    #[test]
    fn a_place_behind_the_end_of_the_line_has_a_mark_too() {
        assert_eq!(excerpt("{", 7), ("{".to_owned(), 1, 1));
        assert_eq!(excerpt("", 0), (String::new(), 0, 1));
    }
}
