//! What the plugin says about itself: is it the same everywhere, and does it hold together.

use super::{CheckError, PLUGIN, Session, shown};
use crate::generate::examples;
use crate::job::{End, Seen, State, Task};
use crate::report::Code;
use jackfield_plugin_api::manifest::{Manifest, ManifestMethod};
use serde_json::Value;
use std::time::Duration;

impl Session<'_> {
    /// The full manifest; `None` if there is none to go on with.
    pub(super) fn offers(&mut self) -> Result<Option<Manifest>, CheckError> {
        let life = self.live(Task::Describe, PLUGIN, Duration::ZERO)?;
        let mut described = Vec::new();
        for seen in &life.seen {
            match seen {
                Seen::Opened { before, after, manifest } => {
                    self.effects(before, after);
                    self.loaded(manifest);
                }
                Seen::Described(end) => described.push(end),
                _ => {}
            }
        }
        if let [first, second] = described[..]
            && first != second
        {
            self.findings.add(
                Code::Manifest,
                PLUGIN,
                "it describes itself in another way each time it is asked",
            );
        }
        let Some(first) = described.first() else { return Ok(None) };
        Ok(self.described(first))
    }

    /// What opening it has done to the process.
    fn effects(&mut self, before: &State, after: &State) {
        let mut effects = Vec::new();
        if after.threads > before.threads {
            effects.push("started a thread".to_owned());
        }
        if after.descriptors > before.descriptors {
            effects.push("left a descriptor open".to_owned());
        }
        if after.signals != before.signals {
            effects.push("changed what becomes of signals".to_owned());
        }
        if after.directory != before.directory {
            effects.push("changed the working directory".to_owned());
        }
        if after.environment != before.environment {
            effects.push("changed the environment".to_owned());
        }
        if let Some(file) = after.files.iter().find(|file| !before.files.contains(file)) {
            effects.push(format!("made the file `{}`", shown(file)));
        }
        if !effects.is_empty() {
            let message = format!("opening the library {}", effects.join(", "));
            self.findings.add(Code::OpenEffect, PLUGIN, message);
        }
    }

    /// What the library says, once it is loaded, must be what its file says.
    fn loaded(&mut self, manifest: &str) {
        let of_file = serde_json::to_value(self.manifest).ok();
        let loaded = Manifest::parse(manifest.as_bytes()).ok().and_then(|it| serde_json::to_value(it).ok());
        if loaded.is_none() || loaded != of_file {
            let message = "the manifest in the table is not the one in the section of the file";
            self.findings.add(Code::Manifest, PLUGIN, message);
        }
    }

    fn described(&mut self, end: &End) -> Option<Manifest> {
        let text = match end {
            End::Text(text) => text,
            End::Panicked(message) => {
                self.findings.add(Code::Panic, PLUGIN, format!("`describe` panicked: {}", shown(message)));
                return None;
            }
            other => {
                self.findings.add(Code::Manifest, PLUGIN, format!("`describe` gives no manifest: {other:?}"));
                return None;
            }
        };
        let full = match Manifest::parse(text.as_bytes()) {
            Ok(full) => full,
            Err(error) => {
                self.findings.add(Code::Manifest, PLUGIN, format!("`describe` gives no manifest: {error}"));
                return None;
            }
        };
        if let Some(difference) = difference(self.manifest, &full) {
            let message = format!("`describe` says something else than the file: {difference}");
            self.findings.add(Code::Manifest, PLUGIN, message);
            return None;
        }
        self.schemas(&full);
        Some(full)
    }

    fn schemas(&mut self, full: &Manifest) {
        if let Some(config) = &full.config {
            self.schema(PLUGIN, "configuration", config.as_value());
        }
        for method in &full.methods {
            let both = [("parameters", &method.params), ("result", &method.output)];
            for (what, schema) in both {
                match schema {
                    Some(schema) => self.schema(&method.name, what, schema.as_value()),
                    None => {
                        let message = format!(
                            "it has no schema of its {what}, so that nothing can be checked against it"
                        );
                        self.findings.add(Code::SchemaMissing, &method.name, message);
                    }
                }
            }
        }
    }

    fn schema(&mut self, place: &str, what: &str, schema: &Value) {
        let validator = match jsonschema::validator_for(schema) {
            Ok(validator) => validator,
            Err(error) => {
                let message = format!("the schema of the {what} is not valid: {}", shown(&error.to_string()));
                return self.findings.add(Code::SchemaInvalid, place, message);
            }
        };
        for example in examples(schema) {
            if let Err(error) = validator.validate(&example) {
                let (example, error) = (shown(&example.to_string()), shown(&error.to_string()));
                let message = format!("the example {example} of the {what} does not fit its schema: {error}");
                self.findings.add(Code::ExampleInvalid, place, message);
            }
        }
    }
}

/// What differs between the two beside the schemas, which only the full one has.
fn difference(of_file: &Manifest, full: &Manifest) -> Option<String> {
    let names = |manifest: &Manifest| -> Vec<String> {
        manifest.methods.iter().map(|method| method.name.clone()).collect()
    };
    let (ours, theirs) = (names(of_file), names(full));
    if ours != theirs {
        return Some(format!("the methods {theirs:?} in place of {ours:?}"));
    }
    let without = |manifest: &Manifest| {
        let bare = |method: &ManifestMethod| ManifestMethod { params: None, output: None, ..method.clone() };
        let methods = manifest.methods.iter().map(bare).collect();
        serde_json::to_value(Manifest { config: None, methods, ..manifest.clone() }).unwrap_or_default()
    };
    let (ours, theirs) = (without(of_file), without(full));
    let keys = ours.as_object()?.iter().find(|(key, value)| theirs.get(key.as_str()) != Some(value));
    let key = keys.map(|(key, _)| key.as_str()).or_else(|| {
        theirs.as_object()?.keys().find(|key| ours.get(key.as_str()).is_none()).map(String::as_str)
    })?;
    Some(format!(
        "`{key}` is {} in place of {}",
        shown(&theirs[key].to_string()),
        shown(&ours[key].to_string())
    ))
}
