//! How much one payload may hold.

/// What a payload may hold; more is refused with the limit's name, and the rest of the payload goes on where the protocol
/// allows that. Generous defaults: they bound what one sender can cost, they do not say what is good practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a payload as it comes over the wire.
    pub payload_bytes: usize,
    /// Bytes of a payload once it is decompressed.
    pub decompressed_bytes: usize,
    /// Labels of one series or stream, or attributes of one record.
    pub labels: usize,
    /// Bytes of one label's name.
    pub label_name_bytes: usize,
    /// Bytes of one label's value.
    pub label_value_bytes: usize,
    /// Distinct strings of one remote write 2.0 request.
    pub symbols: usize,
    /// Bytes of one log line.
    pub line_bytes: usize,
    /// Bytes of all names and values of one log line's structured metadata.
    pub line_metadata_bytes: usize,
    /// Buckets of one native histogram, and bounds of one with bounds of its own.
    pub histogram_buckets: usize,
    /// Characters of all names and values of one exemplar's labels (OpenMetrics 1.0).
    pub exemplar_chars: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes: 32 << 20,
            decompressed_bytes: 64 << 20,
            labels: 128,
            label_name_bytes: 1 << 10,
            label_value_bytes: 16 << 10,
            symbols: 1 << 20,
            line_bytes: 256 << 10,
            line_metadata_bytes: 64 << 10,
            histogram_buckets: 16 << 10,
            exemplar_chars: 128,
        }
    }
}
