//! Takes telemetry in by every protocol, and answers the HTTP interfaces that dashboards ask.
