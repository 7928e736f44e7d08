//! What comes back from a plugin is checked before anybody else sees it.

use jackfield_core::failure::{Failure, kind};
use jackfield_core::payload::Payload;
use jackfield_core::ports::Outcome;
use jackfield_plugin_api::abi::Buffer;
use jackfield_plugin_api::abi::host::CallFault;
use jsonschema::Validator;

/// Results up to this size are cheaper to copy than to adopt, which costs an allocation and a call of `free` later.
const COPY_LEN_MAX: usize = 1024;

/// What the results of one method have to keep.
pub(crate) struct ResultRules {
    /// `plugin.method`, for messages.
    target: Box<str>,
    bytes_max: usize,
    schema: Option<Validator>,
    allows_null: bool,
}

impl ResultRules {
    /// Rules for results of `target`. `schema` is JSON; `null` allows anything.
    ///
    /// # Errors
    /// If the schema is not valid.
    pub(crate) fn new(target: String, bytes_max: usize, schema: &Payload) -> Result<Self, String> {
        let schema = match schema.is_null() {
            true => None,
            false => Some(jsonschema::validator_for(schema.value()).map_err(|error| error.to_string())?),
        };
        let allows_null = schema.as_ref().is_none_or(|schema| schema.is_valid(&serde_json::Value::Null));
        Ok(Self { target: target.into(), bytes_max, schema, allows_null })
    }

    /// Turns what a call ended with into an outcome.
    #[inline]
    pub(crate) fn outcome(&self, result: Result<Buffer, CallFault>) -> Outcome {
        match result {
            Ok(buffer) if buffer.as_bytes().is_empty() && self.allows_null => Ok(Payload::null()),
            Ok(buffer) => self.accept(buffer),
            Err(fault) => Err(self.failure(fault)),
        }
    }

    fn accept(&self, buffer: Buffer) -> Outcome {
        let bytes = buffer.as_bytes();
        if bytes.len() > self.bytes_max {
            let message =
                format!("`{}` returned {} bytes, the limit is {}", self.target, bytes.len(), self.bytes_max);
            return Err(permanent(kind::PAYLOAD_TOO_LARGE, message));
        }
        let payload = if bytes.is_empty() {
            Payload::null()
        } else if bytes.len() <= COPY_LEN_MAX {
            let text = std::str::from_utf8(bytes).map_err(|error| self.no_json(&error))?;
            Payload::parse(text).map_err(|error| self.no_json(&error))?
        } else {
            Payload::adopt(Box::new(buffer)).map_err(|error| self.no_json(&error))?
        };
        self.check(&payload)?;
        Ok(payload)
    }

    /// The failure of a result of so many bytes, of which nothing else is known.
    #[cfg(unix)]
    pub(crate) fn too_large(&self, bytes: u64) -> Failure {
        let message = format!("`{}` returned {bytes} bytes, the limit is {}", self.target, self.bytes_max);
        permanent(kind::PAYLOAD_TOO_LARGE, message)
    }

    fn check(&self, payload: &Payload) -> Result<(), Failure> {
        let Some(schema) = &self.schema else { return Ok(()) };
        schema.validate(payload.value()).map_err(|error| {
            let path = error.instance_path().to_string();
            let place = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
            let message =
                format!("the result of `{}` does not fit its schema{place}: {}", self.target, cut(&error));
            permanent(kind::VALIDATION, message)
        })
    }

    fn no_json(&self, error: &dyn std::fmt::Display) -> Failure {
        permanent(kind::VALIDATION, format!("the result of `{}` is no JSON: {error}", self.target))
    }

    #[cold]
    fn failure(&self, fault: CallFault) -> Failure {
        match fault {
            CallFault::Failed(error) => Failure {
                details: Payload::parse(error.details_json()).unwrap_or_default(),
                retryable: error.is_retryable(),
                ..Failure::new(error.kind(), error.message())
            },
            CallFault::Panicked(message) => {
                Failure::new(kind::PLUGIN_PANIC, format!("`{}` panicked: {message}", self.target))
            }
            CallFault::Unsupported(message) => {
                permanent(kind::PLUGIN_ERROR, format!("`{}` cannot be called: {message}", self.target))
            }
            CallFault::BadStatus(status) => permanent(
                kind::PLUGIN_ERROR,
                format!("`{}` answered with the unknown status {status}", self.target),
            ),
        }
    }
}

fn permanent(kind: &str, message: String) -> Failure {
    Failure { retryable: false, ..Failure::new(kind, message) }
}

/// Validators quote the whole value; a message needs its beginning only.
fn cut(error: &dyn std::fmt::Display) -> String {
    crate::error::one_line(&error.to_string())
}
