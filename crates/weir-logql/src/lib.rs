//! LogQL: text to plan, plan and lines to answer.
