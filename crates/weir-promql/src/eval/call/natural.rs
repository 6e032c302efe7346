//! The order in which people sort texts with numbers in them: `a2` before `a10`.

use std::cmp::Ordering;

/// Compares runs of digits as numbers and what is between them as text; where one text is the beginning of the other, the
/// shorter comes first.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Chunks(a), Chunks(b));
    loop {
        let (x, y) = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => (x, y),
        };
        // What does not fit into an integer is text again.
        let order = match (x.parse::<u64>(), y.parse::<u64>()) {
            (Ok(x), Ok(y)) => x.cmp(&y),
            _ => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Runs of digits, and what is between them.
struct Chunks<'a>(&'a str);

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let first = self.0.chars().next()?;
        let is_digit = first.is_ascii_digit();
        let end = self.0.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(self.0.len());
        let (chunk, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_within_texts_count_as_numbers() {
        let mut texts = ["a10", "a2", "", "a", "b1", "10", "9", "a2b"];
        texts.sort_by(|a, b| compare(a, b));
        assert_eq!(texts, ["", "9", "10", "a", "a2", "a2b", "a10", "b1"]);
    }
}
