//! What there is: labels, their values, streams, fields of lines.

use std::collections::{BTreeMap, BTreeSet};

use weir_logql::{Field, LogQuery, detect_fields, parse_logs};
use weir_signal::{Labels, LogSelect, LogSource, Scope};

use super::asked::Asked;
use super::error::ApiError;
use super::{Plan, write};
use crate::query::json;
use crate::query::params::decoded;

/// Lines that are looked at for their fields where nobody says how many.
const LINES: usize = 100;
/// And at most.
const LINES_MAX: usize = 10_000;
/// Fields, or values of one, where nobody says how many.
const FIELDS: usize = 1000;

/// `labels`: the names of the labels of streams.
pub(super) fn labels(asked: &Asked) -> Result<Plan, ApiError> {
    let select = asked.labelled()?;
    Plan::work(move |source, scope| {
        let streams = source.streams(scope, &select)?;
        let names: BTreeSet<&str> =
            streams.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
        Ok(write::envelope(|out| json::list(out, names, json::string)))
    })
}

/// `label/NAME/values`
pub(super) fn label_values(asked: &Asked, name: &str) -> Result<Plan, ApiError> {
    let select = asked.labelled()?;
    let name = decoded(name, false).into_owned();
    Plan::work(move |source, scope| {
        let streams = source.streams(scope, &select)?;
        let values: BTreeSet<&str> = streams.iter().filter_map(|labels| labels.get(&name)).collect();
        Ok(write::envelope(|out| json::list(out, values, json::string)))
    })
}

/// `series`: streams.
pub(super) fn series(asked: &Asked) -> Result<Plan, ApiError> {
    let all = asked.params.all("match[]").chain(asked.params.all("match"));
    let mut selects: Vec<LogSelect> =
        all.map(|selector| asked.streams(Some(selector))).collect::<Result<_, _>>()?;
    if selects.is_empty() {
        selects.push(asked.streams(None)?);
    }
    Plan::work(move |source, scope| {
        let mut streams: BTreeSet<Labels> = BTreeSet::new();
        for select in &selects {
            streams.extend(source.streams(scope, select)?);
        }
        Ok(write::envelope(|out| json::list(out, &streams, |out, labels| json::map(out, labels.iter()))))
    })
}

/// `detected_labels`: labels of streams, and how many values each has.
pub(super) fn detected_labels(asked: &Asked) -> Result<Plan, ApiError> {
    let select = asked.streams(asked.params.get("query"))?;
    Plan::work(move |source, scope| {
        let streams = source.streams(scope, &select)?;
        let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, value) in streams.iter().flat_map(Labels::iter) {
            values.entry(name).or_default().insert(value);
        }
        let mut out = br#"{"detectedLabels":"#.to_vec();
        json::list(&mut out, &values, |out, (name, values)| {
            out.extend_from_slice(br#"{"label":"#);
            json::string(out, name);
            out.extend_from_slice(format!(r#","cardinality":{}}}"#, values.len()).as_bytes());
        });
        out.push(b'}');
        Ok(out)
    })
}

/// The fields of lines, and how many are wanted.
type Detect = (usize, Box<dyn FnOnce(&dyn LogSource, &Scope) -> Result<Vec<Field>, ApiError> + Send>);

fn fields(asked: &Asked) -> Result<Detect, ApiError> {
    let (from_ns, to_ns) = asked.bounds()?;
    let lines = asked.count("line_limit", LINES, LINES_MAX)?;
    let name = if asked.params.get("limit").is_some() { "limit" } else { "field_limit" };
    let limit = asked.count(name, FIELDS, usize::MAX)?;
    let query = LogQuery {
        now_ns: asked.now_ns,
        ..LogQuery::newest(parse_logs(asked.query())?, from_ns, to_ns, lines)
    };
    Ok((limit, Box::new(move |source, scope| Ok(detect_fields(&query, source, scope)?))))
}

/// `detected_fields`: what the newest lines have, and what it is.
pub(super) fn detected_fields(asked: &Asked) -> Result<Plan, ApiError> {
    let (limit, detect) = fields(asked)?;
    Plan::work(move |source, scope| {
        let fields = detect(source, scope)?;
        let mut out = br#"{"fields":"#.to_vec();
        json::list(&mut out, fields.iter().take(limit), |out, field| {
            out.extend_from_slice(br#"{"label":"#);
            json::string(out, &field.label);
            let (kind, cardinality) = (field.kind.as_str(), field.cardinality);
            out.extend_from_slice(
                format!(r#","type":"{kind}","cardinality":{cardinality},"parsers":"#).as_bytes(),
            );
            if field.parsers.is_empty() {
                out.extend_from_slice(b"null");
            } else {
                json::list(out, &field.parsers, |out, parser| json::string(out, parser));
            }
            out.push(b'}');
        });
        out.extend_from_slice(format!(r#","limit":{limit}}}"#).as_bytes());
        Ok(out)
    })
}

/// `detected_field/NAME/values`
pub(super) fn detected_values(asked: &Asked, name: &str) -> Result<Plan, ApiError> {
    let (limit, detect) = fields(asked)?;
    let name = decoded(name, false).into_owned();
    Plan::work(move |source, scope| {
        let fields = detect(source, scope)?;
        let values =
            fields.into_iter().find(|field| field.label == name).map_or(Vec::new(), |field| field.values);
        let mut out = br#"{"values":"#.to_vec();
        json::list(&mut out, values.iter().take(limit), |out, value| json::string(out, value));
        out.extend_from_slice(format!(r#","limit":{limit}}}"#).as_bytes());
        Ok(out)
    })
}
