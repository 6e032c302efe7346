//! Edits of header fields.

use std::sync::Arc;

use serde_json::json;
use weir_model::{HeaderEdit, HeaderEdits};

use crate::form::{At, Fields, Form, Object};
use crate::forms::{FIELD_VALUE, Items, list, named, wire_name};
use crate::out::Out;
use crate::reader::{Reader, Step};
use crate::schema::{Shape, Shapes};
use crate::tree::{Node, Value};

impl Object for HeaderEdits {
    const NAME: &'static str = "header edits";
    const DOC: &'static str = "Edits of header fields, in the order remove, set, add.";

    fn blank() -> Self {
        Self::default()
    }

    fn fields(&mut self, f: &mut Fields<'_, '_>) {
        f.key(
            "remove",
            "Names whose fields are removed.",
            list(LoweredWireName, Items::Any),
            &mut self.remove,
        );
        let set = named(
            wire_name(),
            FIELD_VALUE,
            |name, value| HeaderEdit { name, value },
            |edit: &HeaderEdit| (&edit.name, &edit.value),
        );
        f.key("set", "Fields that replace all of their name.", set, &mut self.set);
        f.key("add", "Fields that come in addition; a list gives several.", AddedFields, &mut self.add);
    }

    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        for (n, edit) in self.set.iter().enumerate() {
            if self.set[..n].iter().any(|other| other.name.eq_ignore_ascii_case(&edit.name)) {
                at.error("set", r, format!("`{}` is written twice, in different cases", edit.name)).help =
                    Some("leave one of the two out".into());
            }
        }
    }
}

/// A name whose fields are removed: matched, so held in lower case.
struct LoweredWireName;

impl Form<Arc<str>> for LoweredWireName {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Arc<str>> {
        wire_name().read(node, r).map(|name: Arc<str>| name.to_ascii_lowercase().into())
    }

    fn write(&self, value: &Arc<str>) -> Out {
        wire_name().write(value)
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        wire_name().shape(shapes)
    }
}

/// A map from names to a value or a list of values.
struct AddedFields;

impl Form<Vec<HeaderEdit>> for AddedFields {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<HeaderEdit>> {
        let Value::Map(entries) = &node.value else {
            r.expected(node, "a map from header names to values");
            return None;
        };
        let before = r.mark();
        let mut edits = Vec::new();
        for entry in entries {
            r.within(Step::Key(&entry.key), |r| {
                let name = wire_name().parse_at(&entry.key, entry.key_span, r);
                let values: Option<Vec<Arc<str>>> = match &entry.node.value {
                    Value::List(_) => list(FIELD_VALUE, Items::Some).read(&entry.node, r),
                    _ => FIELD_VALUE.read(&entry.node, r).map(|value| vec![value]),
                };
                let (Some(name), Some(values)) = (name, values) else { return };
                edits.extend(values.into_iter().map(|value| HeaderEdit { name: name.clone(), value }));
            });
        }
        // Values of one name keep their order; names have none.
        edits.sort_by(|a, b| a.name.cmp(&b.name));
        (r.mark() == before).then_some(edits)
    }

    fn write(&self, value: &Vec<HeaderEdit>) -> Out {
        let mut entries: Vec<(String, Vec<Out>)> = Vec::new();
        for edit in value {
            let text = Out::text(&*edit.value);
            match entries.iter_mut().find(|(name, _)| **name == *edit.name) {
                Some((_, values)) => values.push(text),
                None => entries.push((edit.name.to_string(), vec![text])),
            }
        }
        let one_or_list =
            |mut values: Vec<Out>| if values.len() == 1 { values.remove(0) } else { Out::List(values) };
        Out::Map(entries.into_iter().map(|(name, values)| (name, one_or_list(values))).collect())
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        let value = FIELD_VALUE.shape(shapes).schema;
        let schema = json!({
            "type": "object",
            "additionalProperties": { "anyOf": [value, { "type": "array", "items": value, "minItems": 1 }] },
        });
        Shape::new(schema, "map from header name to header value or list of them")
    }
}
