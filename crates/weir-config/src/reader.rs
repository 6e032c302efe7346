//! The state of a reading: where we are in the tree, what went wrong so far, and what can be referred to.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_model::{FixedState, Kind, Model, Origin};

use crate::problem::{Problem, Span};
use crate::suggest::closest;
use crate::tree::{Node, Value};
use crate::{Severity, Source};

/// One step from a value to a value in it.
#[derive(Clone, Copy)]
pub(crate) enum Step<'n> {
    Key(&'n str),
    Index(usize),
}

/// Names that may be referred to.
#[derive(Default)]
pub(crate) struct Known<'n> {
    services: HashSet<&'n str, FixedState>,
    listeners: HashSet<&'n str, FixedState>,
    chains: HashSet<&'n str, FixedState>,
    /// The model that a single object is to become part of.
    model: Option<&'n Model>,
}

impl<'n> Known<'n> {
    pub(crate) fn of_model(model: &'n Model) -> Self {
        Self { model: Some(model), ..Self::default() }
    }

    pub(crate) fn add_service(&mut self, name: &'n str) {
        self.services.insert(name);
    }

    pub(crate) fn add_listener(&mut self, name: &'n str) {
        self.listeners.insert(name);
    }

    pub(crate) fn add_chain(&mut self, name: &'n str) {
        self.chains.insert(name);
    }

    fn has<K: Kind>(&self, name: &str) -> bool {
        match K::WORD {
            "service" => {
                self.services.contains(name) || self.model.is_some_and(|m| m.services.contains_key(name))
            }
            "chain" => self.chains.contains(name) || self.model.is_some_and(|m| m.chains.contains_key(name)),
            _ => self.listeners.contains(name) || self.model.is_some_and(|m| m.listeners.contains_key(name)),
        }
    }

    fn names<K: Kind>(&self) -> Vec<&str> {
        let model = self.model.into_iter();
        match K::WORD {
            "service" => {
                let held = model.flat_map(|m| m.services.iter().map(|(id, _)| id.as_str()));
                self.services.iter().copied().chain(held).collect()
            }
            "chain" => {
                let held = model.flat_map(|m| m.chains.iter().map(|(id, _)| id.as_str()));
                self.chains.iter().copied().chain(held).collect()
            }
            _ => {
                let held = model.flat_map(|m| m.listeners.iter().map(|(id, _)| id.as_str()));
                self.listeners.iter().copied().chain(held).collect()
            }
        }
    }
}

/// What is known while a tree is read.
pub(crate) struct Reader<'n> {
    /// Name of the text, shared by the origins of all objects in it.
    pub(crate) source: Arc<str>,
    base: &'n Path,
    path: Vec<Step<'n>>,
    pub(crate) problems: Vec<Problem>,
    errors: usize,
    pub(crate) known: Known<'n>,
    /// The admin interface's address, once read.
    pub(crate) admin: Option<SocketAddr>,
    /// Listeners read so far, by address.
    pub(crate) bound: Vec<(SocketAddr, String)>,
}

/// How many errors there were at some moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(usize);

impl<'n> Reader<'n> {
    pub(crate) fn new(source: &Source<'n>, problems: Vec<Problem>, known: Known<'n>) -> Self {
        let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
        Self {
            source: source.name.into(),
            base: source.base,
            path: Vec::with_capacity(12),
            problems,
            errors,
            known,
            admin: None,
            bound: Vec::new(),
        }
    }

    /// For asking later whether an error was added.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.errors)
    }

    pub(crate) fn any_error(&self) -> bool {
        self.errors > 0
    }

    /// Reads something one step further in.
    pub(crate) fn within<T>(&mut self, step: Step<'n>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let result = read(self);
        self.path.pop();
        result
    }

    /// The place of an object, for the model.
    pub(crate) fn origin(&self, span: Span) -> Origin {
        Origin { source: self.source.clone(), line: span.line }
    }

    /// A file name of the text, joined to the base.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let name = Path::new(name);
        self.base.join(name.strip_prefix("./").unwrap_or(name))
    }

    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Problem {
        self.errors += 1;
        self.add(Severity::Error, span, message.into())
    }

    pub(crate) fn warn(&mut self, span: Span, message: impl Into<String>) -> &mut Problem {
        self.add(Severity::Warning, span, message.into())
    }

    fn add(&mut self, severity: Severity, span: Span, message: String) -> &mut Problem {
        let path = self.path_text();
        self.problems.push(Problem { severity, path, ..Problem::error(span, message) });
        self.last()
    }

    /// The problem that was added last. There is one.
    pub(crate) fn last(&mut self) -> &mut Problem {
        self.problems.last_mut().expect("asked for only after one was added")
    }

    fn path_text(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            let _ = match step {
                Step::Index(at) => write!(text, "[{at}]"),
                Step::Key(key) if text.is_empty() => write!(text, "{key}"),
                Step::Key(key) => write!(text, ".{key}"),
            };
        }
        text
    }

    /// An error for a value of the wrong kind.
    pub(crate) fn expected(&mut self, node: &Node, what: &str) {
        self.error(node.span, format!("{what} is expected here, not {}", node.kind()));
    }

    /// An error for a word that is none of those known.
    pub(crate) fn unknown_word(&mut self, span: Span, word: &str, known: &[&str]) {
        let listed = known.join("`, `");
        let problem = self.error(span, format!("`{word}` is not known here"));
        problem.help = Some(match closest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? (known are `{listed}`)"),
            None => format!("known are `{listed}`"),
        });
    }

    /// The text at a node, whatever it looks like; `None` with an error where it is no text.
    pub(crate) fn text(&mut self, node: &'n Node<'n>, what: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => Some(text),
            _ => {
                self.expected(node, what);
                None
            }
        }
    }

    /// Checks that a name refers to something.
    pub(crate) fn refer<K: Kind>(&mut self, span: Span, name: &str) -> bool {
        if self.known.has::<K>(name) {
            return true;
        }
        let near = closest(name, self.known.names::<K>()).map(str::to_owned);
        let word = K::WORD;
        let problem = self.error(span, format!("there is no {word} named `{name}`"));
        problem.help = Some(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add it to `{word}s`"),
        });
        false
    }
}
