//! A named pipe, whose name is made from the directory.

use axum::serve::Listener;
use sha2::Digest;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeServer, ServerOptions};

/// Before another try when the system gives no pipe.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The name of an open pipe, which goes with its last handle.
#[derive(Debug)]
pub(super) struct Place;

impl Place {
    pub(super) fn leave(&self) {}
}

/// The name of a pipe that somebody listens on.
#[derive(Debug)]
pub struct SocketAddress(OsString);

impl SocketAddress {
    /// The pipe for `data_dir`, if a process listens there.
    #[must_use]
    pub fn find(data_dir: &Path) -> Option<Self> {
        let name = name(data_dir).ok()?;
        // one that is busy is there, too
        match ClientOptions::new().open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            _ => Some(Self(name)),
        }
    }

    /// A name to connect to.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(&self.0)
    }
}

fn name(data_dir: &Path) -> io::Result<OsString> {
    let whole = data_dir.canonicalize()?;
    let hash = sha2::Sha256::digest(whole.as_os_str().as_encoded_bytes());
    let hash: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!(r"\\.\pipe\jackfield-{hash}").into())
}

/// Pipes are handed out one by one: there is always one that the next client finds.
pub(super) struct PipeListener {
    name: OsString,
    next: NamedPipeServer,
}

impl Listener for PipeListener {
    type Io = NamedPipeServer;
    type Addr = OsString;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let connected = self.next.connect().await;
            match ServerOptions::new().create(&self.name) {
                Ok(next) => {
                    let taken = std::mem::replace(&mut self.next, next);
                    if connected.is_ok() {
                        return (taken, self.name.clone());
                    }
                }
                Err(error) => {
                    tracing::error!("the system gives no named pipe: {error}");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.name.clone())
    }
}

/// Listens. Pipes of this process only, and from this machine only.
pub(super) fn bind(data_dir: &Path) -> io::Result<(PipeListener, Place)> {
    let name = name(data_dir)?;
    let next = ServerOptions::new().first_pipe_instance(true).reject_remote_clients(true).create(&name)?;
    Ok((PipeListener { name, next }, Place))
}
