//! Fields that lines have: what a person could ask for next.

use std::collections::{BTreeMap, BTreeSet};

use weir_signal::{LogSource, ReadError, Scope};

use crate::ast::{Logfmt, Stage};
use crate::pipeline::Pipeline;
use crate::streams::{LogQuery, run_logs};
use crate::units::{parse_bytes, parse_duration, parse_float};

/// How many values of a field are remembered.
const VALUES_MAX: usize = 1000;

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The label that it becomes.
    pub label: String,
    /// What its values are.
    pub kind: FieldKind,
    /// How many different ones were found, at most 1000 of them.
    pub cardinality: usize,
    /// The parsers that find it (`json`, `logfmt`); none where it is metadata.
    pub parsers: Vec<&'static str>,
    /// Values in ascending order, as many as [`Field::cardinality`] says.
    pub values: Vec<String>,
}

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Text.
    String,
    /// Whole numbers.
    Int,
    /// Numbers.
    Float,
    /// `true` or `false`.
    Boolean,
    /// Durations.
    Duration,
    /// Sizes.
    Bytes,
}

impl FieldKind {
    /// As Loki's API calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Duration => "duration",
            Self::Bytes => "bytes",
        }
    }

    /// What a value is.
    fn of(value: &str) -> Self {
        if value.parse::<i64>().is_ok() {
            Self::Int
        } else if parse_float(value).is_ok() {
            Self::Float
        } else if matches!(value, "true" | "false") {
            Self::Boolean
        } else if parse_duration(value).is_ok() {
            Self::Duration
        } else if parse_bytes(value).is_ok() {
            Self::Bytes
        } else {
            Self::String
        }
    }
}

/// The fields of the lines that a query answers, ascending by label: metadata, what its stages parsed, and where they
/// parsed nothing, what JSON or logfmt has.
///
/// # Errors
/// Lines could not be read, or more than the scope's budget allows.
pub fn detect_fields(
    query: &LogQuery,
    source: &dyn LogSource,
    scope: &Scope,
) -> Result<Vec<Field>, ReadError> {
    let parsers: Vec<(&'static str, Option<Pipeline>)> = [
        ("json", Stage::Json(Vec::new())),
        ("logfmt", Stage::Logfmt(Logfmt { strict: true, ..Logfmt::default() })),
    ]
    .map(|(name, stage)| (name, Pipeline::new(&[stage], query.now_ns).ok()))
    .into();
    let parses = |stage: &Stage| match stage {
        Stage::Json(_) => Some("json"),
        Stage::Logfmt(_) => Some("logfmt"),
        Stage::Pattern(_) => Some("pattern"),
        Stage::Regexp(_) => Some("regexp"),
        _ => None,
    };
    let parsed_by: Vec<&'static str> = query.logs.stages.iter().filter_map(parses).collect();
    let mut fields: BTreeMap<String, Found> = BTreeMap::new();
    let mut parsers = if parsed_by.is_empty() { parsers } else { Vec::new() };
    let query = LogQuery { by_stream_labels: true, ..query.clone() };
    for stream in run_logs(&query, source, scope)? {
        for entry in &stream.entries {
            for (label, value) in entry.metadata.iter() {
                note(&mut fields, label, value, None);
            }
            for (label, value) in entry.parsed.iter().filter(|(label, _)| !label.starts_with("__")) {
                for parser in &parsed_by {
                    note(&mut fields, label, value, Some(parser));
                }
            }
            for (name, pipeline) in &mut parsers {
                let row = weir_signal::LogRow {
                    stream: &stream.labels,
                    time_ns: entry.time_ns,
                    line: &entry.line,
                    metadata: &entry.metadata,
                };
                let Some(line) = pipeline.as_mut().and_then(|pipeline| pipeline.process(row)) else {
                    continue;
                };
                let parsed = line.parsed();
                if parsed.get("__error__").is_some() {
                    continue;
                }
                for (label, value) in parsed.iter() {
                    note(&mut fields, label, value, Some(name));
                }
                break;
            }
        }
    }
    let field = |(label, found): (String, Found)| Field {
        label,
        kind: found.kind,
        cardinality: found.values.len(),
        parsers: found.parsers.into_iter().collect(),
        values: found.values.into_iter().collect(),
    };
    Ok(fields.into_iter().map(field).collect())
}

struct Found {
    kind: FieldKind,
    parsers: BTreeSet<&'static str>,
    values: BTreeSet<String>,
}

fn note(fields: &mut BTreeMap<String, Found>, label: &str, value: &str, parser: Option<&'static str>) {
    let found = fields.entry(label.to_owned()).or_insert_with(|| Found {
        kind: FieldKind::of(value),
        parsers: BTreeSet::new(),
        values: BTreeSet::new(),
    });
    let kind = FieldKind::of(value);
    if kind != found.kind {
        let numbers = [FieldKind::Int, FieldKind::Float];
        let both = numbers.contains(&kind) && numbers.contains(&found.kind);
        found.kind = if both { FieldKind::Float } else { FieldKind::String };
    }
    found.parsers.extend(parser);
    if found.values.len() < VALUES_MAX && !found.values.contains(value) {
        found.values.insert(value.to_owned());
    }
}
