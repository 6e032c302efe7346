//! Blocks of telemetry: columns of samples, lines and spans, their indexes and filters, as bytes and back.
