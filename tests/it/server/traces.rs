//! Spans of runs, as a collector gets them: one that takes real OTLP.

use super::{Service, one_step, wait_until};
use flate2::read::GzDecoder;
use jackfield::{Value, json};
use jackfield_tests::Bench;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const GIVEN_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A span as it came.
#[derive(Clone, Debug)]
struct Span {
    trace: String,
    id: String,
    /// Empty if it has none.
    parent: String,
    name: String,
    fields: BTreeMap<String, String>,
    /// What went wrong.
    error: Option<String>,
    from: u64,
    to: u64,
    kind: i32,
}

/// Of a request: its path, its headers, attributes of the resource.
type Asked = (String, String, BTreeMap<String, String>);

/// Something that takes spans.
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Span>>>,
    requests: Arc<Mutex<Vec<Asked>>>,
}

impl Collector {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it has one"));
        let (spans, requests) = (Arc::default(), Arc::default());
        let collector = Self { url, spans, requests };
        let (spans, requests) = (collector.spans.clone(), collector.requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (spans, requests) = (spans.clone(), requests.clone());
                std::thread::spawn(move || while take(&stream, &spans, &requests).is_some() {});
            }
        });
        collector
    }

    fn config(&self) -> String {
        format!("[telemetry]\nendpoint = \"{}\"\ninterval = \"20ms\"\n", self.url)
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("nobody panics with it").clone()
    }

    /// The spans of a run, once that of the run itself is among them: it comes last.
    #[track_caller]
    fn of_run(&self, run_id: &str) -> Vec<Span> {
        let is_of_run = |span: &Span| span.fields["jackfield.run.id"] == run_id;
        wait_until(|| self.spans().iter().any(|span| is_of_run(span) && span.name.starts_with("run ")));
        self.spans().into_iter().filter(is_of_run).collect()
    }
}

/// Takes one request; `None` at the end of the connection.
fn take(stream: &TcpStream, spans: &Mutex<Vec<Span>>, requests: &Mutex<Vec<Asked>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line).ok().filter(|len| *len > 0)? > 2 {
        head.push_str(&std::mem::take(&mut line).to_ascii_lowercase());
    }
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; len.trim().parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    if head.contains("content-encoding: gzip") {
        let mut plain = Vec::new();
        GzDecoder::new(&*body).read_to_end(&mut plain).expect("it is gzip");
        body = plain;
    }
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    let request = ExportTraceServiceRequest::decode(&*body).expect("it is OTLP");
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.map(|it| fields(&it.attributes)).unwrap_or_default();
        requests.lock().expect("nobody panics with it").push((path.clone(), head.clone(), resource));
        let found = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans).map(read);
        spans.lock().expect("nobody panics with it").extend(found);
    }
    let mut writer = stream;
    writer
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
        .ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fields(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|it| it.value.clone()) {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|it| (it.key.clone(), text(&it.value))).collect()
}

fn read(span: opentelemetry_proto::tonic::trace::v1::Span) -> Span {
    let status = span.status.unwrap_or_default();
    let is_error = status.code == StatusCode::Error as i32;
    Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name,
        fields: fields(&span.attributes),
        error: is_error.then_some(status.message),
        from: span.start_time_unix_nano,
        to: span.end_time_unix_nano,
        kind: span.kind,
    }
}

#[track_caller]
fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert!(!found.is_empty(), "no {name} in {spans:#?}");
    found
}

#[track_caller]
fn only<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = named(spans, name);
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0]
}

fn step(id: &str, method: &str, parameters: Value) -> Value {
    json!({ "id": id, "plugin": "echo", "method": method, "parameters": parameters })
}

#[track_caller]
fn start(service: &Service, document: &Value, run_id: &str, headers: &[(&str, &str)]) -> Value {
    let body = json!({ "document": { "document": document.to_string() }, "run_id": run_id });
    let started = service.ask("POST", "/api/v1/runs?wait=30s", headers, &body.to_string());
    assert_eq!(started.status, 201, "{started:?}");
    started.json()
}

#[test]
fn a_run_its_steps_their_attempts_and_calls_to_workers_are_spans_below_each_other() {
    let collector = Collector::new();
    let more = "service_name = \"mill\"\nheaders = { \"x-tenant\" = \"t1\" }\ncompression = \"gzip\"\n";
    let resource = "resource = { \"deployment.environment.name\" = \"test\" }\n";
    let worker = "[plugins.echo]\nisolation = \"worker\"\n";
    let service = Service::with(&format!("{}{more}{resource}{worker}", collector.config()));
    let mut flaky = step("flaky", "fail_times", json!({ "n": 1 }));
    flaky["retry"] = json!({ "max_attempts": 2, "backoff": "none" });
    let each = json!({ "id": "each", "type": "foreach", "items": [1, 2], "steps": [step("one", "noop", json!({}))] });
    let document = json!({ "id": "w", "version": "1.2.0", "steps": [flaky, each] });
    let report = start(&service, &document, "r", &[("traceparent", GIVEN)]);
    assert_eq!(report["status"], "completed", "{report}");
    let spans = collector.of_run("r");
    assert!(spans.iter().all(|span| span.trace == GIVEN_TRACE && span.from <= span.to), "{spans:#?}");
    let run = only(&spans, "run w");
    assert_eq!((&*run.parent, run.error.is_none()), ("b7ad6b7169203331", true));
    assert_eq!(run.fields["jackfield.run.status"], "completed");
    assert_eq!(run.fields["jackfield.workflow.version"], "1.2.0");
    let flaky = only(&spans, "step flaky");
    assert_eq!((&flaky.parent, &*flaky.fields["jackfield.step.attempts"]), (&run.id, "2"));
    assert_eq!((&*flaky.fields["jackfield.step.status"], &flaky.error), ("completed", &None));
    let attempts = named(&spans, "attempt echo.fail_times");
    let told = |nth: usize| (&*attempts[nth].fields["jackfield.attempt"], attempts[nth].error.is_some());
    assert_eq!((attempts.len(), told(0), told(1)), (2, ("1", true), ("2", false)));
    assert!(attempts.iter().all(|it| it.parent == flaky.id && it.fields["jackfield.plugin.name"] == "echo"));
    assert!(attempts[0].fields.contains_key("error.type"), "{attempts:?}");
    assert!(flaky.from <= attempts[0].from && attempts[1].to <= flaky.to, "{flaky:?} {attempts:?}");
    let calls = named(&spans, "worker echo.fail_times");
    for (attempt, call) in attempts.iter().zip(&calls) {
        assert_eq!((&call.parent, call.error.is_some()), (&attempt.id, attempt.error.is_some()));
        // that of a client
        assert!(call.kind == 3 && call.fields["process.pid"].parse::<u32>().is_ok(), "{call:?}");
    }
    let each = only(&spans, "step each");
    assert_eq!((&each.parent, &*each.fields["jackfield.step.type"]), (&run.id, "foreach"));
    let inner = named(&spans, "step one");
    assert!(inner.iter().all(|it| it.parent == each.id), "{inner:#?}");
    let paths: Vec<_> = inner.iter().map(|it| &*it.fields["jackfield.step.path"]).collect();
    assert!(paths.contains(&"each[0].one") && paths.contains(&"each[1].one"), "{paths:?}");
    let ids: std::collections::BTreeSet<_> = spans.iter().map(|span| &span.id).collect();
    assert_eq!(ids.len(), spans.len(), "{spans:#?}");
    let (path, head, resource) = collector.requests.lock().unwrap()[0].clone();
    assert_eq!(path, "/v1/traces");
    assert!(head.contains("x-tenant: t1") && head.contains("content-encoding: gzip"), "{head}");
    assert_eq!(resource["service.name"], "mill");
    assert_eq!(resource["deployment.environment.name"], "test");
    // counted once the collector has answered
    let wanted = format!("jackfield_spans_sent_total {}\n", spans.len());
    wait_until(|| service.get("/metrics", "").ok().body.contains(&wanted));
}

#[test]
fn what_fails_is_an_error_of_its_span_and_a_child_run_is_below_the_step_that_starts_it() {
    let collector = Collector::new();
    let service = Service::with(&collector.config());
    let leaf = json!({ "id": "leaf", "version": "1.0.0", "steps": [
        { "id": "no", "type": "fail", "error": { "type": "mine.bad", "message": "not today" } },
    ]});
    let leaf = json!({ "document": leaf.to_string() });
    assert_eq!(service.post("/api/v1/workflows", "", &leaf).status, 201);
    let document = json!({ "id": "w", "steps": [
        { "id": "below", "type": "workflow", "workflow": "leaf", "input": {} },
    ]});
    assert_eq!(start(&service, &document, "r", &[])["status"], "failed");
    let above = collector.of_run("r");
    let run = only(&above, "run w");
    assert_eq!((run.parent.as_str(), run.error.as_deref()), ("", Some("not today")), "{run:?}");
    assert_eq!((&*run.fields["error.type"], &*run.fields["jackfield.run.status"]), ("mine.bad", "failed"));
    let step = only(&above, "step below");
    assert_eq!((&step.parent, &*step.fields["jackfield.step.status"]), (&run.id, "failed"));
    let all = collector.spans();
    let child = only(&all, "run leaf");
    assert_eq!((&child.parent, &child.trace), (&step.id, &run.trace));
    assert_eq!(child.fields["jackfield.run.parent_id"], "r");
    assert_eq!(only(&all, "step no").parent, child.id);
}

#[test]
fn a_command_sends_its_spans_before_it_ends_and_heeds_the_variables_of_opentelemetry() {
    let collector = Collector::new();
    let bench = Bench::new(&["echo"]);
    bench.write("w.json", one_step("hello").to_string());
    let run = |id: &str, variables: &[(&str, &str)]| {
        let mut command = bench.command(&["run", "w.json", "--run-id", id, "--input", "1"]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).envs(variables.iter().copied());
        assert!(command.output().expect("it runs").status.success());
    };
    run("plain", &[("OTEL_SERVICE_NAME", "named"), ("OTEL_RESOURCE_ATTRIBUTES", "team=mill")]);
    let spans = collector.of_run("plain");
    assert_eq!(only(&spans, "step say").parent, only(&spans, "run hello").id);
    let (_, _, resource) = collector.requests.lock().unwrap()[0].clone();
    assert_eq!((&*resource["service.name"], &*resource["team"]), ("named", "mill"));
    run("off", &[("OTEL_SDK_DISABLED", "true")]);
    run("unsampled", &[("OTEL_TRACES_SAMPLER", "always_off")]);
    let of_others = |span: &Span| span.fields["jackfield.run.id"] != "plain";
    assert!(!collector.spans().iter().any(of_others), "{:#?}", collector.spans());
    let mut command = bench.command(&["run", "w.json", "--input", "1"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("`http/protobuf` only"), "{said}");
}

#[test]
fn a_trace_from_outside_decides_whether_it_is_recorded_and_what_is_none_is_left_aside() {
    let collector = Collector::new();
    let service = Service::with(&format!("{}sampling = 0.0\n", collector.config()));
    let document = one_step("hello");
    let unsampled = GIVEN.replace("-01", "-00");
    start(&service, &document, "unsampled", &[("traceparent", &unsampled)]);
    start(&service, &document, "own", &[]);
    start(&service, &document, "none", &[("traceparent", "00-00-00-00")]);
    start(&service, &document, "sampled", &[("traceparent", GIVEN)]);
    assert!(!collector.of_run("sampled").is_empty());
    let others: Vec<_> = collector.spans();
    assert!(others.iter().all(|span| span.fields["jackfield.run.id"] == "sampled"), "{others:#?}");
}

#[test]
fn a_durable_run_stays_in_its_trace_when_its_host_was_killed() {
    let collector = Collector::new();
    let service = Service::with(&collector.config());
    let document = json!({ "id": "w", "steps": [
        step("before", "noop", json!({})),
        { "id": "wait", "type": "wait_for_event", "event": "go" },
        step("after", "noop", json!({})),
    ]});
    let body = json!({ "document": { "document": document.to_string() }, "run_id": "r" });
    assert_eq!(service.post("/api/v1/runs", "", &body).status, 201);
    wait_until(|| collector.spans().iter().any(|span| span.name == "step before"));
    let bench = service.bench.clone();
    drop(service);
    let service = Service::on(bench, &["serve", "--listen", "127.0.0.1:0"]);
    let signal = json!({ "name": "go", "data": {} });
    service.post("/api/v1/runs/r/signal", "", &signal).ok();
    let spans = collector.of_run("r");
    let run = only(&spans, "run w");
    for name in ["step before", "step wait", "step after"] {
        let step = only(&spans, name);
        assert_eq!((&step.trace, &step.parent), (&run.trace, &run.id), "{name}");
    }
    let (before, wait) = (only(&spans, "step before"), only(&spans, "step wait"));
    assert!(run.from <= before.from && before.to <= wait.to && wait.to <= run.to, "{spans:#?}");
}

#[test]
fn a_collector_that_is_gone_or_does_not_answer_holds_up_nothing_and_what_is_lost_is_counted() {
    // takes connections and says nothing
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port is free").local_addr().expect("it has one");
    for (address, lost_in) in [(silent.local_addr().expect("it has one"), "queue"), (gone, "collector")] {
        let limits = "interval = \"1ms\"\ntimeout = \"60s\"\nqueue_max = 4\nbatch_max = 2\nflush_timeout = \"100ms\"\n";
        let config = format!("[telemetry]\nendpoint = \"http://{address}\"\n{limits}");
        let service = Service::with(&config);
        for nth in 0..20 {
            let report = start(&service, &one_step("hello"), &format!("r{nth}"), &[]);
            assert_eq!(report["status"], "completed");
        }
        let lost = format!("jackfield_spans_lost_total{{where=\"{lost_in}\"}} ");
        wait_until(|| {
            let counted = service.get("/metrics", "").ok().body;
            let count = counted.lines().find_map(|line| line.strip_prefix(&*lost)?.parse::<u64>().ok());
            count.expect("it is counted") > 0
        });
        let words = if lost_in == "queue" { "spans are dropped" } else { "spans are lost" };
        wait_until(|| service.said().contains(words));
        assert_eq!(service.said().matches(words).count(), 1, "{}", service.said());
        let asked = Instant::now();
        assert_eq!(service.terminate(), Some(0));
        // three times what the rest of the end may take
        assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    }
}
