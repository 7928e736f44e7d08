//! The workflows in `examples/workflows`, run as README.md shows it: each ends as its `metadata` says, and the climate
//! report is recomputed from the data.

use jackfield::{Value, json};
use jackfield_tests::{Bench, CliOutput, workspace};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

const PLUGINS: [&str; 8] = ["csv", "echo", "fault", "fs", "http", "json", "process", "table"];

/// A bench with a copy of the examples, so that what they write stays in it.
fn bench() -> Bench {
    let bench = Bench::new(&PLUGINS);
    copy(&workspace::root().join("examples"), &bench.dir().join("examples"));
    // they lie beside the command that a user has, and are trusted there
    let config = bench.dir().join("examples/jackfield.toml");
    let text = fs::read_to_string(&config).expect("the configuration is there");
    fs::write(&config, text + "\n[isolation]\ndefault = 'in_process'\n").expect("the bench can be written");
    bench
}

/// The files of `from` that belong to workflows, without the crates beside them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the bench can be written");
    for entry in fs::read_dir(from)
        .expect("the examples are there")
        .map(|entry| entry.expect("the directory can be read"))
    {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_file() {
            fs::copy(&path, &target).expect("the bench can be written");
        } else if !path.join("Cargo.toml").exists() {
            copy(&path, &target);
        }
    }
}

/// The names of the files in a directory of the workspace.
fn names(dir: &str) -> Vec<String> {
    let items = fs::read_dir(workspace::root().join(dir)).expect("the examples are there");
    let name = |item: fs::DirEntry| item.file_name().to_string_lossy().into_owned();
    items.map(|item| name(item.expect("the directory can be read"))).collect()
}

/// File name and content of every example.
fn documents() -> Vec<(String, Value)> {
    let dir = workspace::root().join("examples/workflows");
    let mut all: Vec<(String, Value)> = fs::read_dir(dir)
        .expect("the examples are there")
        .map(|entry| {
            let path = entry.expect("the directory can be read").path();
            let name = path.file_name().expect("it is a file").to_string_lossy().into_owned();
            (name, parse(&fs::read_to_string(&path).expect("the file can be read")))
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

fn run(bench: &Bench, name: &str, more: &[&str]) -> CliOutput {
    let file = format!("examples/workflows/{name}");
    let mut arguments = vec!["--config", "examples/jackfield.toml", "--json", "run", &file];
    arguments.extend(more);
    bench.cli(&arguments)
}

#[test]
fn every_example_ends_as_its_metadata_says() {
    let bench = bench();
    let all = documents();
    assert!(all.len() >= 30, "only {} examples", all.len());
    // they mostly wait, for the disk or for time to pass
    std::thread::scope(|scope| {
        for some in all.chunks(all.len().div_ceil(4)) {
            scope.spawn(|| some.iter().for_each(|(name, document)| ends_as_it_says(&bench, name, document)));
        }
    });
}

fn ends_as_it_says(bench: &Bench, name: &str, document: &Value) {
    let metadata = &document["metadata"];
    let expected = metadata["expect"].as_str().unwrap_or_else(|| panic!("{name} has no metadata.expect"));
    assert!(document["description"].is_string(), "{name} has no description");
    let input = metadata.get("input").map_or_else(|| "{}".to_owned(), Value::to_string);
    let output = run(bench, name, &["--input", &input]);
    let code = i32::from(expected != "completed");
    assert_eq!(output.code, code, "{name}: {output:#?}");
    let report = output.json();
    assert_eq!(report["status"], expected, "{name}: {report:#}");
    if let Some(output) = metadata.get("output") {
        assert_eq!(&report["output"], output, "{name}");
    }
    if let Some(error) = metadata.get("error") {
        assert_eq!(&report["error"]["type"], error, "{name}");
    }
}

#[test]
fn examples_are_valid_without_warnings_and_formatted() {
    let bench = bench();
    let files: Vec<String> = ["examples/workflows", "examples/durable", "examples/patterns"]
        .iter()
        .flat_map(|dir| names(dir).into_iter().map(move |name| format!("{dir}/{name}")))
        .filter(|name| name.ends_with(".json"))
        .collect();
    assert!(files.len() >= 35, "only {} examples", files.len());
    let files = files.iter().map(String::as_str);
    let arguments: Vec<&str> =
        ["--config", "examples/jackfield.toml", "validate"].into_iter().chain(files.clone()).collect();
    let output = bench.cli(&arguments).exits(0);
    assert!(!(output.stdout + &output.stderr).contains("warning"));
    let arguments: Vec<&str> = ["fmt", "--check"].into_iter().chain(files).collect();
    let _ = bench.cli(&arguments).exits(0);
}

#[test]
fn every_mode_and_every_type_of_step_has_an_example() {
    let (mut modes, mut types) = (BTreeSet::new(), BTreeSet::new());
    for (_, document) in documents() {
        collect(&document, &mut modes, &mut types);
    }
    assert_eq!(modes, ["conditional", "parallel", "pipeline", "sequential"].map(String::from).into());
    let expected = [
        "call",
        "emit",
        "fail",
        "foreach",
        "group",
        "log",
        "race",
        "receive",
        "repeat",
        "return",
        "set",
        "switch",
        "wait",
        "wait_for_event",
    ];
    assert_eq!(types, expected.map(String::from).into());
}

/// The values of `mode`, and of `type` in steps, wherever they stand.
fn collect(value: &Value, modes: &mut BTreeSet<String>, types: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, modes, types)),
        Value::Object(entries) => {
            modes.extend(entries.get("mode").and_then(Value::as_str).map(str::to_owned));
            if entries.contains_key("id") {
                types.extend(entries.get("type").and_then(Value::as_str).map(str::to_owned));
            }
            entries.values().for_each(|entry| collect(entry, modes, types));
        }
        _ => {}
    }
}

#[test]
fn a_saga_takes_its_bookings_back_newest_first() {
    let bench = bench();
    let output = run(&bench, "book-trip.json", &["--set", "trip=Linz"]).exits(1);
    let report = output.json();
    assert_eq!(report["error"]["type"], "payments.declined");
    for step in ["flight", "hotel"] {
        assert_eq!(report["steps"][step]["status"], "compensated", "{report:#}");
        assert!(!bench.dir().join(format!("target/examples/trip/{step}.txt")).exists());
    }
    let place = |text: &str| output.stderr.find(text).unwrap_or_else(|| panic!("no `{text}`: {output:#?}"));
    assert!(place("hotel: compensated") < place("flight: compensated"));
    assert!(place("flight: compensated") < place("alert: error: trip failed at pay: 560 EUR were declined"));
    assert!(place("alert: error") < place("release: completed"));
}

#[test]
fn the_climate_report_says_what_the_data_say() {
    let bench = bench();
    let report = run(&bench, "climate-report.json", &[]).exits(0).json();
    let out = bench.dir().join("target/climate-report");
    let written = parse(&fs::read_to_string(out.join("report.json")).unwrap());
    let weather = Weather::read();

    let figures = &report["output"]["figures"];
    assert_eq!(figures["hours"], 2 * 8759);
    assert_eq!(figures["days_set_aside"], weather.bad.len());
    assert_eq!(figures["days"], weather.good.len());
    assert_eq!(figures["hot_days"], weather.good.iter().filter(|day| day.max > 30.0).count());
    assert_eq!(&written["figures"], figures);

    for (name, file) in [("seattle", "seattle-temps.csv"), ("san_francisco", "sf-temps.csv")] {
        let means = celsius_by_month(file);
        for (month, mean) in &means {
            near(&written["monthly"][month - 1][name], *mean, 0.005);
        }
        let warmest = means.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        assert_eq!(figures["warmest_month"][name], *warmest);
    }
    near(&written["monthly"][0]["seattle"], 5.39, 0.005);
    for month in 1..=12 {
        let days: Vec<&Day> = weather.good.iter().filter(|day| day.month == month).collect();
        let rain: f64 = days.iter().map(|day| day.rain).sum();
        near(&written["monthly"][month - 1]["rain_mm"], rain / 4.0, 0.051);
        let middle: f64 = days.iter().map(|day| (day.max + day.min) / 2.0).sum();
        near(&written["monthly"][month - 1]["reference"], middle / days.len() as f64, 0.0051);
    }
    for kind in written["kinds_of_weather"].as_array().unwrap() {
        let days = weather.good.iter().filter(|day| kind["weather"] == *day.kind).count();
        assert_eq!(kind["days"], days, "{kind}");
    }

    let set_aside = fs::read_to_string(out.join("set-aside.csv")).unwrap();
    for date in &weather.bad {
        assert!(set_aside.contains(date), "{date} is missing: {set_aside}");
    }
    assert_eq!(set_aside.lines().count(), 1 + weather.bad.len());
    assert_eq!(fs::read_to_string(out.join("monthly.csv")).unwrap().lines().count(), 13);
    for (chart, text) in [("temperature.svg", "San Francisco 2010"), ("rain.svg", "Rain in Seattle")] {
        let svg = fs::read_to_string(out.join(chart)).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains(text), "{chart}: {svg}");
    }
}

#[test]
fn the_climate_report_survives_a_dead_service_late_data_and_a_slow_archive() {
    let bench = bench();
    let output = run(&bench, "climate-report.json", &[]).exits(0);
    let (report, lines) = (output.json(), output.stderr);
    let step = |path: &str| report["steps"][path].clone();

    let service = step("service_means");
    assert_eq!((&service["status"], &service["attempts"]), (&json!("failed"), &json!(3)), "{service:#}");
    assert_eq!(service["error"]["type"], "http.connect");
    assert_eq!(step("local_means")["status"], "completed");
    assert_eq!(report["output"]["figures"]["reference"], "daily data");

    assert_eq!(step("late_files")["status"], "completed");
    assert_eq!(step("late_files")["output"]["files"], json!([]));
    assert!(lines.contains("late_files: caught"), "{lines}");
    assert!(lines.contains("timeout: took longer than 500"), "{lines}");

    assert_eq!(step("origin")["output"]["winner"], "local_copy");
    assert_eq!(step("slow_answer")["status"], "cancelled");
    assert_eq!(step("reserve_slot")["status"], "compensated");
    assert!(!bench.dir().join("target/climate-report/archive.lock").exists(), "the slot is released");

    assert_eq!(step("heat_alarm")["status"], "skipped");
    assert!(lines.contains("announce: info: report of 17518 hours and 1457 days"), "{lines}");
}

#[test]
fn the_climate_report_takes_the_other_ways_when_the_world_is_kinder() {
    let bench = bench();
    fs::write(bench.dir().join("examples/data/late-portland.csv"), "date,temp\n").unwrap();
    let service = format!("service={}", serve_means());
    let more = ["--set", &service, "--set", "hot_c=40"];
    let report = run(&bench, "climate-report.json", &more).exits(0).json();
    let status = |path: &str| report["steps"][path]["status"].clone();
    assert_eq!((status("service_means"), status("local_means")), (json!("completed"), json!("skipped")));
    assert_eq!(status("hot_days"), "skipped");
    let figures = &report["output"]["figures"];
    assert_eq!((&figures["reference"], &figures["hot_days"]), (&json!("service"), &json!(0)));
    assert_eq!(figures["late_files"], 1);
    assert_eq!(report["steps"]["monthly"]["output"][6]["reference"], 7.5);
}

/// Answers one request with a reference of month + 0.5 degrees; the address of the service.
fn serve_means() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    let rows: Value =
        (1..=12).map(|month| json!({ "month": month, "reference": f64::from(month) + 0.5 })).collect();
    let body = rows.to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody asks");
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the request is complete");
            seen.push(byte[0]);
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).expect("the answer is awaited");
    });
    address
}

#[track_caller]
fn near(found: &Value, expected: f64, tolerance: f64) {
    let number = found.as_f64().unwrap_or_else(|| panic!("{found} is no number"));
    assert!((number - expected).abs() <= tolerance, "{number} instead of {expected}");
}

/// The daily weather, divided by the limits of the report.
#[derive(Default)]
struct Weather {
    good: Vec<Day>,
    /// Dates of the days beyond the limits.
    bad: Vec<String>,
}

struct Day {
    month: usize,
    rain: f64,
    max: f64,
    min: f64,
    kind: String,
}

impl Weather {
    fn read() -> Self {
        let mut weather = Self::default();
        for line in workspace::read("examples/data/seattle-weather.csv").lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            let [date, rain, max, min, wind, kind] = fields[..] else { panic!("{line}") };
            let number = |text: &str| text.parse::<f64>().expect("the data are well-formed");
            if number(rain) > 50.0 || number(wind) > 9.0 {
                weather.bad.push(date.to_owned());
                continue;
            }
            let month = date[5..7].parse().expect("the data are well-formed");
            let (rain, max, min) = (number(rain), number(max), number(min));
            weather.good.push(Day { month, rain, max, min, kind: kind.to_owned() });
        }
        weather
    }
}

/// Mean of every month in Celsius, from hourly values in Fahrenheit.
fn celsius_by_month(file: &str) -> BTreeMap<usize, f64> {
    let text = workspace::read(&format!("examples/data/{file}"));
    let columns: Vec<&str> = text.lines().next().expect("the data are well-formed").split(',').collect();
    let place =
        |name: &str| columns.iter().position(|column| *column == name).expect("the data are well-formed");
    let (date, temp) = (place("date"), place("temp"));
    let mut months: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let fahrenheit: f64 = fields[temp].parse().expect("the data are well-formed");
        let month = fields[date][5..7].parse().expect("the data are well-formed");
        months.entry(month).or_default().push((fahrenheit - 32.0) * 5.0 / 9.0);
    }
    months.into_iter().map(|(month, all)| (month, all.iter().sum::<f64>() / all.len() as f64)).collect()
}
