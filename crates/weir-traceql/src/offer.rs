//! What selected spans have: names and values that an editor offers while a query is written.

use std::collections::BTreeSet;

use weir_signal::{ReadError, Scope, TraceSource};

use crate::ast::{Attribute, Query};
use crate::eval::{Ordered, Tree};
use crate::parse::parse;
use crate::search::each_trace;
use crate::value::Value;

/// Names of attributes by whose they are, each ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Of spans.
    pub spans: Vec<String>,
    /// Of resources.
    pub resources: Vec<String>,
    /// Of events.
    pub events: Vec<String>,
    /// Of links.
    pub links: Vec<String>,
    /// Of the libraries that made spans.
    pub instrumentations: Vec<String>,
}

/// The names of attributes of the spans that a query selects, where they begin in a range of nanoseconds since 1970 (its end
/// excluded), and of what belongs to them.
///
/// # Errors
/// Traces that cannot be read within the scope's budget. A query for series selects what it measures.
pub fn names(
    query: &Query,
    source: &dyn TraceSource,
    scope: &Scope,
    range: (i64, i64),
) -> Result<Names, ReadError> {
    let mut all: [BTreeSet<Box<str>>; 5] = Default::default();
    each_span(query, source, scope, range, |tree, index| {
        let span = &tree.spans()[index];
        let mut add = |at: usize, attributes: &[weir_signal::Attribute]| {
            for one in attributes {
                if !all[at].contains(&one.key) {
                    all[at].insert(one.key.clone());
                }
            }
        };
        add(0, &span.attributes);
        add(1, &span.resource.attributes);
        span.events.iter().for_each(|event| add(2, &event.attributes));
        span.links.iter().for_each(|link| add(3, &link.attributes));
        add(4, &span.scope.attributes);
    })?;
    let [spans, resources, events, links, instrumentations] =
        all.map(|names| names.into_iter().map(String::from).collect());
    Ok(Names { spans, resources, events, links, instrumentations })
}

/// The values that an attribute has in the spans that a query selects, in their order, the first `limit` of them.
///
/// # Errors
/// As for [`names`].
pub fn values(
    query: &Query,
    attribute: &Attribute,
    source: &dyn TraceSource,
    scope: &Scope,
    range: (i64, i64),
    limit: usize,
) -> Result<Vec<Value>, ReadError> {
    let mut found: BTreeSet<Ordered> = BTreeSet::new();
    each_span(query, source, scope, range, |tree, index| {
        for one in attribute.of(tree, index).each() {
            let each = match one.into_value() {
                Value::Array(values) => values,
                value => vec![value],
            };
            found.extend(each.into_iter().filter(|value| *value != Value::Nil).map(Ordered));
        }
        while found.len() > limit {
            found.pop_last();
        }
    })?;
    Ok(found.into_iter().map(|value| value.0).collect())
}

/// The query that is left of one which is being written: `{ .a = 1 && .b = }` is `{ .a = 1 }`. `None` where nothing is left.
pub fn salvaged(text: &str) -> Option<Query> {
    if let Ok(query) = parse(text) {
        return Some(query);
    }
    let (_, inner) = text.split_once('{')?;
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let good = |part: &&str| !part.trim().is_empty() && parse(&format!("{{ {part} }}")).is_ok();
    let parts: Vec<&str> = inner.split("&&").filter(good).collect();
    if parts.is_empty() { None } else { parse(&format!("{{ {} }}", parts.join("&&"))).ok() }
}

/// Gives each span that is selected and begins in the range, by its place in its trace.
fn each_span(
    query: &Query,
    source: &dyn TraceSource,
    scope: &Scope,
    range: (i64, i64),
    mut visit: impl FnMut(&Tree<'_>, usize),
) -> Result<(), ReadError> {
    let Some(pipeline) = crate::conditions::pipeline(query) else { return Ok(()) };
    each_trace(pipeline, source, scope, range, |tree, sets| {
        let mut spans: Vec<usize> = sets.into_iter().flat_map(|set| set.spans).collect();
        spans.sort_unstable();
        spans.dedup();
        for index in spans {
            if (range.0..range.1).contains(&tree.spans()[index].start_ns) {
                visit(tree, index);
            }
        }
        Ok(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::print::print;

    #[test]
    fn what_is_being_written_is_read_as_far_as_it_goes() {
        let check = |text: &str, left: Option<&str>| {
            assert_eq!(salvaged(text).map(|query| print(&query)).as_deref(), left, "{text}");
        };
        check("{ .a = 1 }", Some("{ .a = 1 }"));
        check("{ .a = 1 && .b = }", Some("{ .a = 1 }"));
        check("{ .a = 1 && name", Some("{ .a = 1 }"));
        check("{ .a = && resource.b = \"c\" }", Some("{ resource.b = \"c\" }"));
        check("{ .a = }", None);
        check("nothing", None);
    }
}
