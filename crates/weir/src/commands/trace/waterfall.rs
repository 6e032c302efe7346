//! A trace in lines: names in a tree, durations, and bars where each span lies in the time of the whole.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use weir_telemetry::ask::rfc3339;

use super::read::{Span, Trace};
use super::tree::{Node, nodes};
use crate::ask::say_ns;
use crate::terminal::{Paint, count, shortened, visible};

const SERVICE_COLUMNS_MAX: usize = 20;
const NAME_COLUMNS_MIN: usize = 16;
const BAR_COLUMNS_MIN: usize = 10;
/// What stays of a name however deep it stands.
const NAME_KEPT: usize = 12;

/// Draws a trace that has spans, within so many columns where that can be.
pub(super) fn draw(trace: &Trace, width: usize, paint: Paint) -> String {
    let spans = &trace.spans;
    let begin = spans.iter().map(|span| span.start_us).min().unwrap_or(0);
    let end = spans.iter().map(|span| span.start_us.saturating_add(span.duration_us)).max().unwrap_or(0);
    let whole = Whole { begin_us: begin, length_us: end.saturating_sub(begin).max(1) };
    let mut text = head(trace, &whole, paint);
    let nodes = nodes(spans);

    let services: Vec<String> =
        spans.iter().map(|span| shortened(&visible(&span.service), SERVICE_COLUMNS_MAX)).collect();
    let durations: Vec<String> = spans.iter().map(|span| say_us(span.duration_us)).collect();
    let widest = |cells: &[String]| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let (service_width, duration_width) = (widest(&services), widest(&durations));
    let between = 2;
    let fixed = service_width + duration_width + 3 * between;
    let room = width.saturating_sub(fixed);
    let name_max = (room * 3 / 5).min(room.saturating_sub(BAR_COLUMNS_MIN)).max(NAME_COLUMNS_MIN);
    let named: Vec<(String, String)> = nodes.iter().map(|node| named(node, spans, name_max)).collect();
    let name_width =
        named.iter().map(|(guides, name)| guides.chars().count() + name.chars().count()).max().unwrap_or(0);
    let bar_width = width.saturating_sub(fixed + name_width).max(BAR_COLUMNS_MIN);

    for (node, (guides, name)) in nodes.iter().zip(&named) {
        let span = &spans[node.span];
        let failed = span.error.is_some();
        let pad = name_width - guides.chars().count() - name.chars().count();
        let (before, length) = whole.bar(span, bar_width);
        let name = if failed { paint.red(name) } else { paint.bold(name) };
        let bar = "█".repeat(length);
        let _ = writeln!(
            text,
            "{}{name}{}  {}{}  {:>duration_width$}  {}{}",
            paint.dim(guides),
            " ".repeat(pad),
            paint.cyan(&services[node.span]),
            " ".repeat(service_width - services[node.span].chars().count()),
            durations[node.span],
            " ".repeat(before),
            if failed { paint.red(&bar) } else { paint.green(&bar) },
        );
        if let Some(reason) = span.error.as_deref().filter(|reason| !reason.is_empty()) {
            let below = beneath(node, name_max);
            let reason = shortened(&visible(reason), width.saturating_sub(below.chars().count() + 2).max(20));
            let _ = writeln!(text, "{}{}", paint.dim(&below), paint.red(&format!("✗ {reason}")));
        }
    }
    text
}

fn head(trace: &Trace, whole: &Whole, paint: Paint) -> String {
    let spans = &trace.spans;
    let services: BTreeSet<&str> = spans.iter().map(|span| span.service.as_str()).collect();
    let errors = spans.iter().filter(|span| span.error.is_some()).count();
    let mut parts = vec![
        rfc3339(whole.begin_us.div_euclid(1000)),
        say_us(whole.length_us),
        count(spans.len(), "span"),
        count(services.len(), "service"),
    ];
    if errors > 0 {
        parts.push(paint.red(&count(errors, "error")));
    }
    format!("{} {} · {}\n\n", paint.bold("trace"), visible(&trace.id), parts.join(" · "))
}

/// The time that all spans take up.
struct Whole {
    begin_us: i64,
    length_us: i64,
}

impl Whole {
    /// Empty columns before a span's bar, and those of the bar: at least one, and none behind the last.
    fn bar(&self, span: &Span, columns: usize) -> (usize, usize) {
        let length = i128::from(self.length_us);
        let at = |us: i64| (i128::from(us) - i128::from(self.begin_us)) * columns as i128;
        let first = (at(span.start_us) / length).clamp(0, columns as i128 - 1);
        let last = (at(span.start_us.saturating_add(span.duration_us)) + length - 1) / length;
        (first as usize, (last - first).clamp(1, columns as i128 - first) as usize)
    }
}

/// The lines of the tree before a name, and the name.
fn named(node: &Node, spans: &[Span], columns: usize) -> (String, String) {
    let guides = guides(node, columns, ["├─ ", "└─ "]);
    let mut name = visible(&spans[node.span].name);
    if node.is_orphan {
        name += " (its parent is missing)";
    }
    let name = shortened(&name, columns.saturating_sub(guides.chars().count()).max(1));
    (guides, name)
}

/// What continues the lines of the tree below a span's own line.
fn beneath(node: &Node, columns: usize) -> String {
    let mut text = guides(node, columns, ["│  ", "   "]);
    text += if node.has_children { "│  " } else { "   " };
    text
}

/// Lines from a span to those above it; where they would leave no room for its name, how deep it stands.
fn guides(node: &Node, columns: usize, own: [&str; 2]) -> String {
    let Some((last, above)) = node.more_below.split_last() else { return String::new() };
    let depth = node.more_below.len();
    if depth * 3 + NAME_KEPT > columns.max(NAME_COLUMNS_MIN + NAME_KEPT) {
        return format!("{depth} ⋯ ");
    }
    let above = above.iter().map(|&more| if more { "│  " } else { "   " });
    above.chain([own[usize::from(!last)]]).collect()
}

fn say_us(us: i64) -> String {
    say_ns(us.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use weir_emit::logging::Colour;

    use super::*;

    fn span(id: &str, parent: Option<&str>, service: &str, start_us: i64, duration_us: i64) -> Span {
        Span {
            id: id.into(),
            parent: parent.map(str::to_owned),
            name: format!("do {id}"),
            service: service.into(),
            start_us,
            duration_us,
            error: None,
        }
    }

    #[track_caller]
    fn check(spans: Vec<Span>, width: usize, expect: &str) {
        let trace = Trace { id: "1f".into(), spans };
        assert_eq!(draw(&trace, width, Paint(Colour::Off)), expect);
    }

    #[test]
    fn a_waterfall() {
        let mut failed = span("c", Some("b"), "db", 5_000, 5_000);
        failed.error = Some("connection\nrefused".into());
        check(
            vec![
                span("a", None, "web", 0, 10_000),
                span("b", Some("a"), "orders", 2_500, 7_500),
                failed,
                span("d", Some("a"), "web", 9_999, 1),
            ],
            60,
            "trace 1f · 1970-01-01T00:00:00.000Z · 10.0 ms · 4 spans · 3 services · 1 error\n\
             \n\
             do a        web     10.0 ms  ███████████████████████████████\n\
             ├─ do b     orders  7.50 ms         ████████████████████████\n\
             │  └─ do c  db      5.00 ms                 ████████████████\n\
             │        ✗ connection\u{fffd}refused\n\
             └─ do d     web     1.00 µs                                █\n",
        );
    }

    #[test]
    fn what_is_odd_is_drawn_all_the_same() {
        // No duration at all, and a parent that is not there.
        check(
            vec![span("a", Some("gone"), "", 7, 0)],
            50,
            "trace 1f · 1970-01-01T00:00:00.000Z · 1.00 µs · 1 span · 1 service\n\
             \n\
             do a (its parent is miss…    0  █\n",
        );
        // As deep as it is long, and too narrow for anything.
        let deep: Vec<Span> = (0..40)
            .map(|depth| {
                let parent = (depth > 0).then(|| (depth - 1_i64).to_string());
                span(&depth.to_string(), parent.as_deref(), "s", depth, 100)
            })
            .collect();
        let text = draw(&Trace { id: "1f".into(), spans: deep }, 20, Paint(Colour::Off));
        assert!(text.contains("\n39 ⋯ do 39 "), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn bars_stay_within(start in 0_i64..1_000, duration in 0_i64..2_000, columns in 1_usize..80) {
            let whole = Whole { begin_us: 0, length_us: 1_000 };
            let (before, length) = whole.bar(&span("a", None, "", start, duration), columns);
            proptest::prop_assert!(length >= 1 && before + length <= columns);
        }
    }
}
