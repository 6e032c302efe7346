//! TraceQL: each form of the language, and what becomes of it.

use weir_traceql::parse;

use crate::compare::compare;
use crate::mutate::with_mutations;

/// Each form of the language.
const TEXTS: &[&str] = &[
    "{}",
    "{ }",
    "{ true }",
    "{ !false && true || nil = .a }",
    "{ 1 = 2 && -3 != 4.5 && 1.5s > 20ms || 2h <= 1m }",
    "{ \"a\" =~ \"b.*\" && `c` !~ \"d\" }",
    "{ .a }",
    "{ !.a }",
    "{ -.a = 2 }",
    "{ .a + 1 - 2 * 3 / 4 % 5 ^ 6 > .b }",
    "{ (.a || .b) && (.c && !.d) }",
    "{ span.http.status_code >= 500 && resource.service.name = \"shop\" }",
    "{ parent.a = 1 && parent.span.b = 2 && parent.resource.c = 3 }",
    "{ event.exception.type = \"Timeout\" && link.reason != nil && instrumentation.team = \"pay\" }",
    "{ .\"a b\" = 1 && span.\"c=d\".e = 2 }",
    "{ duration > 1s && name = \"GET /\" && kind = server }",
    "{ kind = client || kind = producer || kind = consumer || kind = internal || kind = unspecified }",
    "{ status = ok || status = error || status != unset }",
    "{ statusMessage =~ \"out of .*\" && rootName = \"a\" && rootServiceName = \"b\" && traceDuration < 3s }",
    "{ span:name = \"a\" && span:kind = server && span:status = ok && span:statusMessage = \"\" }",
    "{ span:duration > trace:duration && trace:rootName = trace:rootService }",
    "{ trace:id = \"0af7651916cd43dd8448eb211c80319c\" && span:id != \"b7ad6b7169203331\" }",
    "{ event:name = \"exception\" && event:timeSinceStart > 5ms }",
    "{ link:traceID = link:spanID && instrumentation:name = \"io\" && instrumentation:version = \"1\" }",
    "{ .a } && { .b }",
    "{ .a } || { .b }",
    "{ .a } > { .b }",
    "{ .a } >> { .b } << { .c } < { .d }",
    "{ .a } ~ { .b }",
    "{ .a } !> { .b }",
    "{ .a } !>> { .b } !< { .c } !<< { .d }",
    "{ .a } &> { .b } &>> { .c } &< { .d } &<< { .e }",
    "{ .a } &~ { .b }",
    "({ .a } && { .b }) >> ({ .c } || { .d })",
    "{ .a } | { .b }",
    "{ .a } | count() > 2",
    "{ .a } | avg(duration) >= 1s | max(.b) < 3",
    "{ .a } | min(.b) = 3 | sum(span.c) != 4.5",
    "{ .a } | (count() + 1) * 2 > 3",
    "{ .a } | by(.b) | count() > 2",
    "{ .a } | by(resource.service.name) | coalesce()",
    "{ .a } | select(.b, name, resource.c)",
    "({ .a } | count() > 1) && ({ .b } | count() > 2)",
    "{ .a } | rate()",
    "{ .a } | rate() by(.b)",
    "{ .a } | count_over_time() by(name, resource.service.name)",
    "{ .a } | min_over_time(duration) by(.b)",
    "{ .a } | max_over_time(.c)",
    "{ .a } | avg_over_time(span.c) by(name)",
    "{ .a } | sum_over_time(.c)",
    "{ .a } | quantile_over_time(duration, 0.5, 0.99) by(name)",
    "{ .a } | histogram_over_time(duration) by(.b)",
    "{ .a } | compare({ status = error })",
    "{ .a } | compare({ status = error }, 5)",
    "{ .a } | compare({ status = error }, 5, 100, 200)",
    "{ .a } | rate() by(name) | topk(5)",
    "{ .a } | count_over_time() by(name) | bottomk(3)",
    "{ .a } | rate() with(most_recent=true)",
    "{ .a } with (most_recent=false)",
    "{ .a } // all of them\n | count() > 1",
    "/* of \n two lines */ { .a }",
    // What only one of the two takes: a text for each reason, see `traceql.txt`.
    "{ nil = .a && nil }",
    "{ .a =~ .b }",
    "{ !1 = 2 }",
    "{ .a } || rate()",
    "count() = 1 || { .a }",
    "{ .a } | rate() || topk(10)",
    "{ .a } | rate() | by(.b) | topk(5)",
    "{ .a } | by(.b) || avg(.b) = 2",
    "{ .a } | max(500) > 3s",
    "{ .a } | select(.a = .b, .c)",
    "{ .a } | compare({ .b }, 1001)",
    "{ .a = 16409952000000000001640995200000000000 }",
    "{ span.5xx = 1 && .a = 1h30m }",
    "{ .a } | rate( ) with(sample=0.1, exemplars=true)",
];

#[test]
fn traceql_is_what_grafanas_editor_takes() {
    let texts = with_mutations(TEXTS.iter().map(|text| (*text).to_owned()).collect());
    let ours = |text: &str| parse(text).err().map(|error| error.message);
    compare("@grafana/lezer-traceql", &texts, ours, include_str!("traceql.txt"));
}
