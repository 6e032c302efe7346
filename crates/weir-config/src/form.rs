//! One description per kind of value; reading, printing, the JSON Schema and the reference's tables follow from it.
//!
//! A [`Form`] says how a value is written. An [`Object`] lists its keys once, in [`Object::fields`], with the form,
//! the meaning and (by [`Object::blank`]) the default of each; [`Fields`] then does with that list what is asked for.

use std::marker::PhantomData;

use crate::out::Out;
use crate::problem::{Problem, Span};
use crate::reader::{Reader, Step};
use crate::schema::{Row, Shape, Shapes};
use crate::suggest::closest;
use crate::tree::{Entry, Node, Value};

/// How a value of type `T` is written.
pub(crate) trait Form<T> {
    /// The value at a node. `None` means that at least one error was added.
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<T>;

    /// The value as text that reads back as the same value. [`Out::Absent`] where it is said by leaving the key out.
    fn write(&self, value: &T) -> Out;

    /// The JSON Schema and the words for the reference.
    fn shape(&self, shapes: &mut Shapes) -> Shape;
}

/// A map with fixed keys.
pub(crate) trait Object: Clone + 'static {
    /// The name of its definition in the schema and of its table in the reference.
    const NAME: &'static str;
    /// What it is, in a sentence.
    const DOC: &'static str;
    /// The key that a bare text stands for.
    const SHORT: Option<&'static str> = None;

    /// The value when no key is written. What stands for required keys is never seen.
    fn blank() -> Self;

    /// Every key, in the order in which they are printed.
    fn fields(&mut self, f: &mut Fields<'_, '_>);

    /// What has to hold between keys; asked only when each key on its own was right.
    fn check<'n>(&self, at: At<'n>, r: &mut Reader<'n>) {
        let _ = (at, r);
    }
}

/// Where the keys of an object are found.
#[derive(Clone, Copy)]
enum Keys<'n> {
    Written(&'n [Entry<'n>]),
    /// A bare text, which stands for one key.
    Short(&'static str, &'n Node<'n>),
}

/// An object's place and those of its keys.
#[derive(Clone, Copy)]
pub(crate) struct At<'n> {
    keys: Keys<'n>,
    pub(crate) span: Span,
}

impl<'n> At<'n> {
    /// The value under a key.
    pub(crate) fn node(self, key: &str) -> Option<&'n Node<'n>> {
        match self.keys {
            Keys::Written(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.node),
            Keys::Short(short, node) => (short == key).then_some(node),
        }
    }

    /// The place of a key's value; that of the object where the key is not written.
    pub(crate) fn key(self, key: &str) -> Span {
        self.node(key).map_or(self.span, |node| node.span)
    }

    /// Adds an error about a key.
    pub(crate) fn error<'r>(
        self,
        key: &'static str,
        r: &'r mut Reader<'n>,
        message: impl Into<String>,
    ) -> &'r mut Problem {
        r.within(Step::Key(key), |r| {
            r.error(self.key(key), message);
        });
        r.last()
    }

    /// Adds a warning about a key.
    pub(crate) fn warn<'r>(
        self,
        key: &'static str,
        r: &'r mut Reader<'n>,
        message: impl Into<String>,
    ) -> &'r mut Problem {
        r.within(Step::Key(key), |r| {
            r.warn(self.key(key), message);
        });
        r.last()
    }
}

/// What is done with the keys of an object.
pub(crate) enum Fields<'a, 'n> {
    /// Values are read from the tree.
    Read { at: At<'n>, r: &'a mut Reader<'n>, found: usize },
    /// Names are gathered, for suggestions.
    Names(&'a mut Vec<&'static str>),
    /// Values are written.
    Write(&'a mut Vec<(String, Out)>),
    /// Keys are described.
    Describe { shapes: &'a mut Shapes, rows: &'a mut Vec<Row> },
}

impl Fields<'_, '_> {
    /// A key that may be left out; `value` holds the default.
    // Forms are constants of a few words; a reference to each would only add noise where keys are listed.
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn key<T, F: Form<T>>(
        &mut self,
        key: &'static str,
        doc: &'static str,
        form: F,
        value: &mut T,
    ) {
        self.any(key, doc, &form, value, false);
    }

    /// A key that has to be there.
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn required<T, F: Form<T>>(
        &mut self,
        key: &'static str,
        doc: &'static str,
        form: F,
        value: &mut T,
    ) {
        self.any(key, doc, &form, value, true);
    }

    fn any<T>(
        &mut self,
        key: &'static str,
        doc: &'static str,
        form: &impl Form<T>,
        value: &mut T,
        required: bool,
    ) {
        match self {
            Self::Read { at, r, found } => match at.node(key) {
                Some(node) => {
                    *found += 1;
                    // A key that only has a comment behind it counts as left out.
                    if node.is_null() && !required {
                        return;
                    }
                    if let Some(read) = r.within(Step::Key(key), |r| form.read(node, r)) {
                        *value = read;
                    }
                }
                None if required => {
                    r.error(at.span, format!("`{key}` is missing")).help = Some(format!("`{key}`: {doc}"));
                }
                None => {}
            },
            Self::Names(names) => names.push(key),
            Self::Write(entries) => match form.write(value) {
                Out::Absent => {}
                out => entries.push((key.to_owned(), out)),
            },
            Self::Describe { shapes, rows } => {
                let shape = form.shape(shapes);
                let default = if required { Out::Absent } else { form.write(value) };
                rows.push(Row { key, doc, shape, default, required });
            }
        }
    }
}

/// The form of an [`Object`].
pub(crate) struct Obj<T>(PhantomData<T>);

/// The form of an [`Object`].
pub(crate) const fn obj<T: Object>() -> Obj<T> {
    Obj(PhantomData)
}

/// Reads an object and says where it and its keys are.
fn read_object<'n, T: Object>(node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<(T, At<'n>)> {
    let keys = match (&node.value, T::SHORT) {
        (Value::Map(entries), _) => Keys::Written(entries),
        (Value::Scalar { .. }, Some(short)) if !node.is_null() => Keys::Short(short, node),
        _ => {
            r.expected(node, &format!("a map ({})", T::NAME));
            return None;
        }
    };
    let at = At { keys, span: node.span };
    let before = r.mark();
    let mut value = T::blank();
    let mut fields = Fields::Read { at, r, found: 0 };
    value.fields(&mut fields);
    let Fields::Read { found, .. } = fields else { unreachable!("the mode stays what it was") };
    if let Keys::Written(entries) = keys
        && entries.len() > found
    {
        unknown_keys::<T>(entries, r);
    }
    if r.mark() != before {
        return None;
    }
    value.check(at, r);
    (r.mark() == before).then_some((value, at))
}

fn unknown_keys<'n, T: Object>(entries: &'n [Entry<'n>], r: &mut Reader<'n>) {
    let mut names = Vec::new();
    T::blank().fields(&mut Fields::Names(&mut names));
    for entry in entries.iter().filter(|e| !names.contains(&&*e.key)) {
        let free = names.iter().copied().filter(|n| entries.iter().all(|e| e.key != *n));
        let near = closest(&entry.key, free);
        let article = if T::NAME.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        r.within(Step::Key(&entry.key), |r| {
            let message = format!("{article} {} has no key `{}`", T::NAME, entry.key);
            r.error(entry.key_span, message).help = Some(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None if &*entry.key == "<<" => {
                    "merge keys are not part of YAML 1.2; write the keys out".into()
                }
                None => format!("known are `{}`", names.join("`, `")),
            });
        });
    }
}

impl<T: Object> Form<T> for Obj<T> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<T> {
        read_object(node, r).map(|(value, _)| value)
    }

    fn write(&self, value: &T) -> Out {
        let mut entries = Vec::new();
        value.clone().fields(&mut Fields::Write(&mut entries));
        Out::Map(entries)
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        shapes.object::<T>()
    }
}

/// An object of the text that becomes another type of the model.
pub(crate) trait Raw<M>: Object {
    /// What it means. `None` with at least one error where it means nothing.
    fn refine<'n>(self, at: At<'n>, r: &mut Reader<'n>) -> Option<M>;

    /// How it is written.
    fn raw(model: &M) -> Self;
}

/// The form of what is written as the [`Raw`] object `R`.
pub(crate) struct Via<R>(PhantomData<R>);

/// The form of what is written as the [`Raw`] object `R`.
pub(crate) const fn via<R: Object>() -> Via<R> {
    Via(PhantomData)
}

impl<M, R: Raw<M>> Form<M> for Via<R> {
    fn read<'n>(&self, node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<M> {
        let (raw, at) = read_object::<R>(node, r)?;
        let before = r.mark();
        raw.refine(at, r).filter(|_| r.mark() == before)
    }

    fn write(&self, value: &M) -> Out {
        obj().write(&R::raw(value))
    }

    fn shape(&self, shapes: &mut Shapes) -> Shape {
        shapes.object::<R>()
    }
}
