//! What a text is made of.

use weir_promql::ast::{BinaryOp, Span};

use crate::ast::{Conversion, RangeOp, VectorOp};

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
    Comma,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    /// `=`
    Assign,
    /// `=~`
    MatchRegex,
    /// `!~`
    MatchNotRegex,
    /// `!=`
    NotEqual,
    /// `!>`
    NotPattern,
    /// `|`
    Pipe,
    /// `|=`
    PipeExact,
    /// `|~`
    PipeMatch,
    /// `|>`
    PipePattern,
    /// Any operator but `!=`.
    Op(BinaryOp),
    Number,
    /// Nanoseconds.
    Duration(i64),
    /// Bytes.
    Bytes(u64),
    /// A duration in brackets, in nanoseconds.
    Range(i64),
    String,
    Identifier,
    Flag(Flag),
    RangeOp(RangeOp),
    VectorOp(VectorOp),
    /// `bytes`, `duration` or `duration_seconds`, called.
    Conversion(Conversion),
    Vector,
    LabelReplace,
    Ip,
    Keyword(Keyword),
}

/// Flags of parsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    Strict,
    KeepEmpty,
}

impl Flag {
    pub(super) fn find(text: &str) -> Option<Self> {
        match text {
            "--strict" => Some(Self::Strict),
            "--keep-empty" => Some(Self::KeepEmpty),
            _ => None,
        }
    }
}

/// Words that are never labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyword {
    Bool,
    By,
    Decolorize,
    Drop,
    GroupLeft,
    GroupRight,
    Ignoring,
    Json,
    Keep,
    LabelFormat,
    LineFormat,
    Logfmt,
    Offset,
    On,
    Pattern,
    Regexp,
    Unpack,
    Unwrap,
    Without,
}

/// Every keyword, in small letters.
const WORDS: &[(&str, Kind)] = &[
    ("and", Kind::Op(BinaryOp::And)),
    ("or", Kind::Op(BinaryOp::Or)),
    ("unless", Kind::Op(BinaryOp::Unless)),
    ("bool", Kind::Keyword(Keyword::Bool)),
    ("by", Kind::Keyword(Keyword::By)),
    ("decolorize", Kind::Keyword(Keyword::Decolorize)),
    ("drop", Kind::Keyword(Keyword::Drop)),
    ("group_left", Kind::Keyword(Keyword::GroupLeft)),
    ("group_right", Kind::Keyword(Keyword::GroupRight)),
    ("ignoring", Kind::Keyword(Keyword::Ignoring)),
    ("json", Kind::Keyword(Keyword::Json)),
    ("keep", Kind::Keyword(Keyword::Keep)),
    ("label_format", Kind::Keyword(Keyword::LabelFormat)),
    ("line_format", Kind::Keyword(Keyword::LineFormat)),
    ("logfmt", Kind::Keyword(Keyword::Logfmt)),
    ("offset", Kind::Keyword(Keyword::Offset)),
    ("on", Kind::Keyword(Keyword::On)),
    ("pattern", Kind::Keyword(Keyword::Pattern)),
    ("regexp", Kind::Keyword(Keyword::Regexp)),
    ("unpack", Kind::Keyword(Keyword::Unpack)),
    ("unwrap", Kind::Keyword(Keyword::Unwrap)),
    ("without", Kind::Keyword(Keyword::Without)),
];

impl Keyword {
    /// What a word means, whatever the size of its letters.
    pub(super) fn find(word: &str) -> Option<Kind> {
        WORDS.iter().find(|known| known.0.eq_ignore_ascii_case(word)).map(|known| known.1)
    }
}

impl Token {
    /// The token as Loki's errors call it.
    pub(crate) fn describe(self, text: &str) -> String {
        match self.kind {
            Kind::Eof => "$end".to_owned(),
            Kind::Number => "NUMBER".to_owned(),
            Kind::Duration(_) => "DURATION".to_owned(),
            Kind::Bytes(_) => "BYTES".to_owned(),
            Kind::Range(_) => "RANGE".to_owned(),
            Kind::String => "STRING".to_owned(),
            Kind::Identifier => "IDENTIFIER".to_owned(),
            Kind::Flag(_) => "FUNCTION_FLAG".to_owned(),
            Kind::RangeOp(op) => op.as_str().to_uppercase(),
            Kind::VectorOp(op) => op.as_str().to_uppercase(),
            _ => text[self.span.start as usize..self.span.end as usize].to_lowercase(),
        }
    }
}
