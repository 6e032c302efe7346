//! What of a line the filter knows, and what of it a text that is looked for needs.
//!
//! A *token* is a longest run of ASCII letters, digits and `_`. Other bytes, those of other alphabets among them, part
//! tokens and are not known to the filter. A *word* is a token with a byte that is no hexadecimal digit, a *number* one
//! without; an *id* is a number that a block keeps apart from its lines: one of 16 or 32 digits without capitals.
//!
//! *Samples* make parts of tokens known: of each so many neighbours among the token's parts of so many bytes, the part
//! whose hash is least. The samples of a part of a token are among those of the token.
//!
//! | token | what is known of it |
//! |---|---|
//! | shorter than [`TOKEN_BYTES_MIN`] | nothing: such are everywhere |
//! | longer than [`TOKEN_BYTES_MAX`] | only that the block has one |
//! | a word shorter than [`WORD_BYTES_MIN`] | itself |
//! | another word | its samples: of 2 parts of 4 bytes one; of numbers within it as below |
//! | an id | itself; parts of it are looked for among the ids, which can be read on their own |
//! | another number | itself, and from [`NUMBER_BYTES_MIN`] on its samples: of 3 parts of 6 bytes one |
//!
//! What a text needs, therefore: all that is known of the tokens that lie within it, with another byte before and after
//! them; of a token at its beginning or end, which may go on in the line, the samples, or for a number that it or a part of
//! an id is there. A trace id is found wherever it stands, and a word within a longer one. A text of which that leaves
//! nothing (`GET`, `12345`) prunes nothing: write it with what stands around it (` GET `, `:12345]`).
//!
//! The digits of times of day within lines are not known: they differ from line to line, and the time of the line finds
//! them. Where a segment leaves out digits of some shape ([`Shapes`]), no token of that shape is needed.
//!
//! A block that would have more keys than one for each [`BYTES_PER_KEY`] bytes, because it is full of noise, is *sparse*:
//! there only ids and words of at most [`SPARSE_WORD_BYTES_MAX`] bytes are known, and it is a candidate for whatever may
//! be, or be part of, something else.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Shorter tokens are not known.
pub const TOKEN_BYTES_MIN: usize = 3;
/// Longer tokens are not known; a block that has one is a candidate for every text that may be part of one.
pub const TOKEN_BYTES_MAX: usize = 256;
/// Words of at least so many bytes are known by samples.
pub const WORD_BYTES_MIN: usize = WORD.bytes_min();
/// Numbers of at least so many bytes are known by samples.
pub const NUMBER_BYTES_MIN: usize = NUMBER.bytes_min();
/// In a sparse block longer words are not known.
pub const SPARSE_WORD_BYTES_MAX: usize = 16;
/// A block with more keys than one for so many bytes of lines and metadata is sparse.
pub const BYTES_PER_KEY: usize = 48;

const WORD: Samples = Samples { part: 4, window: 2 };
const NUMBER: Samples = Samples { part: 6, window: 3 };
const ID_BYTES: [usize; 2] = [16, 32];

/// The key of a block that has a token longer than [`TOKEN_BYTES_MAX`].
pub(super) const LONG_KEY: u64 = 0x6c6f_6e67_746f_6b65;
/// The key of a sparse block.
pub(super) const SPARSE_KEY: u64 = 0x7370_6172_7365_6b65;

/// Shapes of digits that a segment's filter leaves out: those of fractions of seconds within lines. Bit `n` stands for `n`
/// digits, bit `16 + n` for `n` digits and a `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shapes(pub u32);

impl Shapes {
    pub(super) fn add(&mut self, digits: u32, zulu: bool) {
        self.0 |= 1 << (digits + if zulu { 16 } else { 0 });
    }

    /// Whether a token, or where it is not a whole one a token that ends with it, may be one that was left out.
    fn may_have(self, token: &[u8], whole: bool) -> bool {
        let digits = token.strip_suffix(b"Z").unwrap_or(token);
        let zulu = digits.len() < token.len();
        let left_out = (if zulu { self.0 >> 16 } else { self.0 & 0xffff }) >> digits.len().min(16);
        digits.iter().all(u8::is_ascii_digit) && if whole { left_out & 1 == 1 } else { left_out > 0 }
    }
}

/// What a block must have to be a candidate: all keys of one of some sets, or else what the other fields allow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Need {
    pub(super) keys: Vec<Vec<u64>>,
    /// [`LONG_KEY`].
    pub(super) or_long: bool,
    /// [`SPARSE_KEY`].
    pub(super) or_sparse: bool,
    /// An id with these digits in it.
    pub(super) or_in_id: Option<Box<[u8]>>,
}

/// How much of its tokens a block makes known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coverage {
    Full,
    Sparse,
}

/// Whether a byte is part of tokens.
#[inline]
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Calls `each` with the tokens of a text and where they begin.
pub(super) fn for_each(text: &[u8], mut each: impl FnMut(usize, &[u8])) {
    let mut at = 0;
    while at < text.len() {
        if !is_token_byte(text[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < text.len() && is_token_byte(text[at]) {
            at += 1;
        }
        each(start, &text[start..at]);
    }
}

/// Appends the keys of a token.
pub(super) fn keys_of_token(token: &[u8], coverage: Coverage, keys: &mut Vec<u64>) {
    let length = token.len();
    if length > TOKEN_BYTES_MAX {
        keys.push(LONG_KEY);
    } else if length < TOKEN_BYTES_MIN {
    } else if is_word(token) {
        if length < WORD_BYTES_MIN {
            keys.push(xxh3_64(token));
        } else if coverage == Coverage::Full {
            WORD.append(token, keys);
            if length > NUMBER_BYTES_MIN {
                let runs = token.split(|byte| !byte.is_ascii_hexdigit());
                runs.for_each(|run| NUMBER.append(run, keys));
            }
        } else if length <= SPARSE_WORD_BYTES_MAX {
            WORD.append(token, keys);
        }
    } else {
        if coverage == Coverage::Full || ID_BYTES.contains(&length) {
            keys.push(xxh3_64(token));
        }
        if coverage == Coverage::Full {
            NUMBER.append(token, keys);
        }
    }
}

/// The key of an id.
pub(super) fn key_of_id(id: &[u8]) -> u64 {
    xxh3_64(id)
}

fn is_word(token: &[u8]) -> bool {
    !token.iter().all(u8::is_ascii_hexdigit)
}

/// A way to take samples.
#[derive(Debug, Clone, Copy)]
struct Samples {
    /// Bytes of a part, at most eight.
    part: usize,
    /// One of so many neighbours is taken.
    window: usize,
}

impl Samples {
    /// The shortest token that has a sample.
    const fn bytes_min(self) -> usize {
        self.part + self.window - 1
    }

    fn hash(self, part: &[u8]) -> u64 {
        let mut bytes = [0; 8];
        bytes[..part.len()].copy_from_slice(part);
        mix(u64::from_le_bytes(bytes) ^ (self.part as u64) << 59)
    }

    /// Appends the samples of a token; none where it is too short.
    fn append(self, token: &[u8], keys: &mut Vec<u64>) {
        // The least of the window, where it is one already, and where it was found.
        let mut least: Option<(usize, u64)> = None;
        let hash = |at: usize| self.hash(&token[at..at + self.part]);
        for start in 0..(token.len() + 1).saturating_sub(self.bytes_min()) {
            let newest = start + self.window - 1;
            let found = match least {
                Some((at, value)) if at >= start => {
                    let next = hash(newest);
                    if next < value { (newest, next) } else { (at, value) }
                }
                _ => (start..=newest)
                    .map(|at| (at, hash(at)))
                    .min_by_key(|&(_, value)| value)
                    .unwrap_or((newest, 0)),
            };
            if least.is_none_or(|(_, value)| value != found.1) {
                keys.push(found.1);
            }
            least = Some(found);
        }
    }
}

/// Spreads the bits of a number over all of another.
#[inline]
fn mix(mut value: u64) -> u64 {
    value = (value ^ value >> 32).wrapping_mul(0x9fb2_1c65_1e98_df25);
    value = (value ^ value >> 29).wrapping_mul(0xd6e8_feb8_6659_fd93);
    value ^ value >> 32
}

/// Appends the keys of a metadata value: those of its tokens, or one for the whole where none of them is long enough.
pub(super) fn keys_of_value(value: &[u8], coverage: Coverage, keys: &mut Vec<u64>) {
    let mut known = false;
    for_each(value, |_, token| {
        known |= token.len() >= TOKEN_BYTES_MIN;
        keys_of_token(token, coverage, keys);
    });
    if !known {
        keys.push(key_of_whole(value));
    }
}

fn key_of_whole(value: &[u8]) -> u64 {
    xxh3_64_with_seed(value, 1)
}

/// Appends what a block must have where a metadata value is looked for.
pub(super) fn needed_by_value(value: &[u8], needs: &mut Vec<Need>) {
    let before = needs.len();
    for_each(value, |_, token| needs.extend(needed_by_whole(token)));
    if needs.len() == before {
        needs.push(Need { keys: vec![vec![key_of_whole(value)]], ..Need::default() });
    }
}

/// Appends what a block must have to have a line with this text in it.
pub(super) fn needed_by_text(text: &[u8], shapes: Shapes, needs: &mut Vec<Need>) {
    for_each(text, |start, token| {
        let whole = start > 0 && start + token.len() < text.len();
        if !shapes.may_have(token, whole) {
            needs.extend(if whole { needed_by_whole(token) } else { needed_by_part(token) });
        }
    });
}

/// What a token needs that stands in the line as it is.
fn needed_by_whole(token: &[u8]) -> Option<Need> {
    let length = token.len();
    let mut keys = Vec::new();
    let or_sparse = if length > TOKEN_BYTES_MAX {
        keys.push(LONG_KEY);
        false
    } else if length < TOKEN_BYTES_MIN {
        false
    } else if is_word(token) {
        // No more than what a sparse block knows of it.
        if length < WORD_BYTES_MIN {
            keys.push(xxh3_64(token));
        } else {
            WORD.append(token, &mut keys);
        }
        length > SPARSE_WORD_BYTES_MAX
    } else {
        keys.push(xxh3_64(token));
        !ID_BYTES.contains(&length)
    };
    (!keys.is_empty()).then(|| Need { keys: vec![keys], or_sparse, ..Need::default() })
}

/// What a token needs that may be part of a longer one.
fn needed_by_part(token: &[u8]) -> Option<Need> {
    let length = token.len();
    let mut samples = Vec::new();
    if length > TOKEN_BYTES_MAX {
        return needed_by_whole(token);
    }
    let word = is_word(token);
    (if word { WORD } else { NUMBER }).append(token, &mut samples);
    if samples.is_empty() {
        return None;
    }
    let mut keys = vec![samples];
    if !word && ID_BYTES.contains(&length) {
        keys.push(vec![key_of_id(token)]);
    }
    let or_in_id = (!word && length < ID_BYTES[1]).then(|| token.into());
    Some(Need { keys, or_long: true, or_sparse: true, or_in_id })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(token: &str, coverage: Coverage) -> Vec<u64> {
        let mut keys = Vec::new();
        keys_of_token(token.as_bytes(), coverage, &mut keys);
        keys
    }

    #[test]
    fn texts_need_what_they_cannot_be_without() {
        // How many needs a text has, and how many of them are also met by an id.
        let check_without = |shapes, text: &str, needs_expected: usize, in_id: usize| {
            let mut needs = Vec::new();
            needed_by_text(text.as_bytes(), shapes, &mut needs);
            let found = needs.iter().filter(|need| need.or_in_id.is_some()).count();
            assert_eq!((needs.len(), found), (needs_expected, in_id), "{text}");
        };
        let check = |text, needs, in_id| check_without(Shapes::default(), text, needs, in_id);
        check("", 0, 0);
        check("GET", 0, 0);
        check(" GET ", 1, 0);
        check("time out", 0, 0);
        check("timeout", 1, 0);
        check("timeout of orders", 2, 0);
        check(" a of it ", 0, 0);
        check("1234567", 0, 0);
        check("seat=1234567,", 1, 0);
        check("12345678", 1, 1);
        check("ffc8ca7e4c8f06c75142c880d5595d96", 1, 0);
        check("4c8f06c75142c880", 1, 1);
        check("f3d4d4ef-693b-4456-8eed-59c0d717dd08", 5, 2);
        check("时间 ", 0, 0);
        // Where nine digits are left out, so are texts that may be part of them.
        let nine = Shapes(1 << 9);
        check_without(nine, ":123456789]", 0, 0);
        check_without(nine, "12345678.", 0, 0);
        check_without(nine, ":12345678.", 1, 0);
        check_without(nine, "1234567890", 1, 1);
    }

    proptest! {
        #[test]
        fn a_text_needs_no_more_than_its_line_has(
            token in "[0-9]{8,40}|[0-9a-f]{8,40}|[0-9A-Za-z_]{3,60}|[0-9a-f]{16}[g-z_]{0,3}[0-9a-f]{9}|[0-9a-f]{16}|[0-9a-f]{32}|[a-z]{250,260}",
            (a, b) in any::<(prop::sample::Index, prop::sample::Index)>(),
            (before, after) in any::<(bool, bool)>(),
            sparse: bool,
        ) {
            let line = format!("({token})");
            let (a, b) = (a.index(line.len() + 1), b.index(line.len() + 1));
            let (a, b) = (if before { 0 } else { a.min(b) }, if after { line.len() } else { a.max(b) });
            let coverage = if sparse { Coverage::Sparse } else { Coverage::Full };
            let mut has = keys(&token, coverage);
            has.extend(sparse.then_some(SPARSE_KEY));
            let mut needs = Vec::new();
            needed_by_text(line.get(a..b).unwrap_or_default().as_bytes(), Shapes::default(), &mut needs);
            let met = |need: &Need, has: &[u64]| {
                need.keys.iter().any(|keys| keys.iter().all(|key| has.contains(key)))
                    || need.or_long && has.contains(&LONG_KEY)
                    || need.or_sparse && has.contains(&SPARSE_KEY)
            };
            prop_assert!(needs.iter().all(|need| met(need, &has)));
            // The same where it is an id, of which only itself is known.
            let id = ID_BYTES.contains(&token.len()) && !is_word(token.as_bytes());
            if id {
                let has = [key_of_id(token.as_bytes())];
                let part = |need: &Need| need.or_in_id.as_ref().is_some_and(|part| {
                    memchr::memmem::find(token.as_bytes(), part).is_some()
                });
                prop_assert!(needs.iter().all(|need| met(need, &has) || part(need)));
            }
        }

        #[test]
        fn a_value_needs_what_it_has(value in ".{0,40}|[0-9a-f]{32}|[0-9]{1,20}|[a-z]{20}", sparse: bool) {
            let coverage = if sparse { Coverage::Sparse } else { Coverage::Full };
            let (mut has, mut needs) = (Vec::new(), Vec::new());
            keys_of_value(value.as_bytes(), coverage, &mut has);
            needed_by_value(value.as_bytes(), &mut needs);
            prop_assert!(!needs.is_empty());
            for need in needs {
                let met = need.keys.iter().any(|keys| keys.iter().all(|key| has.contains(key)));
                prop_assert!(met || sparse && need.or_sparse);
                prop_assert!(!need.or_long);
            }
        }
    }
}
