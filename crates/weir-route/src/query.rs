//! Query parameters, compared without being decoded into memory first.

use smallvec::SmallVec;
use weir_model::ValueMatch;

/// The value of the first parameter of this decoded name, still encoded. A parameter without `=` has an empty value.
pub(crate) fn first<'q>(query: &'q [u8], name: &[u8]) -> Option<&'q [u8]> {
    let pieces = query.split(|b| *b == b'&').filter(|piece| !piece.is_empty());
    pieces.map(split).find(|(encoded, _)| decoded(encoded).eq(name.iter().copied())).map(|(_, value)| value)
}

fn split(piece: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'=', piece) {
        Some(at) => (&piece[..at], &piece[at + 1..]),
        None => (piece, &[]),
    }
}

/// Whether a condition holds for an encoded value. Allocates only for a pattern and an encoded value of more than 256
/// bytes.
pub(crate) fn holds(wanted: &ValueMatch, encoded: Option<&[u8]>) -> bool {
    match (wanted, encoded) {
        (ValueMatch::Exact(text), Some(value)) => decoded(value).eq(text.bytes()),
        (ValueMatch::Prefix(text), Some(value)) => {
            let mut value = decoded(value);
            text.bytes().all(|b| value.next() == Some(b))
        }
        (ValueMatch::Regex(pattern), Some(value)) if memchr::memchr2(b'%', b'+', value).is_some() => {
            pattern.matches(&decoded(value).collect::<SmallVec<[u8; 256]>>())
        }
        _ => wanted.holds(encoded),
    }
}

/// The bytes that `encoded` stands for: `+` is a space, `%` with two hex digits a byte, and any other `%` itself.
pub(crate) fn decoded(encoded: &[u8]) -> impl Iterator<Item = u8> {
    let hex = |b: Option<&u8>| b.and_then(|b| (*b as char).to_digit(16));
    let mut rest = encoded;
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        rest = after;
        Some(match first {
            b'+' => b' ',
            b'%' => match (hex(after.first()), hex(after.get(1))) {
                (Some(high), Some(low)) => {
                    rest = &after[2..];
                    (high << 4 | low) as u8
                }
                _ => b'%',
            },
            other => other,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_model::Pattern;

    #[test]
    fn finds_and_decodes() {
        #[track_caller]
        fn check(query: &str, name: &str, wanted: &ValueMatch, expected: bool) {
            assert_eq!(
                holds(wanted, first(query.as_bytes(), name.as_bytes())),
                expected,
                "{query} {name} {wanted:?}"
            );
        }
        let exact = |text: &str| ValueMatch::Exact(text.into());
        check("a=1&b=2", "b", &exact("2"), true);
        check("a=1&b=2", "c", &ValueMatch::Absent, true);
        check("a=1&b=2", "c", &ValueMatch::Present, false);
        check("a=1&a=2", "a", &exact("2"), false);
        check("&&a=1", "a", &exact("1"), true);
        check("a", "a", &exact(""), true);
        check("a=b=c", "a", &exact("b=c"), true);
        check("%61+b=x%20y%2", "a b", &exact("x y%2"), true);
        check("a=x+yz", "a", &ValueMatch::Prefix("x y".into()), true);
        check("a=x", "a", &ValueMatch::Prefix("x y".into()), false);
        check("a=%31%32", "a", &ValueMatch::Regex(Pattern::new(r"\d+").unwrap()), true);
        check("a=12x", "a", &ValueMatch::Regex(Pattern::new(r"\d+").unwrap()), false);
        check("", "", &ValueMatch::Absent, true);
    }
}
