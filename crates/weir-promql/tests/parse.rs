//! What is a query, what is none and why, and the way back to text.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use proptest::prelude::*;
use weir_promql::ast::{DEPTH_MAX, Expr};
use weir_promql::{
    NESTING_MAX, Options, SequenceValue, TEXT_BYTES_MAX, parse, parse_labels, parse_selector,
    parse_series_description, pretty, print,
};

/// A query of a table and what is noted under it.
struct Case {
    query: String,
    normal: Option<String>,
    refused: Option<String>,
    refused_when_stable: Option<String>,
}

fn cases(table: &str) -> Vec<Case> {
    let (_head, table) = table.split_once("\n\n").unwrap();
    let mut cases: Vec<Case> = Vec::new();
    for line in table.lines() {
        let line = line.replace('⏎', "\n");
        let notes = [("    = ", 0), ("    ! ", 1), ("    - ", 2)];
        match notes.iter().find_map(|(mark, note)| Some((line.strip_prefix(mark)?, note))) {
            Some((text, note)) => {
                let case = cases.last_mut().unwrap();
                let note = [&mut case.normal, &mut case.refused, &mut case.refused_when_stable][*note]
                    .insert(text.to_owned());
                assert!(!note.is_empty());
            }
            None => cases.push(Case { query: line, normal: None, refused: None, refused_when_stable: None }),
        }
    }
    cases
}

/// The normal form, or what is wrong and where.
fn outcome(query: &str, options: Options) -> Result<String, String> {
    match parse(query, &options) {
        Ok(expr) => Ok(print(&expr)),
        Err(error) => Err(error.to_string().replacen(": parse error:", "", 1)),
    }
}

fn check_table(table: &str) {
    for case in cases(table) {
        let query = &case.query;
        let expected = match case.refused {
            Some(why) => Err(why),
            None => Ok(case.normal.unwrap_or_else(|| query.clone())),
        };
        assert_eq!(outcome(query, Options::ALL), expected, "{query}");
        let stable = case.refused_when_stable.map_or(expected, Err);
        assert_eq!(outcome(query, Options::default()), stable, "{query} without what is experimental");
    }
}

#[test]
fn what_prometheus_accepts() {
    check_table(include_str!("parse/accepted.txt"));
}

#[test]
fn what_prometheus_refuses() {
    check_table(include_str!("parse/refused.txt"));
    let error = parse("", &Options::ALL).unwrap_err();
    assert_eq!(error.to_string(), "unknown position: parse error: no expression found in input");
}

#[test]
fn what_only_we_refuse() {
    let check = |query: &str, why: &str| {
        assert_eq!(outcome(query, Options::ALL), Err(why.to_owned()), "{query}");
    };
    check(r#"up{a="\xff"}"#, r#"1:6 names and values of labels are UTF-8, "\xff" is not"#);
    check(r#"{"\xff"}"#, r#"1:2 names and values of labels are UTF-8, "\xff" is not"#);
    // A text is no label, so it may be anything.
    assert_eq!(
        outcome(r#"count_values("a\xc5z", up)"#, Options::ALL),
        Ok(r#"count_values("a\xc5z", up)"#.into())
    );
}

#[test]
fn what_is_too_long_or_too_deep_is_refused() {
    let repeated = |(open, inner, close): (&str, &str, &str), times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let too_deep = |query: String, why: &str| {
        let error = parse(&query, &Options::ALL).unwrap_err();
        assert!(error.message.contains(why), "{error}");
    };
    let nested = "nested more than 100 deep";
    for parts in [("(", "1", ")"), ("-", "up", ""), ("1^", "1", ""), ("abs(", "up", ")"), ("sum(", "up", ")")]
    {
        let fits = repeated(parts, NESTING_MAX - 1);
        let expr = parse(&fits, &Options::ALL).unwrap();
        let _ = (pretty(&expr), expr.clone());
        too_deep(repeated(parts, NESTING_MAX), nested);
        too_deep(repeated(parts, 100_000), nested);
    }
    let chained = "more than 256 operators in a chain";
    for parts in [("", "1", "+1"), ("", "up", " or up")] {
        let fits = repeated(parts, DEPTH_MAX - 1);
        let expr = parse(&fits, &Options::ALL).unwrap();
        let _ = (pretty(&expr), expr.clone());
        too_deep(repeated(parts, DEPTH_MAX), chained);
        too_deep(repeated(parts, 100_000), chained);
    }
    too_deep(repeated(("", "up", "[1m:]"), 100_000), chained);
    for (parts, why) in [
        (("(", "1", ")"), nested),
        (("-", "step()", ""), nested),
        (("", "1", "+1"), chained),
        (("1^", "1", ""), nested),
    ] {
        let duration = repeated(parts, 100_000);
        too_deep(format!("up[{duration}]"), why);
        too_deep(format!("up offset ({duration})"), why);
    }
    let long = format!("up #{}", "x".repeat(TEXT_BYTES_MAX));
    let error = parse(&long, &Options::ALL).unwrap_err();
    assert!(error.message.contains("1048580 bytes, more than 1048576"), "{error}");
}

#[test]
fn calculated_offsets_do_not_take_in_what_follows() {
    let check = |query: &str, expected: &str| {
        assert_eq!(outcome(query, Options::ALL), Ok(expected.to_owned()), "{query}");
        assert_eq!(outcome(expected, Options::ALL), Ok(expected.to_owned()), "{query}");
    };
    check("up offset (5m) @ 1 + up", "up offset (5m) @ 1.000 + up");
    check("up[5m] @ 1 offset (5m)", "up[5m] offset (5m) @ 1.000");
    check("up offset - +2^2", "up offset (-2 ^ 2)");
    check("up offset - -5m + 3m", "up offset (5m + 3m)");
    check("up offset (5m) + 3m", "up offset (5m) + 3m");
    check("up offset 5m + 3", "up offset 5m + 3");
    check("up offset - -step()", "up offset (--step())");
}

#[test]
fn long_queries_are_split() {
    let check = |query: &str, expected: &str| {
        let expr = parse(query, &Options::ALL).unwrap();
        assert_eq!(pretty(&expr), expected, "{query}");
        let again = parse(expected, &Options::ALL).unwrap();
        assert_eq!(print(&again), print(&expr));
    };
    check("sum by(a) (up)", "sum by (a) (up)");
    check(
        r#"histogram_quantile(0.99, sum by (le, route) (rate(http_request_duration_seconds_bucket{job="api", code!~"5.."}[5m])))"#,
        r#"histogram_quantile(
  0.99,
  sum by (le, route) (rate(http_request_duration_seconds_bucket{code!~"5..",job="api"}[5m]))
)"#,
    );
    check(
        r#"-(sum(rate(http_requests_total{code=~"5..", job="api"}[5m] offset 1d)) / on (job) group_left (team) count(up{job="api"} @ end()) > bool 0.01)"#,
        r#"-(
      sum(rate(http_requests_total{code=~"5..",job="api"}[5m] offset 1d))
    / on (job) group_left (team)
      count(up{job="api"} @ end())
  > bool
    0.01
)"#,
    );
    check(
        r#"max_over_time(topk(3, sum by (instance) (rate(node_network_receive_bytes_total{device="eth0"}[2m])))[1h:30s] offset 5m)"#,
        r#"max_over_time(
  topk(3, sum by (instance) (rate(node_network_receive_bytes_total{device="eth0"}[2m])))[1h:30s] offset 5m
)"#,
    );
}

#[test]
fn selectors_and_labels() {
    let matchers = parse_selector(r#"up{job=~"a|b", "c.d"!="e"}"#).unwrap();
    let matchers: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    assert_eq!(matchers, [r#"job=~"a|b""#, r#"c.d!="e""#, r#"__name__="up""#]);
    for text in ["", "up[5m]", "up offset 5m", "up or up", "1", "sum(up)"] {
        assert!(parse_selector(text).is_err(), "{text}");
    }
    assert_eq!(parse_labels(r#"up{job="a", "c.d"='e',}"#).unwrap().to_string(), r#"up{"c.d"="e", job="a"}"#);
    assert_eq!(parse_labels(r#"{"my.metric"}"#).unwrap().name(), Some("my.metric"));
    for text in [r#"{a="1", a="2"}"#, "{a}", "{a=1}", "{a=\"1\"", "{a!=\"1\"}", "up 1"] {
        assert!(parse_labels(text).is_err(), "{text}");
    }
}

/// Values as text: what they hold, each behind a space.
fn values(text: &str) -> Result<String, String> {
    let (labels, values) = parse_series_description(text).map_err(|error| error.to_string())?;
    let show = |value: SequenceValue| match value.histogram {
        _ if value.omitted => "_".to_owned(),
        Some(histogram) => format!("{histogram}{}", if value.reset_hint_set { "!" } else { "" }),
        None if weir_signal::is_stale(value.value) => "stale".to_owned(),
        None => value.value.to_string(),
    };
    let shown: Vec<String> =
        std::iter::once(labels.to_string()).chain(values.into_iter().map(show)).collect();
    Ok(shown.join(" "))
}

#[test]
fn values_of_series() {
    let check = |text: &str, expected: &str| assert_eq!(values(text), Ok(expected.to_owned()), "{text}");
    check("{}", "{}");
    check("up  ", "up");
    check(r#"up{a="b"} 1 2.5 -3 +4 1e3 Inf NaN stale _"#, r#"up{a="b"} 1 2.5 -3 4 1000 inf NaN stale _"#);
    check("up 1+2x3", "up 1 3 5 7");
    check("up 1-0.5x2 _x3 5x0", "up 1 0.5 0 _ _ _ 5");
    check("up 0x2", "up 0 0 0");
    check("sum{le=\"+Inf\"} stale -1", "sum{le=\"+Inf\"} stale -1");
    check("up {{}} {{ }}", "up {count:0, sum:0} {count:0, sum:0}");
    check(
        "up {{schema:1 sum:-0.3 count:3.1 z_bucket:7.1 z_bucket_w:0.05 buckets:[5.1 10 7] offset:-3 n_buckets:[4.1 5] n_offset:-5}}",
        "up {count:3.1, sum:-0.3, [-0.25,-0.17677669529663687):5, [-0.17677669529663687,-0.125):4.1, [-0.05,0.05]:7.1, (0.25,0.35355339059327373]:5.1, (0.35355339059327373,0.5]:10, (0.5,0.7071067811865475]:7}",
    );
    check(
        "up {{schema:0 count:1 sum:2 buckets:[1]}}+{{schema:0 count:1 sum:2 buckets:[1] counter_reset_hint:gauge}}x2",
        "up {count:1, sum:2, (0.5,1]:1}! {count:2, sum:4, (0.5,1]:2}! {count:3, sum:6, (0.5,1]:3}!",
    );
    check(
        "up {{schema:-53 count:1 custom_values:[1 2] buckets:[1]}}x1",
        "up {count:1, sum:0, [-Inf,1]:1} {count:1, sum:0, [-Inf,1]:1}",
    );
}

#[test]
fn what_are_no_values_of_series_is_refused() {
    let check = |text: &str, why: &str| {
        assert_eq!(
            values(text).map_err(|error| error.replacen(": parse error:", "", 1)),
            Err(why.to_owned())
        );
    };
    check("up 1 stal", r#"1:6 unexpected identifier "stal" in series values, expected number or "stale""#);
    check("up{}1", r#"1:5 unexpected number "1" in series values"#);
    check("up 1x", "1:6 unexpected end of input in series values");
    check("up {{schema:0 schema:1}}", "1:15 duplicate key \"schema\" in histogram");
    check("up {{sum:1 nope:1}}", r#"1:12 bad histogram descriptor found: "nope""#);
    check("up {{sum:1", "1:11 histogram description incomplete unexpected: '\u{fffd}'");
    check(
        "up {{schema:1}}+{{schema:0}}x2",
        "1:31 error combining histograms: cannot merge from schema 0 to 1",
    );
    check("up 1x99999999", "1:6 a series has more than 1048576 values");
    check(
        "up 1x99999999999999999999",
        r#"1:6 invalid repetition in series values: strconv.ParseUint: parsing "99999999999999999999": value out of range"#,
    );
}

/// The tree without places, matchers in a fixed order: what must come back from its text.
fn shape(mut expr: Expr) -> String {
    fn sort(expr: &mut Expr) {
        match expr {
            Expr::Vector(selector) => selector.matchers.sort_by_key(ToString::to_string),
            Expr::Matrix(matrix) => matrix.selector.matchers.sort_by_key(ToString::to_string),
            _ => {}
        }
        expr.children_mut().for_each(sort);
    }
    sort(&mut expr);
    let shown = format!("{expr:?}");
    let is_place = |c: char| c.is_ascii_digit() || c == '.';
    shown.split('@').map(|part| part.trim_start_matches(is_place)).collect()
}

/// Queries with right types and calculated durations.
fn queries() -> BoxedStrategy<String> {
    let duration = prop_oneof![
        Just("5m".to_owned()),
        Just("1h30m".to_owned()),
        (1..100_000_u32).prop_map(|ms| format!("{ms}ms")),
        (1..1000_u32).prop_map(|s| s.to_string()),
        Just("step()".to_owned()),
        Just("range() * 2".to_owned()),
        Just("(1m + step()) ^ 2 / 3".to_owned()),
        Just("-(-5m)".to_owned()),
        Just("min_of(step(), max_of(1m, 2m % 7))".to_owned()),
    ]
    .boxed();
    let matcher = prop_oneof![
        r#"[a-z_]{1,3}(=|!=|=~|!~)"[a-zé.|]{1,3}""#.prop_map(|text| text),
        Just(r#""a.b"='c\n\'"'"#.to_owned()),
    ]
    .boxed();
    let name = prop_oneof![
        Just("up"),
        Just("a:b"),
        Just("sum"),
        Just("offset"),
        Just("by"),
        Just("step"),
        Just("fill"),
        Just("and"),
    ]
    .boxed();
    let matchers =
        prop::collection::vec(matcher, 1..3).prop_map(|all| format!("{{{}}}", all.join(","))).boxed();
    let series = (name, prop::option::of(matchers))
        .prop_map(|(name, matchers)| format!("{name}{}", matchers.unwrap_or_default()))
        .boxed();
    let at = prop_oneof![
        Just(String::new()),
        Just(" @ 1609746000.125".to_owned()),
        Just(" @ start()".to_owned()),
        Just(" @ -1".to_owned()),
    ]
    .boxed();
    let offset = prop_oneof![
        Just(String::new()),
        Just(" offset 5m".to_owned()),
        Just(" offset -90s".to_owned()),
        duration.clone().prop_map(|duration| format!(" offset ({duration})")),
    ]
    .boxed();
    let modifiers = (at, offset, prop::bool::ANY)
        .prop_map(|(at, offset, swap)| if swap { format!("{offset}{at}") } else { format!("{at}{offset}") })
        .boxed();
    let instant = (series.clone(), modifiers.clone()).prop_map(|(series, rest)| series + &rest).boxed();
    let range = (
        series,
        duration.clone(),
        prop_oneof![Just(""), Just(" anchored"), Just(" smoothed")],
        modifiers.clone(),
    )
        .prop_map(|(series, duration, extension, rest)| format!("{series}[{duration}]{extension}{rest}"))
        .boxed();
    let scalar = prop_oneof![
        Just("1".to_owned()),
        Just("-0x1f".to_owned()),
        Just("+Inf".to_owned()),
        Just("5m".to_owned()),
        Just("1e-7".to_owned()),
        Just("time()".to_owned()),
    ]
    .boxed();
    let leaf = prop_oneof![
        3 => instant,
        2 => range.prop_map(|range| format!("increase({range})")),
        1 => scalar.clone().prop_map(|scalar| format!("vector({scalar})")),
    ]
    .boxed();
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let op = prop_oneof![
            Just("+"),
            Just("- on (a, \"b.c\") group_left (d)"),
            Just("* ignoring ()"),
            Just("/ on ()"),
            Just("^"),
            Just("== bool"),
            Just("atan2"),
            Just("</"),
            Just("% on (a) fill (1)"),
            Just("> fill_left (-2) fill_right (NaN)"),
            Just("and on (a)"),
            Just("or"),
            Just("unless ignoring (a)"),
        ];
        let aggregation = prop_oneof![
            Just("sum("),
            Just("avg by (a, without, \"b.c\") ("),
            Just("count without () ("),
            Just("topk(3, "),
            Just("count_values(\"v\\xff\", "),
            Just("quantile by (on) (0.9, "),
        ]
        .prop_map(|text| text.replace("without, ", "offset, "));
        let call = prop_oneof![
            Just("abs("),
            Just("histogram_quantile(0.9, "),
            Just("clamp(2m, scalar(up), "),
            Just("-"),
            Just("("),
        ];
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            (scalar.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} * {b}")),
            (aggregation, inner.clone()).prop_map(|(aggregation, a)| format!("{aggregation}{a})")),
            (call, inner.clone()).prop_map(|(call, a)| match call {
                "-" => format!("-{a}"),
                "clamp(2m, scalar(up), " => format!("clamp({a}, 2m, scalar(up))"),
                call => format!("{call}{a})"),
            }),
            (inner, duration.clone(), prop::option::of(duration.clone()), modifiers.clone()).prop_map(
                |(a, range, step, rest)| {
                    format!("max_over_time(({a})[{range}:{}]{rest})", step.unwrap_or_default())
                }
            ),
        ]
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_the_same_query(query in queries()) {
        let expr = parse(&query, &Options::ALL);
        prop_assume!(expr.is_ok());
        let expr = expr.unwrap();
        let (line, lines) = (print(&expr), pretty(&expr));
        let expected = shape(expr);
        for text in [&line, &lines] {
            let again = parse(text, &Options::ALL).map_err(|error| TestCaseError::fail(format!("{error} in {text}")))?;
            prop_assert_eq!(&print(&again), &line);
            prop_assert_eq!(shape(again), expected.clone(), "{}", text);
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,60}", query in queries(), at in 0..200_usize, words in prop::collection::vec(word(), 0..12)) {
        let cut = query.char_indices().nth(at).map_or(query.len(), |(at, _)| at);
        for text in [text.clone(), words.concat(), format!("{}{text}{}", &query[..cut], &query[cut..])] {
            for options in [Options::ALL, Options::default()] {
                if let Ok(expr) = parse(&text, &options) {
                    let _ = (print(&expr), pretty(&expr));
                }
            }
            let _ = (parse_selector(&text), parse_labels(&text), parse_series_description(&text));
        }
    }
}

/// Words that a query is made of.
fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "up",
        "sum",
        "by",
        "on",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "5m",
        "1",
        "x",
        "_",
        "-",
        "+",
        "^",
        "@",
        "offset",
        "start",
        "step",
        "max_of",
        "()",
        "\"a\"",
        "'",
        "`",
        "\\",
        "=~",
        "=",
        "!",
        "bool",
        "fill",
        "group_left",
        "{{",
        "}}",
        "schema:0",
        "buckets:[1 2]",
        " ",
        "\n",
        "#",
        "Inf",
        "0x",
        ".",
        "e",
        "é",
        "rate",
    ])
}
