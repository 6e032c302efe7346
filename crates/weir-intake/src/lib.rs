//! Decoders of the protocols in which telemetry comes in.
