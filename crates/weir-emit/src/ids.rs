//! Names for one request: its own id, and its place in a trace (W3C Trace Context, level 1 with the random flag of
//! level 2). Randomness is passed in, so that a worker's generator decides.

use std::fmt;

use crate::digits::{hex_u8, hex_u64, hex_u128};

/// The id of one request, as its answer, its access record and its log lines show it: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 32]);

impl RequestId {
    /// From 128 random bits.
    #[inline]
    pub fn new(high: u64, low: u64) -> Self {
        Self(hex_u128(u128::from(high) << 64 | u128::from(low)))
    }

    /// The digits, for a header field or a log.
    #[inline]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The id of a trace; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

impl TraceId {
    /// From a number; zero is not a trace.
    pub fn new(id: u128) -> Option<Self> {
        (id != 0).then_some(Self(id))
    }

    /// As a number.
    pub fn number(self) -> u128 {
        self.0
    }

    /// As 32 hexadecimal digits.
    #[inline]
    pub fn hex(self) -> [u8; 32] {
        hex_u128(self.0)
    }
}

/// One `traceparent`: which trace a request belongs to and which span sent it.
///
/// `tracestate` is the caller's business: it is passed on unchanged where [`TraceParent::parse`] succeeded, and dropped
/// where it failed (section 3.3). A request with several `traceparent` fields has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace: TraceId,
    span: u64,
    flags: u8,
}

/// Why a `traceparent` was refused; a new trace is begun then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceParentError {
    /// Not `version-trace-parent-flags` in lower-case hexadecimal digits of the right lengths.
    Malformed,
    /// Version ff, which can never be one.
    Version,
    /// A trace or parent id of zeros.
    ZeroId,
}

impl fmt::Display for TraceParentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "a traceparent is 00-<32 hex>-<16 hex>-<2 hex> in lower case",
            Self::Version => "version ff of traceparent is not allowed",
            Self::ZeroId => "a traceparent's ids may not be all zeros",
        })
    }
}

impl std::error::Error for TraceParentError {}

impl TraceParent {
    /// Length of the field's value in version 00.
    pub const LEN: usize = 55;
    const SAMPLED: u8 = 1;
    const RANDOM: u8 = 2;

    /// Reads a field's value. Version 00 is exactly 55 bytes; of a higher version the first 55 are read and more may
    /// follow after a `-` (section 4.3, "Versioning of traceparent").
    pub fn parse(value: &[u8]) -> Result<Self, TraceParentError> {
        use TraceParentError::{Malformed, Version, ZeroId};
        let head = value.first_chunk::<{ Self::LEN }>().ok_or(Malformed)?;
        if [head[2], head[35], head[52]] != *b"---" {
            return Err(Malformed);
        }
        let version = number(&head[..2]).ok_or(Malformed)?;
        let trace = number(&head[3..35]).ok_or(Malformed)?;
        let span = number(&head[36..52]).ok_or(Malformed)? as u64;
        let flags = number(&head[53..]).ok_or(Malformed)? as u8;
        match (version, value.get(Self::LEN)) {
            (0xff, _) => return Err(Version),
            (_, None) | (1.., Some(b'-')) => {}
            _ => return Err(Malformed),
        }
        let trace = TraceId::new(trace).ok_or(ZeroId)?;
        if span == 0 {
            return Err(ZeroId);
        }
        Ok(Self { trace, span, flags })
    }

    /// Begins a trace from 192 random bits. A zero id, which chance may bring, becomes one.
    pub fn begin(trace: [u64; 2], span: u64, sampled: bool) -> Self {
        let id = u128::from(trace[0]) << 64 | u128::from(trace[1]);
        let flags = Self::RANDOM | if sampled { Self::SAMPLED } else { 0 };
        Self { trace: TraceId(id.max(1)), span: span.max(1), flags }
    }

    /// What Weir sends upstream: the same trace and flags, its own span. Flags that no version defines are cleared, as
    /// section 3.2.2.5 asks of whoever writes version 00.
    pub fn child(self, span: u64) -> Self {
        Self { span: span.max(1), flags: self.flags & (Self::SAMPLED | Self::RANDOM), ..self }
    }

    /// The trace.
    pub fn trace_id(self) -> TraceId {
        self.trace
    }

    /// The span that sent the request.
    pub fn span_id(self) -> u64 {
        self.span
    }

    /// Whether the caller may have recorded its part.
    pub fn sampled(self) -> bool {
        self.flags & Self::SAMPLED != 0
    }

    /// The field's value, in version 00.
    #[inline]
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut text = [b'-'; Self::LEN];
        text[..2].copy_from_slice(b"00");
        text[3..35].copy_from_slice(&self.trace.hex());
        text[36..52].copy_from_slice(&hex_u64(self.span));
        text[53..].copy_from_slice(&hex_u8(self.flags));
        text
    }
}

/// Lower-case hexadecimal digits, at most 32 of them.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn traceparents() {
        #[track_caller]
        fn check(value: &str, expect: Result<&str, TraceParentError>) {
            let read =
                TraceParent::parse(value.as_bytes()).map(|p| String::from_utf8(p.encode().to_vec()).unwrap());
            assert_eq!(read.as_deref().map_err(|&e| e), expect, "{value}");
        }
        use TraceParentError::{Malformed, Version, ZeroId};
        check(GOOD, Ok(GOOD));
        check(&GOOD.to_uppercase(), Err(Malformed));
        check(&GOOD[..54], Err(Malformed));
        check(&format!("{GOOD}-"), Err(Malformed));
        check(&format!("{GOOD}0"), Err(Malformed));
        check(&format!("{GOOD} "), Err(Malformed));
        check("", Err(Malformed));
        check(&GOOD.replace("00-0a", "cc-0a"), Ok(GOOD));
        check(&format!("{}-what-the-future-brings", GOOD.replace("00-0a", "cc-0a")), Ok(GOOD));
        check(&format!("{}.x", GOOD.replace("00-0a", "cc-0a")), Err(Malformed));
        check(&GOOD.replace("00-0a", "ff-0a"), Err(Version));
        check(&GOOD.replace("00-0a", "0x-0a"), Err(Malformed));
        check(&GOOD.replace("-01", ".01"), Err(Malformed));
        check("00-00000000000000000000000000000000-b7ad6b7169203331-01", Err(ZeroId));
        check("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", Err(ZeroId));
    }

    #[test]
    fn a_child_keeps_trace_and_known_flags() {
        let parent = TraceParent::parse(GOOD.replace("-01", "-ff").as_bytes()).unwrap();
        let child = parent.child(0xabc);
        assert_eq!(&child.encode(), b"00-0af7651916cd43dd8448eb211c80319c-0000000000000abc-03");
        assert_eq!((child.trace_id(), child.sampled()), (parent.trace_id(), true));
        assert_eq!(
            TraceParent::begin([0, 0], 0, false).encode(),
            *b"00-00000000000000000000000000000001-0000000000000001-02"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(high in any::<u64>(), low in any::<u64>(), span in any::<u64>(), sampled in any::<bool>()) {
            let begun = TraceParent::begin([high, low], span, sampled);
            prop_assert_eq!(TraceParent::parse(&begun.encode()), Ok(begun));
            let id = RequestId::new(high, low);
            prop_assert_eq!(id.to_string(), format!("{high:016x}{low:016x}"));
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..70)) {
            let _ = TraceParent::parse(&bytes);
        }
    }
}
