//! The labels of one line on its way through a pipeline.

use weir_signal::{Labels, LabelsBuilder};

/// The label that says what went wrong with a line.
pub(crate) const ERROR: &str = "__error__";
/// The label that says what exactly.
pub(crate) const ERROR_DETAILS: &str = "__error_details__";
/// The label of lines whose error a query counts, rather than fails for.
pub(crate) const PRESERVE_ERROR: &str = "__preserve_error__";

/// What is added to a name that a stream or its metadata has already.
const EXTRACTED: &str = "_extracted";

/// Where a label comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Metadata,
    Parsed,
}

/// What went wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineError {
    Json,
    Logfmt,
    LabelFilter,
    Template,
    SampleExtraction,
    /// It came with the line: the text is the value of its metadata.
    Given,
}

impl LineError {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Json => "JSONParserErr",
            Self::Logfmt => "LogfmtParserErr",
            Self::LabelFilter => "LabelFilterErr",
            Self::Template => "TemplateFormatErr",
            Self::SampleExtraction => "SampleExtractionErr",
            Self::Given => "",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Added {
    /// Where in the text the name begins, where the value begins, where that ends.
    at: (u32, u32, u32),
    origin: Origin,
    /// Whether it was not taken away again.
    live: bool,
}

/// The labels of a line: those of its stream, its metadata, and what was parsed. Its memory is used again for the next.
///
/// A label of a later kind hides one of an earlier kind that is called the same.
#[derive(Debug, Default)]
pub(crate) struct LineLabels {
    stream: Labels,
    text: String,
    added: Vec<Added>,
    /// Names of the stream's labels that are gone, in the text.
    deleted: Vec<(u32, u32)>,
    error: Option<LineError>,
    given_error: String,
    details: String,
}

impl LineLabels {
    /// Begins a line.
    pub(crate) fn begin(&mut self, stream: &Labels, metadata: &Labels) {
        if self.stream != *stream {
            self.stream = stream.clone();
        }
        self.text.clear();
        self.added.clear();
        self.deleted.clear();
        self.error = None;
        self.details.clear();
        for (name, value) in metadata.iter() {
            match name {
                ERROR => {
                    self.error = Some(LineError::Given);
                    value.clone_into(&mut self.given_error);
                }
                ERROR_DETAILS => value.clone_into(&mut self.details),
                _ if self.stream.get(name).is_some() => self.set_suffixed(Origin::Metadata, name, value),
                _ => self.set(Origin::Metadata, name, value),
            }
        }
    }

    fn slice(&self, from: u32, to: u32) -> &str {
        &self.text[from as usize..to as usize]
    }

    fn name(&self, added: &Added) -> &str {
        self.slice(added.at.0, added.at.1)
    }

    fn value(&self, added: &Added) -> &str {
        self.slice(added.at.1, added.at.2)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.added.iter().position(|added| added.live && self.name(added) == name)
    }

    fn is_deleted(&self, name: &str) -> bool {
        self.deleted.iter().any(|&(from, to)| self.slice(from, to) == name)
    }

    /// The value of a label, and whether it is there at all.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        if let Some(at) = self.find(name) {
            return Some(self.value(&self.added[at]));
        }
        if self.is_deleted(name) {
            return None;
        }
        self.stream.get(name)
    }

    /// The value of a label or of what went wrong; empty where there is none.
    pub(crate) fn text_of(&self, name: &str) -> &str {
        match name {
            ERROR => self.error(),
            ERROR_DETAILS => &self.details,
            _ => self.get(name).unwrap_or_default(),
        }
    }

    /// Whether a parser has to call a label of this name otherwise.
    fn is_taken(&self, name: &str) -> bool {
        self.stream.get(name).is_some()
            || self
                .added
                .iter()
                .any(|added| added.live && added.origin == Origin::Metadata && self.name(added) == name)
    }

    /// Whether a label of this name was parsed before, even where it was taken away since.
    fn was_parsed(&self, name: &str) -> bool {
        self.added.iter().any(|added| added.origin == Origin::Parsed && self.name(added) == name)
    }

    /// Sets a label. Metadata gives way to what was parsed.
    pub(crate) fn set(&mut self, origin: Origin, name: &str, value: &str) {
        let from = self.text.len() as u32;
        self.text.push_str(name);
        self.put(origin, from, value);
    }

    fn set_suffixed(&mut self, origin: Origin, name: &str, value: &str) {
        let from = self.text.len() as u32;
        self.text.push_str(name);
        self.text.push_str(EXTRACTED);
        self.put(origin, from, value);
    }

    /// Sets the label whose name is the end of the text from `from` on.
    fn put(&mut self, origin: Origin, from: u32, value: &str) {
        let middle = self.text.len() as u32;
        self.text.push_str(value);
        let at = (from, middle, self.text.len() as u32);
        let mut replaced = false;
        for place in 0..self.added.len() {
            let added = self.added[place];
            if self.name(&added) != self.slice(from, middle) || !added.live {
                continue;
            }
            match (added.origin, origin) {
                (Origin::Parsed, Origin::Metadata) => return,
                (Origin::Metadata, Origin::Parsed) => self.added[place].live = false,
                _ => {
                    self.added[place].at = at;
                    replaced = true;
                }
            }
        }
        if !replaced {
            self.added.push(Added { at, origin, live: true });
        }
    }

    /// Sets a label that a parser found, where `wanted` says so of the name that it gets, and none of that name was parsed
    /// before.
    pub(crate) fn extract(&mut self, name: &str, value: &str, wanted: impl Fn(&str) -> bool) {
        if self.is_taken(name) {
            let from = self.text.len();
            self.text.push_str(name);
            self.text.push_str(EXTRACTED);
            let suffixed = &self.text[from..];
            if self.was_parsed(suffixed) || !wanted(suffixed) {
                self.text.truncate(from);
            } else {
                self.put(Origin::Parsed, from as u32, value);
            }
        } else if !self.was_parsed(name) && wanted(name) {
            self.set(Origin::Parsed, name, value);
        }
    }

    /// As [`LineLabels::extract`], whether or not one of that name was parsed before.
    pub(crate) fn extract_anew(&mut self, name: &str, value: &str) {
        if self.is_taken(name) {
            self.set_suffixed(Origin::Parsed, name, value);
        } else {
            self.set(Origin::Parsed, name, value);
        }
    }

    /// Takes a label away.
    pub(crate) fn remove(&mut self, name: &str) {
        let from = self.text.len() as u32;
        self.text.push_str(name);
        let to = self.text.len() as u32;
        for place in 0..self.added.len() {
            let added = self.added[place];
            if added.live && self.name(&added) == self.slice(from, to) {
                self.added[place].live = false;
            }
        }
        self.deleted.push((from, to));
    }

    /// How many labels were parsed, those taken away again included.
    pub(crate) fn parsed_count(&self) -> usize {
        self.added.iter().filter(|added| added.origin == Origin::Parsed).count()
    }

    /// Whether a label of this name was parsed.
    pub(crate) fn has_parsed(&self, name: &str) -> bool {
        self.was_parsed(name)
    }

    /// What went wrong; empty where nothing did.
    pub(crate) fn error(&self) -> &str {
        match self.error {
            None => "",
            Some(LineError::Given) => &self.given_error,
            Some(error) => error.as_str(),
        }
    }

    /// Whether anything went wrong.
    pub(crate) fn has_error(&self) -> bool {
        self.error.is_some()
    }

    /// Notes what went wrong.
    pub(crate) fn fail(&mut self, error: LineError, details: &str) {
        self.error = Some(error);
        if !details.is_empty() {
            details.clone_into(&mut self.details);
        }
    }

    /// As [`LineLabels::fail`], where nothing went wrong before.
    pub(crate) fn fail_first(&mut self, error: LineError, details: &str) {
        if self.error.is_none() {
            self.fail(error, details);
        }
    }

    /// Forgets what went wrong.
    pub(crate) fn forget_error(&mut self) {
        self.error = None;
    }

    /// Forgets what exactly went wrong.
    pub(crate) fn forget_details(&mut self) {
        self.details.clear();
    }

    /// Whether the labels are the stream's, with nothing added or taken away.
    pub(crate) fn is_plain(&self) -> bool {
        self.added.is_empty() && self.deleted.is_empty() && self.error.is_none() && self.details.is_empty()
    }

    /// The labels of the stream.
    pub(crate) fn stream(&self) -> &Labels {
        &self.stream
    }

    /// All labels, each once: those of the stream that are left, then what was added, then what went wrong.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let error = Some((ERROR, self.error())).filter(|error| !error.1.is_empty());
        let details = Some((ERROR_DETAILS, self.details.as_str())).filter(|details| !details.1.is_empty());
        self.of_stream()
            .chain(self.of(Origin::Metadata))
            .chain(self.of(Origin::Parsed))
            .chain(error)
            .chain(details)
    }

    /// The labels of the stream that are left and not hidden.
    pub(crate) fn of_stream(&self) -> impl Iterator<Item = (&str, &str)> {
        let untouched = self.added.is_empty() && self.deleted.is_empty();
        let left = move |name: &str| untouched || (!self.is_deleted(name) && self.find(name).is_none());
        self.stream.iter().filter(move |(name, _)| left(name))
    }

    /// The labels that were added, of one kind.
    pub(crate) fn of(&self, origin: Origin) -> impl Iterator<Item = (&str, &str)> {
        let of = self.added.iter().filter(move |added| added.live && added.origin == origin);
        of.map(|added| (self.name(added), self.value(added)))
    }

    /// The labels of one kind and, for parsed ones, what went wrong, as such.
    pub(crate) fn labels_of(&self, origin: Origin) -> Labels {
        let errors = origin == Origin::Parsed;
        let error = Some((ERROR, self.error())).filter(|_| errors);
        let details = Some((ERROR_DETAILS, self.details.as_str())).filter(|_| errors);
        build(self.of(origin).chain(error).chain(details))
    }

    /// All labels.
    pub(crate) fn labels(&self) -> Labels {
        if self.is_plain() { self.stream.clone() } else { build(self.iter()) }
    }
}

/// Labels of pairs each name of which is there once. A name that cannot be one is left out.
pub(crate) fn build<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Labels {
    let mut builder = LabelsBuilder::new();
    for (name, value) in pairs {
        let long = name.len() > weir_signal::STRING_BYTES_MAX || value.len() > weir_signal::STRING_BYTES_MAX;
        if !name.is_empty() && !value.is_empty() && !long {
            builder.push(name, value);
        }
    }
    builder.build().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied()).unwrap()
    }

    #[test]
    fn what_is_called_the_same_gets_another_name() {
        let mut line = LineLabels::default();
        line.begin(&labels(&[("a", "s"), ("k", "s")]), &labels(&[("a", "m"), ("b", "m")]));
        assert_eq!(line.labels(), labels(&[("a", "s"), ("a_extracted", "m"), ("b", "m"), ("k", "s")]));
        line.extract("a", "p", |_| true);
        line.extract("b", "p", |_| true);
        line.extract("c", "p", |_| true);
        line.extract("c", "again", |_| true);
        line.extract("d", "p", |name| name != "d");
        let expect =
            [("a", "s"), ("a_extracted", "p"), ("b", "m"), ("b_extracted", "p"), ("c", "p"), ("k", "s")];
        assert_eq!(line.labels(), labels(&expect));
        line.remove("k");
        line.remove("c");
        line.extract("c", "later", |_| true);
        line.set(Origin::Parsed, "k", "new");
        let expect = [("a", "s"), ("a_extracted", "p"), ("b", "m"), ("b_extracted", "p"), ("k", "new")];
        assert_eq!(line.labels(), labels(&expect));
        assert_eq!(line.labels_of(Origin::Metadata), labels(&[("b", "m")]));
    }

    #[test]
    fn errors_are_labels() {
        let mut line = LineLabels::default();
        line.begin(&labels(&[("a", "s")]), &Labels::empty());
        assert!(line.is_plain());
        line.fail_first(LineError::Json, "why");
        line.fail_first(LineError::LabelFilter, "other");
        assert_eq!(
            line.labels(),
            labels(&[("__error__", "JSONParserErr"), ("__error_details__", "why"), ("a", "s")])
        );
        line.forget_error();
        line.forget_details();
        assert_eq!(line.labels(), labels(&[("a", "s")]));
    }
}
