//! The register of families, and the door to their series.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::cells::{Allocator, Cells};
use super::family::{Columns, Family, Kind};
use super::table::{Handle, Table, key_of};
use super::worker::{Shared, Worker};
use super::{histogram, render};

/// The `Content-Type` of [`Registry::render`]: Prometheus' text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of a process. Cheap to clone; clones are the same registry.
///
/// Registering and resolving take a lock that a scrape also holds (for milliseconds), so workers resolve nothing while
/// they serve: handles come with what was compiled for them.
#[derive(Clone, Debug)]
pub struct Registry {
    state: Arc<Mutex<State>>,
    shared: Shared,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) families: BTreeMap<&'static str, Registered>,
    /// One per worker, and at the end the shared one.
    pub(super) writers: Vec<Arc<Cells>>,
    taken: Vec<bool>,
    allocator: Allocator,
    collectors: u64,
}

#[derive(Debug)]
pub(super) struct Registered {
    pub(super) family: Family,
    pub(super) kind: Kind,
    pub(super) source: Source,
}

/// Where a family's numbers come from.
pub(super) enum Source {
    /// Cells.
    Cells(Table),
    /// Whoever knows them, asked at each scrape.
    Asked(Vec<(u64, Collect)>),
    /// The number of series in each family with cells.
    Series,
}

type Collect = Box<dyn Fn(&mut Samples) + Send>;

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cells(_) => "Cells",
            Self::Asked(_) => "Asked",
            Self::Series => "Series",
        })
    }
}

macro_rules! handles {
    ($($family:ident $series:ident $kind:ident $what:literal,)*) => {$(
        #[doc = concat!("A registered family of ", $what, "s.")]
        #[derive(Clone, Debug)]
        pub struct $family { name: &'static str, labels: usize, state: Arc<Mutex<State>> }

        #[doc = concat!("A ", $what, " of a known series. The series is alive while a clone of it is.")]
        #[derive(Clone, Debug)]
        pub struct $series(pub(super) Handle);

        impl $family {
            /// The series of these label values, in the order of the family's labels; `_other` where the family is full.
            ///
            /// # Panics
            /// Where there are more or fewer values than labels.
            pub fn series(&self, values: &[&str]) -> $series {
                assert_eq!(values.len(), self.labels, "{}: a value for each label", self.name);
                let state = &mut *lock(&self.state);
                let entry = state.families.get_mut(self.name).map(|registered| &mut registered.source);
                let Some(Source::Cells(table)) = entry else {
                    unreachable!("a family handle exists only for a registered family with cells")
                };
                $series(table.resolve(values, &mut state.allocator, &state.writers))
            }
        }
    )*};
}
handles! {
    Counters Counter Counter "counter",
    Gauges Gauge Gauge "gauge",
    Histograms Histogram Histogram "histogram",
}

impl Registry {
    /// A registry with cells for so many workers.
    pub fn new(workers: usize) -> Self {
        let writers: Vec<_> = (0..=workers).map(|_| Arc::new(Cells::new())).collect();
        let shared = Shared { cells: writers[workers].clone() };
        let own = Family::new("weir_metric_series", "Series with cells of their own, by family.")
            .labels(&["family"]);
        let own = Registered { family: own, kind: Kind::Gauge, source: Source::Series };
        let state = State {
            families: BTreeMap::from([(own.family.name, own)]),
            writers,
            taken: vec![false; workers],
            allocator: Allocator::default(),
            collectors: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), shared }
    }

    /// The cells of one worker. Given out once: none for the second asker, or past the number of workers.
    pub fn worker(&self, index: usize) -> Option<Worker> {
        let state = &mut *lock(&self.state);
        let taken = state.taken.get_mut(index)?;
        (!std::mem::replace(taken, true))
            .then(|| Worker { cells: state.writers[index].clone(), one_thread: PhantomData })
    }

    /// The cells that everyone may write.
    pub fn shared(&self) -> Shared {
        self.shared.clone()
    }

    /// Registers counters, or finds them where the same family is registered already.
    ///
    /// # Panics
    /// As all registering does, where a name is not allowed or the name is taken by a different family: both are
    /// defects of the program, found by the first run of it.
    pub fn counters(&self, family: Family) -> Counters {
        self.register(family, Kind::Counter, || {
            Source::Cells(Table::new(family.columns.width(), family.series_max))
        });
        Counters { name: family.name, labels: family.labels.len(), state: self.state.clone() }
    }

    /// Registers gauges of whole numbers, as [`Registry::counters`] does. They have no columns.
    pub fn gauges(&self, family: Family) -> Gauges {
        assert_eq!(family.columns, Columns::None, "{}: only counters have columns", family.name);
        self.register(family, Kind::Gauge, || Source::Cells(Table::new(1, family.series_max)));
        Gauges { name: family.name, labels: family.labels.len(), state: self.state.clone() }
    }

    /// Registers histograms of seconds, as [`Registry::counters`] does. They have no columns.
    pub fn histograms(&self, family: Family) -> Histograms {
        assert_eq!(family.columns, Columns::None, "{}: only counters have columns", family.name);
        self.register(family, Kind::Histogram, || {
            Source::Cells(Table::new(histogram::WIDTH, family.series_max))
        });
        Histograms { name: family.name, labels: family.labels.len(), state: self.state.clone() }
    }

    /// Registers a family whose numbers are asked for at each scrape: pools, breakers, queues. Several may answer for
    /// one family; samples with the same label values are added up.
    ///
    /// `collect` runs under the registry's lock: it must not block, and must not touch the registry.
    pub fn collect(
        &self,
        kind: Kind,
        family: Family,
        collect: impl Fn(&mut Samples) + Send + 'static,
    ) -> Collecting {
        assert_ne!(kind, Kind::Histogram, "{}: histograms have cells", family.name);
        assert_eq!(family.columns, Columns::None, "{}: only counters have columns", family.name);
        self.register(family, kind, || Source::Asked(Vec::new()));
        let state = &mut *lock(&self.state);
        state.collectors += 1;
        let id = state.collectors;
        if let Some(Registered { source: Source::Asked(all), .. }) = state.families.get_mut(family.name) {
            all.push((id, Box::new(collect)));
        }
        Collecting { name: family.name, id, state: Arc::downgrade(&self.state) }
    }

    /// Everything in Prometheus' text format 0.0.4: families by name, series by label values.
    pub fn render(&self) -> String {
        render::render(&mut lock(&self.state))
    }

    fn register(&self, family: Family, kind: Kind, source: impl FnOnce() -> Source) {
        family.check(kind);
        let state = &mut *lock(&self.state);
        let known = state.families.entry(family.name).or_insert_with(|| Registered {
            family,
            kind,
            source: source(),
        });
        let same = known.kind == kind
            && known.family.labels == family.labels
            && known.family.columns == family.columns;
        assert!(same, "{} is registered already, as something else", family.name);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a collector registered. Dropped, it is no longer asked.
#[derive(Debug)]
#[must_use = "a collector is asked only while this is held; `forever` lets it go"]
pub struct Collecting {
    name: &'static str,
    id: u64,
    state: Weak<Mutex<State>>,
}

impl Collecting {
    /// Stays registered as long as the registry lives.
    pub fn forever(mut self) {
        self.state = Weak::new();
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        let Some(state) = self.state.upgrade() else { return };
        let mut state = lock(&state);
        if let Some(Registered { source: Source::Asked(all), .. }) = state.families.get_mut(self.name) {
            all.retain(|(id, _)| *id != self.id);
        }
    }
}

/// Takes a collector's answers.
#[derive(Debug)]
pub struct Samples {
    pub(super) labels: usize,
    pub(super) series_max: usize,
    pub(super) by_key: BTreeMap<Box<[u8]>, f64>,
}

impl Samples {
    /// One number, for label values in the order of the family's labels. Beyond the family's bound it is added to
    /// `_other`.
    ///
    /// # Panics
    /// In debug builds, where there are more or fewer values than labels; otherwise such a sample is left out.
    pub fn push(&mut self, values: &[&str], value: f64) {
        debug_assert_eq!(values.len(), self.labels, "a value for each label");
        if values.len() != self.labels {
            return;
        }
        let mut key = key_of(values);
        if self.by_key.len() >= self.series_max && !self.by_key.contains_key(&key) {
            key = key_of(&vec![super::table::OTHER; self.labels]);
        }
        *self.by_key.entry(key).or_default() += value;
    }
}
