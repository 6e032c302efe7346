//! Queries of LogQL, and lines through their pipelines. What is accepted is written again, and must read as the same.

use weir_logql::ast::Expr;
use weir_logql::{Pipeline, parse, parse_selector, parse_unchecked, pretty, print};
use weir_signal::{Labels, LogRow};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "logql",
    words: &[
        "{a=\"b\"}",
        "{a=~\"b|c\",d!=`e`}",
        " |= \"a\" or ip(\"10.0.0.0/8\")",
        " !~ `a.*`",
        " |> \"<_> b\"",
        " | json",
        " | json a=\"b[0].c\", d",
        " | logfmt --strict --keep-empty",
        " | logfmt a, b=\"c\"",
        " | pattern \"<a> <_> <b>\"",
        " | regexp \"(?P<a>\\\\w+)\"",
        " | unpack",
        " | line_format `{{ .a | upper }}{{ range $i, $e := fromJson .b }}{{ $e }}{{ end }}`",
        " | label_format a=b, c=`{{ printf \"%05.2f\" .d }}`",
        " | decolorize",
        " | drop a, b=\"c\"",
        " | keep a",
        " | a=\"b\" and c>5 or (d<1.5s, e>=2KB)",
        " | unwrap duration(a)",
        "rate(",
        "quantile_over_time(0.9, ",
        "sum by (a) (",
        "topk(3, ",
        "label_replace(vector(1), \"a\", \"$1\", \"b\", \"(.)\")",
        "[5m]",
        " offset -1h",
        ")",
        " + on (a) group_left (b) ",
        " == bool ",
        " unless ",
        "-1.5e3",
        "0x1p4",
        "# a\n",
        "\n{\"a\":\"b\\u00e9\",\"c\":{\"d\":1},\"_entry\":\"a=b\"}",
        "\na=b c=\"d \\\" e\" f=",
    ],
    run,
};

/// The first line is the query, the others are lines.
fn run(input: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(input) else { return 0 };
    let (query, lines) = match text.split_once("\n{").map(|(query, _)| query.len()) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, text),
    };
    let _ = parse_selector(query);
    let expr = match parse_unchecked(query) {
        Ok(expr) => expr,
        Err(error) => {
            assert!(error.span.start <= error.span.end && error.span.end as usize <= query.len(), "{error}");
            let words = error.message.split(['"', '\'', '`']).next().unwrap_or_default();
            let words: String = words.chars().filter(char::is_ascii_alphabetic).take(60).collect();
            return hash(words.as_bytes());
        }
    };
    let line = print(&expr);
    for text in [&line, &pretty(&expr)] {
        match parse_unchecked(text) {
            Ok(again) => assert_eq!(print(&again), line, "another query came back"),
            // Escapes may make a text longer than it may be.
            Err(error) => assert!(error.message.contains("too long"), "{error} in what was written"),
        }
    }
    let shape: String = line.chars().filter(|c| !c.is_ascii_alphanumeric()).take(12).collect();
    if parse(query).is_err() {
        return hash(format!("refused {shape}").as_bytes());
    }
    let stages = match &expr {
        Expr::Logs(logs) => vec![&logs.stages],
        Expr::Metric(metric) => metric.ranges().into_iter().map(|range| &range.range.logs.stages).collect(),
    };
    let mut kept = 0_u64;
    let stream = Labels::from_pairs([("app", "a"), ("c", "d")]).unwrap_or_default();
    let metadata = Labels::from_pairs([("c", "e"), ("f", "g")]).unwrap_or_default();
    for stages in stages {
        let Ok(mut pipeline) = Pipeline::new(stages, 0) else { continue };
        for line in lines.split('\n') {
            let row = LogRow { stream: &stream, time_ns: 1, line, metadata: &metadata };
            if let Some(line) = pipeline.process(row) {
                kept += 1 + line.labels().len() as u64;
                let _ = (line.stream(), line.metadata(), line.parsed());
            }
        }
    }
    hash(format!("{kept} {shape}").as_bytes())
}
