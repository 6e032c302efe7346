//! Spans into OTLP requests.

use std::collections::BTreeMap;

use super::protobuf::Message;

/// As many as the collector's batch processor sends at once.
const SPANS_PER_REQUEST: usize = 8192;

/// A span as it is sent.
pub(super) struct Outgoing<'a> {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    /// 0 where it is the root.
    pub(super) parent_id: u64,
    pub(super) name: &'a str,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) attributes: &'a [(&'a str, &'a str)],
}

/// Collects spans by the pod they come from until they make a request.
#[derive(Default)]
pub(super) struct Request {
    pods: BTreeMap<String, Message>,
    spans: usize,
}

impl Request {
    pub(super) fn add(&mut self, pod: &str, span: &Outgoing<'_>) {
        if !self.pods.contains_key(pod) {
            let mut scope = Message::default();
            scope.message(1, |scope| scope.text(1, "train-ticket"));
            self.pods.insert(pod.to_owned(), scope);
        }
        let scope = self.pods.get_mut(pod).expect("it was put there above");
        scope.message(2, |out| {
            out.bytes(1, &span.trace_id.to_be_bytes());
            out.bytes(2, &span.span_id.to_be_bytes());
            if span.parent_id != 0 {
                out.bytes(4, &span.parent_id.to_be_bytes());
            }
            out.text(5, span.name);
            // A root is asked from outside; of the others the data does not tell.
            out.integer(6, if span.parent_id == 0 { 2 } else { 1 });
            out.fixed64(7, span.start_ns);
            out.fixed64(8, span.end_ns);
            for (name, value) in span.attributes {
                attribute(out, 9, name, value);
            }
        });
        self.spans += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.spans >= SPANS_PER_REQUEST
    }

    /// The request; what follows goes into another.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut message = Message::default();
        for (pod, scope) in std::mem::take(&mut self.pods) {
            message.message(1, |resource_spans| {
                resource_spans.message(1, |resource| {
                    attribute(resource, 1, "service.name", service(&pod));
                    attribute(resource, 1, "k8s.pod.name", &pod);
                });
                resource_spans.bytes(2, &scope.0);
            });
        }
        self.spans = 0;
        message.0
    }
}

fn attribute(out: &mut Message, field: u32, name: &str, value: &str) {
    out.message(field, |pair| {
        pair.text(1, name);
        pair.message(2, |any| any.text(1, value));
    });
}

/// A pod's service: its name without what the replica set and the pod add to it.
pub(super) fn service(pod: &str) -> &str {
    pod.rsplitn(3, '-').nth(2).unwrap_or(pod)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_by_its_pod() {
        assert_eq!(service("ts-travel-service-64469b5b48-25zj6"), "ts-travel-service");
        assert_eq!(service("plain"), "plain");
    }
}
