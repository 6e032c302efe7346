//! What there is: series, labels, values, metadata, exemplars.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_promql::ast::Expr;
use weir_promql::{parse, parse_selector};
use weir_signal::{Exemplar, Labels, Matcher, Metadata, ReadError, Scope, SeriesSelect, SeriesSource};

use super::error::ApiError;
use super::evaluate::{options, time};
use super::{envelope, envelope_text};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::query::json;
use crate::query::params::Params;

/// The selectors of `match[]`, each with the range; one that selects everything where there are none.
fn selects(params: &Params) -> Result<Vec<SeriesSelect>, ApiError> {
    let from_ms = time(params, "start")?.unwrap_or(i64::MIN);
    let to_ms = time(params, "end")?.unwrap_or(i64::MAX);
    let select = |matchers| SeriesSelect { matchers, from_ms, to_ms, ..SeriesSelect::default() };
    let mut all = Vec::new();
    for text in params.all("match[]") {
        all.push(select(parse_selector(text).map_err(|error| ApiError::bad_param("match[]", error))?));
    }
    if all.is_empty() {
        all.push(select(Vec::new()));
    }
    Ok(all)
}

fn limit(params: &Params) -> Result<usize, ApiError> {
    Ok(match params.number("limit").map_err(ApiError::bad_data)? {
        None | Some(0) => usize::MAX,
        Some(limit) => limit,
    })
}

/// What was found, and what is to be said of it.
type Found<T> = (BTreeSet<T>, Vec<String>);

/// Asks for every selector, and unites the answers in order.
async fn united<T: Ord + Send + 'static>(
    engine: &Arc<Engine>,
    caller: &Caller,
    selects: Vec<SeriesSelect>,
    one: impl Fn(&dyn SeriesSource, &Scope, &SeriesSelect) -> Result<Vec<T>, ReadError> + Send + 'static,
) -> Result<Found<T>, ApiError> {
    let scope = engine.scope(caller);
    let found = engine.query(scope, None, move |engine, scope| {
        let mut all = BTreeSet::new();
        for select in &selects {
            all.extend(one(engine.store(), scope, select)?);
        }
        Ok::<_, ReadError>((all, scope.left_out.warnings()))
    });
    Ok(found.await?)
}

/// A list, cut to the limit with a warning.
fn listed<T>((items, mut warnings): Found<T>, limit: usize, item: impl FnMut(&mut Vec<u8>, T)) -> Vec<u8> {
    if items.len() > limit {
        warnings.push("results truncated due to limit".to_owned());
    }
    let body = envelope(|out| json::list(out, items.into_iter().take(limit), item));
    json::with_warnings(body, &warnings)
}

pub(super) async fn series(
    engine: &Arc<Engine>,
    caller: &Caller,
    params: &Params,
) -> Result<Vec<u8>, ApiError> {
    if params.get("match[]").is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = limit(params)?;
    let found =
        united(engine, caller, selects(params)?, |source, scope, select| source.series(scope, select))
            .await?;
    Ok(listed(found, limit, |out, labels: Labels| json::map(out, labels.iter())))
}

pub(super) async fn labels(
    engine: &Arc<Engine>,
    caller: &Caller,
    params: &Params,
) -> Result<Vec<u8>, ApiError> {
    let limit = limit(params)?;
    let found =
        united(engine, caller, selects(params)?, |source, scope, select| source.label_names(scope, select))
            .await?;
    Ok(listed(found, limit, |out, name| json::string(out, &name)))
}

pub(super) async fn label_values(
    engine: &Arc<Engine>,
    caller: &Caller,
    name: &str,
    params: &Params,
) -> Result<Vec<u8>, ApiError> {
    let limit = limit(params)?;
    let name = unescaped(&crate::query::params::decoded(name, false));
    let found = united(engine, caller, selects(params)?, move |source, scope, select| {
        source.label_values(scope, select, &name)
    })
    .await?;
    Ok(listed(found, limit, |out, value| json::string(out, &value)))
}

/// A label's name as paths hold it: `U__` and then `_2e_` for a dot and `__` for an underscore.
fn unescaped(name: &str) -> String {
    let Some(escaped) = name.strip_prefix("U__") else { return name.to_owned() };
    let mut out = String::new();
    let mut rest = escaped;
    while let Some((before, after)) = rest.split_once('_') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let character = after.split_once('_').and_then(|(digits, after)| {
            Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, after))
        });
        let Some((character, after)) = character else { return name.to_owned() };
        out.push(character);
        rest = after;
    }
    out.push_str(rest);
    out
}

pub(super) async fn metadata(
    engine: &Arc<Engine>,
    caller: &Caller,
    params: &Params,
) -> Result<Vec<u8>, ApiError> {
    let limit = limit(params)?;
    let metric = params.get("metric").map(str::to_owned);
    let scope = engine.scope(caller);
    let found = engine
        .query(scope, None, move |engine, scope| engine.store().metadata(scope, metric.as_deref()))
        .await?;
    let mut families: BTreeMap<String, Vec<Metadata>> = BTreeMap::new();
    for (name, metadata) in found {
        families.entry(name).or_default().push(metadata);
    }
    let object: serde_json::Map<String, serde_json::Value> = families
        .into_iter()
        .take(limit)
        .map(|(name, all)| {
            let all = all.iter().map(
                |one| serde_json::json!({ "type": one.kind.as_str(), "help": one.help, "unit": one.unit }),
            );
            (name, all.collect())
        })
        .collect();
    Ok(envelope_text(&serde_json::Value::Object(object)))
}

pub(super) async fn exemplars(
    engine: &Arc<Engine>,
    caller: &Caller,
    params: &Params,
) -> Result<Vec<u8>, ApiError> {
    let text = params.get("query").unwrap_or_default();
    let expr = parse(text, &options()).map_err(|error| ApiError::bad_param("query", error))?;
    let from_ms = time(params, "start")?.unwrap_or(i64::MIN);
    let to_ms = time(params, "end")?.unwrap_or(i64::MAX);
    if to_ms < from_ms {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let mut selects = Vec::new();
    selectors(&expr, &mut |matchers| {
        selects.push(SeriesSelect { matchers: matchers.to_vec(), from_ms, to_ms, ..SeriesSelect::default() });
    });
    let scope = engine.scope(caller);
    let (found, warnings): (BTreeMap<Labels, Vec<Exemplar>>, _) = engine
        .query(scope, None, move |engine, scope| {
            let mut all = BTreeMap::new();
            for select in &selects {
                all.extend(engine.store().exemplars(scope, select)?);
            }
            Ok::<_, ReadError>((all, scope.left_out.warnings()))
        })
        .await?;
    let body = envelope(|out| {
        json::list(out, found, |out, (labels, exemplars)| {
            out.extend_from_slice(br#"{"seriesLabels":"#);
            json::map(out, labels.iter());
            out.extend_from_slice(br#","exemplars":"#);
            json::list(out, exemplars, |out, one| {
                out.extend_from_slice(br#"{"labels":"#);
                json::map(out, one.labels.iter());
                out.extend_from_slice(br#","value":""#);
                json::float(out, one.value);
                out.extend_from_slice(br#"","timestamp":"#);
                json::seconds(out, one.time_ms);
                out.push(b'}');
            });
            out.push(b'}');
        });
    });
    Ok(json::with_warnings(body, &warnings))
}

/// The matchers of every selector in a tree. Its depth is bounded by the parser.
fn selectors(expr: &Expr, each: &mut impl FnMut(&[Matcher])) {
    match expr {
        Expr::Vector(selector) => each(&selector.matchers),
        Expr::Matrix(selector) => each(&selector.selector.matchers),
        _ => {}
    }
    expr.children().for_each(|child| selectors(child, each));
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_in_paths_are_unescaped() {
        let check = |name: &str, expect: &str| assert_eq!(super::unescaped(name), expect);
        check("job", "job");
        check("U__http_2e_status", "http.status");
        check("U__a__b", "a_b");
        check("U__a_zz_b", "U__a_zz_b");
    }
}
