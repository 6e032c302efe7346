//! Spans as they are gathered for a block: rows of numbers, and the texts that these stand for.

use std::collections::HashMap;
use std::sync::Arc;

use weir_signal::{InstrumentationScope, Resource, Span, SpanId, TraceId, Value};

use crate::spans::attributes::{Attributes, NO_SHAPE};
use crate::spans::interner::Interner;
use crate::spans::writer::Unstorable;
use crate::spans::{SPAN_BYTES_MAX, SPAN_PARTS_MAX};

pub(super) const NONE: u32 = u32::MAX;

/// What an operation's spans have beside what all have, as bits.
pub(super) mod extra {
    pub(in super::super) const STATE: u8 = 1;
    pub(in super::super) const MESSAGE: u8 = 2;
    pub(in super::super) const DROPPED_ATTRIBUTES: u8 = 4;
    pub(in super::super) const DROPPED_EVENTS: u8 = 8;
    pub(in super::super) const DROPPED_LINKS: u8 = 16;
    pub(in super::super) const EVENTS: u8 = 32;
    pub(in super::super) const LINKS: u8 = 64;
}

/// What is told of a span by one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Operation {
    pub(super) resource: u32,
    pub(super) scope: u32,
    pub(super) name: u32,
    pub(super) shape: u32,
    pub(super) flags: u32,
    pub(super) kind: u8,
    pub(super) status: u8,
    /// Which extras its spans have.
    pub(super) extras: u8,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: SpanId,
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) operation: Operation,
    /// Where its values begin.
    pub(super) values: u32,
    /// Where its extras are, or [`NONE`].
    pub(super) extra: u32,
}

/// What few spans have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extra {
    pub(super) state: u32,
    pub(super) message: u32,
    pub(super) dropped_attributes: u32,
    pub(super) dropped_events: u32,
    pub(super) dropped_links: u32,
    /// Where its events begin, and how many they are.
    pub(super) events: (u32, u32),
    pub(super) links: (u32, u32),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct EventRow {
    pub(super) time_ns: i64,
    pub(super) name: u32,
    pub(super) shape: u32,
    pub(super) values: u32,
    pub(super) dropped: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct LinkRow {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) state: u32,
    pub(super) flags: u32,
    pub(super) shape: u32,
    pub(super) values: u32,
    pub(super) dropped: u32,
}

/// A resource or a scope; the latter has a name and a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) shape: u32,
    pub(super) values: u32,
    pub(super) dropped: u32,
    pub(super) schema: u32,
    pub(super) name: u32,
    pub(super) version: u32,
}

/// Resources or scopes, each once.
#[derive(Debug)]
pub(super) struct Origins<T> {
    /// By where they lie. That they are held keeps another from lying there.
    held: HashMap<usize, (Arc<T>, u32)>,
    last: (usize, u32),
    /// Those that were numbered, in order: what they were made of.
    pub(super) rows: Vec<Origin>,
    by_content: HashMap<Box<[u64]>, u32>,
    pub(super) attributes: Attributes,
}

fn place<T>(origin: &Arc<T>) -> usize {
    Arc::as_ptr(origin).addr()
}

impl<T> Default for Origins<T> {
    fn default() -> Self {
        Self {
            held: HashMap::new(),
            last: (0, NONE),
            rows: Vec::new(),
            by_content: HashMap::new(),
            attributes: Attributes::default(),
        }
    }
}

impl<T> Origins<T> {
    fn clear(&mut self) {
        self.held.clear();
        self.last = (0, NONE);
        self.rows.clear();
        self.by_content.clear();
        self.attributes.clear();
    }

    fn is_last(&self, origin: &Arc<T>) -> bool {
        self.last == (place(origin), self.last.1) && self.last.1 != NONE
    }

    /// The number of an origin: the one that it had before, or that of one with the same content, or a new one.
    fn number(
        &mut self,
        origin: &Arc<T>,
        values: &mut Vec<u64>,
        make: impl FnOnce(&T, &mut Attributes, &mut Vec<u64>) -> Option<Origin>,
    ) -> Option<u32> {
        let place = place(origin);
        if self.last.0 == place && self.last.1 != NONE {
            return Some(self.last.1);
        }
        let known = self.held.get(&place).map(|&(_, number)| number);
        let number = match known {
            Some(number) => number,
            None => {
                let before = values.len();
                let row = make(origin, &mut self.attributes, values)?;
                let mut content: Vec<u64> =
                    [row.shape, row.dropped, row.schema, row.name, row.version].map(u64::from).to_vec();
                content.extend_from_slice(&values[before..]);
                let next = self.rows.len() as u32;
                let number = *self.by_content.entry(content.into_boxed_slice()).or_insert(next);
                if number == next {
                    self.rows.push(row);
                } else {
                    values.truncate(before);
                }
                self.held.insert(place, (Arc::clone(origin), number));
                number
            }
        };
        self.last = (place, number);
        Some(number)
    }
}

/// By the number of a name: the shape that the attributes of a span or event of it had last.
#[derive(Debug, Default)]
struct Guesses(Vec<u32>);

impl Guesses {
    fn of(&mut self, name: u32) -> &mut u32 {
        let name = name as usize;
        self.0.resize(self.0.len().max(name + 1), NO_SHAPE);
        &mut self.0[name]
    }
}

/// The spans of a block that is being filled.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) rows: Vec<Row>,
    pub(super) extras: Vec<Extra>,
    pub(super) events: Vec<EventRow>,
    pub(super) links: Vec<LinkRow>,
    /// Of each thing that has attributes, their values in order.
    pub(super) values: Vec<u64>,
    pub(super) texts: Interner,
    pub(super) names: Interner,
    pub(super) span_attributes: Attributes,
    pub(super) event_attributes: Attributes,
    pub(super) link_attributes: Attributes,
    pub(super) resources: Origins<Resource>,
    /// The service of each resource.
    pub(super) services: Vec<Box<str>>,
    pub(super) scopes: Origins<InstrumentationScope>,
    guesses: Guesses,
    pub(super) event_names: Interner,
    event_guesses: Guesses,
    link_guess: u32,
}

impl Gathered {
    /// Bytes of texts.
    pub(super) fn bytes(&self) -> usize {
        self.texts.bytes() + self.names.bytes() + self.event_names.bytes()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.extras.clear();
        self.events.clear();
        self.links.clear();
        self.values.clear();
        self.texts.clear();
        self.names.clear();
        self.span_attributes.clear();
        self.event_attributes.clear();
        self.link_attributes.clear();
        self.resources.clear();
        self.services.clear();
        self.scopes.clear();
        self.guesses.0.clear();
        self.event_names.clear();
        self.event_guesses.0.clear();
        self.link_guess = NO_SHAPE;
    }

    /// Whether resource and scope are those of the span before.
    pub(super) fn knows_origins(&self, span: &Span) -> bool {
        self.resources.is_last(&span.resource) && self.scopes.is_last(&span.scope)
    }

    /// Adds a span that [`Size::of`] found good.
    pub(super) fn push(&mut self, span: &Span) -> Result<(), Unstorable> {
        self.row(span).map(|row| self.rows.push(row)).ok_or(Unstorable::Depth)
    }

    fn row(&mut self, span: &Span) -> Option<Row> {
        let (texts, values) = (&mut self.texts, &mut self.values);
        let resource = self.resources.number(&span.resource, values, |resource, attributes, values| {
            let start = values.len() as u32;
            Some(Origin {
                shape: attributes.add(&resource.attributes, NO_SHAPE, texts, values)?,
                values: start,
                dropped: resource.dropped_attributes,
                schema: texts.intern(resource.schema_url.as_bytes()),
                name: NONE,
                version: NONE,
            })
        })?;
        if self.services.len() < self.resources.rows.len() {
            self.services.push(span.resource.service().into());
        }
        let scope = self.scopes.number(&span.scope, values, |scope, attributes, values| {
            let start = values.len() as u32;
            Some(Origin {
                shape: attributes.add(&scope.attributes, NO_SHAPE, texts, values)?,
                values: start,
                dropped: scope.dropped_attributes,
                schema: texts.intern(scope.schema_url.as_bytes()),
                name: texts.intern(scope.name.as_bytes()),
                version: texts.intern(scope.version.as_bytes()),
            })
        })?;
        let name = self.names.intern(span.name.as_bytes());
        let guess = self.guesses.of(name);
        let start = values.len() as u32;
        let shape = self.span_attributes.add(&span.attributes, *guess, texts, values)?;
        *guess = shape;
        let (extras, extra) = self.extra(span)?;
        Some(Row {
            trace: span.trace,
            id: span.id,
            parent: span.parent,
            start_ns: span.start_ns,
            end_ns: span.end_ns,
            operation: Operation {
                resource,
                scope,
                name,
                shape,
                flags: span.flags,
                kind: span.kind as u8,
                status: span.status as u8,
                extras,
            },
            values: start,
            extra,
        })
    }

    /// Which extras a span has, and where they are.
    fn extra(&mut self, span: &Span) -> Option<(u8, u32)> {
        let mut bits = 0;
        let mut has = |bit: u8, there: bool| bits |= if there { bit } else { 0 };
        has(extra::STATE, !span.trace_state.is_empty());
        has(extra::MESSAGE, !span.status_message.is_empty());
        has(extra::DROPPED_ATTRIBUTES, span.dropped_attributes > 0);
        has(extra::DROPPED_EVENTS, span.dropped_events > 0);
        has(extra::DROPPED_LINKS, span.dropped_links > 0);
        has(extra::EVENTS, !span.events.is_empty());
        has(extra::LINKS, !span.links.is_empty());
        if bits == 0 {
            return Some((0, NONE));
        }
        let (texts, values) = (&mut self.texts, &mut self.values);
        let (events, links) = (self.events.len() as u32, self.links.len() as u32);
        for event in &span.events {
            let name = self.event_names.intern(event.name.as_bytes());
            let guess = self.event_guesses.of(name);
            let start = values.len() as u32;
            let shape = self.event_attributes.add(&event.attributes, *guess, texts, values)?;
            *guess = shape;
            let dropped = event.dropped_attributes;
            self.events.push(EventRow { time_ns: event.time_ns, name, shape, values: start, dropped });
        }
        for link in &span.links {
            let start = values.len() as u32;
            let shape = self.link_attributes.add(&link.attributes, self.link_guess, texts, values)?;
            self.link_guess = shape;
            self.links.push(LinkRow {
                trace: link.trace,
                span: link.span,
                state: texts.intern(link.trace_state.as_bytes()),
                flags: link.flags,
                shape,
                values: start,
                dropped: link.dropped_attributes,
            });
        }
        self.extras.push(Extra {
            state: texts.intern(span.trace_state.as_bytes()),
            message: texts.intern(span.status_message.as_bytes()),
            dropped_attributes: span.dropped_attributes,
            dropped_events: span.dropped_events,
            dropped_links: span.dropped_links,
            events: (events, span.events.len() as u32),
            links: (links, span.links.len() as u32),
        });
        Some((bits, self.extras.len() as u32 - 1))
    }
}

/// How much of a block a span takes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    /// Of all texts.
    pub(super) bytes: usize,
    /// Attributes, events and links.
    pub(super) parts: usize,
}

impl Size {
    /// That of a span, with its resource and scope or without, all counted as if nothing were shared.
    ///
    /// # Errors
    /// No block takes it.
    pub(super) fn of(span: &Span, origins: bool) -> Result<Self, Unstorable> {
        let mut size = Self::default();
        size.add_texts(&[&span.name, &span.trace_state, &span.status_message]);
        let (resource, scope) = (&span.resource, &span.scope);
        if origins {
            size.add_texts(&[&resource.schema_url, &scope.schema_url, &scope.name, &scope.version]);
        }
        let of_origins = [&resource.attributes, &scope.attributes].into_iter().filter(|_| origins);
        let events = span.events.iter().map(|event| &event.attributes);
        let links = span.links.iter().map(|link| &link.attributes);
        let lists = of_origins.chain([&span.attributes]).chain(events).chain(links);
        let mut good = true;
        for attribute in lists.flatten() {
            size.parts += 1;
            size.bytes += attribute.key.len();
            good &= size.add_value(&attribute.value, 0);
        }
        size.parts += span.events.len() + span.links.len();
        span.events.iter().for_each(|event| size.bytes += event.name.len());
        span.links.iter().for_each(|link| size.bytes += link.trace_state.len());
        if !good {
            return Err(Unstorable::Depth);
        }
        if size.bytes > SPAN_BYTES_MAX {
            return Err(Unstorable::Bytes(size.bytes));
        }
        if size.parts > SPAN_PARTS_MAX {
            return Err(Unstorable::Parts(size.parts));
        }
        Ok(size)
    }

    fn add_texts(&mut self, texts: &[&str]) {
        self.bytes += texts.iter().map(|text| text.len()).sum::<usize>();
    }

    /// `false` where it is nested too deep.
    fn add_value(&mut self, value: &Value, depth: usize) -> bool {
        // What a nested value takes beside its texts.
        self.bytes += if depth > 0 { 11 } else { 0 };
        match value {
            Value::String(text) => self.bytes += text.len(),
            Value::Bytes(bytes) => self.bytes += bytes.len(),
            Value::Array(values) => {
                self.bytes += 11;
                return depth < crate::spans::nested::DEPTH_MAX
                    && values.iter().all(|value| self.add_value(value, depth + 1));
            }
            Value::Map(pairs) => {
                self.bytes += 11;
                return depth < crate::spans::nested::DEPTH_MAX
                    && pairs.iter().all(|pair| {
                        self.bytes += pair.key.len() + 10;
                        self.add_value(&pair.value, depth + 1)
                    });
            }
            Value::Empty | Value::Bool(_) | Value::Int(_) | Value::Double(_) => {}
        }
        true
    }
}
