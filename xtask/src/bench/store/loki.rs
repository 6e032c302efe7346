//! Log lines into requests of Loki's push API.

use std::collections::BTreeMap;

use super::protobuf::Message;

/// As much text as Promtail collects before it sends.
const REQUEST_BYTES: usize = 1 << 20;

/// An entry of a stream.
pub(super) struct Entry<'a> {
    pub(super) time_ns: u64,
    pub(super) line: &'a str,
    /// What is known of the line beside its stream's labels.
    pub(super) metadata: [(&'static str, &'a str); 2],
}

/// Collects entries by stream until they make a request.
#[derive(Default)]
pub(super) struct Request {
    streams: BTreeMap<String, Message>,
    bytes: usize,
}

impl Request {
    /// Adds an entry to the stream of these labels (`{a="b"}`).
    pub(super) fn add(&mut self, stream: &str, entry: &Entry<'_>) {
        if !self.streams.contains_key(stream) {
            let mut message = Message::default();
            message.text(1, stream);
            self.streams.insert(stream.to_owned(), message);
        }
        let message = self.streams.get_mut(stream).expect("it was put there above");
        message.message(2, |out| {
            out.message(1, |time| {
                time.integer(1, entry.time_ns / 1_000_000_000);
                time.integer(2, entry.time_ns % 1_000_000_000);
            });
            out.text(2, entry.line);
            for (name, value) in entry.metadata {
                if !value.is_empty() {
                    out.message(3, |pair| {
                        pair.text(1, name);
                        pair.text(2, value);
                    });
                }
            }
        });
        self.bytes += entry.line.len();
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= REQUEST_BYTES
    }

    /// The request, not yet compressed; what follows goes into another.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut message = Message::default();
        for (_, stream) in std::mem::take(&mut self.streams) {
            message.bytes(1, &stream.0);
        }
        self.bytes = 0;
        message.0
    }
}
