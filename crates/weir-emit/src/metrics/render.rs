//! The text format 0.0.4, as a scrape reads it.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::family::{Columns, Family, Kind};
use super::histogram::{BOUNDS_NS, BUCKETS, SUM};
use super::registry::{Registered, Samples, Source, State};
use super::table::{key_of, values_of};

/// Renders all families that have something to show.
pub(super) fn render(state: &mut State) -> String {
    let mut out = String::with_capacity(16 * 1024);
    let sizes: BTreeMap<Box<[u8]>, f64> = state
        .families
        .iter()
        .filter_map(|(name, registered)| {
            let Source::Cells(table) = &registered.source else { return None };
            Some((key_of(&[name]), table.len() as f64))
        })
        .collect();
    let writers = &state.writers;
    for Registered { family, kind, source } in state.families.values_mut() {
        let start = out.len();
        let _ = write!(out, "# HELP {} ", family.name);
        push_escaped(&mut out, family.help, Place::Help);
        let _ = writeln!(out, "\n# TYPE {} {}", family.name, kind.word());
        let samples_from = out.len();
        match source {
            Source::Cells(table) => table.show(writers, |values, value| match kind {
                Kind::Counter => counter(&mut out, family, values, value),
                Kind::Gauge => line(&mut out, family, "", values, &[], value(0).cast_signed()),
                Kind::Histogram => histogram(&mut out, family, values, value),
            }),
            Source::Asked(all) => {
                let mut samples = Samples {
                    labels: family.labels.len(),
                    series_max: family.series_max,
                    by_key: BTreeMap::new(),
                };
                for (_, collect) in all {
                    collect(&mut samples);
                }
                numbers(&mut out, family, &samples.by_key);
            }
            Source::Series => numbers(&mut out, family, &sizes),
        }
        if out.len() == samples_from {
            out.truncate(start);
        }
    }
    out
}

fn counter(out: &mut String, family: &Family, values: &[&str], value: &dyn Fn(u32) -> u64) {
    let columns: Columns = family.columns;
    for column in 0..columns.width() {
        let count = value(column);
        if count == 0 && columns.hides_zero() {
            continue;
        }
        let of_column = columns.values(column);
        let fixed: Vec<(&str, &str)> = columns.labels().iter().copied().zip(of_column).collect();
        line(out, family, "", values, &fixed, count);
    }
}

fn histogram(out: &mut String, family: &Family, values: &[&str], value: &dyn Fn(u32) -> u64) {
    let mut count = 0_u64;
    for bucket in 0..BUCKETS {
        count = count.wrapping_add(value(bucket as u32));
        let bound =
            BOUNDS_NS.get(bucket).map_or("+Inf".to_owned(), |nanos| (*nanos as f64 / 1e9).to_string());
        line(out, family, "_bucket", values, &[("le", &bound)], count);
    }
    line(out, family, "_sum", values, &[], value(SUM) as f64 / 1e6);
    line(out, family, "_count", values, &[], count);
}

fn numbers(out: &mut String, family: &Family, samples: &BTreeMap<Box<[u8]>, f64>) {
    for (key, value) in samples {
        let values = values_of(key);
        match value {
            _ if value.is_nan() => line(out, family, "", &values, &[], "NaN"),
            _ if value.is_infinite() => {
                line(out, family, "", &values, &[], if *value > 0.0 { "+Inf" } else { "-Inf" });
            }
            _ => line(out, family, "", &values, &[], value),
        }
    }
}

fn line(
    out: &mut String,
    family: &Family,
    suffix: &str,
    values: &[&str],
    fixed: &[(&str, &str)],
    number: impl std::fmt::Display,
) {
    out.push_str(family.name);
    out.push_str(suffix);
    let labels = family.labels.iter().copied().zip(values.iter().copied()).chain(fixed.iter().copied());
    let mut open = '{';
    for (label, value) in labels {
        out.push(open);
        out.push_str(label);
        out.push_str("=\"");
        push_escaped(out, value, Place::Label);
        out.push('"');
        open = ',';
    }
    if open == ',' {
        out.push('}');
    }
    let _ = writeln!(out, " {number}");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Help,
    Label,
}

fn push_escaped(out: &mut String, text: &str, place: Place) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if place == Place::Label => out.push_str("\\\""),
            _ => out.push(character),
        }
    }
}
