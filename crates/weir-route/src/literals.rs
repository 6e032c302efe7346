//! Bytes that every match of a pattern has to hold.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

/// A match holds at least one of these. Each has at least [`LITERAL_BYTES_MIN`] bytes.
pub(crate) type Clause = Vec<Vec<u8>>;

/// Shorter literals occur in too many paths to tell anything.
pub(crate) const LITERAL_BYTES_MIN: usize = 2;

/// Alternatives of one clause; a pattern with more is not worth as many entries.
const ALTERNATIVES_MAX: usize = 16;

/// Conditions that a match of the whole pattern meets, each and all. None where the pattern has no usable literal.
pub(crate) fn required(pattern: &str) -> Vec<Clause> {
    // The same dialect as `weir_model::Pattern`.
    match ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern) {
        Ok(hir) => clauses(&hir),
        Err(_) => Vec::new(),
    }
}

fn clauses(hir: &Hir) -> Vec<Clause> {
    match hir.kind() {
        HirKind::Literal(_) => exact(hir).and_then(clause).into_iter().collect(),
        HirKind::Capture(capture) => clauses(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => clauses(&repetition.sub),
        HirKind::Concat(parts) => concatenation(parts),
        HirKind::Alternation(branches) => alternation(branches).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Neighbouring literals count as one, through groups.
fn concatenation(parts: &[Hir]) -> Vec<Clause> {
    let (mut all, mut run) = (Vec::new(), Vec::new());
    for part in parts {
        if let Some(literal) = exact(part) {
            run.extend(literal);
        } else {
            all.extend(clause(std::mem::take(&mut run)));
            all.extend(clauses(part));
        }
    }
    all.extend(clause(run));
    all
}

/// What each branch needs most, or nothing if one needs nothing.
fn alternation(branches: &[Hir]) -> Option<Clause> {
    let shortest = |clause: &Clause| clause.iter().map(Vec::len).min();
    let mut any = Clause::new();
    for branch in branches {
        any.extend(clauses(branch).into_iter().max_by_key(shortest)?);
    }
    (any.len() <= ALTERNATIVES_MAX).then_some(any)
}

fn clause(literal: Vec<u8>) -> Option<Clause> {
    (literal.len() >= LITERAL_BYTES_MIN).then(|| vec![literal])
}

/// The only thing that this matches, if it is one.
fn exact(hir: &Hir) -> Option<Vec<u8>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(literal.0.to_vec()),
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(exact).collect::<Option<Vec<_>>>().map(|p| p.concat()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        #[track_caller]
        fn check(pattern: &str, expected: &[&[&str]]) {
            let got: Vec<Vec<String>> = required(pattern)
                .iter()
                .map(|clause| clause.iter().map(|l| String::from_utf8(l.clone()).unwrap()).collect())
                .collect();
            assert_eq!(got, expected, "{pattern}");
        }
        check(r"/v\d+/orders17(/.*)?", &[&["/v"], &["/orders17"]]);
        check(r"/(orders)/(?:all)", &[&["/orders/all"]]);
        check(r"/(en|de)/shop", &[&["en", "de"], &["/shop"]]);
        check(r"/foo|/bar", &[&["/foo", "/bar"]]);
        check(r"/ab|.*", &[]);
        check(r"(/ab)+", &[&["/ab"]]);
        check(r"(/ab)*", &[]);
        check(r"(?i)/orders", &[]);
        check(r"/\d+", &[]);
    }
}
