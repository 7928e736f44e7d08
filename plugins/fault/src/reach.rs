//! Reaches for what lies outside its process: files, the network, other programs, memory.

use jackfield_plugin_api::prelude::*;
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// What to read.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadFile {
    /// The file.
    path: String,
}

/// What was read.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FileRead {
    /// Its size in bytes.
    pub(crate) bytes: usize,
}

pub(crate) fn read_file(_ctx: &Context, p: ReadFile) -> Result<FileRead, Error> {
    let contents = std::fs::read(&p.path)
        .map_err(|error| Error::new("fault.read_file", format!("cannot read `{}`: {error}", p.path)))?;
    Ok(FileRead { bytes: contents.len() })
}

/// Where to connect to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connect {
    /// Host and port, such as `127.0.0.1:80`.
    addr: String,
}

/// A connection that was made, and closed again.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Connected {
    /// Address of the other end.
    peer: String,
}

pub(crate) fn connect(_ctx: &Context, p: Connect) -> Result<Connected, Error> {
    let peer = TcpStream::connect(&p.addr)
        .and_then(|stream| stream.peer_addr())
        .map_err(|error| Error::new("fault.connect", format!("cannot connect to `{}`: {error}", p.addr)))?;
    Ok(Connected { peer: peer.to_string() })
}

/// What to run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spawn {
    /// The program and its arguments.
    #[schemars(length(min = 1))]
    argv: Vec<String>,
}

/// A program that has ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Spawned {
    /// Its exit code; absent if a signal ended it.
    code: Option<i32>,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
}

pub(crate) fn spawn(_ctx: &Context, p: Spawn) -> Result<Spawned, Error> {
    let (program, arguments) = p.argv.split_first().ok_or_else(|| Error::validation("`argv` is empty"))?;
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::new("fault.spawn", format!("cannot run `{program}`: {error}")))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Spawned { code: output.status.code(), stdout })
}

/// How much to allocate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allocate {
    /// Bytes, all of which are written to.
    #[schemars(range(max = 1_099_511_627_776_u64))]
    pub(crate) bytes: usize,
}

/// As most programs do it: without memory the process aborts.
pub(crate) fn allocate(_ctx: &Context, p: Allocate) -> Result<usize, Error> {
    let memory = std::hint::black_box(vec![1_u8; p.bytes]);
    Ok(memory.len())
}
