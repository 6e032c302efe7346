//! Text to tokens, one at a time, as the parser asks for them.
//!
//! What a character means depends on what is open: names within braces are never keywords, only durations stand in
//! brackets, and a colon is part of a name elsewhere.

mod number;
mod quote;
mod series;
mod token;

use crate::ast::{BinaryOp, Span};
use crate::parse::ParseError;

pub(crate) use quote::{quote, quote_bytes, quote_char, unquote};
pub(crate) use token::{Descriptor, Function, Keyword, Kind, Token};

/// Reads a text.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    /// Where the next character is.
    at: usize,
    /// Where the token begins.
    start: usize,
    mode: Mode,
    /// Parentheses that are open.
    parens: usize,
    in_braces: bool,
    in_brackets: bool,
    /// Whether a colon stands in these brackets.
    had_colon: bool,
    /// Whether a duration stands in brackets, these or earlier ones.
    had_duration: bool,
    /// Whether this is a series and its values rather than a query.
    is_series: bool,
}

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Expressions, or the inside of braces.
    Expression,
    /// What follows an opening bracket, until the first number.
    Duration,
    /// The values of a series.
    Values,
    /// A histogram among the values.
    Histogram,
    /// What joins a histogram to what follows it without a space: `x`, `+` or `-`.
    AfterHistogram,
    /// The buckets of a histogram.
    Buckets,
}

impl<'a> Lexer<'a> {
    /// Reads a query, a selector or labels.
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            start: 0,
            mode: Mode::Expression,
            parens: 0,
            in_braces: false,
            in_brackets: false,
            had_colon: false,
            had_duration: false,
            is_series: false,
        }
    }

    /// Reads a series and its values.
    pub(crate) fn of_series(text: &'a str) -> Self {
        Self { is_series: true, ..Self::new(text) }
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The next token; [`Kind::Eof`] at the end, however often it is asked for.
    pub(crate) fn next(&mut self) -> Result<Token, ParseError> {
        let kind = match self.mode {
            Mode::Expression if self.in_braces => self.in_braces(),
            Mode::Expression => self.expression(),
            Mode::Duration => self.duration(),
            Mode::Values => self.values(),
            Mode::Histogram => self.histogram(),
            Mode::AfterHistogram => Ok(self.after_histogram()),
            Mode::Buckets => self.buckets(),
        }?;
        Ok(Token { kind, span: Span::new(self.start, self.at) })
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let found = self.peek()?;
        self.at += found.len_utf8();
        Some(found)
    }

    /// Takes the next character where it is one of these.
    fn accept(&mut self, one_of: &str) -> bool {
        let found = self.is_next(one_of);
        if found {
            self.bump();
        }
        found
    }

    fn is_next(&self, one_of: &str) -> bool {
        self.peek().is_some_and(|next| one_of.contains(next))
    }

    fn skip_while(&mut self, skip: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&skip) {
            self.bump();
        }
    }

    /// An error about the token that is being read.
    fn error<T>(&self, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError::new(self.text, Span::new(self.start, self.text.len()), message.into()))
    }

    /// An error about what comes after a token that has been read.
    fn error_after<T>(&mut self, message: impl Into<String>) -> Result<T, ParseError> {
        self.start = self.at;
        self.error(message)
    }

    /// Passes over spaces and comments, and begins a token.
    fn begin(&mut self) {
        self.skip_while(is_space);
        while self.peek() == Some('#') {
            self.skip_while(|c| !matches!(c, '\n' | '\r'));
            self.skip_while(is_space);
        }
        self.start = self.at;
    }

    fn expression(&mut self) -> Result<Kind, ParseError> {
        self.begin();
        let Some(first) = self.bump() else {
            return match (self.parens, self.in_brackets) {
                (0, false) => Ok(Kind::Eof),
                (0, true) => self.error("unclosed left bracket"),
                (_, _) => self.error("unclosed left parenthesis"),
            };
        };
        Ok(match first {
            ',' => Kind::Comma,
            '*' => Kind::Op(BinaryOp::Mul),
            '/' => Kind::Op(BinaryOp::Div),
            '%' => Kind::Op(BinaryOp::Mod),
            '+' => Kind::Op(BinaryOp::Add),
            '-' => Kind::Op(BinaryOp::Sub),
            '^' => Kind::Op(BinaryOp::Pow),
            '@' => Kind::At,
            '=' if self.accept("=") => Kind::Op(BinaryOp::Equal),
            '=' if self.is_next("~") => return self.error("unexpected character after '=': '~'"),
            '=' => Kind::Assign,
            '!' if self.accept("=") => Kind::Op(BinaryOp::NotEqual),
            '!' => {
                let next = quote_char(self.bump());
                return self.error(format!("unexpected character after '!': {next}"));
            }
            '<' if self.accept("=") => Kind::Op(BinaryOp::LessOrEqual),
            '<' if self.accept("/") => Kind::Op(BinaryOp::TrimUpper),
            '<' => Kind::Op(BinaryOp::Less),
            '>' if self.accept("=") => Kind::Op(BinaryOp::GreaterOrEqual),
            '>' if self.accept("/") => Kind::Op(BinaryOp::TrimLower),
            '>' => Kind::Op(BinaryOp::Greater),
            '0'..='9' => return self.number_or_duration(),
            '.' if self.peek().is_some_and(is_digit) => return self.number_or_duration(),
            '"' | '\'' => return self.string(first),
            '`' => return self.raw_string(),
            ':' if self.in_brackets => {
                if self.had_colon {
                    return self.error("unexpected colon ':'");
                }
                self.had_colon = true;
                Kind::Colon
            }
            _ if is_alpha(first) && self.in_brackets => match self.duration_function() {
                Some(kind) => kind,
                None => {
                    let first = quote_char(Some(first));
                    return self.error(format!("unexpected character: {first}, expected ':'"));
                }
            },
            _ if is_alpha(first) || first == ':' => self.word(),
            '(' => self.open_paren(),
            ')' => return self.close_paren(),
            '{' => {
                self.in_braces = true;
                Kind::LeftBrace
            }
            '[' if self.in_brackets => return self.error("unexpected left bracket '['"),
            '[' => {
                self.in_brackets = true;
                self.had_colon = false;
                self.mode = Mode::Duration;
                Kind::LeftBracket
            }
            ']' if !self.in_brackets => return self.error("unexpected right bracket ']'"),
            ']' => self.close_bracket(),
            other => {
                return self.error(format!("unexpected character: {}", quote_char(Some(other))));
            }
        })
    }

    fn duration(&mut self) -> Result<Kind, ParseError> {
        self.skip_while(is_space);
        self.start = self.at;
        let Some(first) = self.bump() else {
            return self.error("unexpected end of input in duration expression");
        };
        Ok(match first {
            ']' => self.close_bracket(),
            ':' if !self.had_duration => {
                return self.error_after("unexpected colon before duration in duration expression");
            }
            ':' if self.had_colon => {
                return self.error_after("unexpected repeated colon in duration expression");
            }
            ':' => {
                self.had_colon = true;
                Kind::Colon
            }
            '(' => self.open_paren(),
            ')' => return self.close_paren(),
            ',' => Kind::Comma,
            '+' => Kind::Op(BinaryOp::Add),
            '-' => Kind::Op(BinaryOp::Sub),
            '*' => Kind::Op(BinaryOp::Mul),
            '/' => Kind::Op(BinaryOp::Div),
            '%' => Kind::Op(BinaryOp::Mod),
            '^' => Kind::Op(BinaryOp::Pow),
            _ if is_digit(first) || (first == '.' && self.peek().is_some_and(is_digit)) => {
                self.had_duration = true;
                self.mode = Mode::Expression;
                return self.number_or_duration();
            }
            _ => match self.duration_function() {
                Some(kind) => kind,
                None => {
                    let first = quote_char(Some(first));
                    return self.error(format!("unexpected character in duration expression: {first}"));
                }
            },
        })
    }

    fn in_braces(&mut self) -> Result<Kind, ParseError> {
        self.begin();
        let Some(first) = self.bump() else {
            return self.error("unexpected end of input inside braces");
        };
        Ok(match first {
            _ if is_alpha(first) => {
                self.skip_while(is_alphanumeric);
                Kind::Identifier
            }
            ',' => Kind::Comma,
            '"' | '\'' => return self.string(first),
            '`' => return self.raw_string(),
            '=' if self.accept("~") => Kind::MatchRegex,
            '=' => Kind::Assign,
            '!' if self.accept("~") => Kind::MatchNotRegex,
            '!' if self.accept("=") => Kind::Op(BinaryOp::NotEqual),
            '!' => {
                let next = quote_char(self.bump());
                return self.error(format!("unexpected character after '!' inside braces: {next}"));
            }
            '{' => return self.error("unexpected left brace '{'"),
            '}' => {
                self.in_braces = false;
                if self.is_series {
                    self.mode = Mode::Values;
                }
                Kind::RightBrace
            }
            other => {
                let other = quote_char(Some(other));
                return self.error(format!("unexpected character inside braces: {other}"));
            }
        })
    }

    fn open_paren(&mut self) -> Kind {
        self.parens += 1;
        Kind::LeftParen
    }

    fn close_paren(&mut self) -> Result<Kind, ParseError> {
        let Some(parens) = self.parens.checked_sub(1) else {
            return self.error_after("unexpected right parenthesis ')'");
        };
        self.parens = parens;
        Ok(Kind::RightParen)
    }

    fn close_bracket(&mut self) -> Kind {
        self.in_brackets = false;
        self.mode = Mode::Expression;
        Kind::RightBracket
    }

    /// A function of durations; its first character has been read.
    fn duration_function(&mut self) -> Option<Kind> {
        if !self.text[self.start..].starts_with(|c| "srmSRM".contains(c)) {
            return None;
        }
        self.skip_while(is_alpha);
        match Keyword::find(&self.text[self.start..self.at]) {
            Some(
                kind @ Kind::Function(Function::Step | Function::Range | Function::MaxOf | Function::MinOf),
            ) => Some(kind),
            _ => None,
        }
    }

    /// A name or a keyword; its first character has been read.
    fn word(&mut self) -> Kind {
        self.skip_while(|c| is_alphanumeric(c) || c == ':');
        let word = &self.text[self.start..self.at];
        if self.is_series && self.peek() != Some('{') {
            self.mode = Mode::Values;
        }
        match Keyword::find(word) {
            // Metrics that are called so came before the modifiers.
            Some(Kind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight))
                if !self.text[self.at..].trim_start_matches(is_space).starts_with('(') =>
            {
                Kind::Identifier
            }
            Some(kind) => kind,
            None if word.contains(':') => Kind::MetricIdentifier,
            None => Kind::Identifier,
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_alpha(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

fn is_alphanumeric(c: char) -> bool {
    is_alpha(c) || is_digit(c)
}
