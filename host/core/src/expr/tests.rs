//! What expressions and templates promise. The world of these tests is one JSON object: its members are the names.

use super::{
    Env, EvalError, Expression, Fault, FaultKind, Names, Operand, RefIx, Resolved, Template, UnknownName,
};
use crate::payload::Payload;
use crate::time::Timestamp;
use std::sync::Arc;

mod bounds;
mod faults;
mod functions;
mod numbers;
mod semantics;
mod templates;

/// Names and values: `input`, `steps.<id>.output`, `text`, `number`, `flag`, `nothing`.
struct World {
    values: Vec<(String, Payload)>,
}

impl World {
    /// `input` is the given JSON; `steps.load.output` is `{"rows":[1,2,3]}`, `steps.broken.output` is null.
    fn new(input: &str) -> Self {
        let mut values = vec![
            ("input".to_owned(), Payload::parse(input).unwrap()),
            ("steps.load.output".to_owned(), Payload::parse(r#"{"rows":[1,2,3]}"#).unwrap()),
            ("steps.broken.output".to_owned(), Payload::null()),
        ];
        values.extend(["text", "number", "flag", "nothing"].map(|name| (name.to_owned(), Payload::null())));
        Self { values }
    }

    fn eval(&mut self, source: &str) -> Result<String, String> {
        let compiled = Expression::compile(source, self).map_err(|faults| faults[0].message.clone())?;
        compiled
            .evaluate(self)
            .map(|payload| payload.as_str().to_owned())
            .map_err(|error| error.message().to_owned())
    }

    fn fail(&mut self, source: &str) -> EvalError {
        Expression::compile(source, self).unwrap().evaluate(self).unwrap_err()
    }

    fn fault(&mut self, source: &str) -> Fault {
        Expression::compile(source, self).unwrap_err().remove(0)
    }

    fn render(&mut self, json: &str) -> Result<String, String> {
        let compiled = Template::compile(json, self).map_err(|faults| faults[0].message.clone())?;
        compiled
            .render(self)
            .map(|payload| payload.as_str().to_owned())
            .map_err(|error| error.message().to_owned())
    }
}

impl Names for World {
    fn resolve(&mut self, path: &[&str]) -> Result<Resolved, UnknownName> {
        let known = |(name, _): &(String, Payload)| {
            let parts: Vec<_> = name.split('.').collect();
            path.starts_with(&parts)
        };
        match self.values.iter().position(known) {
            Some(ix) => Ok(Resolved {
                reference: RefIx(u32::try_from(ix).unwrap()),
                consumed: self.values[ix].0.split('.').count(),
            }),
            None => Err(UnknownName { message: format!("unknown name `{}`", path[0]), hint: String::new() }),
        }
    }

    fn secret(&mut self, name: &str) -> Result<(), UnknownName> {
        if name == "forbidden" {
            return Err(UnknownName { message: "no secrets here".into(), hint: String::new() });
        }
        Ok(())
    }
}

impl Env for World {
    fn operand(&self, reference: RefIx, _: usize) -> Operand<'_> {
        let (name, payload) = &self.values[reference.0 as usize];
        match name.as_str() {
            "text" => Operand::Text("some"),
            "number" => Operand::Int(7),
            "flag" => Operand::Bool(true),
            "nothing" => Operand::Null,
            _ => Operand::Json(payload),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000_000_000)
    }

    fn uuid(&self, nth: u32) -> [u8; 16] {
        [u8::try_from(nth).unwrap() + 0xa0; 16]
    }

    fn secret(&self, name: &str) -> Result<Arc<str>, String> {
        if name == "gone" { Err("secret `gone` is not set".into()) } else { Ok(format!("<{name}>").into()) }
    }
}

/// Evaluates each source on both an unparsed and a parsed input and compares the JSON text.
fn assert_values(input: &str, table: &[(&str, &str)]) {
    for (source, expected) in table {
        let mut fresh = World::new(input);
        assert_eq!(fresh.eval(source).as_deref(), Ok(*expected), "{source}");
        let mut parsed = World::new(input);
        for (_, payload) in &parsed.values {
            let _tree = payload.value();
        }
        assert_eq!(parsed.eval(source).as_deref(), Ok(*expected), "{source} on parsed values");
    }
}

/// Compares the message of the failure.
fn assert_failures(input: &str, table: &[(&str, &str)]) {
    for (source, expected) in table {
        assert_eq!(World::new(input).eval(source), Err((*expected).to_owned()), "{source}");
    }
}

#[test]
fn compiled_forms_are_shared_between_threads() {
    fn shared<T: Send + Sync + std::fmt::Debug>() {}
    shared::<Expression>();
    shared::<Template>();
}
