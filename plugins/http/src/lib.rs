//! The bundled plugin `http`: requests and downloads. Addresses inside private networks are refused unless the
//! configuration of the plugin allows them.

mod address;
mod client;
mod download;
mod request;

#[cfg(test)]
mod tests;

use jackfield_file_access::Files;
use jackfield_plugin_api::prelude::*;

const FILES: Files = Files::of("http");

export_plugin! {
    name: "http",
    description: "makes HTTP requests and downloads files",
    net: true,
    fs_write: &["**"],
    config: Config,
    methods: [
        request {
            description: "makes one request and answers with what came back. \
                Example: {\"url\": \"https://example.com/api\", \"query\": {\"q\": \"rain\"}, \"timeout_ms\": 5000}",
        },
        download {
            idempotent,
            description: "downloads a file, which appears only when it is complete; an interrupted download can go on. \
                Example: {\"url\": \"https://example.com/data.csv\", \"path\": \"data/data.csv\", \"resume\": true}",
        },
    ],
}

/// Configuration of the plugin.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Whether loopback, private and link-local addresses may be reached; no by default.
    pub(crate) allow_private: bool,
}

fn request(ctx: &Context, p: request::Request) -> Result<request::Answer, Error> {
    request::request(ctx, &p)
}

fn download(ctx: &Context, p: download::Download) -> Result<download::Downloaded, Error> {
    download::download(ctx, &p)
}
