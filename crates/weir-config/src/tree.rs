//! YAML as a small tree in which every value knows its place.
//!
//! Bounded in every direction: bytes, depth, nodes, and what aliases may expand to.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marked};

use crate::problem::{Problem, Span};

/// Largest text, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 64 << 20;
/// Deepest nesting; what is configured needs nine.
const DEPTH_MAX: usize = 32;
/// Most values in one text.
const NODES_MAX: usize = 8 << 20;
/// Most values that all aliases together may stand for.
const ALIASED_NODES_MAX: usize = 100_000;

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node<'t> {
    pub(crate) span: Span,
    pub(crate) value: Value<'t>,
}

/// What stands at a place.
#[derive(Clone, Debug)]
pub(crate) enum Value<'t> {
    /// A text; `plain` when it was written without quotes, so that it may also be a number, a truth value or null.
    Scalar { text: Cow<'t, str>, plain: bool },
    /// A list.
    List(Vec<Node<'t>>),
    /// A map, in the order of the text. Keys are unique unless the tree was reported faulty.
    Map(Vec<Entry<'t>>),
}

/// One key of a map.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'t> {
    pub(crate) key: Cow<'t, str>,
    pub(crate) key_span: Span,
    pub(crate) node: Node<'t>,
}

impl Node<'_> {
    /// Whether nothing is written here (`key:`, `~` or `null`).
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What stands here, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            _ if self.is_null() => "nothing",
            Value::Scalar { .. } => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// A collection that is still open.
enum Open<'t> {
    List(Vec<Node<'t>>),
    Map { entries: Vec<Entry<'t>>, key: Option<(Cow<'t, str>, Span)> },
}

struct Frame<'t> {
    open: Open<'t>,
    start: Span,
    anchor: usize,
}

struct Builder<'t, 'p> {
    stack: Vec<Frame<'t>>,
    anchors: HashMap<usize, (Node<'t>, usize)>,
    nodes: usize,
    aliased: usize,
    root: Option<Node<'t>>,
    problems: &'p mut Vec<Problem>,
}

/// The tree of a text. `None` where the text is no YAML (or beyond a limit); problems that leave a tree, such as a
/// repeated key, are only added to `problems`.
pub(crate) fn parse<'t>(text: &'t str, problems: &mut Vec<Problem>) -> Option<Node<'t>> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the text is larger than {} MiB", TEXT_BYTES_MAX >> 20);
        problems.push(Problem::error(Span::START, message));
        return None;
    }
    let mut builder =
        Builder { stack: Vec::new(), anchors: HashMap::new(), nodes: 0, aliased: 0, root: None, problems };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, place)) => builder.event(event, place).map_err(|p| builder.problems.push(*p)).ok()?,
            Err(error) => {
                let marker = *error.marker();
                let span = span_of(Marked { start: marker, end: marker });
                builder.problems.push(explain(text, error.info(), span));
                return None;
            }
        }
    }
    if builder.root.is_none() {
        builder.problems.push(
            Problem::error(Span::START, "nothing is written here").help("a file begins with `version: 1`"),
        );
    }
    builder.root
}

fn span_of(place: Marked) -> Span {
    Span {
        start: place.start.index() as u32,
        end: place.end.index().max(place.start.index()) as u32,
        line: place.start.line() as u32,
        column: place.start.col() as u32 + 1,
    }
}

/// The parser's complaint, with a remedy where the usual slip can be seen.
fn explain(text: &str, info: &str, span: Span) -> Problem {
    let problem = Problem::error(span, format!("this is not YAML: {info}"));
    let line = text.lines().nth(span.line.saturating_sub(1) as usize).unwrap_or("");
    if line.contains('\t') {
        problem.help("there is a tab in this line: indent and separate with spaces")
    } else if info.contains("mapping values are not allowed") {
        problem.help("a text that holds ': ' needs quotes; and keys of one map begin in the same column")
    } else {
        problem
    }
}

impl<'t> Builder<'t, '_> {
    fn event(&mut self, event: Event<'t>, place: Marked) -> Result<(), Box<Problem>> {
        let span = span_of(place);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !forced(tag.as_deref(), span)?;
                // A block scalar's text begins a line below its indicator; one line of it is enough to point at.
                self.put(Node { span, value: Value::Scalar { text, plain } }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                forced(tag.as_deref(), span)?;
                self.open(Open::List(Vec::new()), span, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                forced(tag.as_deref(), span)?;
                self.open(Open::Map { entries: Vec::new(), key: None }, span, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err(Problem::error(span, "an alias may not stand inside of what it names").into());
                };
                self.aliased += size;
                self.nodes += size;
                if self.aliased > ALIASED_NODES_MAX {
                    let message = format!("aliases stand for more than {ALIASED_NODES_MAX} values here");
                    return Err(Problem::error(span, message).into());
                }
                let node = node.clone();
                self.put(node, 0)
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Problem::error(span, "a second document begins here")
                    .help("one file holds one configuration")
                    .into())
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, open: Open<'t>, start: Span, anchor: usize) -> Result<(), Box<Problem>> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(Problem::error(start, format!("nested deeper than {DEPTH_MAX}")).into());
        }
        if let Some(Frame { open: Open::Map { key: None, .. }, .. }) = self.stack.last() {
            return Err(Problem::error(start, "a key has to be a text").into());
        }
        self.stack.push(Frame { open, start, anchor });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Box<Problem>> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let value = match frame.open {
            Open::List(items) => Value::List(items),
            Open::Map { entries, .. } => {
                self.repeated_keys(&entries);
                Value::Map(entries)
            }
        };
        let span = Span { end: end.end.max(frame.start.start), ..frame.start };
        self.put(Node { span, value }, frame.anchor)
    }

    /// Puts a finished value where it belongs.
    fn put(&mut self, node: Node<'t>, anchor: usize) -> Result<(), Box<Problem>> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Problem::error(node.span, format!("more than {NODES_MAX} values")).into());
        }
        if anchor != 0 {
            let size = size_of(&node);
            self.nodes += size;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.stack.last_mut().map(|frame| &mut frame.open) {
            None => self.root = Some(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map { entries, key }) => match (key.take(), node.value) {
                (Some((key, key_span)), value) => {
                    entries.push(Entry { key, key_span, node: Node { span: node.span, value } });
                }
                (None, Value::Scalar { text, .. }) => *key = Some((text, node.span)),
                (None, _) => return Err(Problem::error(node.span, "a key has to be a text").into()),
            },
        }
        Ok(())
    }

    fn repeated_keys(&mut self, entries: &[Entry<'t>]) {
        let mut report = |first: &Entry, again: &Entry| {
            self.problems.push(
                Problem::error(again.key_span, format!("`{}` is written twice", again.key))
                    .related(first.key_span, "first here")
                    .help("leave one of the two out"),
            );
        };
        if entries.len() <= 12 {
            for (at, entry) in entries.iter().enumerate() {
                if let Some(first) = entries[..at].iter().find(|e| e.key == entry.key) {
                    report(first, entry);
                }
            }
        } else {
            let mut seen: HashMap<&str, &Entry> = HashMap::with_capacity(entries.len());
            for entry in entries {
                if let Some(first) = seen.insert(&entry.key, entry) {
                    report(first, entry);
                }
            }
        }
    }
}

/// Whether a tag makes a text of a value (`!!str`); tags of other kinds are refused.
fn forced(tag: Option<&saphyr_parser::Tag>, span: Span) -> Result<bool, Box<Problem>> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => {
            let message = format!("the tag `{tag}` has no meaning here");
            Err(Problem::error(span, message).help("leave it out").into())
        }
        tag => Ok(tag.is_some()),
    }
}

fn size_of(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar { .. } => 0,
        Value::List(items) => items.iter().map(size_of).sum(),
        Value::Map(entries) => entries.iter().map(|e| size_of(&e.node)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, says: &str) {
        let mut problems = Vec::new();
        let _ = parse(text, &mut problems);
        let found: Vec<String> =
            problems.iter().map(|p| format!("{}:{} {}", p.span.line, p.span.column, p.message)).collect();
        assert_eq!(found.join("; "), says, "{text}");
    }

    #[test]
    fn what_is_no_tree_is_refused_with_its_place() {
        check("a: 1\nb: [x, {c: d}]\n", "");
        check("a: 1\nb: 2\na: 3\n", "3:1 `a` is written twice");
        check("", "0:0 nothing is written here");
        check("a: 1\n---\nb: 2\n", "2:1 a second document begins here");
        check("[a]: 1\n", "1:1 a key has to be a text");
        check("a: !secret x\n", "1:4 the tag `!secret` has no meaning here");
        check("a: !!str x\n", "");
        check("a: &x [*x]\n", "1:8 an alias may not stand inside of what it names");
        check("a: b: c\n", "1:5 this is not YAML: mapping values are not allowed in this context");
    }

    #[test]
    fn growth_is_bounded() {
        check(&format!("a: {}", "[".repeat(60)), "1:35 nested deeper than 32");
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let before = vec![format!("*a{}", n - 1); 10].join(", ");
            laughs.extend([format!("a{n}: &a{n} [{before}]\n")]);
        }
        check(&laughs, "5:45 aliases stand for more than 100000 values here");
    }
}
