//! Figures of a case: for each contestant and quantity, one value a round.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::bench::report::{Report, figure};
use crate::bench::stats::Median;
use crate::table::Table;

/// A name and a unit.
pub(crate) type Quantity = (&'static str, &'static str);

/// What was measured for one question.
pub(crate) struct Figures {
    case: &'static str,
    question: String,
    contestants: Vec<&'static str>,
    quantities: Vec<Quantity>,
    values: BTreeMap<(&'static str, Quantity), Vec<f64>>,
    bars: Vec<Bar>,
    notes: Vec<String>,
}

/// A promise: a quantity of Weir's, or its ratio to a rival's, within or beyond a limit.
struct Bar {
    quantity: Quantity,
    limit: f64,
    against: Option<&'static str>,
    wanted: Wanted,
}

/// On which side of its limit a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wanted {
    AtMost,
    AtLeast,
}

impl Figures {
    pub(crate) fn new(case: &'static str, question: impl Into<String>) -> Self {
        Self {
            case,
            question: question.into(),
            contestants: Vec::new(),
            quantities: Vec::new(),
            values: BTreeMap::new(),
            bars: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn bar(
        mut self,
        quantity: Quantity,
        wanted: Wanted,
        limit: f64,
        against: Option<&'static str>,
    ) -> Self {
        self.bars.push(Bar { quantity, limit, against, wanted });
        self
    }

    pub(crate) fn add(&mut self, contestant: &'static str, quantity: Quantity, value: f64) {
        if !self.contestants.contains(&contestant) {
            self.contestants.push(contestant);
        }
        if !self.quantities.contains(&quantity) {
            self.quantities.push(quantity);
        }
        self.values.entry((contestant, quantity)).or_default().push(value);
    }

    /// A sentence under the table.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(crate) fn median(&self, contestant: &'static str, quantity: Quantity) -> Option<Median> {
        self.values.get(&(contestant, quantity)).map(|values| Median::of(values))
    }

    /// Ratios taken within rounds. `None` unless both were measured in every round.
    pub(crate) fn ratio(&self, of: &'static str, to: &'static str, quantity: Quantity) -> Option<Median> {
        let (of, to) = (self.values.get(&(of, quantity))?, self.values.get(&(to, quantity))?);
        (of.len() == to.len())
            .then(|| Median::of(&of.iter().zip(to).map(|(of, to)| of / to).collect::<Vec<_>>()))
    }

    /// Prints and keeps all; nothing where nobody took part.
    pub(crate) fn report(self, report: &mut Report) {
        if self.contestants.is_empty() {
            return;
        }
        let heading: Vec<_> = std::iter::once("contestant".to_owned())
            .chain(self.quantities.iter().map(|(name, unit)| format!("{name}, {unit}")))
            .collect();
        let mut table = Table::new(&heading.iter().map(String::as_str).collect::<Vec<_>>());
        for &contestant in &self.contestants {
            let cells = self.quantities.iter().map(|&quantity| {
                self.median(contestant, quantity)
                    .map_or_else(|| "-".to_owned(), |median| figure(median.value))
            });
            table.row(std::iter::once(contestant.to_owned()).chain(cells));
        }
        let mut text = table.markdown();
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        let bars: Vec<_> = self.bars.iter().filter_map(|bar| self.check(bar)).collect();
        let values = self.values.iter().map(|((contestant, quantity), values)| {
            let median = Median::of(values);
            let ratio = self.ratio("weir", contestant, *quantity);
            json!({
                "name": format!("{}: {}", self.case, quantity.0), "case": self.case, "value": median.value,
                "low": median.low, "high": median.high, "unit": quantity.1, "peer": contestant,
                "ratio": ratio.map(|r| r.value), "ratio_low": ratio.map(|r| r.low),
                "ratio_high": ratio.map(|r| r.high),
            })
        });
        let values: Vec<Value> = values.collect();
        report.section(&format!("{}: {}", self.case, self.question), &text, &bars, values);
    }

    fn check(&self, bar: &Bar) -> Option<String> {
        let (name, unit) = bar.quantity;
        let (measured, scale) = match bar.against {
            Some(rival) => (self.ratio("weir", rival, bar.quantity)?, format!("{:.2} × {rival}", bar.limit)),
            None => (self.median("weir", bar.quantity)?, format!("{} {unit}", bar.limit)),
        };
        let (sign, reached) = match bar.wanted {
            Wanted::AtMost => ("≤", measured.value <= bar.limit),
            Wanted::AtLeast => ("≥", measured.value >= bar.limit),
        };
        let verdict = if reached { "reached" } else { "MISSED" };
        Some(format!("bar: {}: {name} {sign} {scale}: {measured} {verdict}", self.case))
    }
}
