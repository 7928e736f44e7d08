//! Where spans go, from the configuration and the variables that all programs with OpenTelemetry heed.

use crate::Error;
use crate::config::TelemetryConfig;
use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

const PROTOCOL: &str = "http/protobuf";

/// What is said in the configuration, and then in the environment; checked.
#[derive(Clone)]
pub(super) struct Settings {
    /// The whole URL.
    pub(super) url: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) gzip: bool,
    pub(super) timeout: Duration,
    pub(super) interval: Duration,
    pub(super) flush_timeout: Duration,
    pub(super) sampling: f64,
    pub(super) service_name: Option<String>,
    pub(super) resource: Vec<(String, String)>,
    pub(super) queue_max: usize,
    pub(super) batch_max: usize,
}

/// Answers what a variable is set to; empty is not set.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    /// `None` if spans go nowhere.
    ///
    /// # Errors
    /// What is said wrongly, by name.
    pub(super) fn read(config: &TelemetryConfig, variables: Variables<'_>) -> Result<Option<Self>, Error> {
        let is_off = variables("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"))
            || variables("OTEL_TRACES_EXPORTER").is_some_and(|it| it.eq_ignore_ascii_case("none"));
        if !config.enabled.unwrap_or(!is_off) {
            return Ok(None);
        }
        let Some(url) = endpoint(config, variables)? else { return Ok(None) };
        let (protocol, said_in) = own_or(&config.protocol, "protocol", "PROTOCOL", variables);
        if protocol.as_deref().unwrap_or(PROTOCOL) != PROTOCOL {
            return Err(Error::setup(format!(
                "{said_in} is `{}`, and spans are sent by `{PROTOCOL}` only. Say that, with the port that the collector has for \
                 HTTP, which is 4318 as a rule",
                protocol.unwrap_or_default()
            )));
        }
        let (compression, said_in) = own_or(&config.compression, "compression", "COMPRESSION", variables);
        let gzip = match compression.as_deref() {
            None | Some("none") => false,
            Some("gzip") => true,
            Some(other) => {
                return Err(Error::setup(format!("{said_in} is `{other}`; say `gzip` or `none`")));
            }
        };
        let timeout = match config.timeout {
            Some(timeout) => timeout,
            None => Duration::from_millis(number(variables, "TIMEOUT")?.unwrap_or(10_000)),
        };
        let positive = |key: &str, value: Option<usize>, default| match value {
            Some(0) => Err(Error::setup(format!(
                "configuration: `{key}` of [telemetry] is 0, so that nothing could be sent; leave it out to send nothing"
            ))),
            value => Ok(value.unwrap_or(default)),
        };
        Ok(Some(Self {
            url,
            headers: config.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            gzip,
            timeout,
            interval: config.interval.unwrap_or(Duration::from_secs(5)),
            flush_timeout: config.flush_timeout.unwrap_or(Duration::from_secs(2)),
            sampling: sampling(config, variables)?,
            service_name: config.service_name.clone(),
            resource: config.resource.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            queue_max: positive("queue_max", config.queue_max, 20_480)?,
            batch_max: positive("batch_max", config.batch_max, 512)?,
        }))
    }
}

/// What the configuration says, or else the variable for traces or for all signals; and where it is said.
fn own_or(
    own: &Option<String>,
    key: &str,
    variable: &str,
    variables: Variables<'_>,
) -> (Option<String>, String) {
    if own.is_some() {
        return (own.clone(), format!("configuration: `{key}` of [telemetry]"));
    }
    for name in of_otlp(variable) {
        if let Some(value) = variables(&name) {
            return (Some(value), name);
        }
    }
    (None, String::new())
}

fn of_otlp(variable: &str) -> [String; 2] {
    [format!("OTEL_EXPORTER_OTLP_TRACES_{variable}"), format!("OTEL_EXPORTER_OTLP_{variable}")]
}

fn number<T: FromStr>(variables: Variables<'_>, variable: &str) -> Result<Option<T>, Error> {
    for name in of_otlp(variable) {
        let Some(value) = variables(&name) else { continue };
        let wrong = || Error::setup(format!("{name} is `{value}`, expected a number of milliseconds"));
        return value.parse().map(Some).map_err(|_| wrong());
    }
    Ok(None)
}

fn endpoint(config: &TelemetryConfig, variables: Variables<'_>) -> Result<Option<String>, Error> {
    let [of_traces, of_all] = of_otlp("ENDPOINT");
    let (text, said_in, is_whole) = match &config.endpoint {
        Some(own) => (own.clone(), "configuration: `endpoint` of [telemetry]".to_owned(), false),
        None => match (variables(&of_traces), variables(&of_all)) {
            (Some(text), _) => (text, of_traces, true),
            (None, Some(text)) => (format!("{}/v1/traces", text.trim_end_matches('/')), of_all, true),
            (None, None) => return Ok(None),
        },
    };
    let wrong = |why: &str| {
        Error::setup(format!("{said_in} is `{text}`, which {why}; give one such as http://127.0.0.1:4318"))
    };
    let mut url: reqwest::Url = text.parse().map_err(|_| wrong("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("is no URL of HTTP"));
    }
    if !is_whole && url.path() == "/" {
        url.set_path("/v1/traces");
    }
    Ok(Some(url.into()))
}

fn sampling(config: &TelemetryConfig, variables: Variables<'_>) -> Result<f64, Error> {
    if let Some(share) = config.sampling {
        return match (0.0..=1.0).contains(&share) {
            true => Ok(share),
            false => Err(Error::setup(format!(
                "configuration: `sampling` of [telemetry] is {share}, expected a share from 0 to 1"
            ))),
        };
    }
    let Some(sampler) = variables("OTEL_TRACES_SAMPLER") else { return Ok(1.0) };
    match sampler.as_str() {
        "always_on" | "parentbased_always_on" => Ok(1.0),
        "always_off" | "parentbased_always_off" => Ok(0.0),
        "traceidratio" | "parentbased_traceidratio" => {
            let text = variables("OTEL_TRACES_SAMPLER_ARG").unwrap_or_else(|| "1".to_owned());
            let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            share.ok_or_else(|| {
                Error::setup(format!("OTEL_TRACES_SAMPLER_ARG is `{text}`, expected a share from 0 to 1"))
            })
        }
        other => Err(Error::setup(format!(
            "OTEL_TRACES_SAMPLER is `{other}`; say `parentbased_always_on`, `parentbased_always_off` or \
             `parentbased_traceidratio`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: &str, variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let config: TelemetryConfig = toml::from_str(config).unwrap();
        let get =
            |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        Settings::read(&config, &get).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_sent_unless_there_is_somewhere_to_send_it() {
        assert!(read("", &[]).unwrap().is_none());
        let here = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/")];
        assert_eq!(read("", &here).unwrap().unwrap().url, "http://collector:4318/v1/traces");
        assert!(read("enabled = false", &here).unwrap().is_none());
        for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert!(read("", &[here[0], off]).unwrap().is_none());
        }
        let of_traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/here");
        assert_eq!(read("", &[here[0], of_traces]).unwrap().unwrap().url, "http://collector:4318/here");
    }

    #[test]
    fn the_configuration_goes_before_the_environment() {
        let said = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other:4318"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ];
        let own = "endpoint = \"https://own\"\nprotocol = \"http/protobuf\"\ncompression = \"none\"";
        let settings = read(own, &said).unwrap().unwrap();
        assert_eq!((settings.url.as_str(), settings.gzip), ("https://own/v1/traces", false));
        assert_eq!((settings.timeout.as_millis(), settings.sampling), (1500, 0.25));
        let more = format!("{own}\nsampling = 1\ntimeout = \"3s\"\nendpoint = \"http://own/mine\"");
        let more = more.replacen("endpoint = \"https://own\"\n", "", 1);
        let settings = read(&more, &said).unwrap().unwrap();
        assert_eq!((settings.url.as_str(), settings.sampling), ("http://own/mine", 1.0));
        assert_eq!(settings.timeout.as_secs(), 3);
    }

    #[test]
    fn what_is_said_wrongly_is_named() {
        let here = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        for (config, more, wanted) in [
            ("endpoint = \"collector:4318\"", ("A", ""), "`endpoint` of [telemetry] is `collector:4318`"),
            ("", ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), "OTEL_EXPORTER_OTLP_PROTOCOL is `grpc`"),
            ("compression = \"zip\"", ("A", ""), "`compression` of [telemetry] is `zip`"),
            ("", ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"), "OTEL_EXPORTER_OTLP_TIMEOUT is `soon`"),
            ("sampling = 2.0", ("A", ""), "`sampling` of [telemetry] is 2"),
            ("", ("OTEL_TRACES_SAMPLER", "jaeger_remote"), "OTEL_TRACES_SAMPLER is `jaeger_remote`"),
            ("queue_max = 0", ("A", ""), "`queue_max` of [telemetry] is 0"),
        ] {
            let said = read(config, &[here, more]).err().unwrap_or_default();
            assert!(said.contains(wanted), "{config} {more:?}: {said}");
        }
    }
}
