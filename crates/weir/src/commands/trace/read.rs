//! A trace as Jaeger's HTTP interface answers it.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

/// Spans that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) id: String,
    /// By their beginning.
    pub(super) spans: Vec<Span>,
}

/// A span.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) name: String,
    pub(super) service: String,
    /// Microseconds since 1970.
    pub(super) start_us: i64,
    pub(super) duration_us: i64,
    /// Where it failed: why, as far as it says so.
    pub(super) error: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Vec<RawTrace>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTrace {
    #[serde(rename = "traceID")]
    trace_id: String,
    spans: Option<Vec<RawSpan>>,
    processes: Option<BTreeMap<String, RawProcess>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawProcess {
    service_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpan {
    #[serde(rename = "spanID")]
    span_id: String,
    #[serde(rename = "parentSpanID", default)]
    parent_span_id: String,
    operation_name: String,
    references: Option<Vec<RawReference>>,
    start_time: i64,
    duration: i64,
    tags: Option<Vec<RawTag>>,
    logs: Option<Vec<RawLog>>,
    #[serde(rename = "processID", default)]
    process_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawReference {
    ref_type: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Deserialize)]
struct RawTag {
    key: String,
    value: Value,
}

#[derive(Deserialize)]
struct RawLog {
    fields: Option<Vec<RawTag>>,
}

/// Reads an answer.
pub(super) fn traces(body: &[u8]) -> anyhow::Result<Vec<Trace>> {
    let answer: Answer =
        serde_json::from_slice(body).context("the answer is not one of Jaeger's interface")?;
    Ok(answer.data.unwrap_or_default().into_iter().map(trace).collect())
}

fn trace(raw: RawTrace) -> Trace {
    let processes = raw.processes.unwrap_or_default();
    let mut spans: Vec<Span> =
        raw.spans.unwrap_or_default().into_iter().map(|raw| span(raw, &processes)).collect();
    spans.sort_by(|a, b| (a.start_us, &a.id).cmp(&(b.start_us, &b.id)));
    Trace { id: raw.trace_id, spans }
}

fn span(raw: RawSpan, processes: &BTreeMap<String, RawProcess>) -> Span {
    let tags = raw.tags.unwrap_or_default();
    let tag = |key: &str| tags.iter().find(|tag| tag.key == key).map(|tag| text(&tag.value));
    let failed = tag("error").is_some_and(|value| value != "false")
        || tag("otel.status_code").is_some_and(|code| code.eq_ignore_ascii_case("error"));
    let error = failed.then(|| {
        let logged = || {
            let fields = raw.logs.iter().flatten().flat_map(|log| log.fields.iter().flatten());
            fields.into_iter().find(|field| field.key == "exception.message").map(|field| text(&field.value))
        };
        // Zipkin's `error` is the reason itself.
        let reason = || tag("error").filter(|value| value != "true");
        tag("otel.status_description")
            .or_else(|| tag("error.message"))
            .or_else(logged)
            .or_else(reason)
            .unwrap_or_default()
    });
    let references = raw.references.unwrap_or_default();
    let of = |kind: &str| references.iter().find(|reference| reference.ref_type == kind);
    let parent = of("CHILD_OF").or_else(|| of("FOLLOWS_FROM")).map(|reference| reference.span_id.clone());
    Span {
        id: raw.span_id,
        parent: parent.or(Some(raw.parent_span_id)).filter(|id| !id.is_empty()),
        name: raw.operation_name,
        service: processes
            .get(&raw.process_id)
            .map(|process| process.service_name.clone())
            .unwrap_or_default(),
        start_us: raw.start_time,
        duration_us: raw.duration.max(0),
        error,
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let body = br#"{"data":[{"traceID":"1f","spans":[
            {"traceID":"1f","spanID":"b","operationName":"SELECT","references":[{"refType":"CHILD_OF","traceID":"1f","spanID":"a"}],
             "startTime":1010,"duration":5,"tags":[{"key":"otel.status_code","type":"string","value":"ERROR"}],
             "logs":[{"timestamp":1,"fields":[{"key":"exception.message","type":"string","value":"gone"}]}],"processID":"p2","warnings":null},
            {"traceID":"1f","spanID":"a","operationName":"GET /","references":[],"startTime":1000,"duration":20,"tags":null,
             "logs":null,"processID":"p1"}],
            "processes":{"p1":{"serviceName":"web","tags":[]},"p2":{"serviceName":"db"}},"warnings":null}],
            "total":0,"limit":0,"offset":0,"errors":null}"#;
        let expect = Trace {
            id: "1f".into(),
            spans: vec![
                Span {
                    id: "a".into(),
                    name: "GET /".into(),
                    service: "web".into(),
                    start_us: 1000,
                    duration_us: 20,
                    ..Span::default()
                },
                Span {
                    id: "b".into(),
                    parent: Some("a".into()),
                    name: "SELECT".into(),
                    service: "db".into(),
                    start_us: 1010,
                    duration_us: 5,
                    error: Some("gone".into()),
                },
            ],
        };
        assert_eq!(traces(body).unwrap(), [expect]);
        assert_eq!(traces(br#"{"data":null,"errors":[]}"#).unwrap(), []);
        assert!(traces(b"<html>").is_err());
    }

    #[test]
    fn errors_have_many_forms() {
        #[track_caller]
        fn check(tags: &str, expect: Option<&str>) {
            let body = format!(
                r#"{{"data":[{{"traceID":"1","spans":[{{"spanID":"a","operationName":"x","startTime":1,"duration":1,"tags":{tags}}}]}}]}}"#
            );
            assert_eq!(traces(body.as_bytes()).unwrap()[0].spans[0].error.as_deref(), expect);
        }
        check("[]", None);
        check(r#"[{"key":"error","type":"bool","value":true}]"#, Some(""));
        check(r#"[{"key":"error","type":"bool","value":false}]"#, None);
        check(r#"[{"key":"error","type":"string","value":"refused"}]"#, Some("refused"));
        check(
            r#"[{"key":"error","value":true},{"key":"otel.status_description","value":"late"}]"#,
            Some("late"),
        );
    }
}
