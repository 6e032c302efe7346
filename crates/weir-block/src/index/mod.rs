//! The label index: which series there are, and which of them have a label.
//!
//! A *term* is a name and a value. Terms are numbered in their order; a series is the list of its terms. The index has
//! pages of terms with the series that have each (`terms`), and pages of series with their terms (`table`), so that
//! reading a few labels or answering a few matchers touches a few pages only.
//!
//! Terms are front-coded and packed rather than put into an FST. Of an hour of twenty exporters (4,335 terms of 152 kB)
//! that is 29 kB where the FST of crate `fst` is 56 kB, or 39 kB packed; the same pages give labels back; and damage is
//! always an error, where one flipped bit in three made reading that FST panic.

mod postings;
mod select;
mod table;
mod terms;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use roaring::RoaringBitmap;
use weir_signal::{Labels, LabelsBuilder, Matcher, ReadError};

use crate::frame::{FileReader, FileWriter, Place};
use crate::pack::{Effort, Packer};

/// Tags of its pieces, counted from the first that the file gives it.
const TERMS: u8 = 0;
const TABLE: u8 = 1;
/// How many tags an index takes.
pub const TAGS: u8 = 2;

/// Gathers the labels of series, one after the other, ascending.
#[derive(Default)]
pub struct IndexWriter {
    /// For each name, for each value: its term, numbered as they come.
    names: HashMap<Box<str>, HashMap<Box<str>, u32>>,
    /// The series of each term.
    postings: Vec<Vec<u32>>,
    /// The terms of all series, one after the other, and where each series ends.
    terms: Vec<u32>,
    ends: Vec<usize>,
    last: Labels,
}

impl IndexWriter {
    /// Adds the next series and gives its number.
    pub fn push(&mut self, labels: &Labels) -> u32 {
        let number = self.ends.len() as u32;
        let last = std::mem::replace(&mut self.last, labels.clone());
        let before = self.ends.len().checked_sub(2).map_or(0, |index| self.ends[index]);
        let mut before = before..self.terms.len();
        let mut shared = last.iter();
        for (name, value) in labels.iter() {
            // Neighbours have most labels in common, at the same places.
            let term = match (shared.next(), before.next()) {
                (Some(pair), Some(at)) if pair == (name, value) => self.terms[at],
                _ => self.term(name, value),
            };
            self.terms.push(term);
            self.postings[term as usize].push(number);
        }
        self.ends.push(self.terms.len());
        number
    }

    fn term(&mut self, name: &str, value: &str) -> u32 {
        let next = self.postings.len() as u32;
        let values = match self.names.get_mut(name) {
            Some(values) => values,
            None => self.names.entry(name.into()).or_default(),
        };
        if let Some(&term) = values.get(value) {
            return term;
        }
        values.insert(value.into(), next);
        self.postings.push(Vec::new());
        next
    }

    /// How many series were added.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The labels that were added last.
    pub fn last(&self) -> Option<&Labels> {
        (!self.is_empty()).then_some(&self.last)
    }

    /// Writes the index; its named pieces take [`TAGS`] tags from `tag` on.
    pub fn finish(self, tag: u8, effort: Effort, file: &mut FileWriter) {
        let mut packer = Packer::of(effort);
        let mut sorted: Vec<(&str, &str, u32)> = self
            .names
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |(value, &term)| (&**name, &**value, term)))
            .collect();
        sorted.sort_unstable();
        let mut ordinals = vec![0; sorted.len()];
        for (ordinal, &(_, _, term)) in sorted.iter().enumerate() {
            ordinals[term as usize] = ordinal as u32;
        }
        let mut terms = terms::TermsWriter::default();
        for &(name, value, term) in &sorted {
            terms.push(name, value, &self.postings[term as usize], &mut packer, file);
        }
        let terms = terms.finish(&mut packer, file);
        file.put_named(tag + TERMS, &terms);
        let mut start = 0;
        let mut table = table::TableWriter::default();
        let mut row = Vec::new();
        for &end in &self.ends {
            row.clear();
            row.extend(self.terms[start..end].iter().map(|&term| ordinals[term as usize]));
            table.push(&row, &mut packer, file);
            start = end;
        }
        let table = table.finish(&mut packer, file);
        file.put_named(tag + TABLE, &table);
    }
}

/// A label index that was written by [`IndexWriter`].
pub struct Index {
    file: FileReader,
    tag: u8,
    terms: OnceLock<terms::Directory>,
    table: OnceLock<table::Directory>,
}

impl Index {
    /// The index of `file` whose tags begin at `tag`. Nothing is read yet.
    pub fn new(file: FileReader, tag: u8) -> Self {
        Self { file, tag, terms: OnceLock::new(), table: OnceLock::new() }
    }

    fn terms(&self) -> Result<&terms::Directory, ReadError> {
        if let Some(terms) = self.terms.get() {
            return Ok(terms);
        }
        let (body, place) = self.file.read_named(self.tag + TERMS)?;
        let read = terms::Directory::read(&body).map_err(|damage| self.file.damaged(place, damage))?;
        Ok(self.terms.get_or_init(|| read))
    }

    fn table(&self) -> Result<&table::Directory, ReadError> {
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        let (body, place) = self.file.read_named(self.tag + TABLE)?;
        let read = table::Directory::read(&body).map_err(|damage| self.file.damaged(place, damage))?;
        Ok(self.table.get_or_init(|| read))
    }

    /// How many series it has.
    pub fn series(&self) -> Result<u32, ReadError> {
        Ok(self.table()?.series())
    }

    /// The numbers of the series that all matchers select.
    pub fn select(&self, matchers: &[Matcher]) -> Result<RoaringBitmap, ReadError> {
        select::select(self, matchers)
    }

    /// The names of labels that any of `series` has, ascending; of all where that is `None`.
    pub fn names(&self, series: Option<&RoaringBitmap>) -> Result<Vec<String>, ReadError> {
        let terms = self.terms()?;
        let mut found = Vec::new();
        for name in terms.names() {
            let any = match series {
                None => true,
                Some(series) => {
                    let mut any = false;
                    terms.visit(self, terms.range(name), |_, postings| {
                        any = postings.any_of(series)?;
                        Ok(!any)
                    })?;
                    any
                }
            };
            if any {
                found.push(name.to_owned());
            }
        }
        Ok(found)
    }

    /// The values of `name` that any of `series` has, ascending; of all where that is `None`.
    pub fn values(&self, name: &str, series: Option<&RoaringBitmap>) -> Result<Vec<String>, ReadError> {
        let terms = self.terms()?;
        let mut found = Vec::new();
        terms.visit(self, terms.range(name), |value, postings| {
            if series.map_or(Ok(true), |series| postings.any_of(series))? {
                found.push(value.to_owned());
            }
            Ok(true)
        })?;
        Ok(found)
    }

    /// The labels of a series. What was read for it is kept in `buffers` for the next.
    pub fn labels(&self, series: u32, buffers: &mut IndexBuffers) -> Result<Labels, ReadError> {
        let IndexBuffers { series: page, terms: pages, builder } = buffers;
        let table = self.table()?;
        let row = table.row(self, series, page)?;
        let terms = self.terms()?;
        builder.clear();
        for &term in row {
            let (index, name, within) = terms.find(term).ok_or_else(|| table.damaged(self, series))?;
            if pages.len() > PAGES_KEPT_MAX {
                pages.clear();
            }
            let page = match pages.get(&index) {
                Some(page) => page,
                None => pages.entry(index).or_insert(terms.page(self, index)?),
            };
            let value = page.values.get(within).ok_or_else(|| table.damaged(self, series))?;
            builder.push(name, value);
        }
        builder.build().map_err(|_| table.damaged(self, series))
    }

    /// Every damage of it.
    pub fn verify(&self, damages: &mut Vec<ReadError>) {
        let read = (|| Ok((self.terms()?, self.table()?)))();
        let (terms, table) = match read {
            Ok(read) => read,
            Err(error) => return damages.push(error),
        };
        terms.verify(self, damages);
        let mut buffers = IndexBuffers::default();
        let mut last_damaged = None;
        for series in 0..table.series() {
            // One damage of a page is enough.
            let page = table.page_of(series);
            if last_damaged == page {
                continue;
            }
            if let Err(error) = self.labels(series, &mut buffers) {
                last_damaged = page;
                if !damages.contains(&error) {
                    damages.push(error);
                }
            }
        }
    }

    fn damaged(&self, place: Place, damage: crate::Damage) -> ReadError {
        self.file.damaged(place, damage)
    }
}

/// Pages of terms that one reader keeps; a page has at most 256 terms.
const PAGES_KEPT_MAX: usize = 256;

/// What reading labels leaves for the next series. Of one index only.
#[derive(Default)]
pub struct IndexBuffers {
    series: table::LastPage,
    terms: HashMap<usize, Arc<terms::Page>>,
    builder: LabelsBuilder,
}
