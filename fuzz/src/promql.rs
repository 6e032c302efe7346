//! Queries and series of PromQL. What is accepted is written again, and must read as the same.

use weir_promql::{
    Options, ParseError, parse, parse_labels, parse_selector, parse_series_description, pretty, print,
};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "promql",
    words: &[
        "sum by (a) (",
        "topk(3, ",
        "count_values(\"a\\xc5\", ",
        "rate(up[5m])",
        "up",
        "{a=~\"b|c\",\"d.e\"!='f'}",
        " offset ",
        " @ start()",
        " @ 1.5",
        "[1h:1m]",
        "[5m + step()]",
        "max_of(1m, -range())",
        " anchored",
        " smoothed",
        " + on (a) group_left (b) ",
        " fill_right (1) ",
        " and ",
        " == bool ",
        " ^ ",
        "-",
        "(",
        ")",
        "0x1f",
        "1_000",
        "Inf",
        "5m",
        "# a\n",
        "`a`",
        "\"\\u00e9\\377\"",
        "{{schema:0 sum:1 buckets:[1 2] offset:-3}}",
        "+{{}}x3",
        " 1+2x5",
        " _x3",
        " stale",
    ],
    run,
};

fn run(input: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(input) else { return 0 };
    let mut outcome = String::new();
    let mut note = |result: Result<(), ParseError>| match result {
        Ok(()) => outcome.push_str("ok;"),
        Err(error) => {
            assert!(error.span.start <= error.span.end && error.span.end as usize <= text.len(), "{error}");
            // What is wrong, without what is quoted of the input.
            let words = error.message.split(['"', '\'', '<']).next().unwrap_or_default();
            outcome.extend(words.chars().filter(char::is_ascii_alphabetic).take(40));
        }
    };
    note(parse_selector(text).map(drop));
    note(parse_labels(text).map(drop));
    note(parse_series_description(text).map(drop));
    note(parse(text, &Options::default()).map(drop));
    let parsed = parse(text, &Options::ALL);
    note(parsed.as_ref().map(drop).map_err(Clone::clone));
    let Ok(expr) = parsed else { return hash(outcome.as_bytes()) };
    let line = print(&expr);
    // A range below a millisecond is written as `0s`, which is none.
    if line.contains("[0s") || line.contains(":0s") {
        return 1;
    }
    for text in [&line, &pretty(&expr)] {
        match parse(text, &Options::ALL) {
            Ok(again) => assert_eq!(print(&again), line, "another query came back"),
            // Escapes may make a text longer than it may be.
            Err(error) => assert!(error.message.contains("more than"), "{error} in what was written"),
        }
    }
    let shape: String = line.chars().filter(|c| !c.is_ascii_alphanumeric()).take(12).collect();
    hash(format!("{} {shape}", expr.value_type()).as_bytes())
}
