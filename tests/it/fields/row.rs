//! One row: a document, a change, and what comes of it.

use super::{planned, view};
use jackfield::diagnostic::{Diagnostic, Severity};
use jackfield::graph::Format;
use jackfield::{Dialect, RunOptions, Value, json, model};
use jackfield_tests::{Bench, Faults};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// The field, or several that one change is about.
    #[serde(rename = "field")]
    pub(super) fields: Fields,
    /// The document, without what stands in `steps`; its id is `w` if it has none.
    #[serde(default)]
    document: Value,
    /// Its steps.
    #[serde(default)]
    steps: Vec<Value>,
    #[serde(default)]
    input: Value,
    /// Another run of the same document is under way already.
    #[serde(default)]
    twice: bool,
    /// JSON pointer of the one place that changes.
    at: String,
    /// What stands there then.
    value: Value,
    effect: Effect,
}

#[derive(Deserialize)]
#[serde(from = "OneOrMore")]
pub(super) struct Fields(pub(super) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Fields {
    fn from(fields: OneOrMore) -> Self {
        match fields {
            OneOrMore::One(name) => Self(vec![name]),
            OneOrMore::More(names) => Self(names),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Effect {
    /// Places in the view of the run, and what stands there before and after the change.
    Records(BTreeMap<String, [Value; 2]>),
    /// Places in the view of the schedule, and what stands there before and after the change.
    Planned(BTreeMap<String, [Value; 2]>),
    /// This version does not perform it and says so; a value that asks for nothing more than happens anyway
    /// is taken.
    Refused {
        #[serde(default)]
        accepts: Option<Value>,
        /// Where the refusal points, if not at the change.
        #[serde(default)]
        at: Option<String>,
    },
    /// The one finding.
    Fault {
        code: String,
        /// Where it points, if not at the change.
        #[serde(default)]
        at: Option<String>,
    },
    /// The run cannot be started: a part of what is said about it.
    NotStarted(String),
    /// Another text of the graph; the run is the same.
    Shown(String),
    /// Kept when the document is written again; nothing else looks at it.
    Kept,
}

impl Row {
    /// Says what does not hold, after the names of the fields.
    pub(super) fn check(&self, index: usize, benches: &[Bench; 2]) -> Result<(), String> {
        let checked = match &self.effect {
            Effect::Records(places) => self.check_records(index, benches, places),
            Effect::Planned(places) => {
                let [before, after] = [self.before(), self.after()].map(|document| planned::of(&document));
                differ(before, after, places)
            }
            Effect::Refused { accepts, at } => self.check_refusal(&benches[0], accepts.as_ref(), at.as_ref()),
            Effect::Fault { code, at } => self.check_fault(&benches[0], code, at.as_ref()),
            Effect::NotStarted(part) => self.check_not_started(benches, part),
            Effect::Shown(text) => {
                self.check_same(index, benches).and_then(|()| self.check_shown(benches, text))
            }
            Effect::Kept => self.check_same(index, benches),
        };
        checked.and_then(|()| self.check_kept()).map_err(|why| format!("{}: {why}", self.fields.0.join(", ")))
    }

    fn before(&self) -> Value {
        let mut document = json!({ "id": "w" });
        let fields = document.as_object_mut().expect("it is an object");
        fields.extend(self.document.as_object().cloned().unwrap_or_default());
        if !self.steps.is_empty() {
            fields.insert("steps".into(), self.steps.clone().into());
        }
        document
    }

    fn after(&self) -> Value {
        self.with(&self.value)
    }

    fn with(&self, value: &Value) -> Value {
        let mut document = self.before();
        let (parent, name) = self.at.rsplit_once('/').expect("a pointer begins with a slash");
        match document.pointer_mut(parent) {
            Some(Value::Object(fields)) => drop(fields.insert(name.into(), value.clone())),
            Some(Value::Array(elements)) => {
                elements[name.parse::<usize>().expect("elements are numbered")] = value.clone();
            }
            _ => panic!("{:?}: there is no `{parent}`", self.fields.0),
        }
        document
    }

    fn check_records(
        &self,
        index: usize,
        benches: &[Bench; 2],
        places: &BTreeMap<String, [Value; 2]>,
    ) -> Result<(), String> {
        let [before, after] = self.run_both(index, benches)?;
        differ(before, after, places)
    }

    fn check_same(&self, index: usize, benches: &[Bench; 2]) -> Result<(), String> {
        let [before, after] = self.run_both(index, benches)?;
        if before == after { Ok(()) } else { Err(format!("the run differs:\n{before:#}\n{after:#}")) }
    }

    fn check_shown(&self, benches: &[Bench; 2], text: &str) -> Result<(), String> {
        let [before, after] = [(0, self.before()), (1, self.after())].map(|(bench, document)| {
            let workflow = benches[bench].check(document);
            format!(
                "{}\n{}",
                workflow.graph().render(Format::Text).expect("text is always drawn"),
                workflow.name()
            )
        });
        let is_new = after.contains(text) && !before.contains(text);
        if is_new { Ok(()) } else { Err(format!("`{text}` is not new in\n{after}\n{before}")) }
    }

    fn run_both(&self, index: usize, benches: &[Bench; 2]) -> Result<[Value; 2], String> {
        let documents = [self.before(), self.after()];
        let mut runs = Vec::new();
        for (bench, document) in benches.iter().zip(&documents) {
            no_error(bench, document)?;
            if self.twice {
                let first = RunOptions::id(format!("first-{index}"));
                drop(bench.start_with(document, self.input.clone(), first));
            }
            let options = RunOptions::id(format!("run-{index}"));
            runs.push(bench.start_with(document, self.input.clone(), options));
        }
        let views: Vec<_> = runs.into_iter().map(|run| view::of(&run.finish())).collect();
        Ok(views.try_into().expect("there are two"))
    }

    fn check_refusal(
        &self,
        bench: &Bench,
        accepts: Option<&Value>,
        at: Option<&String>,
    ) -> Result<(), String> {
        let after = self.after();
        let pointer = at.unwrap_or(&self.at);
        let found = only_finding(bench, &after)?;
        // a type is refused by its own name, a field by its
        let name = match after.pointer(pointer) {
            Some(Value::String(kind)) if pointer.ends_with("/type") => kind,
            _ => pointer.rsplit('/').next().unwrap_or_default(),
        };
        let is_named = found.message.contains(&format!("`{name}`"));
        if (found.code.to_string(), &*found.pointer, is_named) != ("JF0010".into(), pointer, true) {
            return Err(format!("`{name}` is not refused by name at `{pointer}`: {}", Faults(vec![found])));
        }
        accepts.map_or(Ok(()), |value| no_error(bench, &self.with(value)))
    }

    fn check_fault(&self, bench: &Bench, code: &str, at: Option<&String>) -> Result<(), String> {
        no_error(bench, &self.before())?;
        let found = only_finding(bench, &self.after())?;
        let is_it = found.code.to_string() == code && *found.pointer == **at.unwrap_or(&self.at);
        if is_it { Ok(()) } else { Err(format!("expected {code}: {}", Faults(vec![found]))) }
    }

    fn check_not_started(&self, benches: &[Bench; 2], part: &str) -> Result<(), String> {
        let start = |bench: &Bench, document| bench.host().start(&bench.check(document), self.input.clone());
        start(&benches[0], self.before()).map_err(|error| format!("it does not start before: {error}"))?;
        match start(&benches[1], self.after()) {
            Err(error) if error.to_string().contains(part) => Ok(()),
            Err(error) => Err(format!("`{part}` is not in: {error}")),
            Ok(_) => Err("it starts".into()),
        }
    }

    /// The field is there, as it is, when the document is written again.
    fn check_kept(&self) -> Result<(), String> {
        let after = self.after();
        let Ok(written) = jackfield::format("row", &after.to_string(), Dialect::Json) else { return Ok(()) };
        let written: Value = serde_json::from_str(&written).expect("a document is JSON");
        let is_kept = written.pointer(&self.at) == Some(&self.value);
        if !is_kept {
            return Err(format!("it is lost when the document is written: {written:#}"));
        }
        self.check_kept_by_model()
    }

    /// The model holds the field, too: written from there, it makes a difference.
    fn check_kept_by_model(&self) -> Result<(), String> {
        if matches!(self.effect, Effect::Fault { .. }) {
            return Ok(());
        }
        let [before, after] = [self.before(), self.after()].map(|document| {
            let parsed = model::parse(document.to_string().as_bytes(), Dialect::Json);
            parsed.workflow.map(|workflow| model::to_json(&workflow))
        });
        let is_kept = before != after;
        if is_kept { Ok(()) } else { Err(format!("it is lost on the way through the model: {after:?}")) }
    }
}

fn differ(before: Value, after: Value, places: &BTreeMap<String, [Value; 2]>) -> Result<(), String> {
    if places.is_empty() || before == after {
        return Err(format!("what is seen does not differ: {before:#}"));
    }
    for (pointer, expected) in places {
        let null = Value::Null;
        let found = [&before, &after].map(|view| view.pointer(pointer).unwrap_or(&null));
        if found != [&expected[0], &expected[1]] || found[0] == found[1] {
            return Err(format!("`{pointer}` is {found:?}, expected {expected:?}\n{before:#}\n{after:#}"));
        }
    }
    Ok(())
}

fn errors(bench: &Bench, document: &Value) -> Faults {
    let mut found = bench.faults(document);
    found.0.retain(|it| it.severity == Severity::Error);
    found
}

fn no_error(bench: &Bench, document: &Value) -> Result<(), String> {
    let found = errors(bench, document);
    if found.0.is_empty() { Ok(()) } else { Err(format!("the document is not valid:\n{found}{document:#}")) }
}

fn only_finding(bench: &Bench, document: &Value) -> Result<Diagnostic, String> {
    let mut found = errors(bench, document);
    match found.0.pop() {
        Some(it) if found.0.is_empty() => Ok(it),
        last => Err(format!("there is not one finding but:\n{found}{}", Faults(last.into_iter().collect()))),
    }
}
