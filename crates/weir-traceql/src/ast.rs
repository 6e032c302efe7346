//! What a query says, as a tree.
//!
//! The parser has checked its types: whoever evaluates a tree may rely on what the variants promise. Parentheses are not
//! kept; the printer sets those that are needed. A tree is at most [`DEPTH_MAX`] deep, so that a function may follow it by
//! recursion.

use std::fmt;

use regex::Regex;
use weir_signal::re2_whole;

use crate::value::Value;

/// How deep a tree may be, counted in nested expressions. `a && b && c` is nested twice.
pub const DEPTH_MAX: usize = 256;

/// A whole query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What it asks for.
    pub root: Root,
    /// `with (most_recent=true)`: advice to whoever executes the query.
    pub hints: Vec<Hint>,
}

/// What a query asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Root {
    /// Sets of spans.
    Spans(Pipeline),
    /// Series of numbers over time.
    Metrics(Metrics),
}

/// Advice: a name and what it is set to.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    /// Its name.
    pub name: Box<str>,
    /// What it is set to.
    pub value: Value,
}

/// Steps that sets of spans go through, the spans of one trace at a time. There is at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// In their order.
    pub stages: Vec<Stage>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// `{ status = error } >> { }`
    Spans(Spans),
    /// `count() > 2`
    Filter(ScalarFilter),
    /// `by(resource.service.name)`: a set of its own for each value. The expression depends on the span.
    By(Field),
    /// `coalesce()`: one set of all.
    Coalesce,
    /// `select(span.http.url)`: what to tell of each span besides.
    Select(Vec<Attribute>),
}

/// Spans that are selected out of a set.
#[derive(Debug, Clone, PartialEq)]
pub enum Spans {
    /// `{ duration > 1s }`: a boolean or an attribute that may be one; `None` for `{ }`, which selects all.
    Filter(Option<Field>),
    /// Two selections and how they belong together.
    Binary(Box<SpansBinary>),
    /// `({ status = error } | count() > 2)`: what a pipeline leaves.
    Pipeline(Pipeline),
}

/// Two selections and how they belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct SpansBinary {
    /// How.
    pub op: SpansOp,
    /// The left one.
    pub lhs: Spans,
    /// The right one.
    pub rhs: Spans,
}

/// How two selections belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpansOp {
    /// `&&`: spans of both, where both have some.
    And,
    /// `||`: spans of either.
    Or,
    /// Which spans stand in a relation.
    Structural(Relation, Outcome),
}

/// How a span on the right relates to one on the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// `>`: its parent is on the left.
    Child,
    /// `<`: a child of it is on the left.
    Parent,
    /// `>>`: one that it descends from is on the left.
    Descendant,
    /// `<<`: one that descends from it is on the left.
    Ancestor,
    /// `~`: another child of its parent is on the left.
    Sibling,
}

/// Which spans a relation selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// `>`: those on the right that have a partner.
    Right,
    /// `!>`: those on the right that have none.
    Without,
    /// `&>`: those on both sides that have one.
    Both,
}

impl SpansOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        use Outcome::{Both, Right, Without};
        use Relation::{Ancestor, Child, Descendant, Parent, Sibling};
        match self {
            Self::And => "&&",
            Self::Or => "||",
            Self::Structural(Child, Right) => ">",
            Self::Structural(Parent, Right) => "<",
            Self::Structural(Descendant, Right) => ">>",
            Self::Structural(Ancestor, Right) => "<<",
            Self::Structural(Sibling, Right) => "~",
            Self::Structural(Child, Without) => "!>",
            Self::Structural(Parent, Without) => "!<",
            Self::Structural(Descendant, Without) => "!>>",
            Self::Structural(Ancestor, Without) => "!<<",
            Self::Structural(Sibling, Without) => "!~",
            Self::Structural(Child, Both) => "&>",
            Self::Structural(Parent, Both) => "&<",
            Self::Structural(Descendant, Both) => "&>>",
            Self::Structural(Ancestor, Both) => "&<<",
            Self::Structural(Sibling, Both) => "&~",
        }
    }

    /// How tightly it binds: more is tighter. All group to the left; `&&` binds no tighter than `||`.
    pub fn precedence(self) -> u8 {
        match self {
            Self::And | Self::Or => 1,
            Self::Structural(..) => 2,
        }
    }
}

/// A comparison of what aggregates give for a set. At least one side has an aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalarFilter {
    /// One of the six comparisons of numbers.
    pub op: FieldOp,
    /// The left side.
    pub lhs: Scalar,
    /// The right side.
    pub rhs: Scalar,
}

/// A number for a set of spans.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A number or a duration.
    Value(Value),
    /// `max(duration)`
    Aggregate(Aggregate),
    /// Arithmetic on both; a side has an aggregate.
    Binary(FieldOp, Box<Scalar>, Box<Scalar>),
}

/// `max(duration)`
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// How.
    pub op: AggregateOp,
    /// A number of the span; `None` for `count()` only.
    pub field: Option<Field>,
}

/// How the numbers of spans are made into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateOp {
    /// `count`
    Count,
    /// `max`
    Max,
    /// `min`
    Min,
    /// `avg`
    Avg,
    /// `sum`
    Sum,
}

impl AggregateOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Max => "max",
            Self::Min => "min",
            Self::Avg => "avg",
            Self::Sum => "sum",
        }
    }
}

/// An expression about one span.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// `"text"`, `1.5`, `5ms`, `error`. Never [`Value::Nil`] and no array.
    Value(Value),
    /// `span.http.url`
    Attribute(Attribute),
    /// `!x`: a boolean, or an attribute that may be one.
    Not(Box<Field>),
    /// `-x`: a number, or an attribute that may be one. Not a written number, which has its sign itself.
    Negative(Box<Field>),
    /// `x != nil`
    Exists(Box<Field>),
    /// `x = nil`
    Missing(Box<Field>),
    /// `a + b`
    Binary(FieldOp, Box<Field>, Box<Field>),
    /// `x =~ "a|b"`: a text that has to match as a whole.
    Matches(Box<Field>, Pattern),
    /// `x !~ "a|b"`: a text that must not.
    MatchesNot(Box<Field>, Pattern),
}

/// A regular expression, compiled.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    regex: Regex,
}

impl Pattern {
    /// # Errors
    /// In one line, why it is no regular expression.
    pub fn new(text: &str) -> Result<Self, String> {
        re2_whole(text).map(|regex| Self { text: text.into(), regex })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, out)
    }
}

/// What to do with two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldOp {
    /// `&&`
    And,
    /// `||`
    Or,
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
}

impl FieldOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::And => "&&",
            Self::Or => "||",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
        }
    }

    /// Whether it gives a number.
    pub fn is_arithmetic(self) -> bool {
        matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Mod | Self::Pow)
    }

    /// Whether it compares.
    pub fn is_comparison(self) -> bool {
        !self.is_arithmetic() && !matches!(self, Self::And | Self::Or)
    }

    /// How tightly it binds: more is tighter. `^` groups to the right, all others to the left.
    pub fn precedence(self) -> u8 {
        match self {
            Self::And | Self::Or => 1,
            Self::Add | Self::Sub => SUM_PRECEDENCE,
            Self::Mul | Self::Div | Self::Mod => SUM_PRECEDENCE + 1,
            Self::Pow => SUM_PRECEDENCE + 2,
            _ => COMPARISON_PRECEDENCE,
        }
    }
}

/// How tightly comparisons bind, those with patterns and `nil` included.
pub const COMPARISON_PRECEDENCE: u8 = 2;

/// How tightly `+` and `-` bind. A sign or `!` in front takes in what binds tighter than they do: `-a * b` is `-(a * b)`.
pub const SUM_PRECEDENCE: u8 = 3;

/// Something that a span, or what it belongs to, has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// What whoever made the span called so.
    Named {
        /// Whether it is the parent's.
        of_parent: bool,
        /// What has it.
        scope: AttributeScope,
        /// Its name.
        name: Box<str>,
    },
    /// What every span has.
    Intrinsic(Intrinsic),
}

/// What has an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttributeScope {
    /// `.x`: the span, or else its resource.
    Either,
    /// `span.x`
    Span,
    /// `resource.x`
    Resource,
    /// `event.x`: one of the span's events.
    Event,
    /// `link.x`: one of the span's links.
    Link,
    /// `instrumentation.x`: the library that made the span.
    Instrumentation,
}

impl AttributeScope {
    /// What stands in front of the dot.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Either => "",
            Self::Span => "span",
            Self::Resource => "resource",
            Self::Event => "event",
            Self::Link => "link",
            Self::Instrumentation => "instrumentation",
        }
    }
}

/// What every span has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Intrinsic {
    /// `duration`
    Duration,
    /// `name`
    Name,
    /// `status`
    Status,
    /// `statusMessage`
    StatusMessage,
    /// `kind`
    Kind,
    /// `span:childCount`: how many spans have it as their parent.
    ChildCount,
    /// `span:id`, 16 hexadecimal digits.
    SpanId,
    /// `span:parentID`, 16 hexadecimal digits; empty where it has no parent.
    ParentId,
    /// `rootName`: the name of the trace's first span without a parent; empty where that is not known.
    RootName,
    /// `rootServiceName`: the service of that span; empty where it is not known.
    RootService,
    /// `traceDuration`: from the start of the trace's first span to the end of its last.
    TraceDuration,
    /// `trace:id`, 32 hexadecimal digits.
    TraceId,
    /// `nestedSetLeft`: its number in a walk through the trace, parents before children.
    NestedSetLeft,
    /// `nestedSetRight`: the number at which that walk leaves it. What lies between both descends from it.
    NestedSetRight,
    /// `nestedSetParent`: the left number of its parent; -1 where it has none, 0 where that is not known.
    NestedSetParent,
    /// `event:name`
    EventName,
    /// `event:timeSinceStart`: from the span's start to the event.
    EventTimeSinceStart,
    /// `link:traceID`
    LinkTraceId,
    /// `link:spanID`
    LinkSpanId,
    /// `instrumentation:name`
    InstrumentationName,
    /// `instrumentation:version`
    InstrumentationVersion,
}

impl Intrinsic {
    /// As it is printed, and named in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::Name => "name",
            Self::Status => "status",
            Self::StatusMessage => "statusMessage",
            Self::Kind => "kind",
            Self::ChildCount => "span:childCount",
            Self::SpanId => "span:id",
            Self::ParentId => "span:parentID",
            Self::RootName => "rootName",
            Self::RootService => "rootServiceName",
            Self::TraceDuration => "traceDuration",
            Self::TraceId => "trace:id",
            Self::NestedSetLeft => "nestedSetLeft",
            Self::NestedSetRight => "nestedSetRight",
            Self::NestedSetParent => "nestedSetParent",
            Self::EventName => "event:name",
            Self::EventTimeSinceStart => "event:timeSinceStart",
            Self::LinkTraceId => "link:traceID",
            Self::LinkSpanId => "link:spanID",
            Self::InstrumentationName => "instrumentation:name",
            Self::InstrumentationVersion => "instrumentation:version",
        }
    }
}

/// Series of numbers over time.
#[derive(Debug, Clone, PartialEq)]
pub enum Metrics {
    /// `{ } | rate() by (name)`
    First(Box<First>),
    /// `({ } | rate()) > 5 | topk(3)`: series made of series.
    Second(Box<Metrics>, Second),
    /// `({ } | rate()) / ({ } | count_over_time())`: one of `+ - * /`.
    Binary(FieldOp, Box<Metrics>, Box<Metrics>),
}

/// Spans and what to measure of them.
#[derive(Debug, Clone, PartialEq)]
pub struct First {
    /// Which spans.
    pub pipeline: Pipeline,
    /// What of them.
    pub function: Measure,
    /// A series of its own for each combination of their values.
    pub by: Vec<Attribute>,
}

/// What to measure in each step of time.
#[derive(Debug, Clone, PartialEq)]
pub enum Measure {
    /// `rate()`: spans a second.
    Rate,
    /// `count_over_time()`: spans.
    Count,
    /// `min_over_time(x)`
    Min(Attribute),
    /// `max_over_time(x)`
    Max(Attribute),
    /// `sum_over_time(x)`
    Sum(Attribute),
    /// `avg_over_time(x)`
    Avg(Attribute),
    /// `quantile_over_time(x, 0.5, 0.99)`: each from 0 to 1.
    Quantile(Attribute, Vec<f64>),
    /// `histogram_over_time(x)`: spans by powers of two.
    Histogram(Attribute),
    /// `compare({ status = error })`: the values of all attributes, within a selection and outside.
    Compare(Box<Compare>),
}

/// What `compare` was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Compare {
    /// The selection, as in [`Spans::Filter`].
    pub selection: Option<Field>,
    /// How many values of each attribute to tell, the most frequent ones.
    pub top: u32,
    /// Nanoseconds since 1970: only spans that begin after the first and not after the second belong to the selection.
    pub within: Option<(i64, i64)>,
}

/// What is done with series.
#[derive(Debug, Clone, PartialEq)]
pub enum Second {
    /// `topk(5)`: at each time the greatest.
    TopK(u32),
    /// `bottomk(5)`: at each time the least.
    BottomK(u32),
    /// `> 5`: one of the six comparisons; a duration in seconds.
    Filter(FieldOp, f64),
    /// `* 100`: one of `+ - * /`, the number on the right.
    WithNumber(FieldOp, f64),
    /// `100 -`: one of `+ - * /`, the number on the left.
    NumberWith(f64, FieldOp),
}
