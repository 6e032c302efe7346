//! Truth values, numbers, durations, sizes, shares, and words out of a few.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::form::Form;
use crate::out::Out;
use crate::reader::{Reader, Step};
use crate::schema::{Shape, Shapes};
use crate::tree::{Node, Value};
use crate::units::{parse_duration, parse_share, parse_size, print_duration, print_share, print_size};

/// A text without quotes, which may be a number or a truth value.
fn plain<'n>(node: &'n Node<'n>, r: &mut Reader<'n>, what: &str) -> Option<&'n str> {
    match &node.value {
        Value::Scalar { text, plain: true } if !node.is_null() => Some(text),
        Value::Scalar { .. } if !node.is_null() => {
            r.expected(node, what);
            r.problems.last_mut()?.help = Some("leave the quotes out".into());
            None
        }
        _ => {
            r.expected(node, what);
            None
        }
    }
}

/// The form of a truth value.
pub(crate) struct Bool;
/// `true` or `false`.
pub(crate) const BOOL: Bool = Bool;

impl Form<bool> for Bool {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<bool> {
        match plain(node, r, "`true` or `false`")? {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                let says = match other.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" => Some("write `true`"),
                    "no" | "off" | "n" | "false" => Some("write `false`"),
                    _ => None,
                };
                r.error(node.span, format!("`true` or `false` is expected here, not `{other}`")).help =
                    says.map(str::to_owned);
                None
            }
        }
    }

    fn write(&self, value: &bool) -> Out {
        Out::Bool(*value)
    }

    fn shape(&self, _: &mut Shapes) -> Shape {
        Shape::new(json!({ "type": "boolean" }), "`true` or `false`")
    }
}

/// A whole number between two bounds.
pub(crate) struct Int {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl<T: TryFrom<u64> + Copy + Into<u64>> Form<T> for Int {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<T> {
        let text = plain(node, r, "a number")?;
        let digits = text.replace('_', "");
        let number = digits.parse::<u64>().ok().filter(|_| text.starts_with(|c: char| c.is_ascii_digit()));
        let within = number.filter(|n| (self.min..=self.max).contains(n));
        let value = within.and_then(|n| T::try_from(n).ok());
        if value.is_none() {
            let (min, max) = (self.min, self.max);
            r.error(node.span, format!("`{text}` is no whole number from {min} to {max}"));
        }
        value
    }

    fn write(&self, value: &T) -> Out {
        Out::Int((*value).into())
    }

    fn shape(&self, _: &mut Shapes) -> Shape {
        let words = match (self.min, self.max) {
            (0, 0xFFFF_FFFF) => "number".into(),
            (min, 0xFFFF_FFFF) => format!("number, at least {min}"),
            (min, max) => format!("number, {min} to {max}"),
        };
        Shape::new(json!({ "type": "integer", "minimum": self.min, "maximum": self.max }), words)
    }
}

/// A duration between two bounds.
pub(crate) struct Time {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

/// Longer than this is a slip (and would overflow clocks some day).
const TIME_MAX: Duration = Duration::from_hours(366 * 24);

impl Time {
    /// At least a millisecond.
    pub(crate) const POSITIVE: Self = Self { min: Duration::from_millis(1), max: TIME_MAX };
    /// None at all is a duration too.
    pub(crate) const ANY: Self = Self { min: Duration::ZERO, max: TIME_MAX };
}

impl Form<Duration> for Time {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<Duration> {
        let text = r.text(node, "a duration such as 30s")?;
        let Some(span) = parse_duration(text) else {
            let bare = text.parse::<u64>().is_ok();
            r.error(node.span, format!("`{text}` is no duration")).help = Some(if bare {
                format!("a duration has a unit: {text}s or {text}ms")
            } else {
                "write 250ms, 30s, 5m, 1h or 1m30s".into()
            });
            return None;
        };
        if span < self.min || span > self.max {
            let (min, max) = (print_duration(self.min), print_duration(self.max));
            r.error(node.span, format!("`{text}` is not between {min} and {max}"));
            return None;
        }
        Some(span)
    }

    fn write(&self, value: &Duration) -> Out {
        Out::text(print_duration(*value))
    }

    fn shape(&self, _: &mut Shapes) -> Shape {
        let pattern = r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$";
        Shape::new(json!({ "type": "string", "pattern": pattern, "minLength": 2 }), "duration")
    }
}

/// A size in bytes between two bounds.
pub(crate) struct Size {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl<T: TryFrom<u64> + Copy + Into<u64>> Form<T> for Size {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<T> {
        let text = r.text(node, "a size such as 64KiB")?;
        let Some(bytes) = parse_size(text) else {
            r.error(node.span, format!("`{text}` is no size")).help =
                Some("write 512, 64KiB, 10MiB, 1GiB or 1MB".into());
            return None;
        };
        let value =
            Some(bytes).filter(|b| (self.min..=self.max).contains(b)).and_then(|b| T::try_from(b).ok());
        if value.is_none() {
            let (min, max) = (print_size(self.min), print_size(self.max));
            r.error(node.span, format!("`{text}` is not between {min} and {max}"));
        }
        value
    }

    fn write(&self, value: &T) -> Out {
        let text = print_size((*value).into());
        text.parse().map_or_else(|_| Out::Text(text), Out::Int)
    }

    fn shape(&self, _: &mut Shapes) -> Shape {
        let schema = json!({ "anyOf": [
            { "type": "integer", "minimum": self.min },
            { "type": "string", "pattern": r"^\d+ ?([KMGT]i?B|B)?$" },
        ] });
        Shape::new(schema, "size")
    }
}

/// The form of a share in millionths.
pub(crate) struct Share;
/// `0%` to `100%`.
pub(crate) const SHARE: Share = Share;

impl Form<u32> for Share {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<u32> {
        let text = r.text(node, "a share such as 25%")?;
        let ppm = parse_share(text);
        if ppm.is_none() {
            r.error(node.span, format!("`{text}` is no share")).help =
                Some("write it in percent: 25% or 0.5%, at most 100%".into());
        }
        ppm
    }

    fn write(&self, value: &u32) -> Out {
        Out::text(print_share(*value))
    }

    fn shape(&self, _: &mut Shapes) -> Shape {
        Shape::new(json!({ "type": "string", "pattern": r"^\d{1,3}(\.\d{1,4})?%$" }), "share")
    }
}

/// One word out of a few.
pub(crate) struct Choice<T: 'static>(pub(crate) &'static [(&'static str, T)]);

/// The schema of words; those that look like numbers may come without quotes.
pub(crate) fn words_schema(words: impl Iterator<Item = &'static str>) -> Json {
    let mut all = Vec::new();
    for word in words {
        all.push(json!(word));
        if let Ok(number) = word.parse::<f64>() {
            all.push(json!(number));
        }
    }
    json!({ "enum": all })
}

/// Words as the reference writes them.
pub(crate) fn words_text<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<String> = words.map(|w| format!("`{w}`")).collect();
    all.join(" or ")
}

impl<T: Copy + PartialEq> Form<T> for Choice<T> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<T> {
        let words: Vec<&str> = self.0.iter().map(|(word, _)| *word).collect();
        let text = r.text(node, &words_text(words.iter().copied()))?;
        match self.0.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Some(*value),
            None => {
                r.unknown_word(node.span, text, &words);
                None
            }
        }
    }

    fn write(&self, value: &T) -> Out {
        let word = self.0.iter().find(|(_, v)| v == value).map(|(word, _)| *word);
        Out::text(word.expect("a choice names every value of its type"))
    }

    fn shape(&self, _: &mut Shapes) -> Shape {
        Shape::new(words_schema(self.0.iter().map(|w| w.0)), words_text(self.0.iter().map(|w| w.0)))
    }
}

/// A word of [`Flags`] and the field that it switches on.
type Flag<T> = (&'static str, fn(&mut T) -> &mut bool);

/// A struct of truth values, written as the list of those that hold.
pub(crate) struct Flags<T: 'static> {
    pub(crate) none: T,
    pub(crate) words: &'static [Flag<T>],
}

impl<T: Copy> Form<T> for Flags<T> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<T> {
        let Value::List(items) = &node.value else {
            r.expected(node, "a list of words");
            return None;
        };
        let before = r.mark();
        let mut value = self.none;
        for (at, item) in items.iter().enumerate() {
            r.within(Step::Index(at), |r| {
                let Some(text) = r.text(item, "a word") else { return };
                match self.words.iter().find(|(word, _)| *word == text) {
                    Some((_, field)) => *field(&mut value) = true,
                    None => {
                        let words: Vec<&str> = self.words.iter().map(|w| w.0).collect();
                        r.unknown_word(item.span, text, &words);
                    }
                }
            });
        }
        (r.mark() == before).then_some(value)
    }

    fn write(&self, value: &T) -> Out {
        let mut value = *value;
        Out::List(self.words.iter().filter(|(_, field)| *field(&mut value)).map(|w| Out::text(w.0)).collect())
    }

    fn shape(&self, _: &mut Shapes) -> Shape {
        let items = words_schema(self.words.iter().map(|w| w.0));
        let words = words_text(self.words.iter().map(|w| w.0)).replace(" or ", ", ");
        Shape::new(json!({ "type": "array", "items": items }), format!("list out of {words}"))
    }
}
