//! Which labels a series may have.

use weir_signal::{Labels, LabelsBuilder, METRIC_NAME, Reason, Refusal};

use crate::Limits;

/// The labels in `builder` as those of a series: with a metric name, no name twice or empty, within the limits. Any UTF-8
/// is a name, as in Prometheus 3; order does not matter, and a label with an empty value is one that is not there.
///
/// # Errors
/// [`Reason::Labels`] or [`Reason::TooLarge`]; the series is refused then.
pub fn series_labels(builder: &mut LabelsBuilder, limits: &Limits) -> Result<Labels, Refusal> {
    let labels = labels(builder, limits)?;
    if labels.name().is_none() {
        return Err(Refusal::new(
            Reason::Labels,
            format!("the series {labels} has no metric name; give it the label `{METRIC_NAME}`"),
        ));
    }
    Ok(labels)
}

/// The labels in `builder`, no name twice or empty, within the limits.
pub(crate) fn labels(builder: &mut LabelsBuilder, limits: &Limits) -> Result<Labels, Refusal> {
    let too_large = |message| Refusal::new(Reason::TooLarge, message);
    let mut count = 0;
    for (name, value) in builder.iter() {
        count += 1;
        if name.len() > limits.label_name_bytes {
            return Err(too_large(format!(
                "the label name `{}…` is longer than {} bytes; shorten it or raise the limit",
                beginning(name),
                limits.label_name_bytes
            )));
        }
        if value.len() > limits.label_value_bytes {
            return Err(too_large(format!(
                "the value of label `{name}` has {} bytes, more than {}; shorten it or raise the limit",
                value.len(),
                limits.label_value_bytes
            )));
        }
    }
    if count > limits.labels {
        return Err(too_many_labels(limits));
    }
    builder
        .build()
        .map_err(|error| Refusal::new(Reason::Labels, format!("{error}; send each label once, with a name")))
}

/// The refusal of more labels than allowed.
pub(crate) fn too_many_labels(limits: &Limits) -> Refusal {
    let message = format!("more than {} labels; drop some before sending or raise the limit", limits.labels);
    Refusal::new(Reason::TooLarge, message)
}

/// As much of a text as fits into a message.
pub(crate) fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}
