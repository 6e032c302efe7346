//! What the log keeps of a payload of spans: resources and scopes once, then the spans that name them by number.

use std::sync::Arc;

use weir_block::Damage;
use weir_block::varint::{Cursor, put_bytes, put_i64, put_u64};
use weir_signal::{
    Attribute, InstrumentationScope, Link, Resource, Span, SpanEvent, SpanId, SpanKind, Status, TraceId,
    Value,
};

const VERSION: u8 = 1;
/// Values within values; a segment takes no more.
pub(super) const DEPTH_MAX: usize = 100;

/// Gathers a record while a payload is taken in. Its memory is used again.
#[derive(Debug, Default)]
pub(super) struct RecordWriter {
    resources: Table<Resource>,
    scopes: Table<InstrumentationScope>,
    spans: u64,
    bytes: Vec<u8>,
}

/// What spans of a payload share, by pointer.
#[derive(Debug)]
struct Table<T> {
    shared: Vec<Arc<T>>,
    bytes: Vec<u8>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { shared: Vec::new(), bytes: Vec::new() }
    }
}

impl<T> Table<T> {
    fn number(&mut self, one: &Arc<T>, put: impl FnOnce(&mut Vec<u8>, &T)) -> u64 {
        // Neighbours share theirs, and a payload has few.
        if let Some(at) = self.shared.iter().rposition(|known| Arc::ptr_eq(known, one)) {
            return at as u64;
        }
        put(&mut self.bytes, one);
        self.shared.push(Arc::clone(one));
        self.shared.len() as u64 - 1
    }
}

impl RecordWriter {
    pub(super) fn clear(&mut self) {
        self.resources.shared.clear();
        self.resources.bytes.clear();
        self.scopes.shared.clear();
        self.scopes.bytes.clear();
        self.spans = 0;
        self.bytes.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spans == 0
    }

    /// Bytes of spans so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + self.resources.bytes.len() + self.scopes.bytes.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Where [`RecordWriter::reset`] goes back to.
    pub(super) fn mark(&self) -> (u64, usize) {
        (self.spans, self.bytes.len())
    }

    /// Takes spans out that were added since; what they shared stays.
    pub(super) fn reset(&mut self, (spans, bytes): (u64, usize)) {
        self.spans = spans;
        self.bytes.truncate(bytes);
    }

    /// Adds a span. Gives the bytes it took, without what it shares.
    pub(super) fn push(&mut self, span: &Span) -> usize {
        let before = self.bytes.len();
        let resource = self.resources.number(&span.resource, |out, resource| {
            put_u64(out, u64::from(resource.dropped_attributes));
            put_bytes(out, resource.schema_url.as_bytes());
            put_attributes(out, &resource.attributes);
        });
        let scope = self.scopes.number(&span.scope, |out, scope| {
            for text in [&scope.name, &scope.version, &scope.schema_url] {
                put_bytes(out, text.as_bytes());
            }
            put_u64(out, u64::from(scope.dropped_attributes));
            put_attributes(out, &scope.attributes);
        });
        let out = &mut self.bytes;
        put_u64(out, resource);
        put_u64(out, scope);
        out.extend_from_slice(&span.trace.0);
        out.extend_from_slice(&span.id.0);
        out.extend_from_slice(&span.parent.0);
        out.extend_from_slice(&[span.kind as u8, span.status as u8]);
        put_i64(out, span.start_ns);
        put_i64(out, span.end_ns.wrapping_sub(span.start_ns));
        for text in [&span.trace_state, &span.name, &span.status_message] {
            put_bytes(out, text.as_bytes());
        }
        for number in [span.flags, span.dropped_attributes, span.dropped_events, span.dropped_links] {
            put_u64(out, u64::from(number));
        }
        put_attributes(out, &span.attributes);
        put_u64(out, span.events.len() as u64);
        for event in &span.events {
            put_i64(out, event.time_ns);
            put_bytes(out, event.name.as_bytes());
            put_u64(out, u64::from(event.dropped_attributes));
            put_attributes(out, &event.attributes);
        }
        put_u64(out, span.links.len() as u64);
        for link in &span.links {
            out.extend_from_slice(&link.trace.0);
            out.extend_from_slice(&link.span.0);
            put_bytes(out, link.trace_state.as_bytes());
            put_u64(out, u64::from(link.dropped_attributes));
            put_u64(out, u64::from(link.flags));
            put_attributes(out, &link.attributes);
        }
        self.spans += 1;
        self.bytes.len() - before
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        put_u64(out, self.resources.shared.len() as u64);
        out.extend_from_slice(&self.resources.bytes);
        put_u64(out, self.scopes.shared.len() as u64);
        out.extend_from_slice(&self.scopes.bytes);
        put_u64(out, self.spans);
        out.extend_from_slice(&self.bytes);
    }
}

fn put_attributes(out: &mut Vec<u8>, attributes: &[Attribute]) {
    put_u64(out, attributes.len() as u64);
    for attribute in attributes {
        put_bytes(out, attribute.key.as_bytes());
        put_value(out, &attribute.value);
    }
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Empty => out.push(0),
        Value::String(text) => {
            out.push(1);
            put_bytes(out, text.as_bytes());
        }
        Value::Bool(value) => out.push(2 + u8::from(*value)),
        Value::Int(value) => {
            out.push(4);
            put_i64(out, *value);
        }
        Value::Double(value) => {
            out.push(5);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::Bytes(bytes) => {
            out.push(6);
            put_bytes(out, bytes);
        }
        Value::Array(values) => {
            out.push(7);
            put_u64(out, values.len() as u64);
            for value in values {
                put_value(out, value);
            }
        }
        Value::Map(attributes) => {
            out.push(8);
            put_attributes(out, attributes);
        }
    }
}

/// Reads a record.
///
/// # Errors
/// It is not one, or of a later version.
pub(super) fn read(payload: &[u8], sink: &mut dyn FnMut(Span)) -> Result<(), Damage> {
    let mut cursor = Cursor::new(payload);
    if cursor.u8()? != VERSION {
        return Err(cursor.damage("the record is of a version that this program does not know"));
    }
    let cursor = &mut cursor;
    let resources = many(cursor, |cursor| {
        let (dropped_attributes, schema_url) = (number(cursor)?, text(cursor)?);
        Ok(Arc::new(Resource { attributes: attributes(cursor, 0)?, dropped_attributes, schema_url }))
    })?;
    let scopes = many(cursor, |cursor| {
        let (name, version, schema_url) = (text(cursor)?, text(cursor)?, text(cursor)?);
        let dropped_attributes = number(cursor)?;
        let attributes = attributes(cursor, 0)?;
        Ok(Arc::new(InstrumentationScope { name, version, attributes, dropped_attributes, schema_url }))
    })?;
    for _ in 0..cursor.u64()? {
        sink(span(cursor, &resources, &scopes)?);
    }
    cursor.end()
}

fn span(
    cursor: &mut Cursor<'_>,
    resources: &[Arc<Resource>],
    scopes: &[Arc<InstrumentationScope>],
) -> Result<Span, Damage> {
    let resource = shared(cursor, resources)?;
    let scope = shared(cursor, scopes)?;
    let (trace, id, parent) = (TraceId(cursor.array()?), SpanId(cursor.array()?), SpanId(cursor.array()?));
    let kind = SpanKind::from_number(u64::from(cursor.u8()?));
    let status = Status::from_number(u64::from(cursor.u8()?));
    let start_ns = cursor.i64()?;
    let end_ns = start_ns.wrapping_add(cursor.i64()?);
    let (trace_state, name, status_message) = (text(cursor)?, text(cursor)?, text(cursor)?);
    let (flags, dropped_attributes) = (number(cursor)?, number(cursor)?);
    let (dropped_events, dropped_links) = (number(cursor)?, number(cursor)?);
    let attributes_of_span = attributes(cursor, 0)?;
    let events = many(cursor, |cursor| {
        let (time_ns, name, dropped_attributes) = (cursor.i64()?, text(cursor)?, number(cursor)?);
        Ok(SpanEvent { time_ns, name, attributes: attributes(cursor, 0)?, dropped_attributes })
    })?;
    let links = many(cursor, |cursor| {
        let (trace, span) = (TraceId(cursor.array()?), SpanId(cursor.array()?));
        let (trace_state, dropped_attributes, flags) = (text(cursor)?, number(cursor)?, number(cursor)?);
        Ok(Link { trace, span, trace_state, attributes: attributes(cursor, 0)?, dropped_attributes, flags })
    })?;
    Ok(Span {
        trace,
        id,
        parent,
        trace_state,
        flags,
        name,
        kind,
        start_ns,
        end_ns,
        status,
        status_message,
        attributes: attributes_of_span,
        dropped_attributes,
        events,
        dropped_events,
        links,
        dropped_links,
        resource,
        scope,
    })
}

fn shared<T>(cursor: &mut Cursor<'_>, table: &[Arc<T>]) -> Result<Arc<T>, Damage> {
    let at = cursor.u64()? as usize;
    table
        .get(at)
        .map(Arc::clone)
        .ok_or_else(|| cursor.damage("a span has a resource or scope that is not there"))
}

fn text(cursor: &mut Cursor<'_>) -> Result<Box<str>, Damage> {
    cursor.text().map(Box::from)
}

fn number(cursor: &mut Cursor<'_>) -> Result<u32, Damage> {
    u32::try_from(cursor.u64()?).map_err(|_| cursor.damage("a number is too large"))
}

fn attributes(cursor: &mut Cursor<'_>, depth: usize) -> Result<Vec<Attribute>, Damage> {
    many(cursor, |cursor| Ok(Attribute { key: text(cursor)?, value: value(cursor, depth)? }))
}

fn value(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Damage> {
    let tag = cursor.u8()?;
    if tag > 6 && depth >= DEPTH_MAX {
        return Err(cursor.damage("values are nested too deep"));
    }
    Ok(match tag {
        0 => Value::Empty,
        1 => Value::String(text(cursor)?),
        2 => Value::Bool(false),
        3 => Value::Bool(true),
        4 => Value::Int(cursor.i64()?),
        5 => Value::Double(cursor.f64()?),
        6 => Value::Bytes(cursor.bytes()?.into()),
        7 => Value::Array(many(cursor, |cursor| value(cursor, depth + 1))?),
        8 => Value::Map(attributes(cursor, depth + 1)?),
        _ => return Err(cursor.damage("a kind of value is not known")),
    })
}

/// A count of at most as many as there are bytes left, and so many values.
fn many<'a, T>(
    cursor: &mut Cursor<'a>,
    mut one: impl FnMut(&mut Cursor<'a>) -> Result<T, Damage>,
) -> Result<Vec<T>, Damage> {
    let count = cursor.length(cursor.left())?;
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(one(cursor)?);
    }
    Ok(values)
}

/// How deep values of these attributes are nested.
pub(super) fn depth(attributes: &[Attribute]) -> usize {
    attributes.iter().map(|attribute| value_depth(&attribute.value)).max().unwrap_or(0)
}

fn value_depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(value_depth).max().unwrap_or(0),
        Value::Map(attributes) => 1 + depth(attributes),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Empty),
            ".{0,5}".prop_map(|text| Value::String(text.into())),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-1e9_f64..1e9).prop_map(Value::Double),
            prop::collection::vec(any::<u8>(), 0..4).prop_map(|bytes| Value::Bytes(bytes.into())),
        ];
        leaf.prop_recursive(3, 10, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                prop::collection::vec(("[a-c]", inner), 0..3).prop_map(|pairs| {
                    Value::Map(
                        pairs.into_iter().map(|(key, value)| Attribute { key: key.into(), value }).collect(),
                    )
                }),
            ]
        })
    }

    fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
        let pair = ("[a-z]{1,4}", value());
        prop::collection::vec(pair.prop_map(|(key, value)| Attribute { key: key.into(), value }), 0..3)
    }

    fn span() -> impl Strategy<Value = Span> {
        let ids = (any::<[u8; 16]>(), any::<[u8; 8]>(), any::<i64>(), any::<i64>());
        (ids, attributes(), attributes(), attributes(), 0_u64..7, any::<u32>()).prop_map(
            |((trace, id, start_ns, end_ns), own, of_event, of_link, kind, number)| Span {
                trace: TraceId(trace),
                id: SpanId(id),
                start_ns,
                end_ns,
                kind: SpanKind::from_number(kind),
                status: Status::from_number(kind % 3),
                name: "GET /".into(),
                flags: number,
                dropped_links: number,
                attributes: own,
                events: vec![SpanEvent { time_ns: end_ns, attributes: of_event, ..SpanEvent::default() }],
                links: vec![Link { trace: TraceId(trace), attributes: of_link, ..Link::default() }],
                ..Span::default()
            },
        )
    }

    proptest! {
        #[test]
        fn records_come_back(mut spans in prop::collection::vec(span(), 0..5), of_resource in attributes()) {
            let resource = Arc::new(Resource { attributes: of_resource, ..Resource::default() });
            spans.iter_mut().skip(1).for_each(|span| span.resource = Arc::clone(&resource));
            let mut writer = RecordWriter::default();
            writer.push(&Span::default());
            writer.clear();
            for span in &spans {
                writer.push(span);
            }
            let mut bytes = Vec::new();
            writer.write(&mut bytes);
            let mut found = Vec::new();
            read(&bytes, &mut |span| found.push(span))?;
            prop_assert_eq!(found, spans);
            for end in 0..bytes.len() {
                prop_assert!(read(&bytes[..end], &mut |_| ()).is_err());
            }
        }

        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            bytes.insert(0, VERSION);
            let _ = read(&bytes, &mut |_| ());
        }
    }
}
