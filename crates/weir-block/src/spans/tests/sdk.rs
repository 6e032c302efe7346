//! Spans as SDKs send them.
