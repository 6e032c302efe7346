//! YAML as a JSON value whose scalars are all texts, as Prometheus takes what stands for an address or a label. Bounded in
//! depth, in values, and in what aliases stand for.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

const DEPTH_MAX: usize = 16;
const VALUES_MAX: usize = 1 << 20;

enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

#[derive(Default)]
struct Builder {
    stack: Vec<(Open, usize)>,
    anchors: HashMap<usize, (Value, usize)>,
    values: usize,
    root: Option<Value>,
}

/// The value of a text; null for an empty one.
///
/// # Errors
/// It is no YAML, or more than a bound allows, with the place.
pub(super) fn value(text: &str) -> Result<Value, String> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, place) = event.map_err(|error| format!("no YAML: {error}"))?;
        builder.event(event).map_err(|what| format!("line {}: {what}", place.start.line()))?;
    }
    Ok(builder.root.unwrap_or(Value::Null))
}

impl Builder {
    fn event(&mut self, event: Event<'_>) -> Result<(), &'static str> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let nothing = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                let is_key = matches!(self.stack.last(), Some((Open::Map(_, None), _)));
                let value = if nothing && !is_key { Value::Null } else { Value::String(text.into_owned()) };
                self.put(value, anchor, 1)
            }
            Event::SequenceStart(anchor, _) => self.open(Open::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.open(Open::Map(Map::new(), None), anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some((Open::List(list), anchor)) => self.put(Value::Array(list), anchor, 1),
                Some((Open::Map(map, _), anchor)) => self.put(Value::Object(map), anchor, 1),
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let (value, size) =
                    self.anchors.get(&anchor).cloned().ok_or("an alias of what is not whole yet")?;
                self.put(value, 0, size)
            }
            Event::DocumentStart(_) if self.root.is_some() => Err("a second document begins"),
            _ => Ok(()),
        }
    }

    fn open(&mut self, open: Open, anchor: usize) -> Result<(), &'static str> {
        if self.stack.len() >= DEPTH_MAX {
            return Err("nested deeper than lists of targets are");
        }
        self.stack.push((open, anchor));
        Ok(())
    }

    fn put(&mut self, value: Value, anchor: usize, size: usize) -> Result<(), &'static str> {
        self.values += size;
        if anchor != 0 {
            let size = size_of(&value);
            self.values += size;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        if self.values > VALUES_MAX {
            return Err("more values than a list of targets may have");
        }
        match self.stack.last_mut().map(|(open, _)| open) {
            None => self.root = Some(value),
            Some(Open::List(list)) => list.push(value),
            Some(Open::Map(map, key)) => match (key.take(), value) {
                (Some(key), value) => {
                    if map.insert(key, value).is_some() {
                        return Err("a key is written twice");
                    }
                }
                (None, Value::String(text)) => *key = Some(text),
                (None, _) => return Err("a key has to be a text"),
            },
        }
        Ok(())
    }
}

fn size_of(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(size_of).sum(),
        Value::Object(map) => map.values().map(size_of).sum(),
        _ => 0,
    }
}
