//! TCP: addresses that a server listens on beside its socket.

mod connection;
mod setup;
mod tls;
mod write_timeout;

pub use setup::{ServerError, ServerSetup};
pub use tls::{TlsError, certificate_ends, check_tls};

use crate::gate::{Client, Gate, Way};
use connection::{Doors, busy, serve};
use parking_lot::Mutex;
use setup::Ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::Tls;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Before another connection is taken when the system gives none, as when too many files are open.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// How often what is no longer needed is forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(30);

/// A server on TCP; it closes when this is dropped.
#[derive(Debug)]
pub struct Server {
    urls: Vec<String>,
    warnings: Vec<String>,
    closing: watch::Sender<bool>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// One address that is listened on.
struct Door {
    listener: TcpListener,
    address: SocketAddr,
    gate: Arc<Gate>,
    tls: Option<Arc<Tls>>,
    doors: Arc<Doors>,
    closed: watch::Receiver<bool>,
}

impl Server {
    /// Listens, and answers on threads of its own for the host of the setup and for those of its namespaces, which are opened
    /// before this returns.
    ///
    /// # Errors
    /// If an address cannot be listened on or must not be as things are; if a certificate, a namespace or the tokens cannot be
    /// used.
    pub fn start(setup: ServerSetup) -> Result<Self, ServerError> {
        let (closing, closed) = watch::channel(false);
        let Ready { runtime, listeners, gate, tls, grace, warnings } = setup::ready(setup, closed.clone())?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let urls = listeners.iter().map(|(_, address)| format!("{scheme}://{address}")).collect();
        let doors = Arc::new(Doors::new(&gate.limits));
        let doors: Vec<Door> = listeners
            .into_iter()
            .map(|(listener, address)| {
                let (gate, tls) = (gate.clone(), tls.clone());
                Door { listener, address, gate, tls, doors: doors.clone(), closed: closed.clone() }
            })
            .collect();
        let spaces = gate.spaces.clone();
        let tidy = keep_tidy(gate);
        let started = std::thread::Builder::new().name("jackfield-http".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut open = JoinSet::new();
                doors.into_iter().for_each(|door| {
                    open.spawn(door.serve(grace));
                });
                let tidying = tokio::spawn(tidy);
                while open.join_next().await.is_some() {}
                tidying.abort();
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
            spaces.close();
        });
        let thread = started.map_err(|source| ServerError::Runtime { source })?;
        Ok(Self { urls, warnings, closing, thread: Mutex::new(Some(thread)) })
    }

    /// Where it can be reached.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// What whoever started it should know.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.send_replace(true);
        if let Some(thread) = self.thread.lock().take() {
            // it has logged what there is to say
            let _ = thread.join();
        }
    }
}

/// Ends when the server closes.
pub(crate) async fn until_closed(closed: &mut watch::Receiver<bool>) {
    // a sender that is gone has closed it, too
    let _ = closed.wait_for(|closed| *closed).await;
}

async fn keep_tidy(gate: Arc<Gate>) {
    loop {
        sleep(TIDY_EVERY).await;
        gate.tidy();
    }
}

impl Door {
    /// Takes connections until the server closes, then gives those that there are some time to end.
    async fn serve(self, grace: Duration) {
        let mut connections = JoinSet::new();
        let mut closed = self.closed.clone();
        loop {
            tokio::select! {
                () = until_closed(&mut closed) => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.let_in(stream, peer, &mut connections),
                    Err(error) => {
                        tracing::warn!(address = %self.address, "no connection can be taken: {error}");
                        sleep(RETRY_AFTER).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(self.listener);
        // what takes longer is broken off
        let _ = timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
    }

    fn let_in(&self, stream: TcpStream, peer: SocketAddr, connections: &mut JoinSet<()>) {
        let way = Way {
            peer: peer.ip(),
            is_loopback: self.address.ip().to_canonical().is_loopback(),
            is_tls: self.tls.is_some(),
        };
        // answers are small and somebody waits for them
        let _ = stream.set_nodelay(true);
        let Some(entry) = self.doors.enter(Client::of(peer.ip())) else {
            // by TLS it would cost as much as to let them in
            if let (Some(leave), None) = (self.doors.farewell(), &self.tls) {
                connections.spawn(busy(stream, leave));
            }
            return;
        };
        let (gate, closed, tls) = (self.gate.clone(), self.closed.clone(), self.tls.clone());
        connections.spawn(async move {
            let _entry = entry;
            let Some(tls) = tls else { return serve(stream, way, gate, closed).await };
            match timeout(gate.limits.header_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => serve(stream, way, gate, closed).await,
                Ok(Err(error)) => tracing::debug!(%peer, "no TLS came about: {error}"),
                Err(_) => tracing::debug!(%peer, "TLS took too long"),
            }
        });
    }
}
