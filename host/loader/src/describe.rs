//! From manifests to the catalog that workflows are checked against.

use jackfield_core::catalog::{Method, MethodKind, Plugin};
use jackfield_core::payload::Payload;
use jackfield_plugin_api::manifest::{Manifest, ManifestMethod, MethodKind as Kind};
use jackfield_plugin_api::schemars::Schema;
use std::time::Duration;

/// The plugin as validation sees it. Of a static manifest the schemas are `null`.
pub(crate) fn catalog_entry(manifest: &Manifest) -> Plugin {
    Plugin {
        name: manifest.name.as_str().into(),
        version: manifest.version.clone(),
        description: manifest.description.as_str().into(),
        methods: manifest.methods.iter().map(method).collect(),
    }
}

fn method(manifest: &ManifestMethod) -> Method {
    Method {
        name: manifest.name.as_str().into(),
        description: manifest.description.as_str().into(),
        kind: match manifest.kind {
            Kind::Blocking => MethodKind::Blocking,
            Kind::Inline => MethodKind::Inline,
            Kind::Async => MethodKind::Async,
            Kind::Stream => MethodKind::Stream,
        },
        pure: manifest.pure,
        idempotent: manifest.idempotent,
        serial: manifest.serial,
        default_timeout: manifest.timeout_ms.map(Duration::from_millis),
        parameters: schema(manifest.params.as_ref()),
        output: schema(manifest.output.as_ref()),
    }
}

/// A schema as JSON; `null` if it accepts anything, so that nobody spends time on asking it.
fn schema(schema: Option<&Schema>) -> Payload {
    const SAYS_NOTHING: [&str; 6] = ["$schema", "$id", "$defs", "title", "description", "examples"];
    match schema {
        None => Payload::null(),
        Some(schema) => match (schema.as_bool(), schema.as_object()) {
            (Some(true), _) => Payload::null(),
            (_, Some(object)) if object.keys().all(|key| SAYS_NOTHING.contains(&key.as_str())) => {
                Payload::null()
            }
            _ => Payload::encode(schema),
        },
    }
}

/// Whether a full manifest belongs to a static one: the same plugin with the same methods in the same order.
pub(crate) fn belongs(full: &Manifest, of_file: &Manifest) -> bool {
    let methods = |manifest: &Manifest| -> Vec<(String, Kind)> {
        manifest.methods.iter().map(|method| (method.name.clone(), method.kind)).collect()
    };
    full.name == of_file.name && full.version == of_file.version && methods(full) == methods(of_file)
}
