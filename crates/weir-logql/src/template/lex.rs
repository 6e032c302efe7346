//! What stands between braces, word by word.

use crate::quote::unquote;

/// A word or sign.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `.`
    Dot,
    /// `.a`
    Field(Box<str>),
    /// `$a`, or `$`
    Variable(Box<str>),
    /// A function, a keyword or a constant.
    Word(Box<str>),
    Text(Box<str>),
    Int(i64),
    Float(f64),
    LeftParen,
    RightParen,
    /// A parenthesis that a field follows at once.
    Pipe,
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
}

/// Words, each with whether a space stands in front of it.
pub(super) type Tokens = Vec<(Token, bool)>;

/// The words of an action.
pub(super) fn tokens(action: &str) -> Result<Tokens, String> {
    let mut tokens = Vec::new();
    let mut rest = action;
    loop {
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let spaced = trimmed.len() < rest.len() || tokens.is_empty();
        rest = trimmed;
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let (token, length) = match first {
            '(' => (Token::LeftParen, 1),
            ')' => (Token::RightParen, 1),
            '|' => (Token::Pipe, 1),
            ',' => (Token::Comma, 1),
            ':' if rest.starts_with(":=") => (Token::Declare, 2),
            '=' => (Token::Assign, 1),
            '"' => quoted(rest)?,
            '`' => {
                let end = rest[1..].find('`').ok_or("unterminated raw quoted string")?;
                (Token::Text(rest[1..=end].into()), end + 2)
            }
            '\'' => character(rest)?,
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(rest)?,
            '.' => match word(&rest[1..]) {
                "" => (Token::Dot, 1),
                name => (Token::Field(name.into()), 1 + name.len()),
            },
            '$' => {
                let name = word(&rest[1..]);
                (Token::Variable(rest[..=name.len()].into()), 1 + name.len())
            }
            '0'..='9' | '+' | '-' => number(rest)?,
            _ if is_word(first) => {
                let name = word(rest);
                (Token::Word(name.into()), name.len())
            }
            other => return Err(format!("unexpected {other:?} in command")),
        };
        tokens.push((token, spaced));
        rest = &rest[length..];
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn word(text: &str) -> &str {
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

fn quoted(text: &str) -> Result<(Token, usize), String> {
    let end = text_end(text).ok_or("unterminated quoted string")?;
    let said = unquote(&text[..end]).map_err(|_| format!("invalid syntax: {}", &text[..end]))?;
    Ok((Token::Text(said.into()), end))
}

/// Where a string in double quotes, which the text begins with, ends.
pub(super) fn text_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// `'a'`, which is its number.
fn character(text: &str) -> Result<(Token, usize), String> {
    let inner = text.strip_prefix('\'').unwrap_or_default();
    let end = match inner.strip_prefix('\\') {
        Some(escaped) => {
            1 + escaped.chars().next().map_or(0, char::len_utf8)
                + escaped.find('\'').unwrap_or(0).saturating_sub(1)
        }
        None => inner.chars().next().map_or(0, char::len_utf8),
    };
    let unterminated = || "unterminated character constant".to_owned();
    let said = inner.get(..end).filter(|_| inner[end..].starts_with('\'')).ok_or_else(unterminated)?;
    let said = if said == "\\'" { "'" } else { said };
    let said =
        unquote(&format!("\"{said}\"")).map_err(|_| format!("malformed character constant: '{said}'"))?;
    let mut characters = said.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) => Ok((Token::Int(u32::from(one).into()), end + 2)),
        _ => Err(unterminated()),
    }
}

fn number(text: &str) -> Result<(Token, usize), String> {
    let mut end = text.len();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let sign = matches!(c, '+' | '-') && (at == 0 || matches!(before, 'e' | 'E' | 'p' | 'P'));
        if !(sign || c == '.' || c.is_ascii_alphanumeric() || c == '_') {
            end = at;
            break;
        }
        before = c;
    }
    let written = &text[..end];
    let bad = || format!("bad number syntax: {written:?}");
    let plain = written.trim_start_matches('+').replace('_', "");
    let digits = plain.trim_start_matches('-');
    let whole = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => i64::from_str_radix(&digits[2..], 16).ok(),
        Some("0o") => i64::from_str_radix(&digits[2..], 8).ok(),
        Some("0b") => i64::from_str_radix(&digits[2..], 2).ok(),
        _ => digits.parse().ok(),
    };
    if let Some(whole) = whole.filter(|_| digits.starts_with(|c: char| c.is_ascii_digit())) {
        return Ok((Token::Int(if plain.starts_with('-') { -whole } else { whole }), end));
    }
    let value = crate::units::parse_float(written).map_err(|_| bad())?;
    // A number without a fraction is whole, however it is written.
    if value.fract() == 0.0 && value.abs() < 9e15 && !written.contains('.') {
        return Ok((Token::Int(value as i64), end));
    }
    Ok((Token::Float(value), end))
}
