//! Paths, logic, access, loops, optionals.

use super::{Expression, World, assert_failures, assert_values};

const INPUT: &str = r#"{"a":5,"big":18446744073709551615,"d":2.5,"t":"x\"ä","yes":true,"no":null,
    "list":[1,2.0,"three",null,{"k":"v"}],"map":{"one":1,"two":2},"nested":{"deep":{"er":[[7]]}},"odd key":1}"#;

#[test]
fn paths_lead_into_values() {
    assert_values(
        INPUT,
        &[
            ("input.a", "5"),
            ("input['a']", "5"),
            ("input.nested.deep.er[0][0]", "7"),
            ("input['odd key']", "1"),
            ("input.t", r#""x\"ä""#),
            ("input.list[2]", r#""three""#),
            ("input.list[input.list.size() - 1].k", r#""v""#),
            ("input.no", "null"),
            ("input.map", r#"{"one":1,"two":2}"#),
            ("steps.load.output", r#"{"rows":[1,2,3]}"#),
            ("steps['load'].output.rows[1]", "2"),
            ("steps.broken.output", "null"),
            ("text", r#""some""#),
            ("number", "7"),
            ("flag", "true"),
            ("nothing", "null"),
            ("[text, input.no, steps.load.output]", r#"["some",null,{"rows":[1,2,3]}]"#),
        ],
    );
}

#[test]
fn a_path_that_leads_nowhere_says_what_is_there() {
    assert_failures(
        INPUT,
        &[
            ("input.nested.dep", "`input.nested` has no key `dep`"),
            ("input.nested.dep == 1", "`input.nested` has no key `dep`"),
            ("input.list[9]", "`input.list` has 5 elements and no index `9`"),
            ("input.list.k", "`input.list` is a list, so it has no key `k`"),
            ("input.no.x", "`input.no` is null, so it has no key `x`"),
            ("steps.broken.output.rows[0]", "`steps.broken.output` is null, so it has no key `rows`"),
            ("text.length", "`text` is string `some`, so it has no key `length`"),
            ("input.map[1]", "`input.map` has no int `1`"),
            ("input.list.map(x, x.k)", "the value is int `1`, so it has no key `k`"),
        ],
    );
    let error = World::new(INPUT).fail("input.nested.dep > 1");
    assert_eq!(error.hint_text(), "Did you mean `deep`?");
    assert_eq!(error.expression(), "input.nested.dep > 1");
    assert_eq!(
        error.to_string(),
        "`input.nested` has no key `dep`, in `input.nested.dep > 1`. Did you mean `deep`?"
    );
    assert_eq!(World::new(INPUT).fail("input.map.zzzzz").hint_text(), "It has `one`, `two`.");
}

#[test]
fn logic_takes_shortcuts_and_hides_errors_that_do_not_matter() {
    assert_values(
        INPUT,
        &[
            ("input.yes || input.missing", "true"),
            ("input.missing || input.yes", "true"),
            ("false && input.missing", "false"),
            ("input.missing == 1 && false", "false"),
            ("!input.yes || input.a > 3 && input.d < 3", "true"),
            ("input.yes ? 'y' : input.missing", r#""y""#),
            ("input.a > 9 ? input.missing : 'n'", r#""n""#),
            ("[1, 0].exists(x, 1 / x == 1)", "true"),
            ("[0, 1].exists(x, 1 / x == 1)", "true"),
            ("[0, 2].all(x, 1 / x == 1)", "false"),
        ],
    );
    assert_failures(
        INPUT,
        &[
            ("input.missing == 1 || false", "`input` has no key `missing`"),
            ("true && input.a", "expected a bool, got int `5`"),
            ("[0, 2].exists(x, 1 / x == 1)", "division by zero"),
            ("input.a ? 1 : 2", "expected a bool, got int `5`"),
            ("!input.t", "expected a bool, got string `x\"ä`"),
        ],
    );
}

#[test]
fn a_condition_that_is_no_bool_names_the_type() {
    let mut world = World::new(INPUT);
    let condition = Expression::compile("input.map", &mut world).unwrap();
    let error = condition.evaluate_bool(&world).unwrap_err();
    assert_eq!(error.message(), "expected a bool, got a map");
    assert!(Expression::compile("input.yes", &mut world).unwrap().evaluate_bool(&world).unwrap());
}

#[test]
fn membership_and_presence_are_tested() {
    assert_values(
        INPUT,
        &[
            ("2 in input.list", "true"),
            ("2.0 in [1, 2]", "true"),
            ("input.a in [1, [5], 'x', 5.0] && !(input.a in [[5], '5', true])", "true"),
            ("[[1, 2u], [3.0, 'x']]", "[[1,2],[3.0,\"x\"]]"),
            ("'four' in input.list", "false"),
            ("'one' in input.map", "true"),
            ("'three' in input.map", "false"),
            ("has(input.a)", "true"),
            ("has(input.no)", "true"),
            ("has(input.zz)", "false"),
            ("has(input.no.x)", "false"),
            ("has(steps.broken.output.rows)", "false"),
            ("has({'k': 1}.k)", "true"),
            ("input.?a.orValue(1)", "5"),
            ("input.?zz.orValue(1)", "1"),
            ("input.?zz.deeper.still.orValue('none')", r#""none""#),
            ("input.no.?x.hasValue()", "false"),
            ("input.list[?0].value()", "1"),
            ("input.list[?99].hasValue()", "false"),
            ("input.map[?'two'].or(optional.of(9)).value()", "2"),
            ("optional.none().or(optional.of(9)).value()", "9"),
            ("optional.of(3).optMap(x, x + 1).value()", "4"),
            ("optional.none().optMap(x, x + 1).hasValue()", "false"),
            ("optional.ofNonZeroValue('').hasValue()", "false"),
            ("[1, ?input.?zz, ?input.?a]", "[1,5]"),
            ("{?'x': input.?zz, ?'y': input.?a}", r#"{"y":5}"#),
        ],
    );
    assert_failures(
        INPUT,
        &[
            ("input.?a", "an optional has no JSON form"),
            ("input.?zz.value()", "the optional is empty"),
            ("1 in 'x'", "`in` looks into lists and maps, not into string `x`"),
        ],
    );
}

#[test]
fn values_are_equal_by_content() {
    assert_values(
        INPUT,
        &[
            ("input.list == [1, 2, 'three', null, {'k': 'v'}]", "true"),
            ("input.map == {'two': 2.0, 'one': 1}", "true"),
            ("input.map != {'two': 2}", "true"),
            ("steps.load.output == steps.load.output", "true"),
            ("[1, [2]] == [1, [3]]", "false"),
            ("'1' == 1", "false"),
            ("null == input.no", "true"),
            ("null == false", "false"),
            ("'a' < 'b' && 'b' >= 'ab' && false < true", "true"),
        ],
    );
    assert_failures(
        INPUT,
        &[
            ("input.t < 1", "cannot order string `x\"ä` and int `1`"),
            ("input.no > 1", "cannot order null and int `1`"),
            ("[1] < [2]", "cannot order a list and a list"),
        ],
    );
}

#[test]
fn loops_run_over_lists_and_maps() {
    assert_values(
        INPUT,
        &[
            ("[1, 2, 3].map(x, x * x)", "[1,4,9]"),
            ("[1, 2, 3].map(x, x > 1, x * 10)", "[20,30]"),
            ("[1, 2, 3].filter(x, x % 2 == 1)", "[1,3]"),
            ("input.map.map(k, k)", r#"["one","two"]"#),
            ("input.map.filter(k, input.map[k] > 1)", r#"["two"]"#),
            ("input.map.all(k, v, v > 0 && size(k) == 3)", "true"),
            ("[1, 2].exists_one(x, x > 1)", "true"),
            ("[1, 2].existsOne(x, x > 0)", "false"),
            ("['a', 'b'].transformList(i, v, v + string(i))", r#"["a0","b1"]"#),
            ("input.map.transformMap(k, v, v > 1, v * 2)", r#"{"two":4}"#),
            ("input.map.transformMapEntry(k, v, {k + '!': v})", r#"{"one!":1,"two!":2}"#),
            ("[[1, 2], [3]].map(x, x.map(y, y + x.size()))", "[[3,4],[4]]"),
            ("[1, 2].map(input, input + 1)", "[2,3]"),
            ("cel.bind(x, input.a * 2, x * x)", "100"),
            ("[{'n': 3}, {'n': 1}].sortBy(r, r.n).map(r, r.n)", "[1,3]"),
            ("[].all(x, false)", "true"),
        ],
    );
    assert_failures(
        INPUT,
        &[
            ("input.a.map(x, x)", "expected a list or a map to loop over, got int `5`"),
            ("input.map.transformMapEntry(k, v, {'same': v})", "the key string `same` is there twice"),
            ("{'a': 1, 'a': 2}", "the key string `a` is there twice"),
            ("[1, 'a'].sortBy(x, x)", "cannot order int `1` and string `a`"),
        ],
    );
}

#[test]
fn items_are_the_elements_of_a_list() {
    let mut world = World::new(INPUT);
    let items = |world: &mut World, source| {
        let items = Expression::compile(source, world).unwrap().evaluate_items(world);
        items.map(|items| items.iter().map(|item| item.as_str().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(items(&mut world, "input.list").unwrap(), ["1", "2.0", "\"three\"", "null", r#"{"k":"v"}"#]);
    assert_eq!(items(&mut world, "[steps.load.output, 2]").unwrap(), [r#"{"rows":[1,2,3]}"#, "2"]);
    assert_eq!(items(&mut world, "input.map").unwrap_err().message(), "expected a list, got a map");
}

#[test]
fn now_uuid_and_secrets_come_from_the_environment() {
    assert_values(
        INPUT,
        &[
            ("now()", r#""2023-11-14T22:13:20Z""#),
            ("now() - duration('20s') < now()", "true"),
            ("[uuid(), uuid()].distinct().size()", "2"),
            ("uuid()", r#""a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0""#),
            ("'key ' + secret('api')", r#""key <api>""#),
        ],
    );
    assert_failures(INPUT, &[("secret('gone')", "secret `gone` is not set")]);
    for source in ["secret('api') + 1", "{'a': 1}[secret('api')]", "int('x' + secret('api'))"] {
        let error = World::new(INPUT).fail(source).to_string();
        assert!(!error.contains("<api>"), "{error}");
    }
}

#[test]
fn references_are_listed_once_in_order_and_constants_are_known() {
    let mut world = World::new(INPUT);
    let compiled =
        Expression::compile("steps.load.output.rows[0] + input.a + steps.load.output.rows[1]", &mut world)
            .unwrap();
    let indexes: Vec<_> = compiled.references().iter().map(|reference| reference.0).collect();
    assert_eq!(indexes, [1, 0]);
    assert_eq!(compiled.constant(), None);
    for (source, constant) in [
        ("1 + 1 == 2", Some("true")),
        ("[1].map(x, x)", Some("[1]")),
        ("1 / 0", None),
        ("now()", None),
        ("secret('a')", None),
        ("input.a", None),
    ] {
        let compiled = Expression::compile(source, &mut world).unwrap();
        assert_eq!(compiled.constant().as_ref().map(crate::payload::Payload::as_str), constant, "{source}");
    }
}

#[test]
fn whole_values_and_large_parts_are_shared_not_copied() {
    let long = format!(r#"{{"long":"{}"}}"#, "x".repeat(5000));
    let mut world = World::new(&long);
    for source in ["input", "flag ? input : nothing", "input.?zz.orValue(input)"] {
        let value = Expression::compile(source, &mut world).unwrap().evaluate(&world).unwrap();
        let shared = std::ptr::eq(value.as_str(), world.values[0].1.as_str());
        assert_eq!(shared, source != "input.?zz.orValue(input)", "{source}");
    }
    let part = Expression::compile("input.long", &mut world).unwrap().evaluate(&world).unwrap();
    assert!(world.values[0].1.as_bytes().as_ptr_range().contains(&part.as_bytes().as_ptr()));
}
