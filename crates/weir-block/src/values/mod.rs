//! Columns of numbers.

pub mod integers;
