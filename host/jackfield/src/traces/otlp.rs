//! Spans as OTLP, and the request that carries them.

use super::settings::Settings;
use jackfield_core::time::Timestamp;
use jackfield_core::trace::{Span, SpanField};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Compression, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The way to a collector. Lives on one thread.
pub(super) struct Collector {
    exporter: SpanExporter,
    runtime: tokio::runtime::Runtime,
    scope: InstrumentationScope,
    trouble: Arc<Mutex<Option<String>>>,
}

impl Collector {
    /// Nothing is sent by this.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let trouble = Arc::new(Mutex::new(None));
        let client = Client { inner: client(settings)?, trouble: trouble.clone() };
        let mut builder = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&settings.url)
            .with_timeout(settings.timeout)
            .with_headers(settings.headers.clone());
        if settings.gzip {
            builder = builder.with_compression(Compression::Gzip);
        }
        let mut exporter = builder.build().map_err(|error| error.to_string())?;
        exporter.set_resource(&resource(settings));
        let version = env!("CARGO_PKG_VERSION");
        let scope = InstrumentationScope::builder("jackfield").with_version(version).build();
        Ok(Self { exporter, runtime, scope, trouble })
    }

    /// Sends spans, and tries a few times. Blocks at most the configured time, and a little.
    ///
    /// # Errors
    /// Why the collector has not taken them.
    pub(super) fn send(&self, spans: Vec<Span>) -> Result<(), String> {
        self.trouble.lock().take();
        let spans = spans.into_iter().map(|span| self.data(span)).collect();
        let sent = self.runtime.block_on(self.exporter.export(spans));
        // what the client saw says more
        sent.map_err(|error| self.trouble.lock().take().unwrap_or_else(|| error.to_string()))
    }

    fn data(&self, span: Span) -> SpanData {
        let context = span.context;
        let ids = (TraceId::from(context.trace), SpanId::from(context.span));
        let flags = TraceFlags::new(context.flags);
        let attribute = |(name, value)| match value {
            SpanField::Text(text) => KeyValue::new(name, String::from(text)),
            SpanField::Number(number) => KeyValue::new(name, number),
        };
        SpanData {
            span_context: SpanContext::new(ids.0, ids.1, flags, false, TraceState::default()),
            parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: span.is_parent_remote && span.parent.is_some(),
            span_kind: if span.is_call_out { SpanKind::Client } else { SpanKind::Internal },
            name: span.name.into(),
            start_time: time(span.from),
            end_time: time(span.to.max(span.from)),
            attributes: span.fields.into_iter().map(attribute).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: span.error.map_or(Status::Unset, |error| Status::error(String::from(error))),
            instrumentation_scope: self.scope.clone(),
        }
    }
}

fn time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(at.0)
}

fn resource(settings: &Settings) -> Resource {
    // this one takes what the variables of OpenTelemetry say
    let said = Resource::builder().build();
    let name = said.get(&"service.name".into()).map(|name| name.to_string());
    let is_made_up = name.as_ref().is_none_or(|name| name.starts_with("unknown_service"));
    let name = match (&settings.service_name, name) {
        (Some(own), _) => own.clone(),
        (None, Some(name)) if !is_made_up => name,
        (None, _) => "jackfield".to_owned(),
    };
    let own = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ];
    let configured = settings.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let said: Vec<_> = said.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone())).collect();
    Resource::builder_empty()
        .with_attributes(own)
        .with_attributes(said)
        .with_attributes(configured)
        .with_service_name(name)
        .build()
}

fn client(settings: &Settings) -> Result<reqwest::Client, String> {
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.timeout)
        .timeout(settings.timeout);
    // a program that has chosen one keeps it
    let _ = rustls::crypto::ring::default_provider().install_default();
    // looking for what the system trusts takes time
    let is_tls = settings.url.starts_with("https:");
    let builder = if is_tls { builder } else { builder.tls_certs_only([]) };
    builder.build().map_err(|error| error.to_string())
}

/// `reqwest` as the exporter wants it, which remembers what went wrong.
#[derive(Debug)]
struct Client {
    inner: reqwest::Client,
    trouble: Arc<Mutex<Option<String>>>,
}

impl Client {
    async fn ask(&self, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
        let (head, body) = request.into_parts();
        let url = head.uri.to_string();
        let asked = self.inner.request(head.method, url).headers(head.headers).body(body);
        let answer = asked.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = Response::new(answer.bytes().await?);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        match self.ask(request).await {
            Ok(response) => {
                let status = response.status();
                *self.trouble.lock() = (!status.is_success()).then(|| format!("it answers {status}"));
                Ok(response)
            }
            Err(error) => {
                let mut said = error.without_url().to_string();
                if said.is_empty() {
                    said = "it cannot be reached".to_owned();
                }
                *self.trouble.lock() = Some(said.clone());
                Err(said.into())
            }
        }
    }
}
