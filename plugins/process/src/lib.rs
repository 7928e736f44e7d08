//! The bundled plugin `process`: programs as steps. docs/process.md is its guide.

mod exit;
mod input;
mod job;
mod log;
mod masked;
mod pool;
mod program;
mod run;
mod stream;

#[cfg(test)]
mod tests;

use jackfield_plugin_api::prelude::*;
use pool::Pools;

/// Begins the type of every error.
const PLUGIN: &str = "process";

export_plugin! {
    name: "process",
    description: "runs programs: once, with live output, or as a pool of long-lived workers",
    fs_read: &["**"],
    fs_write: &["**"],
    exec: true,
    env: &["*"],
    config: Config,
    methods: [
        run {
            description: "runs a program to its end and returns what it printed. \
                Example: {\"argv\": [\"git\", \"rev-parse\", \"HEAD\"], \"cwd\": \"/srv/site\", \"timeout_ms\": 10000}",
        },
        stream {
            description: "runs a program and hands on its lines and its progress while it runs. \
                Example: {\"argv\": [\"./encode.sh\", \"in.mov\"], \"log\": {\"path\": \"encode.log\", \"max_bytes\": 1000000}}",
        },
        pool {
            description: "has a request answered by one of some long-lived workers, which speak length-prefixed JSON. \
                Example: {\"argv\": [\"python3\", \"worker.py\"], \"max\": 4, \"request\": {\"text\": \"hello\"}}",
        },
    ],
}

/// Configuration of the plugin: there is nothing to configure. It owns the pools, which end with the instance.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    #[serde(skip)]
    pub(crate) pools: Pools,
}

fn run(ctx: &Context, p: run::Run) -> Result<run::Ended, Error> {
    run::run(ctx, p)
}

fn stream(ctx: &Context, p: stream::Stream) -> Result<stream::Ended, Error> {
    stream::stream(ctx, p)
}

fn pool(ctx: Context, p: pool::Request) -> impl Future<Output = Result<RawJson, Error>> + Send {
    pool::pool(ctx, p)
}
