//! What a query says, as a tree.
//!
//! A tree is at most [`DEPTH_MAX`] deep, so that a function may follow it by recursion.

use weir_promql::ast::{BinaryOp, Matching};
use weir_signal::Matcher;

/// How deep a tree may be, counted in nested expressions. `a + b + c` is nested twice.
pub const DEPTH_MAX: usize = 256;

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// One that answers lines.
    Logs(LogExpr),
    /// One that answers numbers.
    Metric(Metric),
}

/// Which lines, and what is done with each: `{app="a"} |= "b" | json`.
#[derive(Debug, Clone, PartialEq)]
pub struct LogExpr {
    /// What the stream's labels have to match. One at least refuses the empty value.
    pub matchers: Vec<Matcher>,
    /// In the order in which they are done.
    pub stages: Vec<Stage>,
}

/// One step of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// `|= "a" or "b"`
    LineFilter(LineFilter),
    /// `| json`; only these places of the line where there are any.
    Json(Vec<Extraction>),
    /// `| logfmt`
    Logfmt(Logfmt),
    /// `| pattern "<ip> - <_>"`
    Pattern(Box<str>),
    /// `| regexp "(?P<ip>\\S+)"`
    Regexp(Box<str>),
    /// `| unpack`
    Unpack,
    /// `| status >= 500`
    LabelFilter(LabelFilter),
    /// `| line_format "{{.ip}}"`
    LineFormat(Box<str>),
    /// `| label_format a=b, c="{{.d}}"`
    LabelFormat(Vec<LabelFormat>),
    /// `| decolorize`
    Decolorize,
    /// `| drop a, b="c"`
    Drop(Vec<LabelPick>),
    /// `| keep a, b="c"`
    Keep(Vec<LabelPick>),
}

/// A test of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFilter {
    /// How.
    pub op: LineOp,
    /// Any of these; where `op` is negative, none of these. At least one.
    pub alternatives: Vec<LineTest>,
}

/// How a line is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineOp {
    /// `|=`
    Contains,
    /// `!=`
    NotContains,
    /// `|~`
    Regex,
    /// `!~`
    NotRegex,
    /// `|>`
    Pattern,
    /// `!>`
    NotPattern,
}

impl LineOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contains => "|=",
            Self::NotContains => "!=",
            Self::Regex => "|~",
            Self::NotRegex => "!~",
            Self::Pattern => "|>",
            Self::NotPattern => "!>",
        }
    }

    /// Whether lines pass that are not found.
    pub fn is_negative(self) -> bool {
        matches!(self, Self::NotContains | Self::NotRegex | Self::NotPattern)
    }
}

/// What a line is tested for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineTest {
    /// A text, a regular expression or a pattern.
    Text(Box<str>),
    /// `ip("10.0.0.0/8")`: an address in the line.
    Ip(Box<str>),
}

/// A place in a line, and the label that it becomes: `a="b[0].c"`; `a` alone is `a="a"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extraction {
    /// The label.
    pub label: Box<str>,
    /// The place, in the words of the parser.
    pub path: Box<str>,
}

/// How lines in logfmt are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logfmt {
    /// Whether a line that is no logfmt is an error: `--strict`.
    pub strict: bool,
    /// Whether labels without a value are kept: `--keep-empty`.
    pub keep_empty: bool,
    /// Only these keys, where there are any.
    pub extractions: Vec<Extraction>,
}

/// A test of labels.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelFilter {
    /// `level="error"`. A label that is not there has the empty value.
    Match(Matcher),
    /// `status >= 500`
    Number(Box<str>, Compare, f64),
    /// `took > 1.5s`, in nanoseconds
    Duration(Box<str>, Compare, i64),
    /// `size <= 20KB`, in bytes
    Bytes(Box<str>, Compare, u64),
    /// `addr = ip("10.0.0.0/8")`, or its contrary where the flag says so
    Ip {
        /// The label.
        label: Box<str>,
        /// `!=`
        negated: bool,
        /// An address, a network or a range.
        pattern: Box<str>,
    },
    /// All of at least two.
    And(Vec<LabelFilter>),
    /// Any of at least two.
    Or(Vec<LabelFilter>),
}

/// How numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compare {
    /// `==`, also written `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

impl Compare {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }

    /// Whether `found` compares so to `wanted`.
    pub fn holds<T: PartialOrd + Copy>(self, found: T, wanted: T) -> bool {
        match self {
            Self::Equal => found == wanted,
            Self::NotEqual => found != wanted,
            Self::Greater => found > wanted,
            Self::GreaterOrEqual => found >= wanted,
            Self::Less => found < wanted,
            Self::LessOrEqual => found <= wanted,
        }
    }
}

/// A label that is given a new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelFormat {
    /// `to=from`: `from` is called `to` from now on.
    Rename {
        /// The new name.
        to: Box<str>,
        /// The old one.
        from: Box<str>,
    },
    /// `label="{{.template}}"`
    Template {
        /// Its name.
        label: Box<str>,
        /// What its value is made of.
        template: Box<str>,
    },
}

/// Labels that `drop` and `keep` speak of.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelPick {
    /// `a`
    Name(Box<str>),
    /// `a="b"`
    Match(Matcher),
}

/// A query that answers numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// `1.5`
    Number(f64),
    /// `vector(1.5)`
    Vector(f64),
    /// `rate({app="a"}[5m])`
    Range(Box<RangeAggregation>),
    /// `sum by (app) (rate({app=~".+"}[5m]))`
    Aggregate(Box<Aggregation>),
    /// `a / on (app) b`
    Binary(Box<Binary>),
    /// `label_replace(…)`
    LabelReplace(Box<LabelReplace>),
}

/// The lines of a range made into a number.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeAggregation {
    /// How.
    pub op: RangeOp,
    /// Which quantile; there for [`RangeOp::Quantile`] only.
    pub quantile: Option<f64>,
    /// Which lines.
    pub range: LogRange,
    /// Which labels count.
    pub grouping: Option<Grouping>,
}

/// The lines within a range before each time.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRange {
    /// Which lines.
    pub logs: LogExpr,
    /// How long, in nanoseconds.
    pub range_ns: i64,
    /// How far back, in nanoseconds, positive into the past.
    pub offset_ns: i64,
    /// The label whose values count, rather than the lines.
    pub unwrap: Option<Unwrap>,
}

/// `| unwrap duration(took) | __error__=""`
#[derive(Debug, Clone, PartialEq)]
pub struct Unwrap {
    /// The label that has the number.
    pub label: Box<str>,
    /// How its value is read.
    pub conversion: Conversion,
    /// Tests after that.
    pub filters: Vec<LabelFilter>,
}

/// How the value of a label is read as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Conversion {
    /// As a number.
    Number,
    /// `bytes(size)`: as a size, in bytes.
    Bytes,
    /// `duration(took)`: as a duration, in seconds.
    Duration,
    /// `duration_seconds(took)`: the same.
    DurationSeconds,
}

/// How lines or their numbers are made into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeOp {
    /// `count_over_time`
    Count,
    /// `rate`: lines, or the sum of their numbers, per second
    Rate,
    /// `rate_counter`
    RateCounter,
    /// `bytes_over_time`
    Bytes,
    /// `bytes_rate`
    BytesRate,
    /// `absent_over_time`
    Absent,
    /// `sum_over_time`
    Sum,
    /// `avg_over_time`
    Avg,
    /// `min_over_time`
    Min,
    /// `max_over_time`
    Max,
    /// `stdvar_over_time`
    Stdvar,
    /// `stddev_over_time`
    Stddev,
    /// `quantile_over_time`
    Quantile,
    /// `first_over_time`
    First,
    /// `last_over_time`
    Last,
}

impl RangeOp {
    /// Each once.
    pub(crate) const ALL: [Self; 15] = [
        Self::Count,
        Self::Rate,
        Self::RateCounter,
        Self::Bytes,
        Self::BytesRate,
        Self::Absent,
        Self::Sum,
        Self::Avg,
        Self::Min,
        Self::Max,
        Self::Stdvar,
        Self::Stddev,
        Self::Quantile,
        Self::First,
        Self::Last,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count_over_time",
            Self::Rate => "rate",
            Self::RateCounter => "rate_counter",
            Self::Bytes => "bytes_over_time",
            Self::BytesRate => "bytes_rate",
            Self::Absent => "absent_over_time",
            Self::Sum => "sum_over_time",
            Self::Avg => "avg_over_time",
            Self::Min => "min_over_time",
            Self::Max => "max_over_time",
            Self::Stdvar => "stdvar_over_time",
            Self::Stddev => "stddev_over_time",
            Self::Quantile => "quantile_over_time",
            Self::First => "first_over_time",
            Self::Last => "last_over_time",
        }
    }

    /// Whether it may say which labels count.
    pub fn may_group(self) -> bool {
        matches!(
            self,
            Self::Avg
                | Self::Min
                | Self::Max
                | Self::Stdvar
                | Self::Stddev
                | Self::Quantile
                | Self::First
                | Self::Last
        )
    }

    /// Whether it works on lines.
    pub fn takes_lines(self) -> bool {
        matches!(self, Self::Count | Self::Rate | Self::Bytes | Self::BytesRate | Self::Absent)
    }

    /// Whether it works on the numbers of a label.
    pub fn takes_numbers(self) -> bool {
        !matches!(self, Self::Count | Self::Bytes | Self::BytesRate)
    }
}

/// Which labels count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// Whether all but these count (`without`), rather than these (`by`).
    pub without: bool,
    /// In the order in which they were written.
    pub labels: Vec<Box<str>>,
}

/// Series made into fewer.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregation {
    /// How.
    pub op: VectorOp,
    /// How many; there if and only if [`VectorOp::has_count`] says so, at least 1.
    pub count: Option<u64>,
    /// Which labels count; none where nobody says.
    pub grouping: Option<Grouping>,
    /// Of what.
    pub expr: Metric,
}

/// How series are made into fewer, or put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VectorOp {
    /// `sum`
    Sum,
    /// `avg`
    Avg,
    /// `min`
    Min,
    /// `max`
    Max,
    /// `count`
    Count,
    /// `stddev`
    Stddev,
    /// `stdvar`
    Stdvar,
    /// `topk`
    TopK,
    /// `bottomk`
    BottomK,
    /// `approx_topk`, which is exact here
    ApproxTopK,
    /// `sort`
    Sort,
    /// `sort_desc`
    SortDesc,
}

impl VectorOp {
    /// Each once.
    pub(crate) const ALL: [Self; 12] = [
        Self::Sum,
        Self::Avg,
        Self::Min,
        Self::Max,
        Self::Count,
        Self::Stddev,
        Self::Stdvar,
        Self::TopK,
        Self::BottomK,
        Self::ApproxTopK,
        Self::Sort,
        Self::SortDesc,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::TopK => "topk",
            Self::BottomK => "bottomk",
            Self::ApproxTopK => "approx_topk",
            Self::Sort => "sort",
            Self::SortDesc => "sort_desc",
        }
    }

    /// Whether it says how many.
    pub fn has_count(self) -> bool {
        matches!(self, Self::TopK | Self::BottomK | Self::ApproxTopK)
    }
}

/// Two expressions and what to do with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// What to do; never one that only PromQL has.
    pub op: BinaryOp,
    /// Whether a comparison answers 0 and 1 instead of filtering (`bool`).
    pub return_bool: bool,
    /// How the series of both sides find each other.
    pub matching: Matching,
    /// The left side.
    pub lhs: Metric,
    /// The right side.
    pub rhs: Metric,
}

/// Series with one label written anew: `label_replace(expr, "to", "$1", "from", "(.*)")`
#[derive(Debug, Clone, PartialEq)]
pub struct LabelReplace {
    /// Which series.
    pub expr: Metric,
    /// The label that is written.
    pub to: Box<str>,
    /// What is written.
    pub replacement: Box<str>,
    /// The label that is read.
    pub from: Box<str>,
    /// What its whole value has to match.
    pub regex: Box<str>,
}

impl Metric {
    /// Whether it is a number, written or calculated of such.
    pub fn is_literal(&self) -> bool {
        match self {
            Self::Number(_) => true,
            Self::Binary(binary) => binary.lhs.is_literal() && binary.rhs.is_literal(),
            _ => false,
        }
    }

    /// The range aggregations within, in the order of the text.
    pub fn ranges(&self) -> Vec<&RangeAggregation> {
        match self {
            Self::Number(_) | Self::Vector(_) => Vec::new(),
            Self::Range(range) => vec![range],
            Self::Aggregate(aggregation) => aggregation.expr.ranges(),
            Self::LabelReplace(replace) => replace.expr.ranges(),
            Self::Binary(binary) => {
                let mut ranges = binary.lhs.ranges();
                ranges.extend(binary.rhs.ranges());
                ranges
            }
        }
    }
}

impl LabelFilter {
    /// The names of the labels that are looked at.
    pub(crate) fn names<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Self::Match(matcher) => names.push(matcher.name()),
            Self::Number(label, ..)
            | Self::Duration(label, ..)
            | Self::Bytes(label, ..)
            | Self::Ip { label, .. } => names.push(label),
            Self::And(all) | Self::Or(all) => all.iter().for_each(|filter| filter.names(names)),
        }
    }
}
