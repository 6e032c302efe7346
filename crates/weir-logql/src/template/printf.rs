//! Go's `fmt.Sprintf`, as far as the values of templates go.

use std::fmt::Write as _;

use super::execute::TEXT_MAX;
use super::value::{Value, shortest};
use crate::quote::quote;

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

pub(super) fn printf(format: &str, arguments: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    let mut extra = true;
    let mut rest = format;
    while let Some((plain, after)) = rest.split_once('%') {
        out.push_str(plain);
        let mut flags = Flags::default();
        let mut characters = after.char_indices().peekable();
        while let Some(&(_, flag)) = characters.peek() {
            match flag {
                '-' => flags.minus = true,
                '+' => flags.plus = true,
                '#' => flags.sharp = true,
                ' ' => flags.space = true,
                '0' => flags.zero = true,
                _ => break,
            }
            characters.next();
        }
        let mut number = |characters: &mut std::iter::Peekable<std::str::CharIndices<'_>>| {
            if characters.next_if(|&(_, c)| c == '*').is_some() {
                return arguments.next().map_or(0, Value::to_int);
            }
            let mut value = 0_i64;
            while let Some((_, digit)) = characters.next_if(|(_, c)| c.is_ascii_digit()) {
                value = value.saturating_mul(10).saturating_add(i64::from(digit as u8 - b'0'));
            }
            value
        };
        let width = number(&mut characters);
        flags.minus |= width < 0;
        flags.width = width.unsigned_abs() as usize;
        if characters.next_if(|&(_, c)| c == '.').is_some() {
            flags.precision = Some(usize::try_from(number(&mut characters)).unwrap_or(0));
        }
        if flags.width > TEXT_MAX || flags.precision.is_some_and(|precision| precision > TEXT_MAX) {
            return Err(format!("longer than {TEXT_MAX} bytes"));
        }
        let Some((at, verb)) = characters.next() else {
            out.push_str("%!(NOVERB)");
            rest = "";
            extra = false;
            break;
        };
        rest = &after[at + verb.len_utf8()..];
        match verb {
            '%' => out.push('%'),
            _ if verb == '!' => {
                out.push_str("%!(NOVERB)");
                extra = false;
            }
            verb => match arguments.next() {
                None => drop(write!(out, "%!{verb}(MISSING)")),
                Some(value) => out.push_str(&one(value, verb, flags)),
            },
        }
        if out.len() > TEXT_MAX {
            return Err(format!("longer than {TEXT_MAX} bytes"));
        }
    }
    out.push_str(rest);
    let left: Vec<_> = arguments.map(|value| format!("{}={value}", value.type_name())).collect();
    if extra && !left.is_empty() {
        let _ = write!(out, "%!(EXTRA {})", left.join(", "));
    }
    Ok(out)
}

fn one(value: &Value, verb: char, flags: Flags) -> String {
    match (value, verb) {
        (Value::Text(text), 's' | 'v') => pad(cut(text, flags), flags),
        (Value::Text(text), 'q') => pad(&quote(cut(text, flags)), flags),
        (Value::Text(text), 'x' | 'X') => {
            let mut hex = String::new();
            for byte in text.bytes() {
                let _ = write!(hex, "{byte:02x}");
            }
            pad(&cased(hex, verb), flags)
        }
        (Value::Int(value), 'd' | 'v') => whole(*value, &value.unsigned_abs().to_string(), flags),
        (Value::Int(value), 'x' | 'X') => {
            let prefix = if flags.sharp { "0x" } else { "" };
            whole(*value, &cased(format!("{prefix}{:x}", value.unsigned_abs()), verb), flags)
        }
        (Value::Int(value), 'o') => whole(*value, &format!("{:o}", value.unsigned_abs()), flags),
        (Value::Int(value), 'b') => whole(*value, &format!("{:b}", value.unsigned_abs()), flags),
        (Value::Int(value), 'c' | 'q' | 'U') => {
            let c =
                u32::try_from(*value).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
            pad(
                &match verb {
                    'c' => c.to_string(),
                    'q' => format!("'{c}'"),
                    _ => format!("U+{value:04X}"),
                },
                flags,
            )
        }
        (Value::Float(value), 'f' | 'F') => {
            real(*value, &format!("{:.*}", flags.precision.unwrap_or(6), value.abs()), flags)
        }
        (Value::Float(value), 'e' | 'E') => {
            let text = format!("{:.*e}", flags.precision.unwrap_or(6), value.abs());
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, exponent) =
                exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            real(*value, &cased(format!("{digits}e{sign}{exponent:0>2}"), verb), flags)
        }
        (Value::Float(value), 'g' | 'G' | 'v') => {
            let digits = flags
                .precision
                .map_or_else(|| shortest(value.abs()), |precision| general(value.abs(), precision));
            real(*value, &digits, flags)
        }
        (Value::Bool(value), 't' | 'v') => pad(&value.to_string(), flags),
        (Value::Nil, 'v') => pad("<nil>", flags),
        (Value::Nil, verb) => format!("%!{verb}(<nil>)"),
        (Value::List(_) | Value::Map(_) | Value::Time(_) | Value::Labels, 'v' | 's') => {
            pad(&value.to_string(), flags)
        }
        (_, 'T') => pad(value.type_name(), flags),
        _ => format!("%!{verb}({}={value})", value.type_name()),
    }
}

/// So many significant digits, without the zeros behind them.
fn general(value: f64, precision: usize) -> String {
    let text = format!("{:.*e}", precision.max(1) - 1, value);
    let exponent: i32 = text.split_once('e').and_then(|split| split.1.parse().ok()).unwrap_or(0);
    if exponent < -4 || exponent >= precision.max(1) as i32 {
        let (digits, _) = text.split_once('e').unwrap_or((&text, ""));
        let digits =
            if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
        return format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    text.parse::<f64>().map_or(text, |value| value.to_string())
}

fn cased(text: String, verb: char) -> String {
    if verb.is_uppercase() { text.to_uppercase() } else { text }
}

fn cut(text: &str, flags: Flags) -> &str {
    let end = flags.precision.and_then(|precision| text.char_indices().nth(precision));
    end.map_or(text, |(end, _)| &text[..end])
}

fn sign(negative: bool, flags: Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (.., true) => " ",
        _ => "",
    }
}

fn whole(value: i64, digits: &str, flags: Flags) -> String {
    let digits =
        flags.precision.map_or_else(|| digits.to_owned(), |precision| format!("{digits:0>precision$}"));
    signed(sign(value < 0, flags), &digits, flags, flags.precision.is_none())
}

fn real(value: f64, digits: &str, flags: Flags) -> String {
    if value.is_nan() {
        return pad("NaN", flags);
    }
    if value.is_infinite() {
        return pad(if value > 0.0 { "+Inf" } else { "-Inf" }, flags);
    }
    signed(sign(value.is_sign_negative(), flags), digits, flags, true)
}

fn signed(sign: &str, digits: &str, flags: Flags, may_fill: bool) -> String {
    if flags.zero && !flags.minus && may_fill {
        let width = flags.width.saturating_sub(sign.len());
        return format!("{sign}{digits:0>width$}");
    }
    pad(&format!("{sign}{digits}"), Flags { zero: false, ..flags })
}

fn pad(text: &str, flags: Flags) -> String {
    let width = flags.width;
    match (flags.minus, flags.zero) {
        (true, _) => format!("{text:<width$}"),
        (_, true) => format!("{text:0>width$}"),
        _ => format!("{text:>width$}"),
    }
}
