//! Values on their way out: as YAML for people, as JSON for programs.

use std::fmt::Write as _;

use serde_json::Value;

/// A value to be written, its keys in a chosen order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Out {
    /// Nothing: the key is left out.
    Absent,
    Bool(bool),
    Int(u64),
    Text(String),
    List(Vec<Out>),
    Map(Vec<(String, Out)>),
}

/// Lists and maps that fit into this many characters are written on one line.
const FLOW_CHARS_MAX: usize = 88;

impl Out {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A map of one key.
    pub(crate) fn one(key: &str, value: Self) -> Self {
        Self::Map(vec![(key.to_owned(), value)])
    }

    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Absent => Value::Null,
            Self::Bool(yes) => (*yes).into(),
            Self::Int(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Map(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), value.json())).collect())
            }
        }
    }

    /// On one line.
    pub(crate) fn flow(&self) -> String {
        let mut text = String::new();
        self.flow_into(&mut text);
        text
    }

    fn flow_into(&self, text: &mut String) {
        match self {
            Self::Absent => text.push('~'),
            Self::Bool(yes) => {
                let _ = write!(text, "{yes}");
            }
            Self::Int(number) => {
                let _ = write!(text, "{number}");
            }
            Self::Text(word) => scalar_into(word, text),
            Self::List(items) => {
                text.push('[');
                for (at, item) in items.iter().enumerate() {
                    text.push_str(if at == 0 { "" } else { ", " });
                    item.flow_into(text);
                }
                text.push(']');
            }
            Self::Map(entries) if entries.is_empty() => text.push_str("{}"),
            Self::Map(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    text.push_str(if at == 0 { "{ " } else { ", " });
                    scalar_into(key, text);
                    text.push_str(": ");
                    value.flow_into(text);
                }
                text.push_str(" }");
            }
        }
    }

    /// A document in block style; what is small stays on one line.
    pub(crate) fn yaml(&self) -> String {
        let mut text = String::new();
        self.block(0, &mut text);
        text
    }

    fn block(&self, indent: usize, text: &mut String) {
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at > 0 {
                        pad(indent, text);
                    }
                    scalar_into(key, text);
                    text.push(':');
                    value.beside(indent, text);
                }
            }
            Self::List(items) if !items.is_empty() => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        pad(indent, text);
                    }
                    text.push_str("- ");
                    match item.short(indent) {
                        Some(line) => {
                            text.push_str(&line);
                            text.push('\n');
                        }
                        None => item.block(indent + 2, text),
                    }
                }
            }
            other => {
                other.flow_into(text);
                text.push('\n');
            }
        }
    }

    /// The value behind `key:`.
    fn beside(&self, indent: usize, text: &mut String) {
        match self.short(indent) {
            Some(line) => {
                text.push(' ');
                text.push_str(&line);
                text.push('\n');
            }
            None => {
                text.push('\n');
                pad(indent + 2, text);
                self.block(indent + 2, text);
            }
        }
    }

    /// The value on one line, where that reads well.
    fn short(&self, indent: usize) -> Option<String> {
        let wide = |value: &Self| matches!(value, Self::Map(entries) if entries.len() > 2);
        let large = match self {
            Self::Map(entries) => entries.len() > 6 || entries.iter().any(|(_, value)| wide(value)),
            Self::List(items) => items.iter().any(wide),
            _ => return Some(self.flow()),
        };
        if large {
            return None;
        }
        Some(self.flow()).filter(|line| line.chars().count() + indent <= FLOW_CHARS_MAX)
    }
}

fn pad(indent: usize, text: &mut String) {
    text.extend(std::iter::repeat_n(' ', indent));
}

/// A text, quoted where YAML (or another reader of it) would take it for something else.
fn scalar_into(word: &str, text: &mut String) {
    let first = |c: char| c.is_ascii_alphanumeric() || "/._".contains(c);
    let inner = |c: char| c.is_ascii_alphanumeric() || "/._:@%+~=-$".contains(c);
    let plain = word.starts_with(first)
        && word.chars().all(inner)
        && !word.ends_with(':')
        && word.parse::<f64>().is_err()
        && !word.starts_with("0x")
        && !word.starts_with("0o")
        && !matches!(
            word.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n" | ".inf" | ".nan"
        );
    if plain {
        text.push_str(word);
        return;
    }
    text.push('"');
    for c in word.chars() {
        let _ = match c {
            '"' | '\\' => write!(text, "\\{c}"),
            '\n' => write!(text, "\\n"),
            '\t' => write!(text, "\\t"),
            '\u{feff}' | '\u{2028}' | '\u{2029}' => write!(text, "\\u{:04x}", c as u32),
            c if c.is_control() => write!(text, "\\u{:04x}", c as u32),
            c => write!(text, "{c}"),
        };
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{self, Node};
    use proptest::prelude::*;

    /// What a reader without knowledge of types makes of a tree.
    fn plain(node: &Node) -> Out {
        match &node.value {
            tree::Value::Scalar { text, .. } => Out::text(text.to_string()),
            tree::Value::List(items) => Out::List(items.iter().map(plain).collect()),
            tree::Value::Map(entries) => {
                Out::Map(entries.iter().map(|e| (e.key.to_string(), plain(&e.node))).collect())
            }
        }
    }

    fn any_out() -> impl Strategy<Value = Out> {
        let text =
            prop_oneof!["[a-z]{1,8}", ".{0,12}", "[ :#,'\"{}\\[\\]&*!|>%@`-]{1,4}"].prop_map(Out::Text);
        text.prop_recursive(4, 40, 6, |inner| {
            let key = prop_oneof!["[a-z_]{1,10}", ".{1,6}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Out::List),
                prop::collection::btree_map(key, inner, 0..6).prop_map(|m| Out::Map(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(out in any_out()) {
            // NUL and its like can't stand in a text file; they are escaped.
            let text = out.yaml();
            let mut problems = Vec::new();
            let node = tree::parse(&text, &mut problems);
            prop_assert!(problems.is_empty(), "{:?}\n{}", problems, text);
            prop_assert_eq!(plain(&node.unwrap()), out, "{}", text);
        }
    }
}
