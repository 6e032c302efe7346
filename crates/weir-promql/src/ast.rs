//! What a query says, as a tree.
//!
//! The parser has checked its types: whoever evaluates a tree may rely on what the variants promise. A tree is at most
//! [`DEPTH_MAX`] deep, so that a function may follow it by recursion.

use std::fmt;

use weir_signal::Matcher;

use crate::functions::Function;

/// How deep a tree may be, counted in nested expressions. `a + b + c` is nested twice.
pub const DEPTH_MAX: usize = 256;

/// Where something stands in the text of a query, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last one.
    pub end: u32,
}

impl Span {
    /// From one place up to another.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// From the beginning of this one to the end of another.
    pub fn to(self, last: Span) -> Self {
        Self { start: self.start, end: last.end }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "@{}..{}", self.start, self.end)
    }
}

/// What an expression evaluates to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number per time.
    Scalar,
    /// Series with one sample per time: an instant vector.
    Vector,
    /// Series with the samples of a range per time: a range vector.
    Matrix,
    /// A text.
    String,
}

impl ValueType {
    /// The word that answers and some errors use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::String => "string",
        }
    }
}

/// As Prometheus' documentation calls it.
impl fmt::Display for ValueType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        })
    }
}

/// An expression.
#[derive(Debug, Clone)]
pub enum Expr {
    /// `1.5`, `0x1f`, `Inf`, `5m`
    Number(Number),
    /// `"text"`
    String(StringLiteral),
    /// `up{job="a"} offset 5m`
    Vector(VectorSelector),
    /// `up[5m]`
    Matrix(MatrixSelector),
    /// `rate(up[5m])[1h:1m]`
    Subquery(Box<Subquery>),
    /// `-up`
    Unary(Unary),
    /// `a + on (job) b`
    Binary(Box<Binary>),
    /// `sum by (job) (up)`
    Aggregate(Box<Aggregate>),
    /// `rate(up[5m])`
    Call(Call),
    /// `(up)`
    Paren(Paren),
    /// An instant vector that whoever evaluates the tree provides, by its number. No text says this: other languages
    /// build trees over series of their own with it.
    External(usize),
}

/// A number.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    /// Its value; seconds where it was written as a duration.
    pub value: f64,
    /// Whether it was written as a duration (`5m`).
    pub is_duration: bool,
    /// Where it stands, its sign included.
    pub span: Span,
}

/// A text.
#[derive(Debug, Clone)]
pub struct StringLiteral {
    /// What it says, without quotes and escapes; where that is no UTF-8, with U+FFFD in its place.
    pub value: Box<str>,
    /// What it says in bytes, where that is no UTF-8 (`"\xff"`). It is no name of a label then.
    pub bytes: Option<Box<[u8]>>,
    /// Where it stands.
    pub span: Span,
}

/// The newest sample of each series that is selected.
#[derive(Debug, Clone)]
pub struct VectorSelector {
    /// The metric's name, where it was written in front of the braces. [`VectorSelector::matchers`] have it too.
    pub name: Option<Box<str>>,
    /// What the labels of a series must be: all of these. The name in front of the braces is the last one.
    pub matchers: Vec<Matcher>,
    /// How far back to look, positive into the past; `None` also for `offset 0s`.
    pub offset: Option<Duration>,
    /// The time to look at instead of the evaluation's.
    pub at: Option<At>,
    /// What to assume at the ends of a range.
    pub extension: Option<Extension>,
    /// Whether no matcher needs to refuse the empty value: this is the second argument of `info`, which selects labels.
    pub selects_info: bool,
    /// Where it stands, modifiers included.
    pub span: Span,
}

/// The samples within a range before each evaluation's time.
#[derive(Debug, Clone)]
pub struct MatrixSelector {
    /// Which series. Modifiers that follow the range stand here.
    pub selector: VectorSelector,
    /// How long.
    pub range: Duration,
    /// Where it stands, modifiers included.
    pub span: Span,
}

/// An expression evaluated at several times within a range before each evaluation's time.
#[derive(Debug, Clone)]
pub struct Subquery {
    /// What to evaluate: an instant vector.
    pub expr: Expr,
    /// How long.
    pub range: Duration,
    /// How far apart; `None`: the server's default.
    pub step: Option<Duration>,
    /// How far back to look, positive into the past.
    pub offset: Option<Duration>,
    /// The time to look at instead of the evaluation's.
    pub at: Option<At>,
    /// Where it stands, modifiers included.
    pub span: Span,
}

/// A time that stays the same at every step of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Milliseconds since 1970.
    Time(i64),
    /// The first time of the query.
    Start,
    /// The last time of the query.
    End,
}

/// What a range assumes at its ends, where no sample stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// `anchored`: the sample before.
    Anchored,
    /// `smoothed`: what lies on the line between the samples around.
    Smoothed,
}

/// How long something is.
#[derive(Debug, Clone)]
pub enum Duration {
    /// Milliseconds.
    Millis(i64),
    /// What depends on the query's step and range, or was written as a sum. [`Expr::resolve_durations`] makes
    /// milliseconds of it.
    Expr(Box<DurationExpr>),
}

/// A calculation of a duration in seconds.
#[derive(Debug, Clone)]
pub enum DurationExpr {
    /// `5m`, `300`
    Number(Number),
    /// `step()`: the query's step, 0 where it has one time only.
    Step(Span),
    /// `range()`: from the query's first time to its last.
    Range(Span),
    /// `-step()`
    Negative(Box<DurationExpr>, Span),
    /// `5m + step()`: one of `+ - * / % ^`.
    Binary(BinaryOp, Box<DurationExpr>, Box<DurationExpr>),
    /// `min_of(5m, step())`
    MinOf(Box<DurationExpr>, Box<DurationExpr>, Span),
    /// `max_of(5m, step())`
    MaxOf(Box<DurationExpr>, Box<DurationExpr>, Span),
    /// `(5m)`
    Paren(Box<DurationExpr>, Span),
}

/// An expression with a sign.
#[derive(Debug, Clone)]
pub struct Unary {
    /// Which.
    pub op: UnaryOp,
    /// A scalar or an instant vector.
    pub expr: Box<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// A sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `+`
    Plus,
    /// `-`
    Minus,
}

impl UnaryOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
        }
    }
}

/// Two expressions and what to do with them.
#[derive(Debug, Clone)]
pub struct Binary {
    /// What to do. A set operator stands between instant vectors only.
    pub op: BinaryOp,
    /// A scalar or an instant vector.
    pub lhs: Expr,
    /// A scalar or an instant vector.
    pub rhs: Expr,
    /// Whether a comparison answers 0 and 1 instead of filtering (`bool`).
    pub return_bool: bool,
    /// How the series of both sides find each other; there if and only if both are instant vectors.
    pub matching: Option<Matching>,
}

/// How series of both sides find each other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matching {
    /// How many of one side belong to how many of the other.
    pub cardinality: Cardinality,
    /// Whether `labels` are those that count (`on`), rather than those that do not (`ignoring`).
    pub on: bool,
    /// Labels in the order in which they were written.
    pub labels: Vec<Box<str>>,
    /// Labels that the "one" side gives to the result (`group_left (…)`).
    pub include: Vec<Box<str>>,
    /// What stands in where the left side has no partner for a series of the right one.
    pub fill_left: Option<f64>,
    /// What stands in where the right side has no partner for a series of the left one.
    pub fill_right: Option<f64>,
}

/// How many series of the left side belong to how many of the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Cardinality {
    /// One to one.
    #[default]
    OneToOne,
    /// Many to one: `group_left`.
    ManyToOne,
    /// One to many: `group_right`.
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// What to do with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BinaryOp {
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
    /// `atan2`
    Atan2,
    /// `==`
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
    /// `</`: a histogram without what lies above a bound.
    TrimUpper,
    /// `>/`: a histogram without what lies below a bound.
    TrimLower,
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
}

impl BinaryOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// Whether it compares and may have `bool`. Trimming does not.
    pub fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
        )
    }

    /// Whether it works on sets of series.
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// How tightly it binds: more is tighter. `^` groups to the right, all others to the left.
    pub fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::TrimUpper
            | Self::TrimLower => 3,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Mod | Self::Atan2 => 5,
            Self::Pow => 6,
        }
    }
}

/// Series made into fewer.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// How.
    pub op: AggregateOp,
    /// An instant vector.
    pub expr: Expr,
    /// A scalar, for `count_values` a text; there if and only if [`AggregateOp::has_param`] says so.
    pub param: Option<Expr>,
    /// Whether `grouping` are the labels that do not count (`without`), rather than those that do (`by`).
    pub without: bool,
    /// Labels in the order in which they were written.
    pub grouping: Vec<Box<str>>,
    /// Where it stands.
    pub span: Span,
}

/// How series are made into fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateOp {
    /// `avg`
    Avg,
    /// `bottomk`
    BottomK,
    /// `count`
    Count,
    /// `count_values`
    CountValues,
    /// `group`
    Group,
    /// `limitk`, experimental
    LimitK,
    /// `limit_ratio`, experimental
    LimitRatio,
    /// `max`
    Max,
    /// `min`
    Min,
    /// `quantile`
    Quantile,
    /// `stddev`
    Stddev,
    /// `stdvar`
    Stdvar,
    /// `sum`
    Sum,
    /// `topk`
    TopK,
}

impl AggregateOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::BottomK => "bottomk",
            Self::Count => "count",
            Self::CountValues => "count_values",
            Self::Group => "group",
            Self::LimitK => "limitk",
            Self::LimitRatio => "limit_ratio",
            Self::Max => "max",
            Self::Min => "min",
            Self::Quantile => "quantile",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Sum => "sum",
            Self::TopK => "topk",
        }
    }

    /// Whether it takes a parameter in front of the series.
    pub fn has_param(self) -> bool {
        matches!(
            self,
            Self::BottomK | Self::TopK | Self::CountValues | Self::Quantile | Self::LimitK | Self::LimitRatio
        )
    }

    /// Whether [`Options::experimental_functions`](crate::Options::experimental_functions) must allow it.
    pub fn is_experimental(self) -> bool {
        matches!(self, Self::LimitK | Self::LimitRatio)
    }
}

/// A function and what it is given.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which.
    pub function: &'static Function,
    /// As many as the function takes, of the types that it takes.
    pub args: Vec<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// An expression in parentheses.
#[derive(Debug, Clone)]
pub struct Paren {
    /// What stands in them.
    pub expr: Box<Expr>,
    /// Where they stand.
    pub span: Span,
}

impl Expr {
    /// What it evaluates to.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Vector(_) | Self::Aggregate(_) | Self::External(_) => ValueType::Vector,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Unary(unary) => unary.expr.value_type(),
            Self::Paren(paren) => paren.expr.value_type(),
            Self::Call(call) => call.function.returns,
            // Both sides are asked, so the time is that of the whole tree: whoever needs the type often keeps it.
            Self::Binary(binary) => match (binary.lhs.value_type(), binary.rhs.value_type()) {
                (ValueType::Scalar, ValueType::Scalar) => ValueType::Scalar,
                _ => ValueType::Vector,
            },
        }
    }

    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Self::Number(number) => number.span,
            Self::String(string) => string.span,
            Self::Vector(selector) => selector.span,
            Self::Matrix(selector) => selector.span,
            Self::Subquery(subquery) => subquery.span,
            Self::Unary(unary) => unary.span,
            Self::Binary(binary) => binary.lhs.span().to(binary.rhs.span()),
            Self::Aggregate(aggregate) => aggregate.span,
            Self::Call(call) => call.span,
            Self::Paren(paren) => paren.span,
            Self::External(_) => Span::default(),
        }
    }

    /// The expression without the parentheses around it.
    pub fn without_parens(&self) -> &Expr {
        let mut expr = self;
        while let Self::Paren(paren) = expr {
            expr = &paren.expr;
        }
        expr
    }

    /// The expressions directly within, in the order of the text. The selector of a range is a part of it, not within.
    pub fn children(&self) -> impl Iterator<Item = &Expr> {
        let (first, second, rest): (Option<&Expr>, Option<&Expr>, &[Expr]) = match self {
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) | Self::External(_) => {
                (None, None, &[])
            }
            Self::Subquery(subquery) => (Some(&subquery.expr), None, &[]),
            Self::Unary(unary) => (Some(&unary.expr), None, &[]),
            Self::Binary(binary) => (Some(&binary.lhs), Some(&binary.rhs), &[]),
            Self::Aggregate(aggregate) => (aggregate.param.as_ref(), Some(&aggregate.expr), &[]),
            Self::Call(call) => (None, None, &call.args),
            Self::Paren(paren) => (Some(&paren.expr), None, &[]),
        };
        first.into_iter().chain(second).chain(rest)
    }

    /// As [`Expr::children`], to change them.
    pub fn children_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let (first, second, rest): (Option<&mut Expr>, Option<&mut Expr>, &mut [Expr]) = match self {
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) | Self::External(_) => {
                (None, None, &mut [])
            }
            Self::Subquery(subquery) => (Some(&mut subquery.expr), None, &mut []),
            Self::Unary(unary) => (Some(&mut unary.expr), None, &mut []),
            Self::Binary(binary) => (Some(&mut binary.lhs), Some(&mut binary.rhs), &mut []),
            Self::Aggregate(aggregate) => (aggregate.param.as_mut(), Some(&mut aggregate.expr), &mut []),
            Self::Call(call) => (None, None, &mut call.args),
            Self::Paren(paren) => (Some(&mut paren.expr), None, &mut []),
        };
        first.into_iter().chain(second).chain(rest)
    }
}
