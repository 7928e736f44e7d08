//! How a conversation begins: JSON, so that both sides can say more later.

use super::frame::BrokenFrame;
use super::grant::Sandbox;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::path::PathBuf;

/// What a worker is to open. Unknown fields are ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`](super::PROTOCOL) of the host.
    pub protocol: u32,
    /// What the host offers beyond it.
    #[serde(default)]
    pub features: Vec<String>,
    /// Name of the plugin, for messages.
    pub plugin: String,
    /// The library, which has been inspected before.
    pub library: PathBuf,
    /// The plugin's configuration; without one no instance is made and nothing can be called: the worker only tells what
    /// the plugin says about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Box<RawValue>>,
    /// What the worker is to put in force before it opens the library; without one nothing is granted.
    #[serde(default)]
    pub sandbox: Sandbox,
    /// Results that are larger are not sent.
    pub result_bytes_max: u64,
    /// Calls of blocking and inline methods that the host makes at a time, at most.
    pub threads_max: u32,
}

/// The answer of a worker whose plugin is open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// [`PROTOCOL`](super::PROTOCOL) of the worker.
    pub protocol: u32,
    /// What the worker offers beyond it.
    #[serde(default)]
    pub features: Vec<String>,
    /// What of the sandbox is not in force although it was asked for, one fragment of a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unenforced: Vec<String>,
    /// Its process.
    pub pid: u32,
    /// The manifest of what it opened: the full one if the hello has no configuration, else the static one.
    pub manifest: Box<RawValue>,
}

/// The answer of a worker that cannot do what it was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// A stable code, such as `plugin.open_failed`.
    pub code: String,
    /// Why, in one line.
    pub reason: String,
}

macro_rules! json {
    ($($name:ident),+) => {$(
        impl $name {
            /// As it is sent.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                // texts and numbers always have a JSON form, except a path that is no text: that one is refused on the
                // other side, like every body that is none
                serde_json::to_vec(self).unwrap_or_default()
            }

            /// Reads it.
            ///
            /// # Errors
            /// If the bytes are something else.
            pub fn decode(bytes: &[u8]) -> Result<Self, BrokenFrame> {
                read(bytes)
            }
        }
    )+};
}

json!(Hello, Ready, Refusal);

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BrokenFrame> {
    serde_json::from_slice(bytes).map_err(|_| BrokenFrame::Body("it is not the JSON that was expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_of_a_later_version_is_understood_as_far_as_it_goes() {
        let later =
            br#"{"protocol":1,"features":["telepathy"],"plugin":"p","library":"/l.so","config":{"a":[1]},
            "result_bytes_max":5,"threads_max":2,"colour":"blue"}"#;
        let hello = Hello::decode(later).unwrap();
        assert_eq!(hello.features, ["telepathy"]);
        assert_eq!(hello.sandbox, Sandbox::default(), "what is not said is not granted");
        let again = Hello::decode(&hello.encode()).unwrap();
        assert_eq!(again.config.unwrap().get(), r#"{"a":[1]}"#);
        assert!(Hello::decode(br#"{"protocol":1}"#).is_err());
        assert!(Refusal::decode(b"\xff").is_err());
    }
}
