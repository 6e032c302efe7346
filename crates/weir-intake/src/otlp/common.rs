//! Messages that all signals share: attributes, resources, scopes (`opentelemetry.proto.common.v1`, `…resource.v1`).

use std::fmt::Write as _;

use weir_signal::{Attribute, InstrumentationScope, Resource, Value};

use crate::wire::{Reader, WireError};

/// A `KeyValue`.
pub(super) fn attribute(mut reader: Reader<'_>) -> Result<Attribute, WireError> {
    let (mut key, mut value) = ("", Value::Empty);
    while let Some(field) = reader.next()? {
        match field.number {
            1 => key = field.text()?,
            2 => value = any_value(field.message()?)?,
            _ => {}
        }
    }
    Ok(Attribute { key: key.into(), value })
}

/// An `AnyValue`. Depth is bounded by the reader.
pub(super) fn any_value(mut reader: Reader<'_>) -> Result<Value, WireError> {
    let mut value = Value::Empty;
    while let Some(field) = reader.next()? {
        value = match field.number {
            1 => Value::String(field.text()?.into()),
            2 => Value::Bool(field.bool()?),
            3 => Value::Int(field.int()?),
            4 => Value::Double(field.double()?),
            5 => {
                let mut values = Vec::new();
                let mut array = field.message()?;
                while let Some(item) = array.next()? {
                    if item.number == 1 {
                        values.push(any_value(item.message()?)?);
                    }
                }
                Value::Array(values)
            }
            6 => {
                let mut pairs = Vec::new();
                let mut list = field.message()?;
                while let Some(item) = list.next()? {
                    if item.number == 1 {
                        pairs.push(attribute(item.message()?)?);
                    }
                }
                Value::Map(pairs)
            }
            7 => Value::Bytes(field.bytes()?.into()),
            _ => continue,
        };
    }
    Ok(value)
}

/// A `Resource`. `schema_url` stands beside it.
pub(super) fn resource(reader: Option<Reader<'_>>, schema_url: &str) -> Result<Resource, WireError> {
    let mut resource = Resource { schema_url: schema_url.into(), ..Resource::default() };
    let Some(mut reader) = reader else { return Ok(resource) };
    while let Some(field) = reader.next()? {
        match field.number {
            1 => resource.attributes.push(attribute(field.message()?)?),
            2 => resource.dropped_attributes = field.uint()? as u32,
            _ => {}
        }
    }
    Ok(resource)
}

/// An `InstrumentationScope`. `schema_url` stands beside it.
pub(super) fn scope(reader: Option<Reader<'_>>, schema_url: &str) -> Result<InstrumentationScope, WireError> {
    let mut scope = InstrumentationScope { schema_url: schema_url.into(), ..InstrumentationScope::default() };
    let Some(mut reader) = reader else { return Ok(scope) };
    while let Some(field) = reader.next()? {
        match field.number {
            1 => scope.name = field.text()?.into(),
            2 => scope.version = field.text()?.into(),
            3 => scope.attributes.push(attribute(field.message()?)?),
            4 => scope.dropped_attributes = field.uint()? as u32,
            _ => {}
        }
    }
    Ok(scope)
}

/// What stands around a list: `ResourceSpans`, `ScopeLogs` and their like all have the thing itself as field 1, the list
/// as field 2 and the schema as field 3, in any order.
pub(super) struct Around<'a> {
    /// The resource or scope.
    pub(super) head: Option<Reader<'a>>,
    /// The URL of its schema.
    pub(super) schema_url: &'a str,
    list: Reader<'a>,
}

impl<'a> Around<'a> {
    pub(super) fn read(reader: Reader<'a>) -> Result<Self, WireError> {
        let mut around = Self { head: None, schema_url: "", list: reader };
        let mut fields = reader;
        while let Some(field) = fields.next()? {
            match field.number {
                1 => around.head = Some(field.message()?),
                3 => around.schema_url = field.text()?,
                _ => {}
            }
        }
        Ok(around)
    }

    /// Each member of the list.
    pub(super) fn each<E: From<WireError>>(
        &self,
        mut member: impl FnMut(Reader<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut fields = self.list;
        while let Some(field) = fields.next()? {
            if field.number == 2 {
                member(field.message()?)?;
            }
        }
        Ok(())
    }
}

/// Each message of field 1: what a request consists of.
pub(super) fn each_first<'a, E: From<WireError>>(
    payload: &'a [u8],
    mut member: impl FnMut(Reader<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut request = Reader::new(payload);
    while let Some(field) = request.next()? {
        if field.number == 1 {
            member(field.message()?)?;
        }
    }
    Ok(())
}

/// Sixteen bytes; `None` for any other length.
pub(super) fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

/// Nanoseconds of the protocol, which are unsigned, as signed ones: what lies behind the year 2262 is its last moment.
pub(super) fn nanos(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
