//! What a family of series is called and what it counts by.

use weir_model::{Failure, FailureKind};

/// A family, before it is registered. Names follow Prometheus' conventions: a prefix, base units, `_total` for counters.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) labels: &'static [&'static str],
    pub(super) columns: Columns,
    pub(super) series_max: usize,
}

impl Family {
    /// Series of a family unless it says otherwise.
    pub const SERIES_MAX: usize = 1_000;

    /// A family without labels.
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, labels: &[], columns: Columns::None, series_max: Self::SERIES_MAX }
    }

    /// Names of the labels that tell its series apart.
    pub const fn labels(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }

    /// A label whose values are fixed, so that each series has a cell for each of them.
    pub const fn columns(self, columns: Columns) -> Self {
        Self { columns, ..self }
    }

    /// Series with cells of their own; further ones share `_other`.
    pub const fn at_most(self, series: usize) -> Self {
        Self { series_max: series, ..self }
    }

    /// Whether the exposition format allows these names.
    pub(super) fn check(&self, kind: Kind) {
        let name = |text: &str, colon: bool| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || (colon && b == b':');
            !text.is_empty() && !text.as_bytes()[0].is_ascii_digit() && text.bytes().all(fits)
        };
        assert!(name(self.name, true), "{:?} is no metric name", self.name);
        assert!(
            (kind == Kind::Counter) == self.name.ends_with("_total"),
            "{}: counters, and only they, end in _total",
            self.name
        );
        for label in self.labels.iter().chain(self.columns.labels().iter()) {
            let reserved = label.starts_with("__") || *label == "le";
            assert!(name(label, false) && !reserved, "{}: {label:?} is no label name", self.name);
        }
    }
}

/// What a family's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution of seconds.
    Histogram,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A label with fixed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// One cell a series.
    None,
    /// `code`: `1xx` to `5xx`, and `none` where the connection was closed without an answer.
    Status,
    /// `kind` and `blame` of a failure. What never happened is not shown.
    Failure,
    /// Any other label.
    Of {
        /// Its name.
        label: &'static str,
        /// Its values, at most 256, in the order of [`Column::nth`].
        values: &'static [&'static str],
    },
}

const STATUS: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
const BLAME: [&str; 3] = ["downstream", "upstream", "internal"];

impl Columns {
    pub(super) fn width(self) -> u32 {
        match self {
            Self::None => 1,
            Self::Status => STATUS.len() as u32,
            Self::Failure => (FailureKind::ALL.len() * BLAME.len()) as u32,
            Self::Of { values, .. } => values.len() as u32,
        }
    }

    pub(super) fn labels(&self) -> &[&'static str] {
        match self {
            Self::None => &[],
            Self::Status => &["code"],
            Self::Failure => &["kind", "blame"],
            Self::Of { label, .. } => std::slice::from_ref(label),
        }
    }

    /// Values of [`Columns::labels`] for one column.
    pub(super) fn values(self, column: u32) -> [&'static str; 2] {
        let at = column as usize;
        match self {
            Self::None => [""; 2],
            Self::Status => [STATUS[at], ""],
            Self::Failure => [FailureKind::ALL[at / BLAME.len()].word(), BLAME[at % BLAME.len()]],
            Self::Of { values, .. } => [values[at], ""],
        }
    }

    /// Most failures never happen; a line of zero for each would bury the rest.
    pub(super) fn hides_zero(self) -> bool {
        self == Self::Failure
    }
}

/// One of a family's columns. One that the family does not have counts nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column(pub(super) u32);

impl Column {
    /// The only column of a family without columns.
    pub const ONLY: Self = Self(0);

    /// Of [`Columns::Status`]: the class of a status, or `none` for what is no status.
    #[inline]
    pub fn status(status: u16) -> Self {
        let class = u32::from(status / 100);
        Self(if class <= 5 { class } else { 0 })
    }

    /// Of [`Columns::Failure`].
    #[inline]
    pub fn failure(failure: &Failure) -> Self {
        Self(failure.kind as u32 * BLAME.len() as u32 + failure.blame as u32)
    }

    /// Of [`Columns::Of`], by place.
    #[inline]
    pub fn nth(place: u32) -> Self {
        Self(place)
    }
}

#[cfg(test)]
mod tests {
    use weir_model::{Blame, Phase};

    use super::*;

    #[test]
    fn columns_name_what_they_count() {
        for &kind in FailureKind::ALL {
            for blame in [Blame::Downstream, Blame::Upstream, Blame::Internal] {
                let column = Column::failure(&Failure { blame, ..Failure::new(kind, Phase::Wait) });
                assert!(column.0 < Columns::Failure.width());
                assert_eq!(Columns::Failure.values(column.0), [kind.word(), blame.word()]);
            }
        }
        for (status, word) in [(0, "none"), (101, "1xx"), (204, "2xx"), (503, "5xx"), (700, "none")] {
            assert_eq!(Columns::Status.values(Column::status(status).0)[0], word);
        }
    }
}
