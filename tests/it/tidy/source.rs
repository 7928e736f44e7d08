//! The files of the workspace, and Rust code without its comments and texts.

use jackfield_tests::workspace;
use std::fs;
use std::path::Path;

/// A file, by its path from the root with `/` between the parts.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether only tests are in it.
    pub(crate) fn is_test(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        parts.contains(&"tests") || self.path.ends_with("/tests.rs")
    }

    /// The code: comments, texts and characters are blanks.
    pub(crate) fn code(&self) -> String {
        code_of(&self.text)
    }
}

/// A copy of what stands elsewhere, kept as it was: it follows the rules of its time.
const FROZEN: &str = "tests/fixtures/abi-1.0/";

/// Folders of what tools make.
const BUILT: &[&str] = &["target", "node_modules"];

/// Everything that is written by people: no build products, no frozen copies, no hidden folders but `.ci`.
pub(crate) fn all() -> Vec<Source> {
    let mut found = Vec::new();
    collect(&workspace::root(), "", &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<Source>) {
    for item in fs::read_dir(folder).expect("the workspace can be read") {
        let item = item.expect("the workspace can be read");
        let name = item.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = item.file_type().expect("the workspace can be read");
        if kind.is_dir() && !BUILT.contains(&&*name) && (!name.starts_with('.') || name == ".ci") {
            let inner = format!("{path}/");
            if inner != FROZEN {
                collect(&item.path(), &inner, found);
            }
        } else if kind.is_file() && !name.starts_with('.') {
            // pictures and the like are no texts and follow no rules
            if let Ok(text) = fs::read_to_string(item.path()) {
                found.push(Source { path, text });
            }
        }
    }
}

fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match blank_length(rest, code.chars().next_back()) {
            0 => {
                code.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
            length => length,
        };
        code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[length..];
    }
    code
}

/// Bytes of the comment, text or character that `rest` begins with; 0 if it begins with code.
fn blank_length(rest: &str, before: Option<char>) -> usize {
    let to_end = |at: Option<usize>, of: &str| at.map_or(rest.len(), |at| at + of.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return to_end(rest.find("*/"), "*/");
    }
    if rest.starts_with('r') && !before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
        if rest[1 + hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = 2 + hashes;
            return to_end(rest[body..].find(&close).map(|at| at + body), &close);
        }
    }
    if rest.starts_with('"') {
        return quoted_length(rest, '"');
    }
    let mut chars = rest.chars().skip(1);
    let (second, third) = (chars.next(), chars.next());
    if rest.starts_with('\'') && (second == Some('\\') || third == Some('\'')) {
        return quoted_length(rest, '\'');
    }
    0
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn code_has_no_comments_and_no_texts() {
    let text = "a /* b */ \"c \\\" d\" r#\"e \" f\"# '\\'' '\"' g<'h>(br) // i\n\"j";
    let words: Vec<String> = code_of(text).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["a", "g<'h>(br)"]);
    assert_eq!(code_of(text).len(), text.len());
}
