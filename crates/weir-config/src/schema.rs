//! What the descriptions say, as JSON Schema for editors and as tables for the reference.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::form::{Fields, Object};
use crate::objects::Document;
use crate::out::Out;

/// How a value may look.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Its JSON Schema.
    pub(crate) schema: Value,
    /// Its words in the reference's tables.
    pub(crate) words: String,
}

impl Shape {
    pub(crate) fn new(schema: Value, words: impl Into<String>) -> Self {
        Self { schema, words: words.into() }
    }
}

/// One key of an object.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) key: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) shape: Shape,
    pub(crate) default: Out,
    pub(crate) required: bool,
}

/// Definitions that were met so far.
#[derive(Default)]
pub(crate) struct Shapes {
    definitions: BTreeMap<&'static str, Value>,
    /// Objects with their keys, in the order in which they were met.
    tables: Vec<(&'static str, &'static str, Vec<Row>)>,
}

impl Shapes {
    /// The shape of an object, by reference to its definition.
    pub(crate) fn object<T: Object>(&mut self) -> Shape {
        let name = T::NAME;
        let reference = Shape::new(
            json!({ "$ref": format!("#/$defs/{}", name.replace(' ', "_")) }),
            format!("[{name}](#{})", name.replace(' ', "-")),
        );
        if self.definitions.contains_key(name) {
            return reference;
        }
        self.definitions.insert(name, Value::Null);
        let table = self.tables.len();
        self.tables.push((name, T::DOC, Vec::new()));
        let mut rows = Vec::new();
        T::blank().fields(&mut Fields::Describe { shapes: self, rows: &mut rows });
        let mut schema = object_schema(T::DOC, &rows);
        if let Some(row) = T::SHORT.and_then(|short| rows.iter().find(|row| row.key == short)) {
            schema = json!({ "description": T::DOC, "anyOf": [row.shape.schema, schema] });
        }
        self.definitions.insert(name, schema);
        self.tables[table].2 = rows;
        reference
    }
}

fn object_schema(doc: &str, rows: &[Row]) -> Value {
    let mut properties = Map::new();
    for row in rows {
        // `allOf` keeps the description beside a reference for editors that stop reading at `$ref`.
        let mut schema = match &row.shape.schema {
            reference if reference.get("$ref").is_some() => json!({ "allOf": [reference] }),
            schema => schema.clone(),
        };
        schema["description"] = row.doc.into();
        if row.default != Out::Absent {
            schema["default"] = row.default.json();
        }
        properties.insert(row.key.to_owned(), schema);
    }
    let required: Vec<&str> = rows.iter().filter(|row| row.required).map(|row| row.key).collect();
    let mut schema = json!({
        "type": "object",
        "description": doc,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// The JSON Schema (2020-12) of a configuration file.
///
/// It is for editors: whatever `load` accepts is valid under it, while rules between keys and references are
/// checked by `load` only.
pub fn schema() -> Value {
    let mut shapes = Shapes::default();
    let root = shapes.object::<Document>();
    let definitions: Map<String, Value> =
        shapes.definitions.into_iter().map(|(name, schema)| (name.replace(' ', "_"), schema)).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Weir",
        "$ref": root.schema["$ref"],
        "$defs": definitions,
    })
}

/// The reference's tables: name of the object, what it is, and its keys as a Markdown table.
pub fn reference() -> Vec<(&'static str, String)> {
    let mut shapes = Shapes::default();
    shapes.object::<Document>();
    let table = |(name, doc, rows): &(&'static str, &'static str, Vec<Row>)| {
        let mut text = format!("{doc}\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
        for row in rows {
            let default = match &row.default {
                _ if row.required => "required".to_owned(),
                Out::Absent => "–".to_owned(),
                Out::Map(_) if row.shape.words.starts_with('[') => "see there".to_owned(),
                out => format!("`{}`", out.flow()),
            };
            let cell = |text: &str| text.replace('|', "\\|");
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                row.key,
                cell(&row.shape.words),
                cell(&default),
                cell(row.doc)
            );
        }
        (*name, text)
    };
    shapes.tables.iter().map(table).collect()
}
