//! Texts that are nearly queries: tokens of one left out, doubled, exchanged, replaced by those of others.

/// So many of each text.
const OF_EACH: usize = 40;

/// The texts themselves, then what becomes of them; always the same.
pub(crate) fn with_mutations(texts: Vec<String>) -> Vec<String> {
    let tokens: Vec<Vec<&str>> = texts.iter().map(|text| tokens(text)).collect();
    let words: Vec<&str> = tokens.iter().flatten().copied().filter(|word| !word.trim().is_empty()).collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut all = std::collections::BTreeSet::new();
    for tokens in tokens.iter().filter(|tokens| !tokens.is_empty()) {
        for _ in 0..OF_EACH {
            let mut one = tokens.clone();
            for _ in 0..=random.below(2) {
                let (at, other) = (random.below(one.len()), random.below(one.len()));
                match random.below(5) {
                    0 if one.len() > 1 => drop(one.remove(at)),
                    1 => one.insert(at, one[at]),
                    2 => one.swap(at, other),
                    3 => one.truncate(at.max(1)),
                    _ => one[at] = words[random.below(words.len())],
                }
            }
            all.insert(one.concat());
        }
    }
    texts.into_iter().chain(all).collect()
}

/// A text in pieces that together are the text: words, numbers, quoted texts, blanks, and single characters.
fn tokens(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let end = match first {
            '"' | '`' => closing(rest, first),
            c if c.is_whitespace() => rest.find(|c: char| !c.is_whitespace()),
            c if word(c) => rest.find(|c| !word(c)),
            c => Some(
                c.len_utf8()
                    + usize::from("=!<>&|~".contains(c) && rest[1..].starts_with(['=', '~', '>', '&', '|'])),
            ),
        };
        let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
        out.push(token);
        rest = after;
    }
    out
}

/// Where a quoted text ends.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    let at = text.char_indices().skip(1).find(|&(_, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && quote == '"' && !escaped;
        ends
    });
    at.map(|(at, _)| at + 1)
}

/// A generator of numbers that is the same on every run: `xorshift64*`.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

#[test]
fn tokens_make_the_text_again() {
    let check = |text: &str, count: usize| {
        let tokens = tokens(text);
        assert_eq!((tokens.concat().as_str(), tokens.len()), (text, count), "{tokens:?}");
    };
    check("", 0);
    check(r#"{a="b\"", c!~`d"`}"#, 10);
    check("rate(x[5m]) >= 1.5", 11);
    check("{ \"open", 3);
}
