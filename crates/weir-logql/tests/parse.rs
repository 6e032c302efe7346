//! What is a query and what is none, and the way back from tree to text.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use weir_logql::ast::Expr;
use weir_logql::{
    NESTING_MAX, TEXT_BYTES_MAX, parse, parse_logs, parse_selector, parse_unchecked, pretty, print,
};

/// The queries of a table, each with the lines behind it.
fn table(text: &str) -> Vec<(String, Vec<&str>)> {
    let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("    ") {
            Some(outcome) => {
                if rows.is_empty() {
                    rows.push((String::new(), Vec::new()));
                }
                rows.last_mut().unwrap().1.push(outcome);
            }
            None if line.is_empty() || (line.starts_with("# ") && !line.contains('⏎')) => {}
            None => rows.push((line.replace('⏎', "\n"), Vec::new())),
        }
    }
    rows
}

#[test]
fn what_is_accepted() {
    let mut failures = Vec::new();
    for (query, expect) in table(include_str!("parse/accepted.txt")) {
        let normal = match expect.as_slice() {
            [] => query.clone(),
            [line] => line.strip_prefix("= ").unwrap().to_owned(),
            more => panic!("{query}: {more:?}"),
        };
        match parse(&query) {
            Ok(expr) if print(&expr) == normal && parse(&normal).as_ref() == Ok(&expr) => {}
            Ok(expr) => failures.push(format!("{query}\n    = {}", print(&expr))),
            Err(error) => failures.push(format!("{query}\n    ! {error}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_is_refused() {
    let mut failures = Vec::new();
    for (query, expect) in table(include_str!("parse/refused.txt")) {
        let error = match parse(&query) {
            Ok(expr) => {
                failures.push(format!("{query}\n    is {}", print(&expr)));
                continue;
            }
            Err(error) => error,
        };
        let grammar = parse_unchecked(&query).is_err();
        let found = if grammar {
            format!("! {}:{} {}", error.line, error.column, error.message)
        } else {
            format!("~ {}", error.message)
        };
        if [found.trim_end()] != expect.as_slice() {
            failures.push(format!("{query}\n    {found}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn errors_are_shown_as_loki_shows_them() {
    let check = |query: &str, expect: &str| assert_eq!(parse(query).unwrap_err().to_string(), expect);
    check("{a=\"b\"}\n | x", "parse error at line 2, col 5: syntax error: unexpected $end");
    check(
        "{}",
        "parse error : queries require at least one regexp or equality matcher that does not have an empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will",
    );
    check("{é=\"ü\"} ü", "parse error at line 1, col 9: syntax error: unexpected IDENTIFIER");
}

#[test]
fn bounds() {
    let check = |query: String, expect: &str| {
        let error = parse(&query).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    let deep = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    check(deep("(", "1", ")", NESTING_MAX + 1), "nested more than");
    check(deep("sum(", "vector(1)", ")", 5_000), "nested more than");
    check(deep("(", "{a=\"b\"}", ")", 5_000), "nested more than");
    check(format!("rate({})", deep("(", "{a=\"b\"}", ")", 5_000)), "nested more than");
    check(format!("{{a=\"b\"}} | {}", deep("(", "a=\"b\"", ")", 5_000)), "nested more than");
    check(format!("1{}", " + 1".repeat(300)), "operators in a chain");
    check(format!("1{}", " ^ 1".repeat(300)), "nested more than");
    check(format!("{{a=\"b\"}} | {}", "a=\"b\", ".repeat(300)), "nested more than");
    check(format!("{{a=\"{}\"}}", "b".repeat(TEXT_BYTES_MAX)), "input size too long");
    let long = format!("{{a=\"b\"}} | {}a=\"b\"", "a=\"b\" or ".repeat(3_000));
    assert_eq!(print(&parse(&long).unwrap()), long);
}

#[test]
fn parts_of_queries() {
    assert_eq!(parse_selector(r#"{a="b", c=~"d"}"#).unwrap().len(), 2);
    assert!(parse_selector("{}").unwrap().is_empty());
    assert!(parse_selector(r#"{a="b"} |= "c""#).is_err());
    assert_eq!(parse_logs(r#"{a="b"} |= "c""#).unwrap().stages.len(), 1);
    assert!(parse_logs("vector(1)").is_err());
}

#[test]
fn long_queries_are_broken() {
    let check = |query: &str, expect: &str| {
        let expr = parse(query).unwrap();
        assert_eq!(pretty(&expr), expect, "{query}");
        assert_eq!(parse(expect), Ok(expr));
    };
    check("sum(rate({a=\"b\"}[5m]))", "sum(rate({a=\"b\"}[5m]))");
    check(
        r#"{namespace="loki-dev", container="querier"} |= "metrics.go" != "canary" | logfmt | took>10s and status>=500 | line_format "{{.msg}}""#,
        r#"{namespace="loki-dev", container="querier"}
  |= "metrics.go"
  != "canary"
  | logfmt
  | took>10s and status>=500
  | line_format "{{.msg}}""#,
    );
    check(
        r#"topk(5, sum by (route) (rate({namespace="loki-dev", container="querier"} |= "metrics.go" | logfmt | status>=500 | unwrap duration(took) | __error__="" [5m] offset 1h))) / on (route) group_left (team) label_replace(vector(1), "a", "b", "c", "d")"#,
        r#"  topk(
    5,
    sum by (route) (
      rate(
        {namespace="loki-dev", container="querier"}
          |= "metrics.go"
          | logfmt
          | status>=500
          | unwrap duration(took)
          | __error__=""
          [5m] offset 1h
      )
    )
  )
/ on (route) group_left (team)
  label_replace(vector(1), "a", "b", "c", "d")"#,
    );
}

/// Queries that can be answered.
fn queries() -> BoxedStrategy<String> {
    let matcher = prop_oneof![
        r#"[a-z_]{1,3}(=|!=|=~|!~)"[a-zé.|]{1,3}""#.prop_map(|text| text),
        Just("été=`\\d+\"`".to_owned()),
    ];
    let selector = prop::collection::vec(matcher, 0..3)
        .prop_map(|all: Vec<String>| {
            format!("{{{}}}", [vec!["app=\"a\"".to_owned()], all].concat().join(","))
        })
        .boxed();
    let test = prop_oneof![
        Just(r#"level="error""#),
        Just(r#"msg!~"a.*""#),
        Just("took>1h30m"),
        Just("took==2ns"),
        Just("size<=1536KiB"),
        Just("size!=0B"),
        Just("n=-1.5e3"),
        Just("n<0x1p-2"),
        Just(r#"addr=ip("::1")"#),
        Just(r#"addr!=ip("10.0.0.0/8")"#),
    ]
    .prop_map(str::to_owned)
    .boxed();
    let filter = test
        .prop_recursive(3, 12, 3, |inner| {
            let word = prop_oneof![Just(" and "), Just(" or "), Just(", "), Just(" ")];
            prop_oneof![
                (inner.clone(), word, inner.clone()).prop_map(|(a, word, b)| format!("{a}{word}{b}")),
                inner.prop_map(|a| format!("({a})")),
            ]
        })
        .boxed();
    let stage = prop_oneof![
        r#"(\|=|!=) "[a-zé]{0,3}"( or "b\\n")?"#.prop_map(|text| text),
        Just(r#"|~ "a.b" or `\d`"#.to_owned()),
        Just(r#"|> "a<_>" !> "<_>b" or """#.to_owned()),
        Just(r#"|= ip("10.0.0.0/8") or "x""#.to_owned()),
        Just("| json".to_owned()),
        Just(r#"| json a="b[0].c", d"#.to_owned()),
        Just("| logfmt --strict".to_owned()),
        Just(r#"| logfmt --keep-empty a, b="c""#.to_owned()),
        Just(r#"| pattern "<a> <_>""#.to_owned()),
        Just(r#"| regexp "(?P<a>.)""#.to_owned()),
        Just("| unpack | decolorize".to_owned()),
        Just(r#"| line_format "{{.a}}""#.to_owned()),
        Just(r#"| label_format a=b, c="{{.d}}""#.to_owned()),
        Just(r#"| drop a, b="c" | keep d=~"e""#.to_owned()),
        filter.clone().prop_map(|filter| format!("| {filter}")),
    ]
    .boxed();
    let logs = (selector, prop::collection::vec(stage, 0..4))
        .prop_map(|(selector, stages)| format!("{selector} {}", stages.join(" ")))
        .boxed();
    let bounds = prop_oneof![Just("[5m]"), Just("[1h30m] offset 1h"), Just("[1s] offset -5ms")].boxed();
    let conversion =
        prop_oneof![Just("a"), Just("bytes(a)"), Just("duration(a)"), Just("duration_seconds(a)")];
    let unwrap = (conversion, prop::option::of(filter)).prop_map(|(label, filter)| {
        format!("| unwrap {label}{}", filter.map(|filter| format!(" | {filter}")).unwrap_or_default())
    });
    let grouping = prop_oneof![Just(""), Just(" by (a, b)"), Just(" without (a)"), Just(" by ()")].boxed();
    let leaf = prop_oneof![
        (
            logs.clone(),
            bounds.clone(),
            prop_oneof![Just("rate"), Just("bytes_over_time"), Just("absent_over_time")]
        )
            .prop_map(|(logs, bounds, op)| format!("{op}({logs}{bounds})")),
        (
            logs.clone(),
            unwrap,
            bounds,
            prop_oneof![Just("avg_over_time("), Just("quantile_over_time(0.5,")],
            grouping.clone()
        )
            .prop_map(|(logs, unwrap, bounds, op, grouping)| format!(
                "{op}{logs}{unwrap}{bounds}){grouping}"
            )),
        Just("vector(1.5)".to_owned()),
    ]
    .boxed();
    let metric = leaf.prop_recursive(4, 16, 3, move |inner| {
        let op = prop_oneof![
            Just("+"),
            Just("- on (a) group_left (d)"),
            Just("* ignoring ()"),
            Just("/ on ()"),
            Just("^"),
            Just("== bool"),
            Just("> 5 +"),
            Just("% -1 *"),
            Just("and on (a)"),
            Just("or"),
            Just("unless ignoring (a)"),
        ];
        let aggregation = prop_oneof![Just("sum"), Just("avg by (a, b)"), Just("count without ()")];
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            (aggregation, inner.clone()).prop_map(|(aggregation, a)| format!("{aggregation} ({a})")),
            (grouping.clone(), inner.clone()).prop_map(|(grouping, a)| format!("topk(3, {a}){grouping}")),
            inner.clone().prop_map(|a| format!("sort_desc({a})")),
            inner.clone().prop_map(|a| format!("label_replace({a}, \"a\", \"$1\", \"b\", \"(.)\")")),
            inner.prop_map(|a| format!("({a})")),
        ]
    });
    prop_oneof![logs, metric].boxed()
}

/// Words that a query is made of.
fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{",
        "}",
        "(",
        ")",
        "[5m]",
        "[",
        "]",
        ",",
        "a",
        "=",
        "!=",
        "=~",
        "!~",
        "|=",
        "|~",
        "|>",
        "!>",
        "|",
        "\"a\"",
        "`",
        "\"",
        "\\",
        "json",
        "logfmt",
        "--strict",
        "pattern",
        "unwrap",
        "line_format",
        "drop",
        "ip(",
        "or",
        "and",
        "by",
        "sum",
        "rate",
        "topk",
        "offset",
        "5m",
        "1",
        "-",
        "+",
        "^",
        "20KB",
        "0x",
        ".",
        "bool",
        "on",
        "group_left",
        " ",
        "\n",
        "#",
        "é",
        "quantile_over_time(",
        "vector(",
        "label_replace(",
        "bytes(",
        "0B",
        "1e",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_the_same_query(query in queries()) {
        let expr = parse(&query).map_err(|error| TestCaseError::fail(format!("{error} in {query}")))?;
        let line = print(&expr);
        for text in [&line, &pretty(&expr)] {
            let again: Expr = parse(text).map_err(|error| TestCaseError::fail(format!("{error} in {text}")))?;
            prop_assert_eq!(&again, &expr, "{}", text);
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,60}", query in queries(), at in 0..200_usize, words in prop::collection::vec(word(), 0..16)) {
        let cut = query.char_indices().nth(at).map_or(query.len(), |(at, _)| at);
        for text in [text.clone(), words.concat(), words.join(" "), format!("{}{text}{}", &query[..cut], &query[cut..])] {
            if let Ok(expr) = parse_unchecked(&text) {
                let _ = (print(&expr), pretty(&expr), parse(&text).is_ok());
            }
            let _ = parse_selector(&text);
        }
    }
}
