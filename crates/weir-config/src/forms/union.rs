//! Values that are one of several: a word, a bare text, or a map of exactly one key.

use serde_json::{Value as Json, json};

use super::scalar::words_schema;
use crate::form::Form;
use crate::out::Out;
use crate::reader::{Reader, Step};
use crate::schema::{Shape, Shapes};
use crate::tree::{Node, Value};

/// Reads what stands at a node.
type Read<T> = for<'n> fn(&'n Node<'n>, &mut Reader<'n>) -> Option<T>;

/// Says how a value may look.
type Shaped = fn(&mut Shapes) -> Shape;

/// One way to write a [`Union`]: `{ key: … }`.
pub(crate) struct Case<T> {
    pub(crate) key: &'static str,
    pub(crate) read: Read<T>,
    pub(crate) shape: Shaped,
}

/// A value that is one of several.
pub(crate) struct Union<T: 'static> {
    /// Words that stand for a value of their own.
    pub(crate) words: &'static [(&'static str, T)],
    /// What any other text means, where it means something.
    pub(crate) bare: Option<(Read<T>, Shaped)>,
    /// Maps of exactly one key.
    pub(crate) cases: &'static [Case<T>],
    pub(crate) write: fn(&T) -> Out,
}

impl<T> Union<T> {
    /// Everything that may be written, for messages.
    fn choices(&self) -> Vec<String> {
        let words = self.words.iter().map(|(word, _)| format!("`{word}`"));
        words.chain(self.cases.iter().map(|case| format!("`{{ {}: … }}`", case.key))).collect()
    }
}

impl<T: Clone> Form<T> for Union<T> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<T> {
        let entries = match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => {
                if let Some((_, value)) = self.words.iter().find(|(word, _)| word == text) {
                    return Some(value.clone());
                }
                return match &self.bare {
                    Some((read, _)) => read(node, r),
                    None => {
                        let help = format!("write {}", self.choices().join(" or "));
                        r.error(node.span, format!("`{text}` is not known here")).help = Some(help);
                        None
                    }
                };
            }
            Value::Map(entries) => entries,
            _ => {
                let what = self.choices().join(" or ");
                r.expected(node, &what);
                return None;
            }
        };
        let known: Vec<&str> = self.cases.iter().map(|case| case.key).collect();
        match entries.as_slice() {
            [entry] => match self.cases.iter().find(|case| case.key == entry.key) {
                Some(case) => r.within(Step::Key(&entry.key), |r| (case.read)(&entry.node, r)),
                None => {
                    r.unknown_word(entry.key_span, &entry.key, &known);
                    None
                }
            },
            _ => {
                for entry in entries.iter().filter(|e| !known.contains(&&*e.key)) {
                    r.unknown_word(entry.key_span, &entry.key, &known);
                }
                let help = format!("write {}", self.choices().join(" or "));
                r.error(node.span, format!("exactly one key is needed here, not {}", entries.len())).help =
                    Some(help);
                None
            }
        }
    }

    fn write(&self, value: &T) -> Out {
        (self.write)(value)
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        let mut schemas: Vec<Json> = Vec::new();
        let mut words: Vec<String> = self.words.iter().map(|(word, _)| format!("`{word}`")).collect();
        if !self.words.is_empty() {
            schemas.push(words_schema(self.words.iter().map(|w| w.0)));
        }
        if let Some((_, shape)) = &self.bare {
            let shape = shape(shapes);
            schemas.push(shape.schema);
            words.push(shape.words);
        }
        for case in self.cases {
            let shape = (case.shape)(shapes);
            words.push(format!("`{}:` {}", case.key, shape.words));
            schemas.push(json!({
                "type": "object",
                "properties": { case.key: shape.schema },
                "required": [case.key],
                "additionalProperties": false,
            }));
        }
        Shape::new(json!({ "anyOf": schemas }), words.join(", or "))
    }
}
