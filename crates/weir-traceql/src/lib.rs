//! TraceQL: text to plan, plan and traces to answer.
