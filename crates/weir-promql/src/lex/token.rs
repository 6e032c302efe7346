//! What a text is made of.

use weir_signal::ResetHint;

use super::quote::quote;
use crate::ast::{AggregateOp, BinaryOp, Span};

/// A word or sign and where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Eof,
    /// What the lexer refuses.
    Unreadable,
    Comma,
    Colon,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    /// `=`
    Assign,
    /// `=~`
    MatchRegex,
    /// `!~`
    MatchNotRegex,
    /// `@`
    At,
    Op(BinaryOp),
    Number,
    Duration,
    String,
    Identifier,
    /// An identifier with a colon.
    MetricIdentifier,
    Aggregate(AggregateOp),
    Keyword(Keyword),
    /// A name that is a function, a duration's function, or a time of the query.
    Function(Function),
    /// A space among the values of a series.
    Space,
    /// `_` among the values of a series.
    Blank,
    /// `x` among the values of a series.
    Times,
    /// `{{`
    OpenHistogram,
    /// `}}`
    CloseHistogram,
    Descriptor(Descriptor),
    ResetHint(ResetHint),
}

/// Words that stand around operators and selectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyword {
    Anchored,
    Bool,
    By,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    Offset,
    On,
    Smoothed,
    Without,
}

/// Functions that stand in places where other functions cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

/// What is told of a histogram among the values of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descriptor {
    Schema,
    Sum,
    Count,
    ZeroBucket,
    ZeroBucketWidth,
    CustomValues,
    Buckets,
    Offset,
    NegativeBuckets,
    NegativeOffset,
    CounterResetHint,
}

/// Every keyword, in small letters.
const WORDS: &[(&str, Kind)] = &[
    ("and", Kind::Op(BinaryOp::And)),
    ("or", Kind::Op(BinaryOp::Or)),
    ("unless", Kind::Op(BinaryOp::Unless)),
    ("atan2", Kind::Op(BinaryOp::Atan2)),
    ("avg", Kind::Aggregate(AggregateOp::Avg)),
    ("bottomk", Kind::Aggregate(AggregateOp::BottomK)),
    ("count", Kind::Aggregate(AggregateOp::Count)),
    ("count_values", Kind::Aggregate(AggregateOp::CountValues)),
    ("group", Kind::Aggregate(AggregateOp::Group)),
    ("limitk", Kind::Aggregate(AggregateOp::LimitK)),
    ("limit_ratio", Kind::Aggregate(AggregateOp::LimitRatio)),
    ("max", Kind::Aggregate(AggregateOp::Max)),
    ("min", Kind::Aggregate(AggregateOp::Min)),
    ("quantile", Kind::Aggregate(AggregateOp::Quantile)),
    ("stddev", Kind::Aggregate(AggregateOp::Stddev)),
    ("stdvar", Kind::Aggregate(AggregateOp::Stdvar)),
    ("sum", Kind::Aggregate(AggregateOp::Sum)),
    ("topk", Kind::Aggregate(AggregateOp::TopK)),
    ("anchored", Kind::Keyword(Keyword::Anchored)),
    ("bool", Kind::Keyword(Keyword::Bool)),
    ("by", Kind::Keyword(Keyword::By)),
    ("fill", Kind::Keyword(Keyword::Fill)),
    ("fill_left", Kind::Keyword(Keyword::FillLeft)),
    ("fill_right", Kind::Keyword(Keyword::FillRight)),
    ("group_left", Kind::Keyword(Keyword::GroupLeft)),
    ("group_right", Kind::Keyword(Keyword::GroupRight)),
    ("ignoring", Kind::Keyword(Keyword::Ignoring)),
    ("offset", Kind::Keyword(Keyword::Offset)),
    ("on", Kind::Keyword(Keyword::On)),
    ("smoothed", Kind::Keyword(Keyword::Smoothed)),
    ("without", Kind::Keyword(Keyword::Without)),
    ("start", Kind::Function(Function::Start)),
    ("end", Kind::Function(Function::End)),
    ("step", Kind::Function(Function::Step)),
    ("range", Kind::Function(Function::Range)),
    ("max_of", Kind::Function(Function::MaxOf)),
    ("min_of", Kind::Function(Function::MinOf)),
    ("inf", Kind::Number),
    ("nan", Kind::Number),
];

impl Keyword {
    /// What a word means in an expression, whatever the size of its letters.
    pub(crate) fn find(word: &str) -> Option<Kind> {
        WORDS.iter().find(|known| known.0.eq_ignore_ascii_case(word)).map(|known| known.1)
    }
}

impl Descriptor {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("schema", Self::Schema),
        ("sum", Self::Sum),
        ("count", Self::Count),
        ("z_bucket", Self::ZeroBucket),
        ("z_bucket_w", Self::ZeroBucketWidth),
        ("custom_values", Self::CustomValues),
        ("buckets", Self::Buckets),
        ("offset", Self::Offset),
        ("n_buckets", Self::NegativeBuckets),
        ("n_offset", Self::NegativeOffset),
        ("counter_reset_hint", Self::CounterResetHint),
    ];

    pub(crate) fn find(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|known| known.0.eq_ignore_ascii_case(word)).map(|known| known.1)
    }

    pub(crate) fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|known| known.1 == self).map_or("", |known| known.0)
    }
}

/// What a histogram says of its own reset.
pub(super) fn reset_hint(word: &str) -> Option<ResetHint> {
    [
        ("unknown", ResetHint::Unknown),
        ("reset", ResetHint::Reset),
        ("not_reset", ResetHint::NotReset),
        ("gauge", ResetHint::Gauge),
    ]
    .into_iter()
    .find(|known| known.0.eq_ignore_ascii_case(word))
    .map(|known| known.1)
}

impl Kind {
    /// Whether it is a name in front of braces, or one alone: most keywords are where they cannot be anything else.
    pub(crate) fn is_metric_name(self) -> bool {
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregate(_) | Self::Function(_) => true,
            Self::Op(op) => op.is_set(),
            Self::Keyword(keyword) => matches!(
                keyword,
                Keyword::Anchored
                    | Keyword::By
                    | Keyword::Fill
                    | Keyword::FillLeft
                    | Keyword::FillRight
                    | Keyword::Offset
                    | Keyword::Smoothed
                    | Keyword::Without
            ),
            _ => false,
        }
    }

    /// Whether it is a label in a list of labels: every keyword is, but for `without`.
    pub(crate) fn is_label_name(self) -> bool {
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregate(_) | Self::Function(_) => true,
            Self::Keyword(keyword) => keyword != Keyword::Without,
            Self::Op(op) => op.is_set() || op == BinaryOp::Atan2,
            _ => false,
        }
    }
}

impl Token {
    /// The token as errors call it.
    pub(crate) fn describe(self, text: &str) -> String {
        let text = &text[self.span.start as usize..self.span.end as usize];
        match self.kind {
            Kind::Eof => "end of input".to_owned(),
            Kind::Number => format!("number {}", short(text)),
            Kind::Duration => format!("duration {}", short(text)),
            Kind::String => format!("string {}", short(text)),
            Kind::Identifier => format!("identifier {}", quote(text)),
            Kind::MetricIdentifier => format!("metric identifier {}", quote(text)),
            Kind::Keyword(_) => format!("<{text}>"),
            Kind::Aggregate(_) => format!("<aggr:{text}>"),
            Kind::Op(_) | Kind::At | Kind::MatchRegex | Kind::MatchNotRegex => format!("<op:{text}>"),
            _ => short(text),
        }
    }
}

/// The beginning of a text, quoted.
fn short(text: &str) -> String {
    if text.len() > 10 {
        let beginning: String = text.chars().take(10).collect();
        format!("{}...", quote(&beginning))
    } else {
        quote(text)
    }
}
