//! Spans of runs on their way to a collector: a bounded queue, and a thread that empties it. Whoever has a span never waits;
//! what does not fit is dropped and counted.

mod otlp;
mod settings;

use crate::Error;
use crate::config::TelemetryConfig;
use jackfield_core::trace::{Span, SpanSink};
use otlp::Collector;
use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use settings::Settings;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// What became of the spans of a host since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct SpanCounts {
    /// Spans that the collector has taken.
    pub sent: u64,
    /// Spans that were dropped because too many waited.
    pub dropped: u64,
    /// Spans that the collector did not take.
    pub failed: u64,
    /// Spans that wait to be sent.
    pub waiting: usize,
}

/// Sends the spans of a host.
pub(crate) struct Exporter(Arc<Queue>);

/// Spans that wait.
struct Queue {
    settings: Settings,
    state: Mutex<State>,
    /// There is enough to send, or the end has come.
    more: Condvar,
    /// The thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    spans: VecDeque<Span>,
    counts: SpanCounts,
    is_running: bool,
    is_stopped: bool,
    /// It has been said that spans are dropped.
    is_told: bool,
    /// The collector did not take the last ones.
    is_failing: bool,
}

impl Exporter {
    /// For what is configured; `None` if spans go nowhere. The thread begins with the first span.
    ///
    /// # Errors
    /// If something is configured wrongly.
    pub(crate) fn new(config: &TelemetryConfig) -> Result<Option<Self>, Error> {
        let variables = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let settings = Settings::read(config, &variables)?;
        Ok(settings.map(|settings| {
            let state = Mutex::default();
            Self(Arc::new(Queue { settings, state, more: Condvar::new(), ended: Condvar::new() }))
        }))
    }

    pub(crate) fn sink(&self) -> Arc<dyn SpanSink> {
        Arc::new(Sink(self.0.clone()))
    }

    pub(crate) fn counts(&self) -> SpanCounts {
        let state = self.0.state.lock();
        SpanCounts { waiting: state.spans.len(), ..state.counts }
    }

    /// Sends what waits, and ends the thread. Blocks at most the configured time; what is left then is lost. Once is the same as
    /// twice.
    pub(crate) fn stop(&self) {
        let until = Instant::now() + self.0.settings.flush_timeout;
        let mut state = self.0.state.lock();
        state.is_stopped = true;
        self.0.more.notify_one();
        while state.is_running {
            if self.0.ended.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        let left = state.spans.len();
        if left > 0 {
            state.spans.clear();
            state.counts.failed += left as u64;
            tracing::warn!("{left} spans were not sent before the end: the collector takes too long");
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where hosts put their spans.
struct Sink(Arc<Queue>);

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

impl SpanSink for Sink {
    fn samples(&self, trace: u128) -> bool {
        // that part of an id is random in all of them
        let low = u64::try_from(trace & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        let sampling = self.0.settings.sampling;
        sampling >= 1.0 || (low as f64) < sampling * u64::MAX as f64
    }

    fn take(&self, span: Span) {
        let queue = &self.0;
        let mut state = queue.state.lock();
        if state.is_stopped || state.spans.len() >= queue.settings.queue_max {
            state.counts.dropped += 1;
            if !std::mem::replace(&mut state.is_told, true) {
                drop(state);
                tracing::warn!(
                    "spans are dropped, because too many wait to be sent to {}; this is said once",
                    queue.settings.url
                );
            }
            return;
        }
        state.spans.push_back(span);
        let waiting = state.spans.len();
        if waiting == 1 || waiting == queue.settings.batch_max {
            queue.more.notify_one();
        }
        if !std::mem::replace(&mut state.is_running, true) {
            drop(state);
            start(queue);
        }
    }
}

fn start(queue: &Arc<Queue>) {
    let own = queue.clone();
    let spawned = std::thread::Builder::new().name("jackfield-spans".into()).spawn(move || {
        let done = catch_unwind(AssertUnwindSafe(|| own.empty()));
        if done.is_err() {
            tracing::error!("no more spans are sent: a defect ended the thread that sends them");
            own.is_lost();
        }
    });
    if let Err(error) = spawned {
        queue.note(0, Err(format!("the system gives no thread: {error}")));
        queue.is_lost();
    }
}

impl Queue {
    /// Body of the thread.
    fn empty(&self) {
        let collector = Collector::new(&self.settings);
        while let Some(spans) = self.next() {
            let count = spans.len() as u64;
            let sent = match &collector {
                Ok(collector) => collector.send(spans),
                Err(fault) => Err(fault.clone()),
            };
            self.note(count, sent);
        }
    }

    /// Waits for a batch; `None` once all has been sent and the end has come.
    fn next(&self) -> Option<Vec<Span>> {
        let Settings { batch_max, interval, .. } = self.settings;
        let mut state = self.state.lock();
        while state.spans.is_empty() && !state.is_stopped {
            self.more.wait(&mut state);
        }
        let until = Instant::now() + interval;
        while state.spans.len() < batch_max && !state.is_stopped {
            if self.more.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        if state.spans.is_empty() {
            state.is_running = false;
            self.ended.notify_all();
            return None;
        }
        let count = state.spans.len().min(batch_max);
        Some(state.spans.drain(..count).collect())
    }

    /// Nobody sends any more: what comes is dropped.
    fn is_lost(&self) {
        let mut state = self.state.lock();
        (state.is_running, state.is_stopped) = (false, true);
        self.ended.notify_all();
    }

    fn note(&self, count: u64, sent: Result<(), String>) {
        let mut state = self.state.lock();
        let was_failing = std::mem::replace(&mut state.is_failing, sent.is_err());
        match sent {
            Ok(()) => state.counts.sent += count,
            Err(_) => state.counts.failed += count,
        }
        drop(state);
        let url = &self.settings.url;
        match (sent, was_failing) {
            (Ok(()), true) => tracing::info!("spans are sent to {url} again"),
            (Err(why), false) => {
                tracing::warn!("spans are lost, because {url} does not take them: {why}; runs go on");
            }
            _ => {}
        }
    }
}
