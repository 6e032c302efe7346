//! Names of attributes and their values, which an editor offers.
//!
//! Without a query they are read from the indexes of all parts. With one (`q`) the spans that it selects are looked at, and so
//! they are for what no index has: events, links, instrumentation and most intrinsics.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use weir_signal::{SpanField, TraceSource, Value as Attached};
use weir_traceql::ast::{Attribute, AttributeScope, Intrinsic, Query};
use weir_traceql::{Names, Value, names, parse, parse_attribute, salvaged, values as values_of};

use super::Version;
use super::find::times;
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, json as json_answer};
use crate::query::failed::{Failed, failed};
use crate::query::params::Params;

/// Names of a scope, and values of a name.
const COUNT_MAX: usize = 10_000;
/// Values where nobody says how many.
const VALUES: usize = 1000;

/// What every span has, as queries may write it.
const INTRINSICS: [&str; 25] = [
    "duration",
    "event:name",
    "event:timeSinceStart",
    "instrumentation:name",
    "instrumentation:version",
    "kind",
    "link:spanID",
    "link:traceID",
    "name",
    "rootName",
    "rootServiceName",
    "span:duration",
    "span:id",
    "span:kind",
    "span:name",
    "span:parentID",
    "span:status",
    "span:statusMessage",
    "status",
    "statusMessage",
    "trace:duration",
    "trace:id",
    "trace:rootName",
    "trace:rootService",
    "traceDuration",
];

/// Names of attributes: `api/search/tags`, in one list, and `api/v2/search/tags`, by scope.
pub(super) async fn tags(
    engine: &Arc<Engine>,
    caller: &Caller,
    version: Version,
    params: &Params,
) -> Result<Answer, Failed> {
    let wanted = params.get("scope").filter(|scope| !matches!(*scope, "none" | "all"));
    let limit = limit(params, COUNT_MAX)?;
    let query = filter(params);
    let indexed = query.is_none() && matches!(wanted, None | Some("span" | "resource" | "intrinsic"));
    let range = range(params, indexed)?;
    let scope = engine.scope(caller);
    let found = engine.query(scope, None, move |engine, scope| {
        if indexed {
            let (spans, resources) = engine.store().attribute_names(scope, range)?;
            Ok(Names { spans, resources, ..Names::default() })
        } else {
            names(&query.unwrap_or_else(everything), engine.store(), scope, range)
        }
    });
    let Names { spans, resources, events, links, instrumentations } =
        found.await.map_err(|end| failed(&end))?;
    // In one list, what every span has is told only where it is asked for.
    let every: &[&str] =
        if version == Version::Two || wanted == Some("intrinsic") { &INTRINSICS } else { &[] };
    let intrinsics = every.iter().map(|name| (*name).to_owned()).collect();
    let scopes = [
        ("resource", resources),
        ("span", spans),
        ("intrinsic", intrinsics),
        ("event", events),
        ("link", links),
        ("instrumentation", instrumentations),
    ];
    if let Some(wanted) = wanted.filter(|wanted| scopes.iter().all(|(name, _)| name != wanted)) {
        let known = scopes.map(|(name, _)| name).join(", ");
        return Err((400, format!("invalid scope `{wanted}`; there are {known}")));
    }
    let found = scopes.into_iter().filter(|(name, names)| {
        wanted.is_none_or(|wanted| wanted == *name) && (!names.is_empty() || wanted.is_some())
    });
    let found = found.map(|(name, mut names)| {
        names.truncate(limit);
        (name, names)
    });
    Ok(json_answer(
        200,
        &match version {
            Version::One => {
                let all: BTreeSet<String> = found.flat_map(|(_, names)| names).collect();
                json!({ "tagNames": all, "metrics": {} })
            }
            Version::Two => {
                let scopes: Vec<Json> =
                    found.map(|(name, tags)| json!({ "name": name, "tags": tags })).collect();
                json!({ "scopes": scopes, "metrics": {} })
            }
        },
    ))
}

/// Values of an attribute: `api/search/tag/NAME/values`, as texts, and `api/v2/search/tag/NAME/values`, with their types.
pub(super) async fn values(
    engine: &Arc<Engine>,
    caller: &Caller,
    version: Version,
    name: &str,
    params: &Params,
) -> Result<Answer, Failed> {
    let attribute = match version {
        Version::One => attribute_of_tag(name),
        Version::Two => {
            parse_attribute(name).map_err(|error| (400, format!("invalid tag name `{name}`: {error}")))?
        }
    };
    let limit = limit(params, VALUES)?;
    let found = match words(&attribute) {
        Some(words) => words.iter().map(|word| ("keyword", (*word).to_owned())).collect(),
        None => found(engine, caller, attribute, params, limit).await?,
    };
    let values: Vec<Json> = found
        .into_iter()
        .take(limit)
        .map(|(kind, text)| match version {
            Version::One => json!(text),
            Version::Two => json!({ "type": kind, "value": text }),
        })
        .collect();
    Ok(json_answer(200, &json!({ "tagValues": values, "metrics": {} })))
}

/// Types and texts of the values that spans have.
async fn found(
    engine: &Arc<Engine>,
    caller: &Caller,
    attribute: Attribute,
    params: &Params,
    limit: usize,
) -> Result<Vec<(&'static str, String)>, Failed> {
    let query = filter(params);
    let field = query.is_none().then(|| indexed(&attribute)).flatten();
    let range = range(params, field.is_some())?;
    let scope = engine.scope(caller);
    let found = engine.query(scope, None, move |engine, scope| match field {
        Some(field) => {
            let found = engine.store().values(scope, range, &field, limit)?;
            Ok(found.iter().map(|value| (type_of_attached(value), value.to_string())).collect())
        }
        None => {
            let query = query.unwrap_or_else(everything);
            let found = values_of(&query, &attribute, engine.store(), scope, range, limit)?;
            Ok(found.iter().map(|value| (type_of(value), value.to_string())).collect())
        }
    });
    found.await.map_err(|end| failed(&end))
}

/// The words of the language that are all values of an intrinsic; none at all for durations, of which there are too many.
fn words(attribute: &Attribute) -> Option<&'static [&'static str]> {
    match attribute {
        Attribute::Intrinsic(Intrinsic::Status) => Some(&["ok", "error", "unset"]),
        Attribute::Intrinsic(Intrinsic::Kind) => {
            Some(&["client", "server", "producer", "consumer", "internal", "unspecified"])
        }
        Attribute::Intrinsic(Intrinsic::Duration | Intrinsic::TraceDuration) => Some(&[]),
        _ => None,
    }
}

/// The old interface knows no scopes: what is no intrinsic is an attribute of whoever has it.
fn attribute_of_tag(name: &str) -> Attribute {
    let named = || Attribute::Named { of_parent: false, scope: AttributeScope::Either, name: name.into() };
    if name.contains('.') { named() } else { parse_attribute(name).unwrap_or_else(|_| named()) }
}

/// Where the indexes have the values.
fn indexed(attribute: &Attribute) -> Option<SpanField> {
    match attribute {
        Attribute::Intrinsic(Intrinsic::Name) => Some(SpanField::Name),
        Attribute::Named { of_parent: false, scope, name } => match scope {
            AttributeScope::Either | AttributeScope::Resource if &**name == "service.name" => {
                Some(SpanField::Service)
            }
            AttributeScope::Either => Some(SpanField::Either(name.clone())),
            AttributeScope::Resource => Some(SpanField::Resource(name.clone())),
            AttributeScope::Span => Some(SpanField::Span(name.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn type_of_attached(value: &Attached) -> &'static str {
    match value {
        Attached::Int(_) => "int",
        Attached::Double(_) => "float",
        Attached::Bool(_) => "bool",
        _ => "string",
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Bool(_) => "bool",
        Value::Duration(_) => "duration",
        Value::Status(_) | Value::Kind(_) => "keyword",
        _ => "string",
    }
}

/// What `q` selects. As Tempo has it, a query that is still being written counts as far as it can be read, and one that
/// selects everything or cannot be read is none.
fn filter(params: &Params) -> Option<Query> {
    params.get("q").and_then(salvaged).filter(|query| *query != everything())
}

fn everything() -> Query {
    parse("{}").expect("a query that is known")
}

/// `start` and `end`. Where neither is said: all that the indexes know, else the last hour.
fn range(params: &Params, indexed: bool) -> Result<(i64, i64), Failed> {
    let given = params.get("start").is_some() || params.get("end").is_some();
    if indexed && !given { Ok((i64::MIN, i64::MAX)) } else { times(params) }
}

fn limit(params: &Params, default: usize) -> Result<usize, Failed> {
    let given = params.number::<usize>("limit").map_err(|error| (400, error))?;
    Ok(given.filter(|limit| *limit > 0).unwrap_or(default).min(COUNT_MAX))
}
