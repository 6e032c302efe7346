//! What became of payloads, by protocol: counted once each, where they are answered.
//!
//! Samples, lines and spans are counted by the store, by signal. Of a payload that could not be read nobody knows how many
//! it had; it is counted here only.

use std::sync::atomic::{AtomicU64, Ordering};

use weir_signal::{Reason, Refusal};

/// The protocols in which payloads come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Otlp,
    OtlpGrpc,
    RemoteWrite,
    Loki,
    Zipkin,
    Jaeger,
    JaegerGrpc,
    JaegerUdp,
}

impl Protocol {
    const ALL: [Self; 8] = [
        Self::Otlp,
        Self::OtlpGrpc,
        Self::RemoteWrite,
        Self::Loki,
        Self::Zipkin,
        Self::Jaeger,
        Self::JaegerGrpc,
        Self::JaegerUdp,
    ];

    /// The value of the metrics' label `protocol`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Otlp => "otlp_http",
            Self::OtlpGrpc => "otlp_grpc",
            Self::RemoteWrite => "remote_write",
            Self::Loki => "loki",
            Self::Zipkin => "zipkin",
            Self::Jaeger => "jaeger_http",
            Self::JaegerGrpc => "jaeger_grpc",
            Self::JaegerUdp => "jaeger_udp",
        }
    }
}

/// What became of a payload.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Became {
    /// All of it was taken.
    Taken,
    /// It could be read, and something of it was refused.
    Partly,
    /// Nothing of it was taken.
    Refused(Why),
}

/// Why nothing of a payload was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// For what it is, or for want of room.
    Reason(Reason),
    /// Nobody knows who sent it.
    Unauthenticated,
    /// Its sender may not write.
    PermissionDenied,
}

const WHYS: usize = Reason::ALL.len() + 2;

impl Why {
    fn place(self) -> usize {
        match self {
            Self::Reason(reason) => Reason::ALL.iter().position(|&one| one == reason).unwrap_or_default(),
            Self::Unauthenticated => WHYS - 2,
            Self::PermissionDenied => WHYS - 1,
        }
    }

    /// The values of the metric's label `reason`, by place.
    fn words() -> impl Iterator<Item = &'static str> {
        Reason::ALL.into_iter().map(Reason::as_str).chain(["unauthenticated", "permission_denied"])
    }
}

/// The counts of all protocols.
#[derive(Debug, Default)]
pub(crate) struct Tally([Counts; Protocol::ALL.len()]);

#[derive(Debug, Default)]
struct Counts {
    taken: AtomicU64,
    partly: AtomicU64,
    refused: [AtomicU64; WHYS],
}

impl Tally {
    pub(crate) fn note(&self, protocol: Protocol, became: Became) {
        let counts = &self.0[protocol as usize];
        let counter = match became {
            Became::Taken => &counts.taken,
            Became::Partly => &counts.partly,
            Became::Refused(why) => &counts.refused[why.place()],
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a payload that was refused as a whole.
    pub(crate) fn refuse(&self, protocol: Protocol, refusal: &Refusal) {
        self.note(protocol, Became::Refused(Why::Reason(refusal.reason)));
    }

    /// Hands out protocol, what became of them (`taken`, `partly`, `refused`), and how many.
    pub(crate) fn results(&self, mut each: impl FnMut(&'static str, &'static str, u64)) {
        for (protocol, counts) in Protocol::ALL.into_iter().zip(&self.0) {
            let protocol = protocol.as_str();
            each(protocol, "taken", read(&counts.taken));
            each(protocol, "partly", read(&counts.partly));
            each(protocol, "refused", counts.refused.iter().map(read).sum());
        }
    }

    /// Hands out protocol, reason, and how many were refused for it as a whole; what never happened is left out.
    pub(crate) fn reasons(&self, mut each: impl FnMut(&'static str, &'static str, u64)) {
        for (protocol, counts) in Protocol::ALL.into_iter().zip(&self.0) {
            for (word, count) in Why::words().zip(counts.refused.iter().map(read)).filter(|(_, n)| *n > 0) {
                each(protocol.as_str(), word, count);
            }
        }
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_place() {
        for (place, protocol) in Protocol::ALL.into_iter().enumerate() {
            assert_eq!(protocol as usize, place);
        }
        let tally = Tally::default();
        tally.note(Protocol::Loki, Became::Taken);
        tally.note(Protocol::Loki, Became::Refused(Why::PermissionDenied));
        tally.refuse(Protocol::Zipkin, &Refusal::new(Reason::Unavailable, "a disk"));
        let mut reasons = Vec::new();
        tally.reasons(|protocol, reason, count| reasons.push((protocol, reason, count)));
        assert_eq!(reasons, [("loki", "permission_denied", 1), ("zipkin", "unavailable", 1)]);
        let mut loki = Vec::new();
        tally.results(|protocol, result, count| {
            if protocol == "loki" {
                loki.push((result, count));
            }
        });
        assert_eq!(loki, [("taken", 1), ("partly", 0), ("refused", 1)]);
    }
}
