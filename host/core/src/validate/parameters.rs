//! Parameters against the JSON Schema of the method, as far as they are known before the run.

use super::context::{Context, shift};
use super::names::did_you_mean;
use super::pointer;
use crate::catalog::Method;
use crate::diagnostic::{Code, nearest};
use crate::expr::{Hole, HoleKind, Template};
use crate::model::Json;
use crate::plan::MethodUse;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

/// A compiled parameter schema.
pub(super) struct Schema<'c> {
    validator: Validator,
    source: &'c Value,
}

impl<'c> Schema<'c> {
    /// The schema of `method`; `None` if it accepts anything.
    pub(super) fn compile(method: &'c Method) -> Result<Option<Self>, String> {
        if method.parameters.is_null() {
            return Ok(None);
        }
        let source = method.parameters.value();
        let validator = jsonschema::validator_for(source).map_err(|error| error.to_string())?;
        Ok(Some(Self { validator, source }))
    }

    /// The parameter names that the schema knows where `error` says that one is not.
    fn known_keys(&self, error: &ValidationError<'_>) -> impl Iterator<Item = &'c str> + use<'c> {
        let path = error.schema_path().to_string();
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let properties = self.source.pointer(&format!("{parent}/properties")).and_then(Value::as_object);
        properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str))
    }
}

/// Reports what is wrong with `parameters` whatever the run will put into its holes.
pub(super) fn check(
    context: &mut Context<'_, '_>,
    schema: &Schema<'_>,
    called: &MethodUse,
    parameters: &Json,
    template: &Template,
) {
    if let Some(constant) = template.constant()
        && schema.validator.is_valid(constant.value())
    {
        return;
    }
    let (mut value, holes) = template.skeleton();
    for hole in holes.iter().filter(|hole| hole.kind == HoleKind::Text) {
        if let Some(place) = value.pointer_mut(&hole.pointer) {
            *place = Value::String(String::new());
        }
    }
    let called = format!("{}.{}", called.plugin, called.method);
    for error in schema.validator.iter_errors(&value) {
        if holes.iter().any(|hole| may_vanish(&error, hole)) {
            continue;
        }
        let place = error.instance_path().to_string();
        let is_text = holes.iter().any(|hole| hole.kind == HoleKind::Text && hole.pointer == place);
        report(context, schema, &called, parameters, &error, is_text);
    }
}

/// Whether what the run puts into `hole` may do away with `error`.
fn may_vanish(error: &ValidationError<'_>, hole: &Hole) -> bool {
    let place = error.instance_path().to_string();
    let is_within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let rule = error.schema_path().to_string();
    if ["/then/", "/else/", "/dependentSchemas/"].iter().any(|part| rule.contains(part)) {
        return true;
    }
    if is_within(&place, &hole.pointer) {
        let is_text = hole.kind == HoleKind::Text && place == hole.pointer;
        return !(is_text && matches!(error.kind(), Kind::Type { .. }));
    }
    is_within(&hole.pointer, &place) && depends_on_inside(error.kind())
}

/// Whether the verdict on a container depends on the values in it, not only on its shape.
fn depends_on_inside(kind: &Kind) -> bool {
    !matches!(
        kind,
        Kind::Type { .. }
            | Kind::Required { .. }
            | Kind::AdditionalProperties { .. }
            | Kind::AdditionalItems { .. }
            | Kind::PropertyNames { .. }
            | Kind::MinItems { .. }
            | Kind::MaxItems { .. }
            | Kind::MinProperties { .. }
            | Kind::MaxProperties { .. }
            | Kind::FalseSchema
    )
}

fn report(
    context: &mut Context<'_, '_>,
    schema: &Schema<'_>,
    called: &str,
    parameters: &Json,
    error: &ValidationError<'_>,
    is_text: bool,
) {
    let place = error.instance_path().to_string();
    let text = &*parameters.text;
    let here = shift(parameters.at, pointer::offset(text, &place).unwrap_or(0));
    let name = place.strip_prefix('/').unwrap_or("").replace('/', ".").replace("~1", "/").replace("~0", "~");
    let inside = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    match error.kind() {
        Kind::Required { property } => {
            let missing = inside(property.as_str().unwrap_or_default());
            context.report(
                Code::BadParameters,
                here,
                format!("`{called}` needs the parameter `{missing}`"),
                "",
            );
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            for key in unexpected {
                let at = shift(parameters.at, pointer::key_offset(text, &place, key).unwrap_or(0));
                let hint = did_you_mean("", nearest(key, schema.known_keys(error)));
                let message = format!("`{called}` has no parameter `{}`", inside(key));
                context.report(Code::BadParameters, at, message, hint);
            }
        }
        Kind::Type { kind } => {
            let found =
                if is_text { "text with an expression in it".to_owned() } else { describe(error.instance()) };
            let message = format!("{} must be {}, not {found}", subject(called, &name), expected(kind));
            let hint =
                if is_text { "A string that is exactly `${...}` keeps the type of its value." } else { "" };
            context.report(Code::BadParameters, here, message, hint);
        }
        _ => {
            let message = format!("{}: {error}", subject(called, &name));
            context.report(Code::BadParameters, here, message, "");
        }
    }
}

fn subject(called: &str, name: &str) -> String {
    if name.is_empty() {
        return format!("the parameters of `{called}`");
    }
    format!("the parameter `{name}` of `{called}`")
}

fn expected(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => with_article(&one.to_string()),
        TypeKind::Multiple(several) => {
            let words: Vec<_> = several.iter().map(|one| with_article(&one.to_string())).collect();
            words.join(" or ")
        }
    }
}

fn with_article(kind: &str) -> String {
    match kind {
        "null" => "null".to_owned(),
        "array" | "object" | "integer" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("the boolean `{value}`"),
        Value::Number(value) => format!("the number `{value}`"),
        Value::String(text) => format!("the string `{}`", text.chars().take(40).collect::<String>()),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
