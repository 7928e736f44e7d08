//! `[telemetry]`: where the spans of runs are sent.

use super::optional_duration;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// `[telemetry]`. Without an endpoint, here or in `OTEL_EXPORTER_OTLP_ENDPOINT`, nothing is sent and no span is made. What is absent
/// is taken from the variables of OpenTelemetry, as `docs/server.md` says, and then has the default named here.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TelemetryConfig {
    /// False: nothing is sent, whatever else is said; true if absent.
    pub enabled: Option<bool>,
    /// A collector that takes OTLP by HTTP, such as `http://127.0.0.1:4318`. To one without a path `/v1/traces` is added.
    pub endpoint: Option<String>,
    /// How spans are sent: `http/protobuf`, which is the only one.
    pub protocol: Option<String>,
    /// Headers of each request, such as those of a collector that wants to know who sends.
    pub headers: BTreeMap<String, String>,
    /// `gzip` or `none`, which is the default.
    pub compression: Option<String>,
    /// How long the collector may take for a request, tries after failures included; 10 s if absent.
    #[serde(deserialize_with = "optional_duration")]
    pub timeout: Option<Duration>,
    /// How long spans are gathered before they are sent; 5 s if absent.
    #[serde(deserialize_with = "optional_duration")]
    pub interval: Option<Duration>,
    /// How long the end of the process may be held up by spans that have not been sent; 2 s if absent.
    #[serde(deserialize_with = "optional_duration")]
    pub flush_timeout: Option<Duration>,
    /// The share of traces that is recorded of those that begin here, 0 to 1; 1 if absent. A run that is part of a trace from
    /// outside is recorded if that is.
    pub sampling: Option<f64>,
    /// `service.name`; `jackfield` if absent.
    pub service_name: Option<String>,
    /// More about this process, such as `deployment.environment.name`.
    pub resource: BTreeMap<String, String>,
    /// Spans that wait to be sent, at most; further ones are dropped and counted; 20,480 if absent.
    pub queue_max: Option<usize>,
    /// Spans in a request at most; 512 if absent.
    pub batch_max: Option<usize>,
}

impl fmt::Debug for TelemetryConfig {
    // headers may hold what is nobody's business
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryConfig").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
