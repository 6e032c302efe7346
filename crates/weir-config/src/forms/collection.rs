//! Lists, maps from names, and values that may be missing.

use std::sync::Arc;

use serde_json::json;

use super::text::Text;
use crate::form::Form;
use crate::out::Out;
use crate::reader::{Reader, Step};
use crate::schema::{Shape, Shapes};
use crate::tree::{Node, Value};

/// Most items of a list within an object. Lists of objects are bounded by the size of the text.
const ITEMS_MAX: usize = 10_000;

/// How many items a list has at least.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Items {
    Any,
    Some,
}

/// A list.
pub(crate) struct List<F> {
    item: F,
    items: Items,
}

pub(crate) const fn list<F>(item: F, items: Items) -> List<F> {
    List { item, items }
}

impl<T, F: Form<T>> Form<Vec<T>> for List<F> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<T>> {
        let Value::List(items) = &node.value else {
            r.expected(node, "a list");
            if !node.is_null() {
                r.problems.last_mut()?.help = Some("put it in brackets: [ … ]".into());
            }
            return None;
        };
        if items.is_empty() && self.items == Items::Some {
            r.error(node.span, "at least one is needed here");
            return None;
        }
        if items.len() > ITEMS_MAX {
            r.error(node.span, format!("a list may hold at most {ITEMS_MAX} items"));
            return None;
        }
        let mut values = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            values.extend(r.within(Step::Index(at), |r| self.item.read(item, r)));
        }
        (values.len() == items.len()).then_some(values)
    }

    fn write(&self, value: &Vec<T>) -> Out {
        Out::List(value.iter().map(|item| self.item.write(item)).collect())
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        let item = self.item.shape(shapes);
        let mut schema = json!({ "type": "array", "items": item.schema });
        if self.items == Items::Some {
            schema["minItems"] = 1.into();
        }
        Shape::new(schema, format!("list of {}", item.words))
    }
}

/// A list of at least one item, which may stand there without brackets where it is the only one.
pub(crate) struct OneOrMore<F>(F);

pub(crate) const fn one_or_more<F>(item: F) -> OneOrMore<F> {
    OneOrMore(item)
}

impl<T, F: Form<T> + Copy> Form<Vec<T>> for OneOrMore<F> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<T>> {
        match &node.value {
            Value::List(_) => list(self.0, Items::Some).read(node, r),
            _ => self.0.read(node, r).map(|one| vec![one]),
        }
    }

    fn write(&self, value: &Vec<T>) -> Out {
        match value.as_slice() {
            [one] => self.0.write(one),
            _ => list(self.0, Items::Some).write(value),
        }
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        let one = self.0.shape(shapes);
        let many = list(self.0, Items::Some).shape(shapes);
        let words = format!("{}, or list of them", one.words);
        Shape::new(json!({ "anyOf": [one.schema, many.schema] }), words)
    }
}

/// A list that is empty when its key is missing.
pub(crate) struct UnlessEmpty<F>(F);

pub(crate) const fn unless_empty<F>(form: F) -> UnlessEmpty<F> {
    UnlessEmpty(form)
}

impl<T, F: Form<Vec<T>>> Form<Vec<T>> for UnlessEmpty<F> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<T>> {
        self.0.read(node, r)
    }

    fn write(&self, value: &Vec<T>) -> Out {
        if value.is_empty() { Out::Absent } else { self.0.write(value) }
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        self.0.shape(shapes)
    }
}

/// A map from names to values, held as a list of `M`.
pub(crate) struct Named<F, T: 'static, M: 'static> {
    pub(crate) name: Text<Arc<str>>,
    pub(crate) value: F,
    pub(crate) make: fn(Arc<str>, T) -> M,
    pub(crate) split: fn(&M) -> (&Arc<str>, &T),
}

pub(crate) const fn named<F, T, M>(
    name: Text<Arc<str>>,
    value: F,
    make: fn(Arc<str>, T) -> M,
    split: fn(&M) -> (&Arc<str>, &T),
) -> Named<F, T, M> {
    Named { name, value, make, split }
}

impl<F: Form<T>, T, M> Form<Vec<M>> for Named<F, T, M> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Vec<M>> {
        let Value::Map(entries) = &node.value else {
            r.expected(node, "a map from names to values");
            return None;
        };
        let mut values: Vec<M> = Vec::with_capacity(entries.len());
        for entry in entries {
            r.within(Step::Key(&entry.key), |r| {
                let name = self.name.parse_at(&entry.key, entry.key_span, r);
                let value = self.value.read(&entry.node, r);
                let (Some(name), Some(value)) = (name, value) else { return };
                if values.iter().any(|v| self.split_name(v) == &*name) {
                    r.error(entry.key_span, format!("`{name}` is written twice, in different cases"));
                    return;
                }
                values.push((self.make)(name, value));
            });
        }
        // A map has no order: the same entries in another one are the same value.
        values.sort_by(|a, b| self.split_name(a).cmp(self.split_name(b)));
        (values.len() == entries.len()).then_some(values)
    }

    fn write(&self, value: &Vec<M>) -> Out {
        let entry = |m| {
            let (name, value) = (self.split)(m);
            (name.to_string(), self.value.write(value))
        };
        Out::Map(value.iter().map(entry).collect())
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        let (name, value) = (self.name.shape(shapes), self.value.shape(shapes));
        let schema = json!({ "type": "object", "additionalProperties": value.schema });
        Shape::new(schema, format!("map from {} to {}", name.words, value.words))
    }
}

impl<F, T, M> Named<F, T, M> {
    fn split_name<'m>(&self, m: &'m M) -> &'m str {
        (self.split)(m).0
    }
}

/// A value that is missing when its key is.
pub(crate) struct Optional<F>(F);

pub(crate) const fn optional<F>(form: F) -> Optional<F> {
    Optional(form)
}

impl<T, F: Form<T>> Form<Option<T>> for Optional<F> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Option<T>> {
        self.0.read(node, r).map(Some)
    }

    fn write(&self, value: &Option<T>) -> Out {
        value.as_ref().map_or(Out::Absent, |value| self.0.write(value))
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        self.0.shape(shapes)
    }
}

/// A value that can be switched off with the word `none`.
pub(crate) struct OrNone<F>(F);

pub(crate) const fn or_none<F>(form: F) -> OrNone<F> {
    OrNone(form)
}

impl<T, F: Form<T>> Form<Option<T>> for OrNone<F> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Option<T>> {
        match &node.value {
            Value::Scalar { text, .. } if text == "none" => Some(None),
            _ => self.0.read(node, r).map(Some),
        }
    }

    fn write(&self, value: &Option<T>) -> Out {
        value.as_ref().map_or_else(|| Out::text("none"), |value| self.0.write(value))
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        let shape = self.0.shape(shapes);
        let schema = json!({ "anyOf": [{ "const": "none" }, shape.schema] });
        Shape::new(schema, format!("{} or `none`", shape.words))
    }
}
