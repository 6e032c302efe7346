//! PromQL: text to plan, plan and series to answer.
