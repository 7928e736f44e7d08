//! `/metrics`: counters of the host, its plugins and its answers, for Prometheus. Their names stand in `docs/server.md`.

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jackfield::{EngineStats, Host, Latencies, Latency, PluginStanding, SpanCounts};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Seconds.
const BOUNDS: [f64; 12] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0, 60.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Asked {
    method: String,
    /// The route, so that ids do not make series.
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    method: String,
    route: String,
}

/// What a router counts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    requests: Family<Asked, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
}

impl Metrics {
    pub(crate) fn new(host: Host) -> Self {
        let mut registry = Registry::with_prefix("jackfield");
        let requests = Family::<Asked, Counter>::default();
        let durations = Family::<Route, Histogram, _>::new_with_constructor(
            (|| Histogram::new(BOUNDS)) as fn() -> Histogram,
        );
        registry.register("http_requests", "Requests answered", requests.clone());
        let help = "From the request to the head of its answer";
        registry.register("http_request_duration_seconds", help, durations.clone());
        registry.register_collector(Box::new(OfHost(host)));
        Self { registry: Arc::new(registry), requests, durations }
    }

    /// Counts an answer.
    pub(crate) async fn count(State(metrics): State<Self>, request: Request, next: Next) -> Response<Body> {
        let began = Instant::now();
        let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
        let method = request.method().as_str().to_owned();
        let response = next.run(request).await;
        let took = began.elapsed().as_secs_f64();
        let status = response.status().as_u16();
        metrics
            .durations
            .get_or_create(&Route { method: method.clone(), route: route.clone() })
            .observe(took);
        metrics.requests.get_or_create(&Asked { method, route, status }).inc();
        response
    }

    pub(crate) async fn show(self) -> Response<Body> {
        // memory of workers is read from the system
        let written = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            text::encode(&mut text, &self.registry).map(|()| text)
        });
        match written.await {
            Ok(Ok(text)) => ([(header::CONTENT_TYPE, KIND)], text).into_response(),
            Ok(Err(fmt::Error)) | Err(_) => {
                let detail = "the counters could not be written";
                crate::Problem::new(crate::ProblemKind::Internal, detail).into_response()
            }
        }
    }
}

struct OfHost(Host);

impl fmt::Debug for OfHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfHost")
    }
}

/// No labels, or these.
type Values<'a> = Vec<(Vec<(&'static str, String)>, u64)>;

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, values: Values<'_>) -> fmt::Result {
    let mut of = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in values {
        let value = ConstCounter::new(value);
        if labels.is_empty() {
            return value.encode(of);
        }
        value.encode(of.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, values: Values<'_>) -> fmt::Result {
    let mut of = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        let value = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        value.encode(of.encode_family(&labels)?)?;
    }
    Ok(())
}

fn plain(value: u64) -> Values<'static> {
    vec![(Vec::new(), value)]
}

fn labelled(name: &'static str, values: &[(&str, u64)]) -> Values<'static> {
    values.iter().map(|(label, value)| (vec![(name, (*label).to_owned())], *value)).collect()
}

impl Collector for OfHost {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.0.stats();
        of_runs(&mut encoder, &stats)?;
        of_queues(&mut encoder, &stats)?;
        of_times(&mut encoder, &stats.latencies)?;
        if let Some(spans) = self.0.span_counts() {
            of_spans(&mut encoder, &spans)?;
        }
        of_plugins(&mut encoder, &self.0.plugin_standings())
    }
}

fn of_runs(encoder: &mut DescriptorEncoder<'_>, stats: &EngineStats) -> fmt::Result {
    let (runs, steps) = (&stats.runs, &stats.steps);
    counter(encoder, "runs_started", "Runs begun or put in line", plain(runs.started))?;
    counter(encoder, "runs_retried", "Runs that went back and on", plain(runs.retried))?;
    let ended = [
        ("completed", runs.completed),
        ("failed", runs.failed),
        ("cancelled", runs.cancelled),
        ("continued", runs.continued),
    ];
    counter(encoder, "runs_ended", "Runs that ended, by how", labelled("status", &ended))?;
    let in_memory: Vec<_> = runs.in_memory.iter().map(|(status, count)| (*status, *count)).collect();
    gauge(encoder, "runs_in_memory", "Runs in memory by where they stand", labelled("status", &in_memory))?;
    counter(encoder, "steps_settled", "Steps that came to an end", plain(steps.settled))?;
    counter(encoder, "steps_completed", "Steps that completed", plain(steps.completed))?;
    counter(
        encoder,
        "threads_lost",
        "Threads that a defect ended; anything but 0 is one",
        plain(stats.threads_lost),
    )
}

fn of_queues(encoder: &mut DescriptorEncoder<'_>, stats: &EngineStats) -> fmt::Result {
    let queues = &stats.queues;
    let depths = [
        ("inline", queues.inline),
        ("blocking", queues.blocking),
        ("async", queues.asynchronous),
        ("under_way", queues.under_way),
        ("timers", queues.timers),
        ("errands", queues.errands),
        ("journal", queues.journal),
    ];
    let depths = depths.map(|(name, depth)| (name, depth as u64));
    gauge(encoder, "queue_depth", "What waits for its turn or is under way", labelled("queue", &depths))?;
    let Some(journal) = &stats.journal else { return Ok(()) };
    counter(encoder, "journal_transactions", "Transactions written", plain(journal.transactions))?;
    counter(encoder, "journal_changes", "Changes written", plain(journal.changes))?;
    counter(encoder, "journal_errors", "Writes that failed and are tried again", plain(journal.errors))
}

fn of_times(encoder: &mut DescriptorEncoder<'_>, times: &Latencies) -> fmt::Result {
    let runs = times.runs.iter().map(|(status, it)| (vec![("status", *status)], it));
    histogram(encoder, "run_duration_seconds", "From the start of a run to its end, by how it ended", runs)?;
    let attempts = times.attempts.iter().map(|(method, it)| (vec![("method", method.as_str())], it));
    let help = "From the beginning of an attempt of a step to its end, by what it calls";
    histogram(encoder, "attempt_duration_seconds", help, attempts)?;
    let commits = times.journal.iter().map(|it| (Vec::new(), it));
    histogram(encoder, "journal_commit_duration_seconds", "Transactions of the journal", commits)
}

fn histogram<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (Vec<(&'static str, &'a str)>, &'a Latency)>,
) -> fmt::Result {
    let mut of = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (labels, value) in values {
        let buckets: Vec<_> = value.buckets().collect();
        let sum = value.sum_us as f64 / 1e6;
        if labels.is_empty() {
            of.encode_histogram::<[(&str, &str); 0]>(sum, value.count, &buckets, None)?;
        } else {
            of.encode_family(&labels)?.encode_histogram::<[(&str, &str); 0]>(
                sum,
                value.count,
                &buckets,
                None,
            )?;
        }
    }
    Ok(())
}

fn of_spans(encoder: &mut DescriptorEncoder<'_>, spans: &SpanCounts) -> fmt::Result {
    counter(encoder, "spans_sent", "Spans that the collector has taken", plain(spans.sent))?;
    let lost = [("queue", spans.dropped), ("collector", spans.failed)];
    counter(encoder, "spans_lost", "Spans that were lost, by where", labelled("where", &lost))?;
    gauge(encoder, "spans_waiting", "Spans that wait to be sent", plain(spans.waiting as u64))
}

fn of_plugins(encoder: &mut DescriptorEncoder<'_>, plugins: &[PluginStanding]) -> fmt::Result {
    let each = |value: fn(&PluginStanding) -> u64| -> Values<'static> {
        let labels = |it: &PluginStanding| {
            vec![("plugin", it.plugin.name.clone()), ("version", it.plugin.version.to_string())]
        };
        // a version that drains may be there beside its replacement of the same number
        let current = plugins.iter().filter(|it| !it.is_draining);
        current.map(|it| (labels(it), value(it))).collect()
    };
    gauge(encoder, "plugin_workers", "Worker processes", each(|it| it.workers.workers.len() as u64))?;
    gauge(
        encoder,
        "plugin_calls_waiting",
        "Calls that wait for a worker",
        each(|it| it.workers.waiting as u64),
    )?;
    counter(encoder, "plugin_worker_calls", "Calls given to workers", each(|it| it.workers.calls))?;
    counter(encoder, "plugin_worker_crashes", "Workers that crashed", each(|it| it.workers.crashes))?;
    let memory =
        |it: &PluginStanding| it.workers.workers.iter().filter_map(|worker| worker.memory_bytes).sum();
    gauge(encoder, "plugin_worker_memory_bytes", "Memory of the worker processes", each(memory))
}
