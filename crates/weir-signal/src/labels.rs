//! Sorted names and values in one allocation.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// The longest name or value, in bytes: what three digits of seven bits can say.
pub const STRING_BYTES_MAX: usize = (1 << 21) - 1;

/// The length in front of each string: three ASCII characters of seven bits, so that the whole stays one valid `str` and
/// every string in it can be sliced without looking at its bytes again.
const LENGTH_BYTES: usize = 3;

/// Why a set of labels was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    /// A name stands twice.
    #[error("label `{0}` is given twice")]
    Twice(String),
    /// A name has no characters.
    #[error("a label has an empty name")]
    Empty,
    /// A name or value is longer than [`STRING_BYTES_MAX`].
    #[error("label `{0}` has a name or value longer than {STRING_BYTES_MAX} bytes")]
    Long(String),
}

/// Names and values, sorted by name, each name once, no empty value: a label with an empty value is one that is not there
/// (Prometheus' data model).
///
/// Cheap to clone. Equality and hash are those of the content; the order is Prometheus': name by name, value by value, and
/// the shorter first where one is the beginning of the other.
#[derive(Clone)]
pub struct Labels(Arc<str>);

impl Labels {
    /// No labels.
    pub fn empty() -> Self {
        Self(Arc::from(""))
    }

    /// From pairs that are sorted by name, without a repeated or empty name. Empty values are left out.
    ///
    /// # Errors
    /// What [`LabelsError`] names. Pairs out of order are sorted first.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, LabelsError> {
        let mut builder = LabelsBuilder::new();
        for (name, value) in pairs {
            builder.push(name.as_ref(), value.as_ref());
        }
        builder.build()
    }

    /// The pairs, ascending by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        Pairs(&self.0)
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `name`; `None` where it is not there.
    pub fn get(&self, name: &str) -> Option<&str> {
        for (found, value) in self.iter() {
            match found.cmp(name) {
                Ordering::Less => {}
                Ordering::Equal => return Some(value),
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// The metric's name, where there is one.
    pub fn name(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// The same labels without those for which `drop` says so.
    pub fn without(&self, mut drop: impl FnMut(&str) -> bool) -> Self {
        self.keep(|name| !drop(name))
    }

    /// Only the labels for which `keep` says so.
    pub fn keep(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let mut text = String::with_capacity(self.0.len());
        for (name, value) in self.iter() {
            if keep(name) {
                append(&mut text, name);
                append(&mut text, value);
            }
        }
        if text.len() == self.0.len() { self.clone() } else { Self(text.into()) }
    }

    /// The same labels with `name` set to `value`, or gone where `value` is empty.
    ///
    /// # Errors
    /// A name that is empty, or a string that is too long.
    pub fn with(&self, name: &str, value: &str) -> Result<Self, LabelsError> {
        let mut builder = LabelsBuilder::from(self);
        builder.set(name, value);
        builder.build()
    }

    /// 128 bits that name these labels everywhere: XXH3 of [`Labels::as_encoded`]. Whoever uses it as an identity checks
    /// for collisions.
    pub fn id(&self) -> u128 {
        xxh3_128(self.0.as_bytes())
    }

    /// The one string that these labels are kept as: for each name and value its length in three characters of seven bits,
    /// most significant first, then itself.
    pub fn as_encoded(&self) -> &str {
        &self.0
    }

    /// Labels from [`Labels::as_encoded`]; `None` where the text is not such a one (sorted, unique, no empty string).
    pub fn from_encoded(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut last: Option<&str> = None;
        while !rest.is_empty() {
            let (name, after) = split(rest)?;
            let (value, after) = split(after)?;
            if name.is_empty() || value.is_empty() || last.is_some_and(|last| last >= name) {
                return None;
            }
            last = Some(name);
            rest = after;
        }
        Some(Self(text.into()))
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As PromQL writes them: `name{a="b"}`, a name that needs it quoted within the braces.
impl fmt::Display for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name().filter(|name| is_plain_name(name, true));
        if let Some(name) = name {
            out.write_str(name)?;
        }
        let mut open = false;
        for (label, value) in self.iter() {
            if label == METRIC_NAME && name.is_some() {
                continue;
            }
            out.write_str(if open { ", " } else { "{" })?;
            open = true;
            if label == METRIC_NAME || is_plain_name(label, false) {
                write!(out, "{label}={value:?}")?;
            } else {
                write!(out, "{label:?}={value:?}")?;
            }
        }
        match (open, name) {
            (true, _) => out.write_str("}"),
            (false, Some(_)) => Ok(()),
            (false, None) => out.write_str("{}"),
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Whether `name` needs no quotes: `[a-zA-Z_][a-zA-Z0-9_]*`, for metrics also `:`.
fn is_plain_name(name: &str, metric: bool) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || (metric && byte == b':');
    let mut bytes = name.bytes();
    bytes.next().is_some_and(plain) && bytes.all(|byte| plain(byte) || byte.is_ascii_digit())
}

#[derive(Clone)]
struct Pairs<'a>(&'a str);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = split(self.0)?;
        let (value, rest) = split(rest)?;
        self.0 = rest;
        Some((name, value))
    }
}

fn split(text: &str) -> Option<(&str, &str)> {
    let digits = text.as_bytes().get(..LENGTH_BYTES)?;
    if digits.iter().any(|digit| !digit.is_ascii()) {
        return None;
    }
    let length = digits.iter().fold(0, |length, &digit| length << 7 | usize::from(digit));
    text.get(LENGTH_BYTES..)?.split_at_checked(length)
}

fn append(text: &mut String, string: &str) {
    debug_assert!(string.len() <= STRING_BYTES_MAX);
    for shift in [14, 7, 0] {
        text.push(char::from((string.len() >> shift & 0x7f) as u8));
    }
    text.push_str(string);
}

/// Gathers labels in any order. Its memory is used again after [`LabelsBuilder::clear`].
#[derive(Debug, Default, Clone)]
pub struct LabelsBuilder {
    /// All strings, one after the other.
    text: String,
    /// Where in `text` a name begins, where its value begins, where that ends.
    pairs: Vec<(u32, u32, u32)>,
}

impl LabelsBuilder {
    /// One without labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all labels, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.pairs.clear();
    }

    /// Adds a label. A name that is there already is an error of [`LabelsBuilder::build`].
    pub fn push(&mut self, name: &str, value: &str) {
        let start = self.text.len() as u32;
        self.text.push_str(name);
        let middle = self.text.len() as u32;
        self.text.push_str(value);
        self.pairs.push((start, middle, self.text.len() as u32));
    }

    /// Sets a label, whether or not it is there; an empty value takes it away.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        if !value.is_empty() {
            self.push(name, value);
        }
    }

    /// Takes a label away.
    pub fn remove(&mut self, name: &str) {
        let Self { text, pairs } = self;
        pairs.retain(|&(start, middle, _)| &text[start as usize..middle as usize] != name);
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|&(found, _)| found == name).map(|(_, value)| value)
    }

    /// The labels in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|&pair| self.pair(pair))
    }

    /// The labels, sorted, those with empty values left out.
    ///
    /// # Errors
    /// A name that is empty or stands twice, a string that is too long.
    pub fn build(&mut self) -> Result<Labels, LabelsError> {
        let Self { text, pairs } = self;
        let name = |&(start, middle, _): &(u32, u32, u32)| &text[start as usize..middle as usize];
        if !pairs.is_sorted_by(|a, b| name(a) < name(b)) {
            pairs.sort_by(|a, b| name(a).cmp(name(b)));
            if let Some([twice, _]) = pairs.array_windows().find(|[a, b]| name(a) == name(b)) {
                return Err(LabelsError::Twice(name(twice).to_owned()));
            }
        }
        let mut encoded = String::with_capacity(self.text.len() + 2 * LENGTH_BYTES * self.pairs.len());
        for &pair in &self.pairs {
            let (name, value) = self.pair(pair);
            if name.is_empty() {
                return Err(LabelsError::Empty);
            }
            if name.len() > STRING_BYTES_MAX || value.len() > STRING_BYTES_MAX {
                return Err(LabelsError::Long(name.chars().take(64).collect()));
            }
            if !value.is_empty() {
                append(&mut encoded, name);
                append(&mut encoded, value);
            }
        }
        Ok(Labels(encoded.into()))
    }

    fn pair(&self, (start, middle, end): (u32, u32, u32)) -> (&str, &str) {
        (&self.text[start as usize..middle as usize], &self.text[middle as usize..end as usize])
    }
}

impl From<&Labels> for LabelsBuilder {
    fn from(labels: &Labels) -> Self {
        let mut builder = Self::new();
        for (name, value) in labels.iter() {
            builder.push(name, value);
        }
        builder
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied()).unwrap()
    }

    #[test]
    fn are_sorted_and_empty_values_are_not_there() {
        let found = labels(&[("b", "2"), ("a", "1"), ("c", "")]);
        assert_eq!(found.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(found, labels(&[("a", "1"), ("b", "2")]));
        assert_eq!(found.id(), labels(&[("a", "1"), ("b", "2")]).id());
        assert_eq!((found.get("b"), found.get("c"), found.len()), (Some("2"), None, 2));
    }

    #[test]
    fn what_is_no_set_of_labels_is_refused() {
        assert_eq!(Labels::from_pairs([("a", "1"), ("a", "2")]), Err(LabelsError::Twice("a".into())));
        assert_eq!(Labels::from_pairs([("", "1")]), Err(LabelsError::Empty));
        let long = "x".repeat(STRING_BYTES_MAX + 1);
        assert_eq!(Labels::from_pairs([("a", long.as_str())]), Err(LabelsError::Long("a".into())));
        for text in [
            "\u{0}",
            "\u{0}\u{0}\u{1}",
            "\u{0}\u{0}\u{1}a\u{0}\u{0}\u{0}",
            "\u{0}\u{0}\u{2}é\u{0}\u{0}\u{1}éé",
        ] {
            assert!(Labels::from_encoded(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn are_written_as_promql_writes_them() {
        assert_eq!(labels(&[("__name__", "up"), ("job", "a\"b")]).to_string(), r#"up{job="a\"b"}"#);
        assert_eq!(
            labels(&[("__name__", "my.up"), ("a.b", "c")]).to_string(),
            r#"{__name__="my.up", "a.b"="c"}"#
        );
        assert_eq!(labels(&[("__name__", "up")]).to_string(), "up");
        assert_eq!(Labels::empty().to_string(), "{}");
    }

    proptest! {
        #[test]
        fn come_back_and_keep_the_order_of_their_pairs(
            a in prop::collection::btree_map("[a-c]{1,3}|é", "[a-c]{1,200}|\u{0}", 0..4),
            b in prop::collection::btree_map("[a-c]{1,3}|é", "[a-c]{1,3}", 0..4),
        ) {
            let (first, second) = (Labels::from_pairs(&a).unwrap(), Labels::from_pairs(&b).unwrap());
            prop_assert_eq!(first.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<Vec<_>>(), a.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!(Labels::from_encoded(first.as_encoded()).unwrap(), first.clone());
            prop_assert_eq!(first.cmp(&second), a.into_iter().collect::<Vec<_>>().cmp(&b.into_iter().collect::<Vec<_>>()));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            if let Some(labels) = Labels::from_encoded(&text) {
                prop_assert_eq!(Labels::from_pairs(labels.iter()).unwrap(), labels);
            }
        }
    }
}
