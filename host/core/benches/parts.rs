//! What the parts of a step cost by themselves: expressions, templates, payloads, plans, and the state machine without
//! an engine around it.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jackfield_core::catalog::{Catalog, Method, MethodKind, Plugin};
use jackfield_core::expr::{Env, Expression, Names, Operand, RefIx, Resolved, Template, UnknownName};
use jackfield_core::model::{self, Dialect};
use jackfield_core::payload::Payload;
use jackfield_core::plan::Plan;
use jackfield_core::run::{Command, Fact, History, RunState, Start};
use jackfield_core::time::{Nanos, Timestamp};
use jackfield_core::validate::{self, Options};
use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;

/// Steps of the graphs.
const STEPS: usize = 10_000;

/// One name, `input`.
struct OnlyInput;

impl Names for OnlyInput {
    fn resolve(&mut self, path: &[&str]) -> Result<Resolved, UnknownName> {
        assert_eq!(path[0], "input", "the expressions here read nothing else");
        Ok(Resolved { reference: RefIx(0), consumed: 1 })
    }

    fn secret(&mut self, _: &str) -> Result<(), UnknownName> {
        Ok(())
    }
}

struct Input(Payload);

impl Env for Input {
    fn operand(&self, _: RefIx, _: usize) -> Operand<'_> {
        Operand::Json(&self.0)
    }

    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn uuid(&self, _: u32) -> [u8; 16] {
        [0; 16]
    }

    fn secret(&self, name: &str) -> Result<Arc<str>, String> {
        Err(format!("there is no secret `{name}`"))
    }
}

fn expression(source: &str) -> Expression {
    Expression::compile(source, &mut OnlyInput).expect("the expression is right")
}

/// An object of 200 bytes.
fn small() -> Payload {
    let text = format!(r#"{{"pad":"{}","a":{{"rows":41}}}}"#, "x".repeat(174));
    assert_eq!(text.len(), 200, "the figures are for 200 bytes");
    Payload::parse(text).expect("it is JSON")
}

/// An array of rows as they come from a table, at least `len` bytes.
fn rows(len: usize) -> String {
    let mut text = String::from("[");
    for row in 0.. {
        let (price, city) = (row as f64 * 0.37, ["Reykjavík", "Lagos", "Ulaanbaatar"][row % 3]);
        let _ = write!(
            text,
            r#"{{"id":{row},"name":"customer {row}","city":"{city}","price":{price:.2},"active":{},"note":null,"tags":["new","north-west"],"comment":"asked to be called back on a \"quiet\" afternoon"}}"#,
            row % 2 == 0
        );
        if text.len() >= len {
            break;
        }
        text.push(',');
    }
    text + "]"
}

fn expressions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("expression");
    for source in ["input.a.rows > 3", "input.a.rows", "size(input.pad) > 3 && input.a.rows + 1 < 100"] {
        group.bench_function(format!("compile {source}"), |bencher| bencher.iter(|| expression(source)));
        let (compiled, env) = (expression(source), Input(small()));
        group.bench_function(format!("evaluate {source}"), |bencher| {
            bencher.iter(|| compiled.evaluate(black_box(&env)));
        });
        group.bench_function(format!("first look {source}"), |bencher| {
            bencher.iter_batched_ref(|| Input(small()), |env| compiled.evaluate(env), BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn templates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("template");
    let env = Input(small());
    for (name, json) in [
        ("constant", r#"{"a":1}"#),
        ("whole", r#""${input}""#),
        ("path", r#"{"rows":"${input.a.rows}"}"#),
        ("three fields", r#"{"rows":"${input.a.rows}","text":"has ${input.a.rows} rows","b":true}"#),
    ] {
        let template = Template::compile(json, &mut OnlyInput).expect("the template is right");
        group.bench_function(name, |bencher| bencher.iter(|| template.render(black_box(&env))));
    }
    group.finish();
}

fn payloads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("payload");
    let text = small().as_str().to_owned();
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("check 200 B", |bencher| bencher.iter(|| Payload::parse(black_box(text.as_str()))));
    for (name, len) in [("check 64 KiB", 64 << 10), ("check 1 MiB", 1 << 20)] {
        let text: Arc<[u8]> = rows(len).into_bytes().into();
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| Payload::adopt(Box::new(text.clone()))));
    }
    let whole = small();
    group.throughput(Throughput::Bytes(whole.len() as u64));
    group.bench_function("clone", |bencher| bencher.iter(|| black_box(&whole).clone()));
    group.finish();
}

fn catalog() -> Catalog {
    let method = Method {
        name: "noop".into(),
        description: "".into(),
        kind: MethodKind::Inline,
        pure: false,
        idempotent: true,
        serial: false,
        default_timeout: None,
        parameters: Payload::null(),
        output: Payload::null(),
    };
    let version = "1.0.0".parse().expect("it is a version");
    let plugin = Plugin { name: "echo".into(), version, description: "".into(), methods: vec![method] };
    Catalog::new(vec![Arc::new(plugin)])
}

/// Steps that depend on those at `distances` before them.
fn document(distances: &[usize]) -> String {
    let mut text = String::from(r#"{"id":"bench","mode":"parallel","output":null,"steps":["#);
    for step in 0..STEPS {
        let above: Vec<String> =
            distances.iter().filter_map(|by| step.checked_sub(*by)).map(|id| format!("\"s{id}\"")).collect();
        let comma = if step == 0 { "" } else { "," };
        let _ = write!(text, r#"{comma}{{"id":"s{step}","plugin":"echo","method":"noop""#);
        if !above.is_empty() {
            let _ = write!(text, r#","dependencies":[{}]"#, above.join(","));
        }
        text.push('}');
    }
    text + "]}"
}

fn plan(document: &str, catalog: &Catalog) -> Arc<Plan> {
    let parsed = model::parse(document.as_bytes(), Dialect::Json);
    let workflow = parsed.workflow.expect("the document is right");
    validate::compile(&workflow, catalog, &Options::default()).plan.expect("the document is right")
}

/// Runs a plan without an engine: every call answers `null` at once.
fn run(plan: &Arc<Plan>) -> RunState {
    let start = Start {
        run_id: "run".into(),
        input: Payload::null(),
        config: Arc::default(),
        seed: 1,
        host_concurrency: 1,
        until: None,
        history: History::Full,
        parent: None,
        carried: None,
        key: None,
        queued: None,
        delayed_until: None,
    };
    let (mut commands, mut ready) = (Vec::new(), Vec::new());
    let mut state = RunState::start(plan.clone(), start, Timestamp(0), &mut commands);
    loop {
        ready.append(&mut commands);
        match ready.pop() {
            Some(Command::Call(call)) => {
                let outcome = Ok(Payload::null());
                let fact = Fact::Outcome { key: call.key, duration: Nanos::ZERO, outcome };
                state.apply(Timestamp(1), fact, &mut commands);
            }
            Some(_) => {}
            None => return state,
        }
    }
}

fn runs(criterion: &mut Criterion) {
    let catalog = catalog();
    let shapes: [(&str, &[usize]); 3] = [("chain", &[1]), ("fan", &[]), ("layered", &[100, 101, 107])];
    let mut group = criterion.benchmark_group("plan");
    group.throughput(Throughput::Elements(STEPS as u64)).sample_size(20);
    for (name, distances) in shapes {
        let document = document(distances);
        group.bench_function(name, |bencher| bencher.iter(|| plan(&document, &catalog)));
    }
    group.finish();
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(STEPS as u64)).sample_size(50);
    for (name, distances) in shapes {
        let plan = plan(&document(distances), &catalog);
        let ended = run(&plan);
        // a record for each step, one for the start and one for the end
        assert_eq!(ended.history().len(), STEPS + 2, "every step ran once");
        group.bench_function(name, |bencher| bencher.iter(|| run(&plan)));
    }
    group.finish();
}

criterion_group!(all, expressions, templates, payloads, runs);
criterion_main!(all);
