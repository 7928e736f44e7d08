//! Every method through its exported table, on small excerpts of the real data.

use crate::exported_plugin;
use jackfield_plugin_api::testing::TestCall;
use serde_json::{Value, json};

fn call(method: &str, parameters: Value) -> Result<Value, (String, String)> {
    let answer = TestCall::new().call(exported_plugin(), method, &parameters);
    answer.map_err(|error| (error.kind().to_owned(), error.message().to_owned()))
}

fn rows(method: &str, parameters: Value) -> Value {
    call(method, parameters).unwrap()["rows"].clone()
}

fn weather() -> Value {
    json!([
        { "date": "2012/01/01", "precipitation": 0.0, "temp_max": 12.8, "weather": "drizzle" },
        { "date": "2012/01/02", "precipitation": 10.9, "temp_max": 10.6, "weather": "rain" },
        { "date": "2012/02/03", "precipitation": 0.8, "temp_max": 11.7, "weather": "rain" },
        { "date": "2012/02/04", "precipitation": null, "temp_max": 12.2, "weather": "sun" }
    ])
}

#[test]
fn select_keeps_the_asked_order_and_renames() {
    let p = json!({ "rows": weather(), "columns": ["temp_max", "date"], "rename": { "temp_max": "t" } });
    assert_eq!(rows("select", p)[0].to_string(), r#"{"t":12.8,"date":"2012/01/01"}"#);
}

#[test]
fn an_unknown_column_is_an_error_that_names_the_known_ones() {
    let (kind, message) = call("select", json!({ "rows": weather(), "columns": ["tmp"] })).unwrap_err();
    assert_eq!(kind, "table.unknown_column");
    assert!(message.contains("`tmp`") && message.contains("`temp_max`"), "{message}");
}

#[test]
fn filter_compares_by_every_operator() {
    let cases = [
        ("precipitation", ">", json!(0), vec![1, 2]),
        ("precipitation", "<=", json!(0.8), vec![0, 2]),
        ("precipitation", "is_null", Value::Null, vec![3]),
        ("precipitation", "not_null", Value::Null, vec![0, 1, 2]),
        ("weather", "==", json!("rain"), vec![1, 2]),
        ("weather", "!=", json!("rain"), vec![0, 3]),
        ("weather", "in", json!(["sun", "drizzle"]), vec![0, 3]),
        ("weather", "contains", json!("i"), vec![0, 1, 2]),
        ("date", "starts_with", json!("2012/02"), vec![2, 3]),
        ("date", ">=", json!("2012/02/04"), vec![3]),
        ("temp_max", "<", json!("text"), vec![]),
    ];
    for (column, op, value, expected) in cases {
        let p = json!({ "rows": weather(), "where": [{ "column": column, "op": op, "value": value }] });
        let expected: Vec<_> = expected.into_iter().map(|ix: usize| weather()[ix].clone()).collect();
        assert_eq!(rows("filter", p), json!(expected), "{column} {op} {value}");
    }
}

#[test]
fn filter_takes_any_or_all_conditions() {
    let conditions = json!([{ "column": "weather", "op": "==", "value": "sun" }, { "column": "temp_max", "op": ">", "value": 12.5 }]);
    let count = |quorum: &str| {
        let p = json!({ "rows": weather(), "where": conditions, "match": quorum });
        rows("filter", p).as_array().unwrap().len()
    };
    assert_eq!((count("any"), count("all")), (2, 0));
}

#[test]
fn sort_is_stable_and_puts_null_last_both_ways() {
    let order = |desc: bool| {
        let p = json!({ "rows": weather(), "by": [{ "column": "precipitation", "desc": desc }] });
        let sorted = rows("sort", p);
        sorted.as_array().unwrap().iter().map(|row| row["precipitation"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(order(false), [json!(0.0), json!(0.8), json!(10.9), Value::Null]);
    assert_eq!(order(true), [json!(10.9), json!(0.8), json!(0.0), Value::Null]);
    let p = json!({ "rows": [{ "a": 1, "n": 1 }, { "a": 1, "n": 2 }], "by": [{ "column": "a" }] });
    assert_eq!(rows("sort", p)[0]["n"], 1);
}

#[test]
fn group_computes_every_figure_in_order_of_first_appearance() {
    let measures: Vec<_> = ["count", "sum", "mean", "min", "max", "median", "stddev", "first", "last"]
        .iter()
        .map(|op| json!({ "op": op, "column": "v", "as": op }))
        .collect();
    let data =
        json!([{ "k": "b", "v": 1 }, { "k": "a", "v": 5 }, { "k": "b", "v": 4 }, { "k": "b", "v": null }]);
    let p = json!({ "rows": data, "by": ["k"], "aggregates": measures });
    let groups = rows("group", p);
    let expected = json!({ "k": "b", "count": 2, "sum": 5, "mean": 2.5, "min": 1, "max": 4, "median": 2.5,
        "stddev": 2.121_320_343_559_642_4, "first": 1, "last": 4 });
    assert_eq!(groups[0], expected);
    assert_eq!((&groups[1]["k"], &groups[1]["stddev"]), (&json!("a"), &Value::Null));
}

#[test]
fn a_count_without_a_column_counts_rows_and_other_figures_need_one() {
    let p = json!({ "rows": weather(), "aggregates": [{ "op": "count" }, { "op": "mean", "column": "temp_max", "digits": 1 }] });
    assert_eq!(call("aggregate", p).unwrap()["values"], json!({ "count": 4, "mean_temp_max": 11.8 }));
    let p = json!({ "rows": weather(), "aggregates": [{ "op": "mean" }] });
    assert_eq!(call("aggregate", p).unwrap_err().0, "validation");
}

#[test]
fn text_where_a_number_is_needed_names_row_and_column() {
    let p = json!({ "rows": weather(), "aggregates": [{ "op": "sum", "column": "weather" }] });
    let (kind, message) = call("aggregate", p).unwrap_err();
    assert_eq!(kind, "table.not_a_number");
    assert!(message.contains("`weather` of row 0"), "{message}");
}

#[test]
fn join_pairs_rows_and_keeps_those_alone_as_asked() {
    let (left, right) =
        (json!([{ "m": 1, "t": 4 }, { "m": 2, "t": 5 }]), json!([{ "m": 2.0, "t": 9 }, { "m": 3, "t": 7 }]));
    let join = |how: &str| {
        rows("join", json!({ "left": left, "right": right, "on": ["m"], "how": how, "suffix": "_sf" }))
    };
    let pair = json!({ "m": 2, "t": 5, "t_sf": 9 });
    assert_eq!(join("inner"), json!([pair]));
    assert_eq!(join("left"), json!([{ "m": 1, "t": 4 }, pair]));
    assert_eq!(join("right"), json!([pair, { "m": 3, "t_sf": 7 }]));
    assert_eq!(join("outer"), json!([{ "m": 1, "t": 4 }, pair, { "m": 3, "t_sf": 7 }]));
}

#[test]
fn scale_turns_fahrenheit_into_celsius() {
    let p = json!({ "rows": [{ "f": 212 }, { "f": null }], "column": "f", "as": "c",
        "factor": 5.0 / 9.0, "offset": -160.0 / 9.0, "digits": 2 });
    assert_eq!(rows("scale", p), json!([{ "f": 212, "c": 100 }, { "f": null, "c": null }]));
}

#[test]
fn normalize_maps_to_zero_and_one_or_to_deviations() {
    let data = json!([{ "v": 2 }, { "v": 4 }, { "v": 6 }]);
    let column =
        |method: &str| rows("normalize", json!({ "rows": data, "columns": ["v"], "method": method }));
    assert_eq!(column("minmax"), json!([{ "v": 0 }, { "v": 0.5 }, { "v": 1 }]));
    assert_eq!(column("zscore"), json!([{ "v": -1 }, { "v": 0 }, { "v": 1 }]));
}

#[test]
fn derive_reads_all_forms_of_dates_in_the_data() {
    let forms = ["2012/03/04", "2010/03/04 05:00", "2010/03/04 05:00:00", "2010-03-04T05:06:07Z"];
    let data: Vec<_> = forms.iter().map(|form| json!({ "d": form })).collect();
    let part = |op: &str| {
        let derived = rows("derive", json!({ "rows": data, "column": "d", "as": "p", "op": op }));
        derived.as_array().unwrap().iter().map(|row| row["p"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(part("month"), [3, 3, 3, 3]);
    assert_eq!(part("hour"), [0, 5, 5, 5]);
    assert_eq!(part("year_month"), ["2012-03", "2010-03", "2010-03", "2010-03"]);
    assert_eq!(part("weekday"), [7, 4, 4, 4]);
    let bad = json!({ "rows": [{ "d": "soon" }], "column": "d", "as": "p", "op": "day" });
    assert_eq!(call("derive", bad).unwrap_err().0, "table.not_a_date");
}

#[test]
fn validate_sets_bad_rows_aside_with_what_is_wrong() {
    let p = json!({ "rows": weather(), "rules": {
        "precipitation": { "type": "number", "required": true, "max": 10 },
        "weather": { "one_of": ["rain", "sun", "drizzle"], "pattern": "^[a-z]+$", "unique": true } } });
    let checked = call("validate", p).unwrap();
    assert_eq!((&checked["valid_count"], &checked["bad_count"]), (&json!(1), &json!(3)));
    let problems: Vec<_> =
        checked["bad"].as_array().unwrap().iter().map(|bad| bad["problems"].to_string()).collect();
    assert!(problems[0].contains("more than 10"), "{problems:?}");
    assert!(problems[1].contains("once more"), "{problems:?}");
    assert!(problems[2].contains("`precipitation` is missing"), "{problems:?}");
    let strict =
        json!({ "rows": weather(), "rules": { "precipitation": { "required": true } }, "max_bad": 0 });
    assert_eq!(call("validate", strict).unwrap_err().0, "table.too_many_bad_rows");
}

#[test]
fn describe_tells_counts_and_places() {
    let described = call("describe", json!({ "rows": weather() })).unwrap();
    let column = &described["columns"]["precipitation"];
    assert_eq!(
        (&column["count"], &column["null_count"], &column["max"]),
        (&json!(3), &json!(1), &json!(10.9))
    );
    assert_eq!(described["columns"]["weather"]["distinct"], 3);
}

#[test]
fn chart_writes_an_svg_with_title_legend_and_escaped_labels() {
    let dir = tempfile::tempdir().unwrap();
    for kind in ["line", "bar"] {
        let path = dir.path().join("sub").join(format!("{kind}.svg"));
        let p = json!({ "rows": [{ "m": "<Jan>", "v": 3.5 }, { "m": "Feb", "v": null }, { "m": "Mar", "v": 9 }], "x": "m",
            "series": [{ "column": "v", "label": "mean & more" }], "title": "Two cities", "kind": kind, "path": path, "create_dirs": true });
        let drawn = call("chart", p).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        assert_eq!(drawn["bytes"], svg.len());
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        for text in ["Two cities", "mean &amp; more", "&lt;Jan&gt;"] {
            assert!(svg.contains(text), "{kind}: no {text} in {svg}");
        }
    }
}

#[test]
fn a_value_that_no_axis_can_show_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let rows = json!([{ "x": 1, "y": 1e308 }, { "x": 2, "y": -1e308 }]);
    let p =
        json!({ "rows": rows, "x": "x", "series": [{ "column": "y" }], "path": dir.path().join("a.svg") });
    assert_eq!(call("chart", p).unwrap_err().0, "table.too_large");
}

#[test]
fn concat_puts_tables_one_behind_the_other() {
    assert_eq!(
        rows("concat", json!({ "tables": [[{ "a": 1 }], [], [{ "a": 2 }]] })),
        json!([{ "a": 1 }, { "a": 2 }])
    );
}
