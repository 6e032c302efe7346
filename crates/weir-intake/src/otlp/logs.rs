//! Logs (`opentelemetry.proto.logs.v1`), as Loki 3 takes them.
//!
//! A few attributes of the resource name the stream; all else that is not the body goes with each line. Names have `_` where
//! they had anything but letters, digits and `_`, as Loki's query language needs it.
//!
//! Source: <https://grafana.com/docs/loki/latest/send-data/otel/>.

use weir_signal::{Attribute, Labels, LabelsBuilder, LogSink, Reason, Refusal, Value};

use super::Accepted;
use super::common::{Around, any_value, attribute, each_first, hex, nanos, resource, scope};
use crate::Limits;
use crate::wire::Reader;

/// Attributes of a resource that name a stream: Loki's `default_resource_attributes_as_index_labels`.
const STREAM_ATTRIBUTES: &[&str] = &[
    "cloud.availability_zone",
    "cloud.region",
    "container.name",
    "deployment.environment",
    "deployment.environment.name",
    "k8s.cluster.name",
    "k8s.container.name",
    "k8s.cronjob.name",
    "k8s.daemonset.name",
    "k8s.deployment.name",
    "k8s.job.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.replicaset.name",
    "k8s.statefulset.name",
    "service.instance.id",
    "service.name",
    "service.namespace",
];

/// Decodes an `ExportLogsServiceRequest` into `sink`. Records without any time get `now_ns`.
///
/// # Errors
/// The payload is no such message; drop the sink. A record that is refused on its own is counted in what is returned.
pub fn decode_logs(
    payload: &[u8],
    limits: &Limits,
    now_ns: i64,
    sink: &mut (impl LogSink + ?Sized),
) -> Result<Accepted, Refusal> {
    let mut accepted = Accepted::default();
    let mut metadata = LabelsBuilder::new();
    each_first(payload, |resource_logs| {
        let around = Around::read(resource_logs)?;
        let resource = resource(around.head, around.schema_url)?;
        let (stream, of_resource) = split(&resource.attributes);
        let opened = stream
            .map_err(|error| Refusal::new(Reason::Labels, error.to_string()))
            .and_then(|labels| sink.stream(&labels));
        around.each(|scope_logs| {
            let around = Around::read(scope_logs)?;
            let scope = scope(around.head, around.schema_url)?;
            let mut shared = of_resource.clone();
            flatten(&mut shared, "", &scope.attributes);
            for (name, value) in [("scope_name", &scope.name), ("scope_version", &scope.version)] {
                if !value.is_empty() {
                    shared.push((name.to_owned(), value.to_string()));
                }
            }
            around.each(|reader| {
                let place = format_args!("log record at byte {}", reader.offset());
                let record = Record::read(reader, now_ns)?;
                let labels = record.metadata(&shared, &mut metadata);
                let taken = match (&opened, &labels) {
                    (Err(refusal), _) | (_, Err(refusal)) => Err(refusal.clone()),
                    (Ok(_), Ok(_)) if record.line.len() > limits.line_bytes => Err(Refusal::new(
                        Reason::TooLarge,
                        format!("the body has {} bytes, more than {}", record.line.len(), limits.line_bytes),
                    )),
                    (Ok(stream), Ok(labels)) => sink.entry(*stream, record.time_ns, &record.line, labels),
                };
                accepted.note(place, taken, 1)
            })
        })
    })?;
    Ok(accepted)
}

/// The labels of the stream, and what of the resource goes with each line.
fn split(attributes: &[Attribute]) -> (Result<Labels, weir_signal::LabelsError>, Vec<(String, String)>) {
    let mut stream = LabelsBuilder::new();
    let mut rest = Vec::new();
    for one in attributes {
        if STREAM_ATTRIBUTES.contains(&&*one.key) {
            stream.set(&plain_name(&one.key), &one.value.to_string());
        } else {
            flatten(&mut rest, "", std::slice::from_ref(one));
        }
    }
    if stream.get("service_name").is_none() {
        stream.push("service_name", "unknown_service");
    }
    (stream.build(), rest)
}

/// Attributes as names and texts; maps within them become names with the outer name in front.
fn flatten(out: &mut Vec<(String, String)>, outer: &str, attributes: &[Attribute]) {
    for one in attributes {
        let own = plain_name(&one.key);
        let name = if outer.is_empty() { own } else { format!("{outer}_{own}") };
        match &one.value {
            Value::Map(inner) => flatten(out, &name, inner),
            value => out.push((name, value.to_string())),
        }
    }
}

/// A name of letters, digits and `_`.
fn plain_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let text: String = name.chars().map(plain).collect();
    if text.starts_with(|c: char| c.is_ascii_digit()) { format!("_{text}") } else { text }
}

struct Record {
    time_ns: i64,
    observed_ns: i64,
    severity: u64,
    severity_text: String,
    line: String,
    attributes: Vec<Attribute>,
    flags: u32,
    trace: Vec<u8>,
    span: Vec<u8>,
    event: String,
}

impl Record {
    fn read(mut reader: Reader<'_>, now_ns: i64) -> Result<Self, Refusal> {
        let mut record = Self {
            time_ns: 0,
            observed_ns: 0,
            severity: 0,
            severity_text: String::new(),
            line: String::new(),
            attributes: Vec::new(),
            flags: 0,
            trace: Vec::new(),
            span: Vec::new(),
            event: String::new(),
        };
        while let Some(field) = reader.next()? {
            match field.number {
                1 => record.time_ns = nanos(field.fixed64()?),
                2 => record.severity = field.uint()?,
                3 => field.text()?.clone_into(&mut record.severity_text),
                5 => record.line = any_value(field.message()?)?.to_string(),
                6 => record.attributes.push(attribute(field.message()?)?),
                8 => record.flags = field.fixed32()?,
                9 => record.trace = field.bytes()?.to_vec(),
                10 => record.span = field.bytes()?.to_vec(),
                11 => record.observed_ns = nanos(field.fixed64()?),
                12 => field.text()?.clone_into(&mut record.event),
                _ => {}
            }
        }
        if record.time_ns == 0 {
            record.time_ns = if record.observed_ns == 0 { now_ns } else { record.observed_ns };
        }
        Ok(record)
    }

    /// What goes with the line. Where two names become the same, the record's own wins over what it shares.
    fn metadata(&self, shared: &[(String, String)], builder: &mut LabelsBuilder) -> Result<Labels, Refusal> {
        builder.clear();
        for (name, value) in shared {
            builder.set(name, value);
        }
        let mut own = Vec::with_capacity(self.attributes.len() + 6);
        flatten(&mut own, "", &self.attributes);
        for (name, value) in &own {
            builder.set(name, value);
        }
        let mut fixed = |name: &str, value: &str| {
            if !value.is_empty() {
                builder.set(name, value);
            }
        };
        if self.observed_ns != 0 {
            fixed("observed_timestamp", &self.observed_ns.to_string());
        }
        if self.severity != 0 {
            fixed("severity_number", &self.severity.to_string());
        }
        fixed("severity_text", &self.severity_text);
        fixed("detected_level", level(self.severity, &self.severity_text));
        if self.flags != 0 {
            fixed("flags", &self.flags.to_string());
        }
        fixed("trace_id", &id(&self.trace));
        fixed("span_id", &id(&self.span));
        fixed("event_name", &self.event);
        builder.build().map_err(|error| Refusal::new(Reason::Labels, error.to_string()))
    }
}

/// Loki's word for how bad it is, by which dashboards colour lines.
fn level(severity: u64, text: &str) -> &'static str {
    match (severity, text.to_ascii_lowercase().as_str()) {
        (1..=4, _) | (0, "trace") => "trace",
        (5..=8, _) | (0, "debug") => "debug",
        (9..=12, _) | (0, "info" | "information") => "info",
        (13..=16, _) | (0, "warn" | "warning") => "warn",
        (17..=20, _) | (0, "error" | "err") => "error",
        (21..=24, _) | (0, "fatal" | "critical") => "fatal",
        _ => "",
    }
}

/// An id as text; nothing where all bits are zero, which is none.
fn id(bytes: &[u8]) -> String {
    if bytes.iter().all(|&byte| byte == 0) { String::new() } else { hex(bytes) }
}

#[cfg(test)]
mod tests {
    use super::super::json::{Request, to_protobuf};
    use super::*;
    use crate::record::Recorder;

    #[test]
    fn a_record_becomes_a_line_with_what_loki_would_keep() {
        let text = br#"{"resourceLogs":[{"resource":{"attributes":[
            {"key":"service.name","value":{"stringValue":"shop"}},{"key":"host.name","value":{"stringValue":"h1"}}]},
            "scopeLogs":[{"scope":{"name":"lib","version":"1"},"logRecords":[
            {"timeUnixNano":"5","severityNumber":9,"severityText":"Information","body":{"stringValue":"it works"},
             "attributes":[{"key":"http.status","value":{"intValue":"200"}},
               {"key":"user","value":{"kvlistValue":{"values":[{"key":"id","value":{"intValue":7}}]}}}],
             "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"},
            {"body":{"kvlistValue":{"values":[{"key":"a","value":{"boolValue":true}}]}}}]}]}]}"#;
        let payload = to_protobuf(Request::Logs, text).unwrap();
        let mut sink = Recorder::new();
        let accepted = decode_logs(&payload, &Limits::default(), 99, &mut sink).unwrap();
        assert_eq!((accepted.items, accepted.refused.total()), (2, 0));
        assert_eq!(sink.streams[0].to_string(), r#"{service_name="shop"}"#);
        let (_, time, line, metadata) = &sink.entries[0];
        assert_eq!((*time, line.as_str()), (5, "it works"));
        assert_eq!(
            metadata.to_string(),
            r#"{detected_level="info", host_name="h1", http_status="200", scope_name="lib", scope_version="1", severity_number="9", severity_text="Information", span_id="eee19b7ec3c1b174", trace_id="5b8efff798038103d269b633813fc60c", user_id="7"}"#
        );
        let (_, time, line, _) = &sink.entries[1];
        assert_eq!((*time, line.as_str()), (99, r#"{"a":true}"#));
    }
}
