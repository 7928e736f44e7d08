//! One table of all that can be asked: the router answers by it, and the OpenAPI document is made of it.

use crate::problem::Problem;
use crate::tokens::Need;
use axum::Router;
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::routing::{MethodFilter, MethodRouter, on};
use jackfield::Host;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Where the API is.
pub(crate) const API: &str = "/api/v1";

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// Makes the schema of a type.
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One thing that can be asked.
pub(crate) struct Operation {
    method: Method,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    query: Option<fn() -> Schema>,
    headers: &'static [(&'static str, &'static str)],
    body: Option<(SchemaOf, bool)>,
    answers: Vec<Answer>,
}

struct Answer {
    status: StatusCode,
    what: &'static str,
    content: Option<(&'static str, Option<SchemaOf>)>,
}

fn query_schema<Q: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|it| it.inline_subschemas = true);
    settings.for_deserialize().into_generator().into_root_schema_for::<Q>()
}

fn operation(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation { method, path, id, summary, query: None, headers: &[], body: None, answers: Vec::new() }
}

pub(crate) fn get(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    operation(Method::GET, path, id, summary)
}

pub(crate) fn post(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    operation(Method::POST, path, id, summary)
}

pub(crate) fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    operation(Method::DELETE, path, id, summary)
}

impl Operation {
    /// What may stand in its query: the fields of `Q`.
    pub(crate) fn query<Q: JsonSchema>(mut self) -> Self {
        self.query = Some(query_schema::<Q>);
        self
    }

    /// Headers that it heeds, each with what it is for.
    pub(crate) fn headers(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.headers = headers;
        self
    }

    /// The body that it wants.
    pub(crate) fn body<B: JsonSchema>(mut self) -> Self {
        self.body = Some((SchemaGenerator::subschema_for::<B>, true));
        self
    }

    /// A body that may be left out.
    pub(crate) fn body_or_none<B: JsonSchema>(mut self) -> Self {
        self.body = Some((SchemaGenerator::subschema_for::<B>, false));
        self
    }

    /// An answer with JSON.
    pub(crate) fn gives<A: JsonSchema>(self, status: StatusCode, what: &'static str) -> Self {
        self.answer(status, what, Some((JSON, Some(SchemaGenerator::subschema_for::<A>))))
    }

    /// An answer that is something else.
    pub(crate) fn gives_other(self, what: &'static str, kind: &'static str) -> Self {
        self.answer(StatusCode::OK, what, Some((kind, None)))
    }

    /// An answer without content.
    pub(crate) fn gives_nothing(self, what: &'static str) -> Self {
        self.answer(StatusCode::NO_CONTENT, what, None)
    }

    fn answer(
        mut self,
        status: StatusCode,
        what: &'static str,
        content: Option<(&'static str, Option<SchemaOf>)>,
    ) -> Self {
        self.answers.push(Answer { status, what, content });
        self
    }

    fn filter(&self) -> MethodFilter {
        match self.method {
            Method::POST => MethodFilter::POST,
            Method::DELETE => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        }
    }

    /// The group that it is shown in.
    fn tag(&self) -> &'static str {
        self.path.split('/').nth(1).unwrap_or_default()
    }
}

/// All operations with what answers them.
#[derive(Default)]
pub(crate) struct Api {
    router: Router<Host>,
    operations: Vec<Operation>,
}

impl Api {
    /// One more, and who answers it.
    pub(crate) fn add<T: 'static>(self, operation: Operation, handler: impl Handler<T, Host>) -> Self {
        self.add_as(operation, handler, |route| route)
    }

    /// The same with something around it.
    pub(crate) fn add_as<T: 'static>(
        mut self,
        operation: Operation,
        handler: impl Handler<T, Host>,
        adjust: impl FnOnce(MethodRouter<Host>) -> MethodRouter<Host>,
    ) -> Self {
        let route = adjust(on(operation.filter(), handler));
        self.router = self.router.route(operation.path, route);
        self.operations.push(operation);
        self
    }

    pub(crate) fn into_router(self) -> Router<Host> {
        self.router
    }

    /// The OpenAPI document, version 3.1.
    pub(crate) fn document(&self) -> Value {
        let settings =
            || SchemaSettings::draft2020_12().with(|it| it.definitions_path = "/components/schemas".into());
        let mut asked = settings().for_deserialize().into_generator();
        let mut told = settings().for_serialize().into_generator();
        let problem = told.subschema_for::<Problem>();
        let mut paths = Map::new();
        for operation in &self.operations {
            let described = operation.describe(&mut asked, &mut told, &problem);
            let path = paths.entry(format!("{API}{}", operation.path)).or_insert_with(|| json!({}));
            path[operation.method.as_str().to_ascii_lowercase()] = described;
        }
        let mut schemas = asked.take_definitions(true);
        schemas.extend(told.take_definitions(true));
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Jackfield",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Workflows, their runs and schedules, and the plugins that do the work. \
                    What cannot be done is answered as a problem document (RFC 9457).",
                "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "security": [{"bearer": []}, {"session": []}, {}],
            "tags": [
                {"name": "runs"}, {"name": "workflows"}, {"name": "schedules"}, {"name": "events"}, {"name": "plugins"}, {"name": "stats"},
            ],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `jackfield token create`."},
                    "session": {
                        "type": "apiKey", "in": "cookie", "name": "jackfield_session",
                        "description": "The cookie of `POST /api/v1/session`; by TLS its name begins with `__Host-`.",
                    },
                },
            },
        })
    }
}

impl Operation {
    fn describe(&self, asked: &mut SchemaGenerator, told: &mut SchemaGenerator, problem: &Schema) -> Value {
        let mut answers: Map<String, Value> = Map::new();
        for answer in &self.answers {
            let mut described = json!({"description": answer.what});
            if let Some((kind, schema)) = answer.content {
                let schema = schema.map_or_else(|| json!({"type": "string"}), |schema| schema(told).into());
                described["content"] = json!({kind: {"schema": schema}});
                // the same answer in another form
                if let Some(other) = answers.get_mut(answer.status.as_str()) {
                    other["content"][kind] = described["content"][kind].clone();
                    continue;
                }
            }
            if answer.status == StatusCode::CREATED
                && self.tag() != "schedules"
                && self.id != "registerWorkflow"
            {
                described["headers"] = json!({"Location": {
                    "description": "Where the run is.", "schema": {"type": "string"},
                }});
            }
            answers.insert(answer.status.as_str().to_owned(), described);
        }
        let refused =
            json!({"description": "It could not be done.", "content": {PROBLEM: {"schema": problem}}});
        answers.insert("default".to_owned(), refused);
        let needs = match Need::of(&self.method, &format!("{API}{}", self.path)) {
            Need::Nothing => String::new(),
            Need::Scope(scope) => format!("Needs a token of scope `{scope}`, where tokens are needed."),
        };
        let mut described = json!({
            "operationId": self.id,
            "tags": [self.tag()],
            "summary": self.summary,
            "description": needs,
            "parameters": self.parameters(),
            "responses": answers,
        });
        if let Some((schema, is_required)) = self.body {
            described["requestBody"] =
                json!({"required": is_required, "content": {JSON: {"schema": schema(asked)}}});
        }
        described
    }

    fn parameters(&self) -> Vec<Value> {
        let names = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let of_path = names.map(|name| {
            json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}})
        });
        let mut all: Vec<Value> = of_path.collect();
        if let Some(query) = self.query {
            let schema = Value::from(query());
            let fields = schema["properties"].as_object().cloned().unwrap_or_default();
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for (name, mut schema) in fields {
                let what = schema.as_object_mut().and_then(|it| it.remove("description")).unwrap_or_default();
                let is_required = required.iter().any(|it| *it == *name);
                all.push(json!({
                    "name": name, "in": "query", "required": is_required, "description": what, "schema": schema,
                }));
            }
        }
        let of_headers = self.headers.iter().map(|(name, what)| {
            json!({"name": name, "in": "header", "description": what, "schema": {"type": "string", "pattern": "^[0-9]+$"}})
        });
        all.extend(of_headers);
        all
    }
}
