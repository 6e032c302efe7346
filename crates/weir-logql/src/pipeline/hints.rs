//! Which labels a query needs. A query that counts lines by one label has parsers look for that one only; what is wrong
//! with a line behind it then does not matter, as in Loki.

use super::labels::{ERROR, LineLabels};
use crate::ast::{Grouping, LabelFormat, Stage, Unwrap};
use crate::template::Template;

/// Labels that are needed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hints {
    /// These only; all where there are none.
    required: Vec<Box<str>>,
    /// None at all.
    none: bool,
}

impl Hints {
    /// For numbers that are grouped by `grouping`; where `no_labels`, their labels do not matter.
    pub(crate) fn new(
        stages: &[Stage],
        unwrap: Option<&Unwrap>,
        grouping: Option<&Grouping>,
        no_labels: bool,
    ) -> Self {
        let by = grouping.filter(|grouping| !grouping.without && !grouping.labels.is_empty());
        if by.is_none() && !no_labels {
            return Self::default();
        }
        let mut names: Vec<String> = Vec::new();
        for stage in stages {
            of_stage(stage, &mut names);
        }
        if let Some(unwrap) = unwrap {
            let mut of_filters = Vec::new();
            unwrap.filters.iter().for_each(|filter| filter.names(&mut of_filters));
            names.extend(of_filters.into_iter().map(str::to_owned));
            names.push(unwrap.label.to_string());
        }
        names.extend(by.into_iter().flat_map(|by| &by.labels).map(ToString::to_string));
        let mut required: Vec<Box<str>> = Vec::new();
        for name in &names {
            // A parser does not know yet whether its label will be called otherwise.
            let short = name.strip_suffix("_extracted");
            required.extend([Some(name.as_str()), short].into_iter().flatten().map(Into::into));
        }
        required.sort_unstable();
        required.dedup();
        Self { none: required.is_empty(), required }
    }

    /// Whether a parser has nothing to look for.
    pub(super) fn satisfied(&self, labels: &LineLabels) -> bool {
        self.none
            || (!self.required.is_empty()
                && labels.parsed_count() >= self.required.len()
                && self.required.iter().all(|name| labels.has_parsed(name)))
    }

    /// Whether a label is needed.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.required.is_empty() || self.required.iter().any(|required| **required == *name)
    }

    /// Whether a label is needed whose name begins so.
    pub(super) fn wants_prefix(&self, prefix: &str) -> bool {
        self.required.is_empty() || self.required.iter().any(|required| required.starts_with(prefix))
    }

    /// Whether lines with an error are asked for.
    pub(super) fn keeps_errors(&self) -> bool {
        self.required.iter().any(|required| **required == *ERROR)
    }
}

/// The labels that a stage reads.
fn of_stage(stage: &Stage, names: &mut Vec<String>) {
    let of_template = |template: &str, names: &mut Vec<String>| {
        if let Ok(template) = Template::parse(template) {
            let mut found = Vec::new();
            template.labels(&mut found);
            names.extend(found.into_iter().map(str::to_owned));
        }
    };
    match stage {
        Stage::LineFormat(template) => of_template(template, names),
        Stage::LabelFormat(formats) => {
            for format in formats {
                match format {
                    LabelFormat::Template { template, .. } => of_template(template, names),
                    LabelFormat::Rename { from, .. } => names.push(from.to_string()),
                }
            }
        }
        Stage::LabelFilter(filter) => {
            let mut found = Vec::new();
            filter.names(&mut found);
            names.extend(found.into_iter().map(str::to_owned));
        }
        _ => {}
    }
}
