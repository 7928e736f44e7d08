//! Which lines of Python belong together: enough to tell when a statement that is typed is whole. What is wrong with it is for
//! Python to say.

/// Lines that have been typed and not been executed.
#[derive(Debug, Default)]
pub(super) struct Statement {
    text: String,
}

impl Statement {
    /// Takes a line; the whole statement if it is one now.
    pub(super) fn add(&mut self, line: &str) -> Option<String> {
        if self.text.is_empty() && line.trim().is_empty() {
            return None;
        }
        self.text.push_str(line);
        self.text.push('\n');
        let shape = Shape::of(&self.text);
        let goes_on = shape.is_open || line.trim_end().ends_with('\\');
        let is_whole = !goes_on && (!shape.has_block || line.trim().is_empty());
        is_whole.then(|| std::mem::take(&mut self.text))
    }

    /// What is left at the end of the input.
    pub(super) fn rest(&mut self) -> Option<String> {
        let text = std::mem::take(&mut self.text);
        (!text.trim().is_empty()).then_some(text)
    }

    pub(super) fn is_begun(&self) -> bool {
        !self.text.is_empty()
    }
}

/// What of a text matters.
#[derive(Debug, Default)]
struct Shape {
    /// Whether a bracket or a text in three quotes is open.
    is_open: bool,
    /// Whether a line ends with a colon, or begins with a decorator: an empty line ends what follows.
    has_block: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let (mut depth, mut quote, mut last, mut has_block) = (0_i32, None::<String>, ' ', false);
        has_block |= text.starts_with('@');
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(end) = &quote {
                if c == '\\' {
                    rest = rest.get(1..).unwrap_or_default();
                    rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
                    continue;
                }
                if rest.starts_with(end.as_str()) {
                    rest = &rest[end.len()..];
                    quote = None;
                    continue;
                }
                // a text in single quotes ends with its line, whatever Python says about it
                if c == '\n' && end.len() == 1 {
                    quote = None;
                }
                rest = &rest[c.len_utf8()..];
                continue;
            }
            match c {
                '\'' | '"' => {
                    let triple = c.to_string().repeat(3);
                    let opened = if rest.starts_with(&triple) { triple } else { c.to_string() };
                    rest = &rest[opened.len()..];
                    quote = Some(opened);
                    last = c;
                    continue;
                }
                '#' => {
                    rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                    continue;
                }
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                '\n' => has_block |= last == ':' && depth <= 0,
                _ => {}
            }
            if !c.is_whitespace() || c == '\n' {
                last = c;
            }
            rest = &rest[c.len_utf8()..];
        }
        Self { is_open: depth > 0 || quote.is_some(), has_block }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements that lines make, and what is left.
    fn statements(text: &str) -> Vec<String> {
        let mut statement = Statement::default();
        let mut all: Vec<String> = text.lines().filter_map(|line| statement.add(line)).collect();
        all.extend(statement.rest());
        all
    }

    #[test]
    fn a_line_is_a_statement_and_a_block_ends_with_an_empty_line() {
        assert_eq!(statements("x = 1\n\nx"), ["x = 1\n", "x\n"]);
        assert_eq!(statements("def f():\n    return 1\n\nf()"), ["def f():\n    return 1\n\n", "f()\n"]);
        assert_eq!(statements("if x: # why\n    y\n"), ["if x: # why\n    y\n"]);
        assert_eq!(statements("@d\ndef f(): pass\n\n1"), ["@d\ndef f(): pass\n\n", "1\n"]);
    }

    #[test]
    fn brackets_texts_and_backslashes_go_on() {
        assert_eq!(statements("f(1,\n\n  2)\n3"), ["f(1,\n\n  2)\n", "3\n"]);
        assert_eq!(statements("'''a\n\n(b'''\n3"), ["'''a\n\n(b'''\n", "3\n"]);
        assert_eq!(statements("x = 1 + \\\n  2"), ["x = 1 + \\\n  2\n"]);
        assert_eq!(statements("x = '(\\'['\ny = {1: 2}"), ["x = '(\\'['\n", "y = {1: 2}\n"]);
        assert_eq!(statements("x = '\ny"), ["x = '\n", "y\n"], "Python says what is wrong");
        assert_eq!(statements("x = [i for i in 'ü:'\n]"), ["x = [i for i in 'ü:'\n]\n"]);
    }
}
