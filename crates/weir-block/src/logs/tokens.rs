//! What of a line the filter knows, and what of it a text that is looked for needs.
//!
//! A *token* is a longest run of ASCII letters, digits and `_`. Other bytes, those of other alphabets among them, part
//! tokens and are not known to the filter.
//!
//! What is known of a token:
//!
//! * of one shorter than [`TOKEN_BYTES_MIN`], nothing: such are everywhere;
//! * of one longer than [`TOKEN_BYTES_MAX`], only that the block has one;
//! * of a run of [`HEX_BYTES_MIN`] or more hexadecimal digits in it, its samples: of each [`HEX_WINDOW`] neighbours among
//!   its parts of 8 bytes, the one whose hash is least;
//! * of one that has other letters and at least [`WORD_BYTES_MIN`] bytes, its samples: of each [`WORD_WINDOW`] neighbours
//!   among its parts of 6 bytes, the one whose hash is least;
//! * of any other, itself.
//!
//! The samples of a part of a token are among the samples of the token, and so a text need not begin or end where tokens
//! do: a trace id is found wherever it stands, and a word of eight letters within a longer one.
//!
//! What a text needs, therefore: all that is known of the tokens that lie within it, with another byte before and after
//! them; of a token at its beginning or end, which may go on in the line, only the samples. A text of which that leaves
//! nothing (`error`, `12345`) prunes nothing: write it with what stands around it (` error `, `:12345]`).
//!
//! The digits of times of day within lines are not known: they differ from line to line, and the time of the line finds
//! them. Where a segment leaves out digits of some shape ([`Shapes`]), no token of that shape is needed.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Shorter tokens are not known.
pub const TOKEN_BYTES_MIN: usize = 3;
/// Longer tokens are not known; a block that has one is a candidate for every text that may be part of one.
pub const TOKEN_BYTES_MAX: usize = 256;
/// A run of at least so many hexadecimal digits is known by its samples.
pub const HEX_BYTES_MIN: usize = HEX_PART + HEX_WINDOW - 1;
/// See the module.
pub const HEX_WINDOW: usize = 9;
const HEX_PART: usize = 8;
/// A token with other letters and at least so many bytes is known by its samples.
pub const WORD_BYTES_MIN: usize = WORD_PART + WORD_WINDOW - 1;
/// See the module.
pub const WORD_WINDOW: usize = 3;
const WORD_PART: usize = 6;

/// The key of a block that has a token longer than [`TOKEN_BYTES_MAX`].
pub(super) const LONG_KEY: u64 = 0x6c6f_6e67_746f_6b65;

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

/// What a block must have to be a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    /// All of these,
    pub(super) keys: Vec<u64>,
    /// or, where this is so, a token too long to be known.
    pub(super) or_long: bool,
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
pub(super) fn keys_of_token(token: &[u8], keys: &mut Vec<u64>) {
    if token.len() < TOKEN_BYTES_MIN {
        return;
    }
    if token.len() > TOKEN_BYTES_MAX {
        keys.push(LONG_KEY);
        return;
    }
    if !samples(token, keys) {
        keys.push(xxh3_64(token));
    }
}

/// Appends the samples of a token or a part of one, and says whether it is one that is known by samples.
fn samples(token: &[u8], keys: &mut Vec<u64>) -> bool {
    if token.len() < WORD_BYTES_MIN {
        return false;
    }
    let hex = token.iter().all(u8::is_ascii_hexdigit);
    if hex {
        if token.len() < HEX_BYTES_MIN {
            return false;
        }
        sample::<HEX_PART>(token, HEX_WINDOW, keys);
        return true;
    }
    sample::<WORD_PART>(token, WORD_WINDOW, keys);
    if token.len() > HEX_BYTES_MIN {
        for run in token.split(|byte| !byte.is_ascii_hexdigit()) {
            if run.len() >= HEX_BYTES_MIN {
                sample::<HEX_PART>(run, HEX_WINDOW, keys);
            }
        }
    }
    true
}

fn sample<const PART: usize>(token: &[u8], window: usize, keys: &mut Vec<u64>) {
    let hash = |part: &[u8]| {
        let mut bytes = [0; 8];
        bytes[..PART].copy_from_slice(part);
        mix(u64::from_le_bytes(bytes) ^ (PART as u64) << 59)
    };
    let parts = token.len() - PART + 1;
    // Where the least of the window was found, to look at a part once where the window only moves on.
    let mut least: Option<(usize, u64)> = None;
    for end in window..=parts {
        let start = end - window;
        let newest = (end - 1, hash(&token[end - 1..end - 1 + PART]));
        let found = match least {
            Some((at, value)) if at >= start => {
                if newest.1 < value {
                    newest
                } else {
                    (at, value)
                }
            }
            _ => (start..end)
                .map(|at| (at, hash(&token[at..at + PART])))
                .min_by_key(|&(_, value)| value)
                .unwrap_or(newest),
        };
        if least.is_none_or(|(_, value)| value != found.1) {
            keys.push(found.1);
        }
        least = Some(found);
    }
}

/// Spreads the bits of a number over all of another.
#[inline]
fn mix(mut value: u64) -> u64 {
    value = (value ^ value >> 32).wrapping_mul(0x9fb2_1c65_1e98_df25);
    value = (value ^ value >> 29).wrapping_mul(0xd6e8_feb8_6659_fd93);
    value ^ value >> 32
}

/// Appends the keys of a metadata value: those of its tokens, or one for the whole where that leaves nothing.
pub(super) fn keys_of_value(value: &[u8], keys: &mut Vec<u64>) {
    let before = keys.len();
    for_each(value, |_, token| keys_of_token(token, keys));
    if keys.len() == before {
        keys.push(xxh3_64_with_seed(value, 1));
    }
}

/// Appends what a block must have where a metadata value is looked for.
pub(super) fn needed_by_value(value: &[u8], needs: &mut Vec<Need>) {
    let mut keys = Vec::new();
    keys_of_value(value, &mut keys);
    needs.push(Need { keys, or_long: false });
}

/// Appends what a block must have to have a line with this text in it.
pub(super) fn needed_by_text(text: &[u8], shapes: Shapes, needs: &mut Vec<Need>) {
    for_each(text, |start, token| {
        let whole = start > 0 && start + token.len() < text.len();
        if shapes.may_have(token, whole) {
            return;
        }
        let mut keys = Vec::new();
        if whole {
            keys_of_token(token, &mut keys);
        } else if token.len() <= TOKEN_BYTES_MAX {
            samples(token, &mut keys);
        } else {
            keys.push(LONG_KEY);
        }
        if !keys.is_empty() {
            needs.push(Need { keys, or_long: !whole });
        }
    });
}
