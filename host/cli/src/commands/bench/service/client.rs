//! A client that costs little, so that what is measured is the server.

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::collections::VecDeque;
use std::net::SocketAddr;
use tokio::net::TcpSocket;

/// One connection that is kept, and made anew when the server has closed it because nothing was asked for a while.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

/// What of a record of a run is looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) seq: u64,
    pub(crate) at: String,
}

/// What a stream brings.
pub(crate) enum Told {
    Record(Record),
    /// The run has ended so.
    End(String),
}

/// A stream of records.
pub(crate) struct Records {
    // the connection ends with it
    _sender: SendRequest<Full<Bytes>>,
    body: Incoming,
    text: Vec<u8>,
    told: VecDeque<Told>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        Self::connect_with(address, None).await
    }

    /// The same with so little room for what comes that it is full soon.
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Result<Self> {
        Self::connect_with(address, Some(4 << 10)).await
    }

    async fn connect_with(address: SocketAddr, room: Option<u32>) -> Result<Self> {
        Ok(Self { sender: reach(address, room).await?, address })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Bytes> {
        self.ask(Method::GET, path, Vec::new()).await
    }

    /// The body of the answer, which has to be a success.
    pub(crate) async fn ask(&mut self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes> {
        Ok(self.send(method, path, body).await?.into_body().collect().await?.to_bytes())
    }

    /// The records of a run from the first on.
    pub(crate) async fn records(mut self, run: &str) -> Result<Records> {
        let path = format!("/api/v1/runs/{run}/stream?from=0");
        let body = self.send(Method::GET, &path, Vec::new()).await?.into_body();
        Ok(Records { _sender: self.sender, body, text: Vec::new(), told: VecDeque::new() })
    }

    async fn send(&mut self, method: Method, path: &str, body: Vec<u8>) -> Result<Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        if self.sender.ready().await.is_err() {
            self.sender = reach(self.address, None).await?;
        }
        let response = self.sender.send_request(request).await.context("the server does not answer")?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let told = response.into_body().collect().await?.to_bytes();
        bail!("the server answers {status} to `{path}`: {}", String::from_utf8_lossy(&told))
    }
}

async fn reach(address: SocketAddr, room: Option<u32>) -> Result<SendRequest<Full<Bytes>>> {
    let socket = TcpSocket::new_v4()?;
    if let Some(room) = room {
        socket.set_recv_buffer_size(room)?;
    }
    let stream = socket.connect(address).await;
    let stream = stream.with_context(|| format!("the server at {address} takes no connection"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // how it ends is seen by whoever asks
    tokio::spawn(connection);
    Ok(sender)
}

impl Records {
    /// What comes next; `None` if the server has ended the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Told>> {
        while self.told.is_empty() {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame.context("the stream broke off")?.into_data() {
                self.text.extend_from_slice(&data);
                self.read()?;
            }
        }
        Ok(self.told.pop_front())
    }

    /// Reads the events that are there whole.
    fn read(&mut self) -> Result<()> {
        let mut from = 0;
        while let Some(length) = self.text[from..].windows(2).position(|pair| pair == b"\n\n") {
            let event = std::str::from_utf8(&self.text[from..from + length])?;
            from += length + 2;
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            match (field("event: "), field("data: ")) {
                (Some("record"), Some(data)) => {
                    self.told.push_back(Told::Record(serde_json::from_str(data)?));
                }
                (Some("end"), Some(status)) => self.told.push_back(Told::End(status.to_owned())),
                // what keeps the connection open
                _ => {}
            }
        }
        self.text.drain(..from);
        Ok(())
    }
}
