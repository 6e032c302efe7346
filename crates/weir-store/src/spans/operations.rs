//! What a service does: the names and kinds of its spans, which the index of each part lists.

use std::cell::RefCell;
use std::collections::BTreeSet;

use weir_block::spans::SpanSegment;
use weir_block::{Watch, or_left_out};
use weir_signal::{ReadError, Span, SpanCondition, SpanField, SpanKind, SpanTest, Value};

use super::read::Sources;

/// Ascending. What a part has outside the range may be among them.
pub(super) fn of_service(
    sources: &Sources,
    range: (i64, i64),
    service: &str,
) -> Result<Vec<(Box<str>, SpanKind)>, ReadError> {
    let found = RefCell::new(BTreeSet::new());
    let see = |span: &Span| {
        if span.resource.service() == service {
            found.borrow_mut().insert((span.name.clone(), span.kind));
        }
    };
    sources.each(
        range,
        &mut |segment| listed(sources, segment, range, service, &found, &see),
        &mut |span| see(span),
    )?;
    Ok(found.into_inner().into_iter().collect())
}

/// What the index lists; of a part with more names than it keeps, what the blocks have.
fn listed(
    sources: &Sources,
    segment: &SpanSegment,
    (from, to): (i64, i64),
    service: &str,
    found: &RefCell<BTreeSet<(Box<str>, SpanKind)>>,
    see: &dyn Fn(&Span),
) -> Result<(), ReadError> {
    let own = || segment.operations().map(|all| all.iter().filter(|one| &*one.service == service));
    if own()?.all(|one| !one.name.is_empty()) {
        let within = own()?.filter(|one| one.from_ns < to && one.to_ns >= from);
        found.borrow_mut().extend(within.map(|one| (one.name.clone(), one.kind)));
        return Ok(());
    }
    let watch = &mut &sources.watch;
    let test = SpanTest::Equal(Value::String(service.into()));
    let is = SpanCondition { field: SpanField::Service, test };
    for info in segment.candidates(from, to, Some(&is), watch)? {
        watch.charge(u64::from(info.spans), info.data_bytes)?;
        let spans = segment.read(info.number).and_then(|block| block.all());
        or_left_out(spans, watch)?.unwrap_or_default().iter().for_each(see);
    }
    Ok(())
}
