//! Walks text, family by family.

use std::borrow::Cow;

use weir_signal::{MetricKind, Refusal};

use super::created::{self, StartTimes};
use super::lex::{Dialect, Entry, Fault, Lexer, Word};
use super::{
    Created, Description, Exemplars, Options, Place, Sample, Series, Visitor, metric_kind, unescape,
};

/// Why the walk ended early.
pub(super) enum Stop {
    Fault(Fault),
    Visitor(Refusal),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The family that was spoken of last.
#[derive(Default)]
struct Family<'a> {
    name: Cow<'a, str>,
    kind: MetricKind,
    unit: &'a str,
    help: Cow<'a, str>,
    /// Whether something was said that the visitor does not know.
    news: bool,
}

impl Family<'_> {
    fn tell(&mut self, visitor: &mut (impl Visitor + ?Sized)) -> Result<(), Stop> {
        if std::mem::take(&mut self.news) {
            let description = Description { kind: self.kind, unit: self.unit, help: &self.help };
            visitor.metadata(&self.name, description).map_err(Stop::Visitor)?;
        }
        Ok(())
    }
}

pub(super) fn read(
    text: &str,
    dialect: Dialect,
    options: Options,
    visitor: &mut (impl Visitor + ?Sized),
) -> Result<(), Stop> {
    let mut lexer = Lexer::new(text, dialect);
    let mut family = Family::default();
    let with_starts = dialect == Dialect::OpenMetrics && options.created == Created::StartTimestamps;
    let mut starts = with_starts.then(|| StartTimes::new(text));
    loop {
        let before = lexer.clone();
        match lexer.next()? {
            Entry::End => return family.tell(visitor),
            Entry::Meta { word, family: name, text } => {
                if name != family.name {
                    family.tell(visitor)?;
                    family = Family { name, ..Family::default() };
                }
                match word {
                    Word::Help => family.help = unescape(text),
                    Word::Unit => {
                        let suffix = family.name.strip_suffix(text).is_some_and(|rest| rest.ends_with('_'));
                        if !text.is_empty() && !suffix {
                            let what =
                                format!("the name of `{}` must end in its unit, `_{text}`", family.name);
                            return Err(Fault::new(before.offset(), what).into());
                        }
                        family.unit = text;
                    }
                    Word::Type => {
                        family.kind = metric_kind(text, dialect).ok_or_else(|| {
                            let what = format!("`{}` is no type of a metric", crate::names::beginning(text));
                            Fault::new(before.offset(), what)
                        })?;
                    }
                }
                family.news = true;
            }
            Entry::Sample(sample) => {
                let mut start_ms = 0;
                if let Some(starts) = &mut starts {
                    if family.news {
                        starts.look_up(&family.name, family.kind, &before);
                    }
                    if created::is_created(sample.raw, &family.name, family.kind) {
                        family.tell(visitor)?;
                        continue;
                    }
                    start_ms = starts.of(sample.raw, &family.name);
                }
                family.tell(visitor)?;
                let told = Sample {
                    time_ms: sample.time.map(|time| time.ms),
                    start_ms,
                    raw: sample.raw.as_bytes(),
                    series: Series::Text { raw: sample.raw, dialect, kind: family.kind },
                    exemplars: sample.exemplar.map_or(Exemplars::None, Exemplars::Text),
                    place: Place { offset: before.offset() },
                };
                visitor.sample(&told, sample.value).map_err(Stop::Visitor)?;
            }
        }
    }
}
