//! Spans of calls that leave this process or go from plugin to plugin, for whoever collects them.

use jackfield_core::ports::{Call, Outcome};
use jackfield_core::time::{Nanos, Timestamp};
use jackfield_core::trace::{Span, SpanContext, SpanField, SpanSink};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// A call whose span is wanted.
#[derive(Debug)]
pub(crate) struct CallSpan {
    sink: Arc<dyn SpanSink>,
    name: String,
    own: SpanContext,
    above: u64,
    fields: Vec<(&'static str, SpanField)>,
    /// When it was sent, and to which process, if to one.
    sent: OnceLock<(Timestamp, Option<u32>)>,
}

impl CallSpan {
    /// Of a call to a worker: a span below that of the call. `None` if the call is in no trace that is recorded.
    #[cfg(unix)]
    pub(crate) fn to_worker(
        sink: Option<&Arc<dyn SpanSink>>,
        call: &Call,
        (plugin, version, method): (&str, &semver::Version, &str),
    ) -> Option<Arc<Self>> {
        let above = SpanContext::parse(&call.traceparent).filter(|it| it.is_sampled())?;
        let mut fields = fields(call, plugin, method);
        fields.push(("jackfield.plugin.version", version.to_string().into()));
        Some(Arc::new(Self {
            sink: sink?.clone(),
            name: format!("worker {plugin}.{method}"),
            own: above.child(&"worker"),
            above: above.span,
            fields,
            sent: OnceLock::new(),
        }))
    }

    /// Of a call that a method makes of another one, which has a span of its own already. It begins now.
    pub(crate) fn of_nested(
        sink: Option<&Arc<dyn SpanSink>>,
        parent: &Call,
        call: &Call,
        (plugin, method): (&str, &str),
    ) -> Option<Self> {
        let own = SpanContext::parse(&call.traceparent).filter(|it| it.is_sampled())?;
        let above = SpanContext::parse(&parent.traceparent)?.span;
        let span = Self {
            sink: sink?.clone(),
            name: format!("call {plugin}.{method}"),
            own,
            above,
            fields: fields(call, plugin, method),
            sent: OnceLock::new(),
        };
        span.is_sent(None);
        Some(span)
    }

    /// What the worker is told to be below.
    #[cfg(unix)]
    pub(crate) fn traceparent(&self) -> String {
        self.own.to_string()
    }

    /// The call begins; in which process, if in another one.
    pub(crate) fn is_sent(&self, pid: Option<u32>) {
        self.sent.get_or_init(|| (now(), pid));
    }

    /// The call has ended. What was never sent leaves no span.
    pub(crate) fn ended(&self, outcome: &Outcome) {
        let Some((from, pid)) = self.sent.get() else { return };
        let mut fields = self.fields.clone();
        fields.extend(pid.map(|pid| ("process.pid", SpanField::from(pid))));
        let failure = outcome.as_ref().err();
        fields.extend(failure.map(|failure| ("error.type", SpanField::from(&*failure.kind))));
        self.sink.take(Span {
            context: self.own,
            parent: Some(self.above),
            is_parent_remote: false,
            is_call_out: pid.is_some(),
            name: self.name.clone(),
            from: *from,
            to: now(),
            fields,
            error: failure.map(|failure| (*failure.message).into()),
        });
    }
}

fn fields(call: &Call, plugin: &str, method: &str) -> Vec<(&'static str, SpanField)> {
    vec![
        ("jackfield.run.id", call.run_id().into()),
        ("jackfield.step.path", call.step().into()),
        ("jackfield.attempt", call.attempt.into()),
        ("jackfield.plugin.name", plugin.into()),
        ("jackfield.method", method.into()),
    ]
}

fn now() -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp(Nanos::from(since).0)
}
