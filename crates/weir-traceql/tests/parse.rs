//! What is a query, what is none and why, and the way back to text.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod arbitrary;

use proptest::prelude::*;
use weir_traceql::ast::DEPTH_MAX;
use weir_traceql::{parse, parse_attribute, print, print_attribute};

/// The query is one, and printed like this; that reads as the same tree.
#[track_caller]
fn check(query: &str, printed: &str) {
    let tree = parse(query).unwrap_or_else(|error| panic!("{query}\n{error}"));
    assert_eq!(print(&tree), printed, "{query}");
    assert_eq!(parse(printed).unwrap(), tree, "{query}");
}

/// The query is one, and printed as it is.
#[track_caller]
fn same(query: &str) {
    check(query, query);
}

/// The query is refused at a column with words that contain these.
#[track_caller]
fn refused(query: &str, column: u32, words: &str) {
    match parse(query) {
        Ok(tree) => panic!("{query}\nread as {}", print(&tree)),
        Err(error) => {
            assert!(error.message.contains(words), "{query}\n{error}");
            assert_eq!(error.column, column, "{query}\n{error}");
            assert!(error.start <= error.end && error.end as usize <= query.len(), "{query}\n{error:?}");
        }
    }
}

#[test]
fn selections() {
    check("{}", "{ }");
    same("{ true }");
    same("{ .cart.size > 3 }");
    same("{ span.cart.size > 3 && resource.cluster = \"north\" }");
    same("{ parent.cart.size > 3 || parent.span.a = 1 || parent.resource.b = 2 }");
    same(
        "{ event.exception.type = \"Timeout\" || link.reason = \"retry\" || instrumentation.team = \"pay\" }",
    );
    same("{ .paid }");
    same("{ !.paid }");
    same("{ .paid != nil }");
    same("{ .paid = nil }");
    check("{ nil != .paid && nil = span.x }", "{ .paid != nil && span.x = nil }");
    check("{ nil = nil || nil != nil }", "{ false || false }");
    same("{ name =~ \"GET .*\" && .url !~ \"/health|/ready\" }");
    check("{ `GET .*` = name }", "{ \"GET .*\" = name }");
    check("{status=error}", "{ status = error }");
    same("{ status = ok || status = unset || status != error }");
    same("{ kind = server || kind = client || kind = producer || kind = consumer || kind = internal }");
    same("{ kind != unspecified }");
    same("{ statusMessage = \"out of stock\" }");
    same("{ duration > 100ms && traceDuration >= 2s && duration < 1h30m }");
    same("{ rootName = \"checkout\" && rootServiceName != \"shop\" }");
    same("{ nestedSetParent < 0 || nestedSetLeft > 4 || nestedSetRight <= 9 }");
    same("{ .a = minInt || .a = -9223372036854775807 }");
    check("{ .a = maxInt }", "{ .a = 9223372036854775807 }");
}

#[test]
fn intrinsics_with_a_colon_are_those_without() {
    check("{ span:name = \"a\" && span:kind = server }", "{ name = \"a\" && kind = server }");
    check(
        "{ span:status = error && span:statusMessage = \"a\" }",
        "{ status = error && statusMessage = \"a\" }",
    );
    check("{ span:duration > trace:duration }", "{ duration > traceDuration }");
    check("{ trace:rootName = trace:rootService }", "{ rootName = rootServiceName }");
    same("{ trace:id = \"0af7651916cd43dd8448eb211c80319c\" && span:id = \"b7ad6b7169203331\" }");
    same("{ span:parentID = \"\" && span:childCount > 3 }");
    same("{ event:name = \"exception\" && event:timeSinceStart > 5ms }");
    same("{ link:traceID = link:spanID }");
    same("{ instrumentation:name = \"io.http\" && instrumentation:version =~ \"1[.].*\" }");
}

#[test]
fn names_of_attributes_end_where_they_cannot_go_on() {
    same("{ .a+b-c*d/e%f = 1 }");
    same("{ .a:b;c'd`e@f[0] = 1 }");
    same("{ span.größe = 1 }");
    same("{ .\"with spaces\" = 1 && span.\"a=b\" = 2 && resource.\"q\\\"uote\\\\\" = 3 }");
    check("{ .http.\"status\".code = 200 }", "{ .http.status.code = 200 }");
    check("{ .a.\"b c\".d = 200 }", "{ .\"a.b c.d\" = 200 }");
    check("{ .\"5xx\" > .5 }", "{ .\"5xx\" > 0.5 }");
    same("{ span.5xx > 0.5 }");
    check("{ parent.span.x = 1 && parent.\"span.x\" = 1 }", "{ parent.span.x = 1 && parent.\"span.x\" = 1 }");
    check("{ parent.event.x = 1 }", "{ parent.event.x = 1 }");
    same("{ .\"\" = 1 }");
    same("{ span.span.span = resource.resource }");
}

#[test]
fn operators_bind_as_they_do_in_tempo() {
    check("{ (.a + 1) * 2 = 6 }", "{ (.a + 1) * 2 = 6 }");
    check("{ ((.a * 1) + 2) = 6 }", "{ .a * 1 + 2 = 6 }");
    check("{ .a ^ 2 ^ 3 = 1 }", "{ .a ^ 2 ^ 3 = 1 }");
    check("{ (.a ^ 2) ^ 3 = 1 }", "{ (.a ^ 2) ^ 3 = 1 }");
    check("{ -(.a) * 2 = 1 }", "{ -(.a * 2) = 1 }");
    check("{ (-.a) * 2 = 1 }", "{ (-.a) * 2 = 1 }");
    check("{ -.a + 2 = 1 }", "{ -.a + 2 = 1 }");
    check("{ !.a = false }", "{ !.a = false }");
    check("{ !(.a = false) }", "{ !(.a = false) }");
    check("{ - 5 = .a && .b = - - 5 }", "{ -5 = .a && .b = 5 }");
    check("{ (-5) % 3 = .a }", "{ (-5) % 3 = .a }");
    // `&&` binds no tighter than `||`.
    check("{ .a || .b && .c }", "{ .a || .b && .c }");
    check("{ .a || (.b && .c) }", "{ .a || (.b && .c) }");
    check("{ (.a || .b) && .c }", "{ .a || .b && .c }");
    check("{ .a = 1 = .b }", "{ .a = 1 = .b }");
    check("{ .a = (1 = .b) }", "{ .a = (1 = .b) }");
    check("{ .a } || ({ .b } && { .c })", "{ .a } || ({ .b } && { .c })");
    check("({ .a } || { .b }) && { .c }", "{ .a } || { .b } && { .c }");
    check("{ .a } && ({ .b } > { .c })", "{ .a } && { .b } > { .c }");
    check("({ .a } && { .b }) > { .c }", "({ .a } && { .b }) > { .c }");
    check("{ .a } > ({ .b } > { .c })", "{ .a } > ({ .b } > { .c })");
}

#[test]
fn relations() {
    for op in [
        "&&", "||", ">", "<", ">>", "<<", "~", "!>", "!<", "!>>", "!<<", "!~", "&>", "&<", "&>>", "&<<", "&~",
    ] {
        same(&format!("{{ name = \"a\" }} {op} {{ name = \"b\" }}"));
        check(&format!("{{}}{op}{{}}{op}{{}}"), &format!("{{ }} {op} {{ }} {op} {{ }}"));
    }
}

#[test]
fn pipelines() {
    same("{ .a } | { .b }");
    same("{ .a } | count() > 2");
    same("{ .a } | count() > 2 | { .b } >> { .c }");
    same("{ } | avg(duration) >= 1s | max(span.size) < 3.5 | min(.x) != 0 | sum(.x * 2) <= 10 | count() = 1");
    same("count() > 3 | { .b }");
    same("2 < count()");
    same("max(duration) - min(duration) > 1s");
    same("(max(.a) + 1) * 2 > min(.b) % 7");
    check("(((max(.a)))) > ((3))", "max(.a) > 3");
    check("max(.a) > 2 * 3 - 1", "max(.a) > 5");
    check("max(.a) > 7 / 2", "max(.a) > 3");
    check("max(.a) > 7 / 2.0", "max(.a) > 3.5");
    check("max(.a) > -1", "max(.a) > -1");
    same("by(resource.service.name) | { .b }");
    same("{ } | by(duration > 1s) | count() > 2 | coalesce() | by(.a + 1)");
    check("{}|select(.a,span.b , status)", "{ } | select(.a, span.b, status)");
    same("select(.a)");
    same("({ .a } | count() > 2) && ({ .b } | avg(duration) > 1s) >> { }");
    check("(({ .a }))", "{ .a }");
    same("({ .a } | by(name) | count() > 2)");
}

#[test]
fn measures() {
    same("{ } | rate()");
    check("{}|rate()by(name)", "{ } | rate() by (name)");
    same("{ status = error } >> { } | count_over_time() by (resource.service.name, span.\"http code\")");
    same("{ } | min_over_time(duration)");
    same("{ } | max_over_time(.x) by (.a)");
    same("{ } | sum_over_time(span.size)");
    same("{ } | avg_over_time(duration)");
    same("{ } | quantile_over_time(duration, 0.5, 0.99, 1) by (name)");
    same("{ } | histogram_over_time(event:timeSinceStart)");
    check("{ } | compare({ status = error })", "{ } | compare({ status = error }, 10)");
    same("{ } | compare({ duration > 1s && name = \"a\" }, 5, 1700000000000000000, 1700000060000000000)");
    same("{ } | rate() | topk(5)");
    same("{ } | rate() by (name) > 3 | bottomk(2) <= 4.5 != 7");
    check("{ } | rate() > 10s", "{ } | rate() > 10");
    same("({ } | rate()) / ({ } | count_over_time())");
    same("({ } | rate()) * 100");
    same("1 - ({ } | rate() > 3) * 100 > 2 | topk(3)");
    check("(({ } | rate()) + 1) * 2", "(({ } | rate()) + 1) * 2");
    check("1 + 2 + ({ } | rate())", "3 + ({ } | rate())");
    check("({ } | rate()) - -5", "({ } | rate()) - -5");
    same("({ } | rate()) - (({ } | rate()) - ({ } | rate()))");
    check("(({ } | rate())) > 1", "{ } | rate() > 1");
}

#[test]
fn hints_and_comments() {
    check("{}with(most_recent=true)", "{ } with (most_recent=true)");
    same("{ } | rate() by (name) with (sample=0.1, exemplars=100, window=5m, mode=\"fast\")");
    check("{} with(a=1) with(b=2)", "{ } with (b=2)");
    check("{ // first\n .a /* and\n so on */ = 1 }", "{ .a = 1 }");
}

#[test]
fn texts_and_numbers() {
    check(
        r#"{ .a = "\a\b\f\n\r\t\v\\\"\x41\102\u00e9\U0001F600" }"#,
        "{ .a = \"\\x07\\x08\\x0c\\n\\r\\t\\x0b\\\\\\\"ABé😀\" }",
    );
    check("{ .a = `\\n\"` }", "{ .a = \"\\\\n\\\"\" }");
    check(
        "{ .a = 1e3 || .a = 1.5E-2 || .a = 2. || .a = .25 }",
        "{ .a = 1000.0 || .a = 0.015 || .a = 2.0 || .a = 0.25 }",
    );
    check("{ .a = 017 }", "{ .a = 17 }");
    check(
        "{ duration > 1.5s || duration > 1d || duration > 90us }",
        "{ duration > 1s500ms || duration > 24h || duration > 90us }",
    );
    check("{ duration > 2µs }", "{ duration > 2us }");
}

#[test]
fn what_is_no_query_is_refused() {
    refused("", 1, "unexpected the end of the query, expected `{`");
    refused("  ", 3, "unexpected the end of the query");
    refused("{ .a", 5, "expected an operator or `}`");
    refused("{ .a = }", 8, "expected a value or an attribute");
    refused("{ (.a = 1 }", 11, "expected an operator or `)`");
    refused("{ .a == 1 }", 7, "expected a value");
    refused("{ . }", 3, "the name of an attribute is missing");
    refused("{ span. = 1 }", 3, "the name of an attribute is missing");
    refused("{ service = \"a\" }", 3, "attributes are written `span.service`");
    refused("{ .a = 'b' }", 8, "double quotes");
    refused("{ .a = \"b }", 8, "has no end");
    refused("{ .a = `b }", 8, "has no end");
    refused("{ .\"a = 1 }", 3, "has no end");
    refused("{ .a = \"\\q\" }", 8, "no such escape");
    refused("{ .a /* }", 6, "has no end");
    refused("{ .a = 9223372036854775808 }", 8, "larger than 9223372036854775807");
    refused("{ .a = 1e400 }", 8, "too large");
    refused("{ .a = 089 }", 8, "no digit 8");
    refused("{ .a = 5x }", 9, "unexpected `x`");
    refused("{ .a ; }", 6, "no query has ';' here");
    refused("{ .a & .b }", 6, "no query has '&' here");
    refused("{ .a } { .b }", 8, "expected the end of the query");
    refused("{ .a }\n| nothing()", 3, "expected `{`, `(`, a number, or an aggregate");
    refused("{ parent }", 3, "`span:parentID` is its id");
    refused("{ trace:name = \"a\" }", 3, "`trace:rootName`");
    refused("{ span:size = 1 }", 3, "`span.size`");
    refused("{ .a =~ .b }", 3, "quoted pattern");
    refused("{ .a =~ \"(\" }", 9, "no regular expression");
    refused("{ nil }", 3, "`nil` stands only beside");
    refused("{ .a > nil }", 8, "`nil` stands only beside");
    refused("{ (nil) = .a }", 4, "`nil` stands only beside");
    refused("{ name = nil }", 3, "every span has `name`");
    refused("{ nil = resource.service.name }", 3, "every span has `resource.service.name`");
}

#[test]
fn types_have_to_fit() {
    refused("{ status }", 3, "is no condition");
    refused("{ 1 + .a }", 3, "is no condition");
    refused("{ name = 3 }", 3, "same type");
    refused("{ duration > \"1s\" }", 3, "same type");
    refused("{ status = server }", 3, "same type");
    refused("{ status > ok }", 3, "not for values of such a type");
    refused("{ .a + \"b\" = 1 }", 3, "not for values of such a type");
    refused("{ .a && 1 }", 3, "not for values of such a type");
    refused("{ !name }", 3, "a condition can be negated");
    refused("{ -name = 1 }", 3, "a number can have a sign");
    refused("{ 1 =~ \"a\" }", 3, "a text is matched");
    refused("{ } | by(1 + 2)", 10, "something that spans have");
    refused("{ } | max(name) = 1", 11, "is no number");
    refused("{ } | max(3) = 1", 11, "something that spans have");
    refused("{ } | max(duration) = \"a\"", 23, "expected `{`");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    refused("5", 1, "a number is no query");
    refused("{ } | count()", 7, "compare it");
    refused("({ } | count()) > ({ } | count())", 8, "compare it");
    refused("count() > 2 && { }", 1, "in parentheses");
    refused("{ } + { }", 1, "`+` cannot stand between a selection of spans and a selection of spans");
    refused("{ } = { }", 1, "`=` cannot stand");
    refused("{ } > 3", 1, "`>` cannot stand");
    refused("2 > 1", 1, "`>` cannot stand");
    refused("coalesce()", 1, "select spans first");
    refused("{ } | select()", 14, "expected a value or an attribute");
    refused("{ } | topk(3)", 7, "expected `{`");
    refused("{ } | rate() | { }", 16, "expected `topk` or `bottomk`");
    refused("{ } | rate() | topk(0)", 21, "at least 1 series");
    refused("{ } | rate() + 5", 14, "put parentheses");
    refused("5 < ({ } | rate())", 1, "`<` cannot stand");
    refused("({ } | rate()) % 2", 1, "`%` cannot stand");
    refused("({ } | rate()) * 2s", 1, "not calculated with a duration");
    refused("max(.a) > 1s * 2", 11, "durations are not calculated with");
    refused("max(.a) > 1 / 0", 11, "division by zero");
    refused("{ } | quantile_over_time(duration)", 34, "a quantile from 0 to 1");
    refused("{ } | quantile_over_time(duration, 1.5)", 36, "from 0 to 1");
    refused("{ } | compare({ }) | topk(3)", 1, "`compare()` cannot be used");
    refused("({ } | compare({ })) + ({ } | rate())", 1, "`compare()` cannot be used");
    refused("{ } | compare({ }, 0)", 18, "from 1 to 1000");
    refused("{ } | compare({ }, 5, 9, 3)", 18, "the earlier one first");
    refused("{ } with (a)", 12, "expected `=`");
    refused("{ } with (a=.b)", 13, "a hint is set to a value");
}

#[test]
fn depth_is_bounded() {
    let nested = |count: usize| format!("{{ {}.a{} }}", "(".repeat(count), ")".repeat(count));
    parse(&nested(40)).unwrap();
    assert!(parse(&nested(200)).unwrap_err().message.contains("nested"));
    let chain = |count: usize| format!("{{ {} }}", vec![".a"; count].join(" || "));
    parse(&chain(DEPTH_MAX - 2)).unwrap();
    assert!(parse(&chain(DEPTH_MAX + 1)).unwrap_err().message.contains("in a chain"));
    assert!(parse(&format!("{{ {}.a }}", "!".repeat(1 << 18))).unwrap_err().message.contains("nested"));
    assert!(parse(&"(".repeat(1 << 18)).unwrap_err().message.contains("nested"));
    assert!(parse(&" ".repeat((1 << 20) + 1)).unwrap_err().message.contains("bytes"));
}

#[test]
fn attributes_alone() {
    for text in [".a", "span.http.url", "resource.\"a b\"", "status", "parent.x", "event:name"] {
        assert_eq!(print_attribute(&parse_attribute(text).unwrap()), text);
    }
    for text in ["", "a", "1", ".a = 1", "{ .a }"] {
        parse_attribute(text).unwrap_err();
    }
}

#[test]
fn an_error_says_where() {
    let error = parse("{ .a = 1 } |\n  { name = 3 }").unwrap_err();
    assert_eq!(
        error.to_string(),
        "parse error at line 2, col 5: both sides have to be of the same type: `name = 3`"
    );
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same_tree(query in arbitrary::query()) {
        let printed = print(&query);
        match parse(&printed) {
            Ok(again) => prop_assert_eq!(again, query, "{}", printed),
            Err(error) => prop_assert!(false, "{}\n{}", printed, error),
        }
    }

    #[test]
    fn no_text_panics(words in prop::collection::vec(arbitrary::word(), 0..24)) {
        let text = words.concat();
        if let Ok(tree) = parse(&text) {
            let printed = print(&tree);
            prop_assert_eq!(parse(&printed).map(|tree| print(&tree)), Ok(printed));
        }
    }
}
