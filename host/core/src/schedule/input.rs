//! The input of the runs that a schedule starts: a template with names of its own.

use crate::diagnostic::nearest;
use crate::expr::{Env, EvalError, Fault, Names, Operand, RefIx, Resolved, Template, UnknownName};
use crate::payload::Payload;
use crate::run::{mix, uuid};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const WORKFLOW_FIELDS: [(&str, Ref); 3] =
    [("id", Ref::WorkflowId), ("version", Ref::WorkflowVersion), ("run_id", Ref::RunId)];

#[derive(Clone, Debug, PartialEq)]
enum Ref {
    Event,
    WorkflowId,
    WorkflowVersion,
    RunId,
    Config(Box<str>),
}

/// A compiled template of an input.
#[derive(Debug)]
pub struct Input {
    template: Template,
    refs: Vec<Ref>,
}

/// What an input is made from.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// `event`: what started the run.
    pub event: &'a Payload,
    /// Workflow id.
    pub workflow: &'a str,
    /// Workflow version.
    pub version: &'a str,
    /// Id of the run.
    pub run_id: &'a str,
    /// What `config.<key>` is.
    pub config: &'a BTreeMap<Box<str>, Payload>,
    /// What `now()` answers.
    pub now: Timestamp,
}

impl Input {
    /// Compiles `json`; `config_keys` are what `config.<key>` can name, anything if absent.
    pub(super) fn compile(json: &str, config_keys: Option<&BTreeSet<Box<str>>>) -> Result<Self, Vec<Fault>> {
        let mut names = InputNames { refs: Vec::new(), config_keys };
        let template = Template::compile(json, &mut names)?;
        Ok(Self { template, refs: names.refs })
    }

    /// Its value, if that is the same for all runs.
    #[must_use]
    pub fn constant(&self) -> Option<&Payload> {
        self.template.constant()
    }

    /// The input of one run.
    ///
    /// # Errors
    /// If an expression in it fails.
    pub fn render(&self, occasion: &Occasion<'_>) -> Result<Payload, EvalError> {
        self.template.render(&InputEnv { refs: &self.refs, occasion })
    }
}

struct InputNames<'k> {
    refs: Vec<Ref>,
    config_keys: Option<&'k BTreeSet<Box<str>>>,
}

impl InputNames<'_> {
    fn find(&self, path: &[&str]) -> Result<(Ref, usize), UnknownName> {
        match path {
            ["event", ..] => Ok((Ref::Event, 1)),
            ["workflow", field, ..] => {
                let known = WORKFLOW_FIELDS.iter().find(|(name, _)| name == field);
                known.map(|(_, found)| (found.clone(), 2)).ok_or_else(|| {
                    let guess = nearest(field, WORKFLOW_FIELDS.iter().map(|(name, _)| *name));
                    unknown(format!("`workflow` has no `{field}` here"), "workflow.", guess)
                })
            }
            ["config", key, ..] => match self.config_keys.filter(|known| !known.contains(*key)) {
                None => Ok((Ref::Config((*key).into()), 2)),
                Some(known) => {
                    let guess = nearest(key, known.iter().map(|key| &**key));
                    Err(unknown(format!("the configuration has no key `{key}`"), "config.", guess))
                }
            },
            [name, ..] => {
                let hint = "The input of a schedule sees `event`, `workflow.id`, `workflow.version`, `workflow.run_id` \
                            and `config.<key>`.";
                Err(UnknownName { message: format!("`{name}` has no meaning here"), hint: hint.to_owned() })
            }
            [] => Err(unknown("a name is missing".to_owned(), "", None)),
        }
    }
}

fn unknown(message: String, prefix: &str, guess: Option<&str>) -> UnknownName {
    let hint = guess.map_or_else(String::new, |guess| format!("Did you mean `{prefix}{guess}`?"));
    UnknownName { message, hint }
}

impl Names for InputNames<'_> {
    fn resolve(&mut self, path: &[&str]) -> Result<Resolved, UnknownName> {
        let (found, consumed) = self.find(path)?;
        let place = self.refs.iter().position(|known| *known == found).unwrap_or_else(|| {
            self.refs.push(found);
            self.refs.len() - 1
        });
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        Ok(Resolved { reference: RefIx(place), consumed })
    }

    fn secret(&mut self, name: &str) -> Result<(), UnknownName> {
        Err(UnknownName {
            message: format!("secret `{name}` cannot be read here"),
            hint: "Secrets are for the parameters of calls, so that they are stored nowhere.".to_owned(),
        })
    }
}

struct InputEnv<'a> {
    refs: &'a [Ref],
    occasion: &'a Occasion<'a>,
}

impl Env for InputEnv<'_> {
    fn operand(&self, reference: RefIx, _: usize) -> Operand<'_> {
        let occasion = self.occasion;
        match &self.refs[reference.0 as usize] {
            Ref::Event => Operand::Json(occasion.event),
            Ref::WorkflowId => Operand::Text(occasion.workflow),
            Ref::WorkflowVersion => Operand::Text(occasion.version),
            Ref::RunId => Operand::Text(occasion.run_id),
            Ref::Config(key) => occasion.config.get(key).map_or(Operand::Null, Operand::Json),
        }
    }

    fn now(&self) -> Timestamp {
        self.occasion.now
    }

    fn uuid(&self, nth: u32) -> [u8; 16] {
        let seed = self.occasion.run_id.bytes().fold(0, |seed, byte| mix(seed, u64::from(byte)));
        uuid(seed, nth)
    }

    fn secret(&self, name: &str) -> Result<Arc<str>, String> {
        Err(format!("secret `{name}` can only be read in the parameters of a call"))
    }
}
