//! Names of metrics and labels, from OpenTelemetry's to Prometheus'.
//!
//! Source: Prometheus' `otlptranslator` and
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>.

/// How names are translated: Prometheus' `otlp.translation_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// Letters, digits and `_` only; units and types as suffixes. What Prometheus does unless told otherwise.
    #[default]
    UnderscoreWithSuffixes,
    /// Letters, digits and `_` only.
    UnderscoreWithoutSuffixes,
    /// Names as they are; units and types as suffixes.
    Utf8WithSuffixes,
    /// Names as they are.
    AsIs,
}

/// What a metric is, as far as its name says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A sum that only grows.
    Counter,
    /// Anything that goes up and down.
    Gauge,
    /// Anything else.
    Other,
}

impl Naming {
    fn escapes(self) -> bool {
        matches!(self, Self::UnderscoreWithSuffixes | Self::UnderscoreWithoutSuffixes)
    }

    fn has_suffixes(self) -> bool {
        matches!(self, Self::UnderscoreWithSuffixes | Self::Utf8WithSuffixes)
    }

    /// The name of a metric.
    pub(super) fn metric(self, name: &str, unit: &str, shape: Shape) -> String {
        let mut out = if self.escapes() { words(name).join("_") } else { name.to_owned() };
        if self.has_suffixes() {
            let (main, per) = unit_words(unit);
            for suffix in [main, per.map(|per| format!("per_{per}"))].into_iter().flatten() {
                if !has_word(&out, &suffix) {
                    out = format!("{out}_{suffix}");
                }
            }
            match shape {
                Shape::Counter => {
                    // The total stands last, wherever the name had it.
                    if let Some(rest) = out.strip_suffix("_total") {
                        out = rest.to_owned();
                    }
                    out += "_total";
                }
                Shape::Gauge if unit.trim() == "1" && !has_word(&out, "ratio") => out += "_ratio",
                _ => {}
            }
        }
        if self.escapes() && out.starts_with(|c: char| c.is_ascii_digit()) {
            out.insert(0, '_');
        }
        out
    }

    /// The name of a label.
    pub(super) fn label(self, name: &str) -> String {
        if !self.escapes() || name.is_empty() {
            return name.to_owned();
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
        let mut out = String::with_capacity(name.len());
        // Several in a row become one.
        for c in name.chars().map(plain) {
            if c != '_' || !out.ends_with('_') || name.starts_with("__") {
                out.push(c);
            }
        }
        if out.starts_with(|c: char| c.is_ascii_digit()) {
            return format!("key_{out}");
        }
        if out.starts_with('_') && !out.starts_with("__") {
            return format!("key{out}");
        }
        out
    }
}

/// The unit as Prometheus' metadata has it.
pub(super) fn unit_name(unit: &str) -> String {
    let (main, per) = unit_words(unit);
    match (main, per) {
        (Some(main), Some(per)) => format!("{main}_per_{per}"),
        (Some(main), None) => main,
        (None, Some(per)) => format!("per_{per}"),
        (None, None) => String::new(),
    }
}

/// Runs of letters, digits and colons.
fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':')).filter(|word| !word.is_empty()).collect()
}

/// Whether the words of `suffix` stand in `name` already.
fn has_word(name: &str, suffix: &str) -> bool {
    let name = words(name);
    let suffix = words(suffix);
    name.windows(suffix.len().max(1)).any(|run| run == suffix)
}

/// A unit of UCUM as words: what is measured, and per what. Annotations in braces say nothing.
fn unit_words(unit: &str) -> (Option<String>, Option<String>) {
    let (main, per) =
        unit.trim().split_once('/').map_or((unit.trim(), None), |(main, per)| (main, Some(per)));
    let word = |text: &str, table: fn(&str) -> Option<&'static str>| {
        let text = text.trim();
        if text.is_empty() || text.contains(['{', '}']) {
            return None;
        }
        let found = table(text).map_or_else(|| words(text).join("_"), str::to_owned);
        (!found.is_empty()).then_some(found)
    };
    let main = if main == "1" { None } else { word(main, main_unit) };
    (main, per.and_then(|per| word(per, per_unit)))
}

fn main_unit(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        _ => return None,
    })
}

fn per_unit(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_as_prometheus_names_them() {
        let check = |name: &str, unit: &str, shape: Shape, expect: &str| {
            assert_eq!(Naming::UnderscoreWithSuffixes.metric(name, unit, shape), expect, "{name} {unit}");
        };
        check("http.server.duration", "s", Shape::Other, "http_server_duration_seconds");
        check("http.server.duration", "ms", Shape::Other, "http_server_duration_milliseconds");
        check("system.io", "By", Shape::Counter, "system_io_bytes_total");
        check("requests_total", "", Shape::Counter, "requests_total");
        check("cpu.utilization", "1", Shape::Gauge, "cpu_utilization_ratio");
        check("jobs", "1", Shape::Counter, "jobs_total");
        check("speed", "m/s", Shape::Gauge, "speed_meters_per_second");
        check("faults", "{fault}", Shape::Counter, "faults_total");
        check("rate", "{packets}/s", Shape::Gauge, "rate_per_second");
        check("memory.used.bytes", "By", Shape::Gauge, "memory_used_bytes");
        check("2xx", "", Shape::Gauge, "_2xx");
        check("a..b", "", Shape::Gauge, "a_b");
        check("odd", "foo", Shape::Gauge, "odd_foo");
        assert_eq!(Naming::UnderscoreWithoutSuffixes.metric("a.b", "s", Shape::Counter), "a_b");
        assert_eq!(Naming::Utf8WithSuffixes.metric("a.b", "s", Shape::Counter), "a.b_seconds_total");
        assert_eq!(Naming::AsIs.metric("a.b", "s", Shape::Counter), "a.b");
    }

    #[test]
    fn labels_are_named_as_prometheus_names_them() {
        let check = |name: &str, expect: &str| assert_eq!(Naming::default().label(name), expect, "{name}");
        check("http.method", "http_method");
        check("0a", "key_0a");
        check("_a", "key_a");
        check("__a", "__a");
        check("a.-b", "a_b");
        assert_eq!(Naming::AsIs.label("http.method"), "http.method");
    }
}
