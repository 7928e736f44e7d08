//! A full manifest as a page of Markdown. The same manifest always gives the same text.

use crate::show::schema::type_name;
use jackfield::manifest::{Isolation, Manifest, ManifestMethod, MethodKind, Requirement};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The page of one plugin. It ends with a line break.
pub(super) fn page(manifest: &Manifest) -> String {
    let mut page = Page(String::new());
    page.paragraph(&format!("# {} {}", manifest.name, manifest.version));
    page.paragraph(&sentence(&manifest.description));
    page.facts(&facts(manifest));
    if let Some(config) = &manifest.config {
        page.paragraph("## Configuration");
        page.paragraph(&format!("The table `config` of `[plugins.{}]` in `jackfield.toml`.", manifest.name));
        page.value(config.as_value());
    }
    page.paragraph("## Methods");
    let index: Vec<String> = manifest.methods.iter().map(index_line).collect();
    page.paragraph(&index.join("\n"));
    for method in &manifest.methods {
        page.method(method);
    }
    page.0.truncate(page.0.trim_end().len());
    page.0.push('\n');
    page.0
}

/// What the plugin says about itself besides its name, without what it leaves unsaid.
fn facts(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let wants = &manifest.capabilities;
    let codes = |texts: &[String]| texts.iter().map(|text| code(text)).collect::<Vec<_>>().join(", ");
    let abi = match (manifest.abi.min, manifest.abi.max) {
        (min, max) if min == max => min.to_string(),
        (min, max) => format!("{min} to {max}"),
    };
    let isolation = manifest.isolation.map(|isolation| match isolation {
        Isolation::InProcess => "in the host's process",
        Isolation::Worker => "in a worker",
    });
    let yes = |holds: bool| if holds { "yes".to_owned() } else { String::new() };
    let requires = manifest.requires.iter().map(requirement).collect::<Vec<_>>().join(", ");
    let all = [
        ("Authors", inline(&manifest.authors.join(", "))),
        ("Licence", inline(&manifest.license)),
        ("Homepage", inline(&manifest.homepage)),
        ("ABI", abi),
        ("Requires", requires),
        ("Wishes to run", isolation.unwrap_or_default().to_owned()),
        ("Reads files", codes(&wants.fs_read)),
        ("Writes files", codes(&wants.fs_write)),
        ("Opens connections", yes(wants.net)),
        ("Starts programs", yes(wants.exec)),
        ("Reads variables", codes(&wants.env)),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn requirement(requirement: &Requirement) -> String {
    let named = code(&format!("{} {}", requirement.name, requirement.version));
    if requirement.optional { format!("{named} (optional)") } else { named }
}

struct Page(String);

impl Page {
    fn paragraph(&mut self, text: &str) {
        if !text.is_empty() {
            self.0.push_str(text);
            self.0.push_str("\n\n");
        }
    }

    fn facts(&mut self, facts: &[(&str, String)]) {
        let rows: Vec<String> = facts.iter().map(|(name, value)| format!("| {name} | {value} |")).collect();
        self.paragraph(&format!("| | |\n|---|---|\n{}", rows.join("\n")));
    }

    fn method(&mut self, method: &ManifestMethod) {
        self.paragraph(&format!("### {}", method.name));
        self.paragraph(&sentence(&method.description));
        self.paragraph(&manner(method));
        self.paragraph("**Parameters**");
        self.schema(method.params.as_ref().map(|schema| schema.as_value()));
        self.paragraph("**Result**");
        self.schema(method.output.as_ref().map(|schema| schema.as_value()));
    }

    fn schema(&mut self, schema: Option<&Value>) {
        match schema {
            Some(schema) => self.value(schema),
            None => self.paragraph("Anything."),
        }
    }

    /// A schema with the types that it names, and its examples.
    fn value(&mut self, schema: &Value) {
        self.shape(schema, schema);
        for (name, part) in named_types(schema) {
            self.paragraph(&format!("{}:", code(name)));
            self.shape(part, schema);
        }
        let examples = schema.get("examples").and_then(Value::as_array);
        for example in examples.into_iter().flatten() {
            self.paragraph(&format!("Example:\n\n```json\n{example:#}\n```"));
        }
    }

    /// One type: a table if it has fields, else a line; each of several forms by itself.
    fn shape(&mut self, schema: &Value, root: &Value) {
        let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        self.paragraph(&sentence(description));
        let fields = schema.get("properties").and_then(Value::as_object);
        let forms = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(*key)?.as_array());
        match (fields, forms) {
            (Some(fields), _) => self.table(fields, schema, root),
            (None, Some(forms)) => {
                self.paragraph("One of:");
                let lines: Vec<String> =
                    forms.iter().map(|form| format!("- {}", form_line(form, root))).collect();
                self.paragraph(&lines.join("\n"));
            }
            (None, None) if is_empty_object(schema) => self.paragraph("None."),
            (None, None) => self.paragraph(&format!("{}.", type_name(schema, root))),
        }
    }

    fn table(&mut self, fields: &Map<String, Value>, schema: &Value, root: &Value) {
        let mut text = "| name | type | required | default | description |\n|---|---|---|---|---|".to_owned();
        for (name, field) in fields {
            let required = if is_required(schema, name) { "yes" } else { "no" };
            let default = field.get("default").map(|value| code(&value.to_string())).unwrap_or_default();
            let kind = cell(&type_name(field, root));
            let description = field.get("description").and_then(Value::as_str).unwrap_or_default();
            // writing to a text cannot fail
            let _ = write!(
                text,
                "\n| {} | {kind} | {required} | {default} | {} |",
                code(name),
                inline(description)
            );
        }
        self.paragraph(&text);
    }
}

/// The types that a schema leads to, in the order of their definition. All methods of a plugin share the definitions.
fn named_types(schema: &Value) -> Vec<(&String, &Value)> {
    let Some(all) = schema.get("$defs").and_then(Value::as_object) else { return Vec::new() };
    let mut met = BTreeSet::new();
    let mut ahead: Vec<&Value> =
        parts(schema).filter(|(key, _)| *key != "$defs").map(|(_, part)| part).collect();
    while let Some(part) = ahead.pop() {
        let target = part.get("$ref").and_then(Value::as_str);
        let name = target.and_then(|target| target.strip_prefix("#/$defs/")).unwrap_or_default();
        if let Some(found) = all.get(name)
            && met.insert(name)
        {
            ahead.push(found);
        }
        ahead.extend(parts(part).map(|(_, part)| part));
    }
    // enumerations stand at their fields already
    all.iter().filter(|(name, part)| met.contains(name.as_str()) && part.get("enum").is_none()).collect()
}

/// What a value consists of, with its keys where it has some.
fn parts(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let fields = value.as_object().into_iter().flatten().map(|(key, part)| (key.as_str(), part));
    fields.chain(value.as_array().into_iter().flatten().map(|part| ("", part)))
}

/// A form of a type that has several: its fields, or what it is.
fn form_line(form: &Value, root: &Value) -> String {
    let fields = form.get("properties").and_then(Value::as_object);
    let what = match fields {
        None => inline(&type_name(form, root)),
        Some(fields) => {
            let fields = fields.iter().map(|(name, field)| {
                let optional = if is_required(form, name) { "" } else { " (optional)" };
                format!("{}: {}{optional}", code(name), inline(&type_name(field, root)))
            });
            fields.collect::<Vec<_>>().join(", ")
        }
    };
    match form.get("description").and_then(Value::as_str) {
        Some(description) => format!("{what}. {}", inline(description)),
        None => what,
    }
}

fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|it| it == name))
}

/// Whether `{}` is all that it allows.
fn is_empty_object(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "object")
        && schema.get("additionalProperties") == Some(&Value::Bool(false))
}

/// How a method is called, and for how long.
fn manner(method: &ManifestMethod) -> String {
    let mut words = vec![match method.kind {
        MethodKind::Blocking => "blocking",
        MethodKind::Inline => "inline",
        MethodKind::Async => "async",
        MethodKind::Stream => "stream",
    }];
    for (holds, word) in [(method.pure, "pure"), (method.idempotent, "idempotent"), (method.serial, "serial")]
    {
        if holds {
            words.push(word);
        }
    }
    let timeout = match method.timeout_ms {
        Some(ms) => format!("an attempt may take {} unless a workflow says otherwise", duration(ms)),
        None => "it names no time limit of its own".to_owned(),
    };
    format!("Kind and flags: {}; {timeout}.", words.join(", "))
}

fn duration(ms: u64) -> String {
    match ms {
        ms if ms % 60_000 == 0 && ms > 0 => format!("{} min", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        ms => format!("{ms} ms"),
    }
}

/// With a link to its heading, as GitHub and others make those of such names.
fn index_line(method: &ManifestMethod) -> String {
    let link = format!("- [`{}`](#{})", method.name, method.name.to_lowercase());
    match inline(&method.description) {
        text if text.is_empty() => link,
        text => format!("{link}: {text}"),
    }
}

/// With a capital and a full stop, on one line.
fn sentence(text: &str) -> String {
    let text = escaped(text);
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let stop = if text.ends_with(['.', '!', '?', '}', '`']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), chars.as_str())
}

/// For a cell of a table or an item of a list.
fn inline(text: &str) -> String {
    cell(&escaped(text))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// On one line, and never taken for HTML.
fn escaped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('<', "&lt;")
}

/// As code, also with backticks in it.
fn code(text: &str) -> String {
    let text = cell(text);
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page_of(more: Value) -> String {
        let mut manifest = json!({ "manifest": 1, "abi": { "min": 1, "max": 1 }, "name": "x", "version": "1.0.0",
            "methods": [{ "name": "go", "kind": "blocking" }] });
        manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        page(&Manifest::parse(manifest.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn what_is_unsaid_is_left_out_and_what_is_said_is_there() {
        assert_eq!(
            page_of(json!({})),
            "# x 1.0.0\n\n| | |\n|---|---|\n| ABI | 1 |\n\n## Methods\n\n- [`go`](#go)\n\n\
            ### go\n\nKind and flags: blocking; it names no time limit of its own.\n\n\
            **Parameters**\n\nAnything.\n\n**Result**\n\nAnything.\n"
        );
        let all = page_of(json!({
            "abi": { "min": 1, "max": 2 }, "description": "does | much", "authors": ["A <a@b.c>", "B"], "license": "MIT",
            "homepage": "https://x.org", "isolation": "worker",
            "requires": [{ "name": "y", "version": "^1" }, { "name": "z", "version": "*", "optional": true }],
            "capabilities": { "fs_read": ["**"], "fs_write": ["/tmp"], "net": true, "exec": true, "env": ["PATH", "LANG"] },
            "config": { "type": "object", "properties": { "root": { "type": "string", "default": "a|b" } } }
        }));
        for part in [
            "\nDoes | much.\n",
            "| Authors | A &lt;a@b.c>, B |",
            "| Licence | MIT |",
            "| Homepage | https://x.org |",
            "| ABI | 1 to 2 |",
            "| Requires | `y ^1`, `z *` (optional) |",
            "| Wishes to run | in a worker |",
            "| Reads files | `**` |",
            "| Writes files | `/tmp` |",
            "| Opens connections | yes |",
            "| Starts programs | yes |",
            "| Reads variables | `PATH`, `LANG` |",
            "## Configuration",
            "| `root` | string | no | `\"a\\|b\"` |  |",
        ] {
            assert!(all.contains(part), "{part} in {all}");
        }
    }

    #[test]
    fn a_method_has_its_flags_its_limit_its_types_and_its_examples() {
        let page = page_of(
            json!({ "methods": [{ "name": "go", "kind": "inline", "description": "goes", "pure": true,
            "idempotent": true, "serial": true, "timeout_ms": 90_000,
            "params": {
                "type": "object", "description": "Where to.",
                "properties": {
                    "to": { "$ref": "#/$defs/Place", "description": "The\n goal." },
                    "by": { "enum": ["foot", "car"], "default": "foot" }
                },
                "required": ["to"],
                "$defs": { "Other": { "type": "string" }, "Place": { "oneOf": [
                    { "type": "string", "description": "A name." },
                    { "type": "object", "properties": { "x": { "type": "number" }, "y": { "type": "number" } }, "required": ["x"] }
                ] } },
                "examples": [{ "to": "home" }]
            },
            "output": { "type": "integer" } }] }),
        );
        for part in [
            "- [`go`](#go): goes\n",
            "### go\n\nGoes.\n",
            "Kind and flags: inline, pure, idempotent, serial; an attempt may take 90 s unless a workflow says otherwise.",
            "**Parameters**\n\nWhere to.\n\n| name | type | required | default | description |\n|---|---|---|---|---|\n\
             | `to` | Place | yes |  | The goal. |\n| `by` | \"foot\" or \"car\" | no | `\"foot\"` |  |\n",
            "`Place`:\n\nOne of:\n\n- string. A name.\n- `x`: number, `y`: number (optional)\n",
            "Example:\n\n```json\n{\n  \"to\": \"home\"\n}\n```\n",
            "**Result**\n\ninteger.\n",
        ] {
            assert!(page.contains(part), "{part}\nin\n{page}");
        }
        assert!(!page.contains("Other"), "a type of other methods is in {page}");
    }
}
