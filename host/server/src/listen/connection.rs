//! One connection: how many there may be, and how requests are read from it.

use super::until_closed;
use super::write_timeout::WriteTimeout;
use crate::gate::{Client, Gate, Way};
use crate::limits::Limits;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// Connections that are told at a time that there are too many; more are closed without a word.
const FAREWELLS_MAX: usize = 32;
/// How long that may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// What they are told.
const BUSY: &str = r#"{"type":"about:blank","title":"not possible at the moment","status":503,"detail":"the server has as many connections as it takes, or as it takes from one address","code":"unavailable"}"#;

/// How many connections there are, in all and of each address.
pub(super) struct Doors {
    max: usize,
    per_address_max: usize,
    open: Mutex<Open>,
    farewells: Arc<Semaphore>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<Client, usize>,
}

/// A place among the connections, given back when it is dropped.
pub(super) struct Entry {
    doors: Arc<Doors>,
    address: Client,
}

impl Doors {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            open: Mutex::default(),
            farewells: Arc::new(Semaphore::new(FAREWELLS_MAX)),
        }
    }

    /// A place for a connection from `address`, if there is one.
    pub(super) fn enter(self: &Arc<Self>, address: Client) -> Option<Entry> {
        let mut open = self.open.lock();
        let own = open.by_address.get(&address).copied().unwrap_or(0);
        if open.all >= self.max || own >= self.per_address_max {
            return None;
        }
        open.all += 1;
        *open.by_address.entry(address).or_default() += 1;
        Some(Entry { doors: self.clone(), address })
    }

    /// Leave to tell one more that there are too many.
    pub(super) fn farewell(&self) -> Option<OwnedSemaphorePermit> {
        self.farewells.clone().try_acquire_owned().ok()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.doors.open.lock();
        open.all = open.all.saturating_sub(1);
        if let Some(own) = open.by_address.get_mut(&self.address) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

/// Tells somebody that there are too many.
pub(super) async fn busy(mut stream: TcpStream, _leave: OwnedSemaphorePermit) {
    let length = BUSY.len();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\n\
         retry-after: 1\r\ncache-control: no-store\r\nconnection: close\r\n\r\n{BUSY}"
    );
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // what was asked is read, lest the system takes the answer back
        let mut asked = [0; 4096];
        while stream.read(&mut asked).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // whoever does not listen goes without
    let _ = timeout(FAREWELL, told).await;
}

/// Answers what is asked on a connection until it ends, or the server closes and nothing is under way on it.
pub(super) async fn serve<I>(io: I, way: Way, gate: Arc<Gate>, mut closed: watch::Receiver<bool>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &gate.limits;
    let mut builder = http1::Builder::new();
    // the gate says which limit it was; what goes beyond twice that is not read any further
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.headers_max.saturating_mul(2))
        .max_header_size(limits.header_bytes_max.saturating_mul(2))
        .half_close(false);
    let io = TokioIo::new(WriteTimeout::new(io, limits.write_timeout));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let gate = gate.clone();
        async move {
            let request: Request = request.map(Body::new);
            Ok::<_, Infallible>(gate.answer(way, request).await)
        }
    });
    let mut connection = pin!(builder.serve_connection(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = until_closed(&mut closed) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %way.peer, "a connection broke off: {error}");
    }
}
