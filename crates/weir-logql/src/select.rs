//! What a query asks of whoever has the lines.

use weir_signal::{Direction, LogSelect, LogSource, MatchOp, ReadError, Scope};

use crate::ast::{LabelFilter, LineOp, LineTest, LogExpr, Stage};

/// What a pipeline asks for: its streams from `from_ns` up to, but without, `to_ns`, and what every line has that can
/// pass. What a later stage could have changed is not asked for.
///
/// # Errors
/// Streams could not be read: a label that a stream has is none of the metadata.
pub fn select(
    logs: &LogExpr,
    from_ns: i64,
    to_ns: i64,
    direction: Direction,
    source: &dyn LogSource,
    scope: &Scope,
) -> Result<LogSelect, ReadError> {
    let mut select =
        LogSelect { matchers: logs.matchers.clone(), from_ns, to_ns, direction, ..LogSelect::default() };
    let mut metadata: Vec<(&str, &str)> = Vec::new();
    let (mut same_line, mut same_labels) = (true, true);
    for stage in &logs.stages {
        match stage {
            Stage::LineFilter(filter) if same_line && filter.op == LineOp::Contains => {
                if let [LineTest::Text(text)] = filter.alternatives.as_slice()
                    && !text.is_empty()
                {
                    select.contains.push(text.clone());
                }
            }
            Stage::LabelFilter(filter) if same_labels => equalities(filter, &mut metadata),
            Stage::LineFilter(_) | Stage::LabelFilter(_) => {}
            Stage::LineFormat(_) | Stage::Decolorize => same_line = false,
            Stage::Unpack => (same_line, same_labels) = (false, false),
            Stage::Json(_)
            | Stage::Logfmt(_)
            | Stage::Pattern(_)
            | Stage::Regexp(_)
            | Stage::LabelFormat(_)
            | Stage::Drop(_)
            | Stage::Keep(_) => same_labels = false,
        }
    }
    if !metadata.is_empty() {
        let streams = source.streams(scope, &select)?;
        metadata.retain(|&(name, _)| streams.iter().all(|stream| stream.get(name).is_none()));
        select.metadata = metadata.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    }
    Ok(select)
}

/// The labels that have to have a value, where it cannot be that of an error or of a label that was called otherwise.
fn equalities<'a>(filter: &'a LabelFilter, found: &mut Vec<(&'a str, &'a str)>) {
    match filter {
        LabelFilter::Match(matcher) => {
            let name = matcher.name();
            let plain = !name.starts_with("__") && !name.ends_with("_extracted");
            if matcher.op() == MatchOp::Equal && plain && !matcher.value().is_empty() {
                found.push((name, matcher.value()));
            }
        }
        LabelFilter::And(all) => all.iter().for_each(|filter| equalities(filter, found)),
        _ => {}
    }
}
